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

/// Pages that were free for a second (`dirty_decay_ms`) go back at once and whole
/// (`muzzy_decay_ms`), by a thread that the daemon starts in its sandbox; two arenas keep blocks
/// close together.
// SAFETY: jemalloc declares it as a pointer to characters that end with a zero.
#[unsafe(export_name = "_rjem_malloc_conf")]
static OPTIONS: &[u8; 47] = b"dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:2\0";
