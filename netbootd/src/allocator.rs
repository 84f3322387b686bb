//! The allocator on Linux: jemalloc.
//!
//! A flood's small blocks and the records of machines that boot meanwhile are allocated in turns.
//! glibc puts them into the same pages and cannot return these afterwards: 7 MB stayed after a
//! million forged read requests. jemalloc returned them all.
//!
//! Unsafe code for one reason: jemalloc reads its options from a symbol of this name.
#![allow(unsafe_code)]

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A thread of its own returns pages that were free for a second (`dirty_decay_ms`), at once and
/// whole (`muzzy_decay_ms`); two arenas keep blocks close together.
// SAFETY: jemalloc declares it as a pointer to characters that end with a zero.
#[unsafe(export_name = "_rjem_malloc_conf")]
static OPTIONS: &[u8; 70] = b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:2\0";
