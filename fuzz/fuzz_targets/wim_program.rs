#![no_main]

//! The program runs in a process of its own; its counters of reached code come back through memory
//! that both processes share, as libFuzzer's extra counters.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr;
use std::sync::Once;

use fuzz_bodies::{Observer, wim_program_observed};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static ONCE: Once = Once::new();
    ONCE.call_once(share);
    wim_program_observed(bytes, &Observer { begin: clear, end: publish });
});

/// Puts shared memory in the place of the extra counters, before the first process starts.
fn share() {
    let place = NonZeroUsize::new((&raw const EXTRA).addr());
    let size = NonZeroUsize::new(size_of::<Extra>()).expect("it has a size");
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: whole pages that are nobody else's, and hold zeros.
    let mapped = unsafe { mmap_anonymous(place, size, access, MapFlags::MAP_SHARED | MapFlags::MAP_FIXED) };
    mapped.expect("memory has room");
}

fn clear() {
    let (counters, length) = counters();
    // SAFETY: this process's counters, and no other thread runs.
    unsafe { ptr::write_bytes(counters, 0, length) };
}

fn publish() {
    let (counters, length) = counters();
    // SAFETY: as above; the two do not overlap, and both have `length` bytes.
    unsafe { ptr::copy_nonoverlapping(counters, (&raw mut EXTRA).cast(), length) };
}

/// Where the compiler's counters begin, and how many of them there are, as far as there is room.
fn counters() -> (*mut u8, usize) {
    unsafe extern "C" {
        #[link_name = "__start___sancov_cntrs"]
        static START: c_void;
        #[link_name = "__stop___sancov_cntrs"]
        static STOP: c_void;
    }
    let (start, stop) = (&raw const START, &raw const STOP);
    (start.cast_mut().cast(), (stop.addr() - start.addr()).min(size_of::<Extra>()))
}

#[repr(C, align(4096))]
struct Extra([u8; 64 << 10]);

#[unsafe(link_section = "__libfuzzer_extra_counters")]
static mut EXTRA: Extra = Extra([0; 64 << 10]);
