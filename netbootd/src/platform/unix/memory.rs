//! Memory that the allocator holds and nothing uses.

/// Returns freed memory to the system. glibc keeps it otherwise when it lies between blocks that
/// are in use.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)] // no crate offers the call
pub(crate) fn release_free_memory() {
    // SAFETY: the function takes the allocator's own locks and touches free memory only.
    unsafe { nix::libc::malloc_trim(0) };
}

/// Other allocators return memory by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn release_free_memory() {}
