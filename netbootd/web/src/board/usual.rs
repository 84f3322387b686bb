//! How long the pauses of a boot usually are, learned from boots that went through.

use std::collections::{HashMap, VecDeque};

/// Pauses by firmware and by what ends them.
#[derive(Debug, Default)]
pub(crate) struct Usual {
    pauses: HashMap<(String, &'static str), VecDeque<f32>>,
}

impl Usual {
    /// Adds the pauses of one boot, in seconds.
    pub(super) fn learn(&mut self, arch: &str, pauses: impl IntoIterator<Item = (&'static str, f64)>) {
        for (what, seconds) in pauses {
            let key = (arch.to_owned(), what);
            if self.pauses.len() >= MOST_KINDS && !self.pauses.contains_key(&key) {
                continue;
            }
            let known = self.pauses.entry(key).or_default();
            if known.len() >= KEPT {
                known.pop_front();
            }
            known.push_back(seconds as f32);
        }
    }

    /// The middle one of the last pauses of a kind, once there are enough.
    pub(super) fn pause(&self, arch: &str, what: &'static str) -> Option<f64> {
        let known = self.pauses.get(&(arch.to_owned(), what)).filter(|known| known.len() >= ENOUGH)?;
        let mut sorted: Vec<f32> = known.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        sorted.get(sorted.len() / 2).map(|middle| f64::from(*middle))
    }
}

/// Pauses of a kind that are kept.
const KEPT: usize = 32;
/// Fewer pauses say nothing about what is usual.
const ENOUGH: usize = 3;
/// Kinds of pauses: firmware says what it is, and may say anything.
const MOST_KINDS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_last_pauses_is_usual_and_strangers_stay_bounded() {
        let mut usual = Usual::default();
        usual.learn("x64-uefi", [("a request", 0.4), ("a request", 90.0)]);
        assert_eq!(usual.pause("x64-uefi", "a request"), None);
        usual.learn("x64-uefi", [("a request", 0.5)]);
        assert_eq!(usual.pause("x64-uefi", "a request"), Some(0.5));
        for n in 0..10_000 {
            usual.learn(&n.to_string(), [("a request", 1.0)]);
        }
        assert!(usual.pauses.len() <= MOST_KINDS);
    }
}
