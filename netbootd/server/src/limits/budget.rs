//! Bytes that may be held at a time, shared by all who hold some.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes that are held.
#[derive(Debug, Default)]
pub struct Budget(AtomicU64);

/// Some of them. Dropping it gives them back.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    /// So many bytes, or what is left of `limit`, but never fewer than `least`.
    pub fn reserve(self: &Arc<Self>, wanted: u64, least: u64, limit: u64) -> Share {
        let fitting = |held: u64| wanted.min(limit.saturating_sub(held)).max(least);
        let mut held = self.0.load(Ordering::Relaxed);
        loop {
            let bytes = fitting(held);
            match self.0.compare_exchange_weak(held, held + bytes, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Share { budget: Arc::clone(self), bytes },
                Err(now) => held = now,
            }
        }
    }

    /// How many are held.
    pub fn held(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Share {
    /// How many these are.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_late_gets_what_is_left_and_at_least_a_little() {
        let budget = Arc::new(Budget::default());
        let first = budget.reserve(700, 10, 1000);
        let second = budget.reserve(700, 10, 1000);
        let third = budget.reserve(700, 10, 1000);
        assert_eq!((first.bytes(), second.bytes(), third.bytes()), (700, 300, 10));
        drop(first);
        assert_eq!(budget.held(), 310);
        assert_eq!(budget.reserve(700, 10, 1000).bytes(), 690);
        drop((second, third));
        assert_eq!(budget.held(), 0);
    }
}
