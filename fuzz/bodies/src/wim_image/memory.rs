//! The bytes that wimlib may allocate for one image, by the limit of the program's address space: a
//! folder that holds itself twice unfolds for as long as there is memory.
//!
//! Unsafe code for one reason: the library takes its allocator as C functions.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::libc;

/// Bounds it from now on, before anything is allocated.
pub(crate) fn bound() {
    // SAFETY: three functions that do as malloc, free and realloc do.
    let set = unsafe { wimlib_sys::wimlib_set_memory_allocator(Some(allocate), Some(release), Some(resize)) };
    assert_eq!(set, 0);
}

/// Gives the next image its own.
pub(crate) fn begin() {
    USED.store(0, Ordering::Relaxed);
}

unsafe extern "C" fn allocate(size: usize) -> *mut c_void {
    if size > MOST || USED.fetch_add(size, Ordering::Relaxed) > MOST {
        return ptr::null_mut();
    }
    // SAFETY: it takes any size.
    unsafe { libc::malloc(size) }
}

unsafe extern "C" fn release(memory: *mut c_void) {
    // SAFETY: null, or what `allocate` or `resize` gave.
    unsafe { libc::free(memory) }
}

unsafe extern "C" fn resize(memory: *mut c_void, size: usize) -> *mut c_void {
    if size > MOST || USED.fetch_add(size, Ordering::Relaxed) > MOST {
        return ptr::null_mut();
    }
    // SAFETY: null, or what `allocate` or this gave.
    unsafe { libc::realloc(memory, size) }
}

/// Allocated in all, whatever was given back: bytes.
static USED: AtomicUsize = AtomicUsize::new(0);
const MOST: usize = 16 << 20;
