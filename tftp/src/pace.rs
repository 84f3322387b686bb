//! How much of a window leaves at once.
//!
//! A window is one burst, which is what a network with room wants. Where something on the way is
//! too small for it — a switch's buffer, the receive ring of firmware — the end of every burst is
//! lost, and sending the same burst again stalls for ever. So a window that lost something is
//! halved into smaller bursts with a pause between them, and windows that came whole double them
//! again.

use std::time::Duration;

/// The size of bursts, learnt from what came of the last ones.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    burst: u16,
    clean: u8,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { burst: u16::MAX, clean: 0 }
    }
}

impl Pace {
    /// Between two bursts of a window.
    pub(crate) const GAP: Duration = Duration::from_millis(1);

    /// Blocks that leave at once, at most.
    pub(crate) fn burst(&self) -> u16 {
        self.burst
    }

    /// A window of so many blocks lost something.
    pub(crate) fn lost(&mut self, window: u16) {
        self.burst = (self.burst.min(window) / 2).max(SMALLEST_BURST);
        self.clean = 0;
    }

    /// A window came whole.
    pub(crate) fn clean(&mut self) {
        self.clean += 1;
        if self.clean == CLEAN_WINDOWS {
            self.burst = self.burst.saturating_mul(2);
            self.clean = 0;
        }
    }
}

/// Every buffer on the way holds as many: 24 kB in usual blocks.
const SMALLEST_BURST: u16 = 16;
/// Windows without a loss before bursts grow.
const CLEAN_WINDOWS: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_halve_the_burst_and_clean_windows_double_it() {
        let mut pace = Pace::default();
        pace.lost(64);
        assert_eq!(pace.burst(), 32);
        for _ in 0..3 {
            pace.lost(64);
        }
        assert_eq!(pace.burst(), SMALLEST_BURST);
        for _ in 0..8 {
            pace.clean();
        }
        assert_eq!(pace.burst(), 32);
        for _ in 0..1000 {
            pace.clean();
        }
        assert_eq!(pace.burst(), u16::MAX);
    }
}
