//! How long single transfers took, in a second table: the middle one, the slow ones, the slowest,
//! and what came again.

use std::time::Duration;

/// The lines above the rows.
pub const HEAD: &str = "| load | server | transfers | p50 ms | p95 ms | max ms | datagrams that came again |\n| --- | --- | --- | --- | --- | --- | --- |\n";

/// The transfers of one server in one row, of all rounds.
#[derive(Debug, Clone, Default)]
pub struct Spread {
    took: Vec<Duration>,
    again: u64,
}

impl Spread {
    /// Adds the times of one round.
    pub fn add(&mut self, took: &[Duration], again: u64) {
        self.took.extend(took);
        self.took.sort_unstable();
        self.again += again;
    }

    /// The server's line of the table.
    pub fn line(&self, row: &str, server: &str) -> String {
        let ms = |part| self.at(part).as_secs_f64() * 1e3;
        format!(
            "| {row} | {server} | {} | {:.1} | {:.1} | {:.1} | {} |\n",
            self.took.len(),
            ms(0.5),
            ms(0.95),
            ms(1.0),
            self.again
        )
    }

    /// The time within which this part of them was over (nearest rank).
    fn at(&self, part: f64) -> Duration {
        let rank = (part * self.took.len() as f64).ceil() as usize;
        self.took.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_all_transfers_is_within_its_time() {
        let mut spread = Spread::default();
        spread.add(&[3, 1, 2].map(Duration::from_millis), 4);
        spread.add(&[Duration::from_millis(9)], 1);
        assert_eq!(spread.line("row", "server"), "| row | server | 4 | 2.0 | 9.0 | 9.0 | 5 |\n");
        assert_eq!(Spread::default().line("row", "server"), "| row | server | 0 | 0.0 | 0.0 | 0.0 | 0 |\n");
    }
}
