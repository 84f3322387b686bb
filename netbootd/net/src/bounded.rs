//! Tables of what strangers send: bounded, and no larger than what is in them.

use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;

/// An empty table of at most `most` entries, which takes no memory before it is used.
pub fn lru<K: Hash + Eq, V>(most: NonZeroUsize) -> LruCache<K, V> {
    let mut table = LruCache::unbounded();
    table.resize(most);
    table
}

/// Returns the memory of entries that are gone, when half or more of `before` are.
pub fn release<K: Hash + Eq, V>(table: &mut LruCache<K, V>, before: usize) {
    if before > 0 && table.len() <= before / 2 {
        let most = table.cap();
        // The crate shrinks the table only when the bound changes.
        table.resize(NonZeroUsize::MAX);
        table.resize(most);
    }
}
