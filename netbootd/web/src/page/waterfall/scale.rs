//! The axis: seconds since the first packet to percent of its length, with long silences folded.

use serde::Serialize;

use super::round;

/// Where a moment lies on the axis.
#[derive(Debug)]
pub(super) struct Scale {
    begin: f64,
    end: f64,
    /// Percent of a second that is not folded.
    slope: f64,
    /// Silences that are folded, in seconds since 1970.
    folds: Vec<(f64, f64)>,
    fold: f64,
}

/// A moment with its label.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Tick {
    pub(super) x: f64,
    word: String,
    /// Whether the label ends at the moment: the last ones would leave the axis.
    end: bool,
}

impl Scale {
    /// `busy` are the times in which something happened.
    pub(super) fn new(begin: f64, end: f64, busy: &[(f64, f64)], is_true: bool) -> Self {
        let whole = (end - begin).max(0.02);
        let mut folds = Vec::new();
        if !is_true {
            let mut busy = busy.to_vec();
            busy.push((end, end));
            busy.sort_by(|one, other| one.0.total_cmp(&other.0));
            let mut until = begin;
            for (from, to) in busy {
                let gap = from - until;
                if gap > WORTH_FOLDING && gap > whole * 0.15 {
                    folds.push((until, from));
                }
                until = until.max(to);
            }
        }
        let folded: f64 = folds.iter().map(|(from, to)| to - from).sum();
        let fold = FOLD.min(60.0 / (folds.len().max(1) as f64));
        let left = 100.0 - fold * folds.len() as f64;
        Scale { begin, end: begin + whole, slope: left / (whole - folded).max(0.02), folds, fold }
    }

    /// The place of a moment in percent.
    pub(super) fn x(&self, at: f64) -> f64 {
        let mut x = 0.0;
        let mut from = self.begin;
        for (begin, end) in &self.folds {
            if at <= *begin {
                break;
            }
            x += (begin - from) * self.slope;
            let part = ((at - begin) / (end - begin)).clamp(0.0, 1.0);
            x += part * self.fold;
            from = *end;
            if at < *end {
                return x.clamp(0.0, 100.0);
            }
        }
        (x + (at - from).max(0.0) * self.slope).clamp(0.0, 100.0)
    }

    /// Where a bar begins and how long it is; one that lasts no time can still be seen.
    pub(super) fn bar(&self, begin: f64, end: f64) -> (f64, f64) {
        let (x, to) = (self.x(begin), self.x(end));
        let width = (to - x).max(LEAST);
        (round(x.min(100.0 - width)), round(width))
    }

    /// Four to eight moments with their labels.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let folded: f64 = self.folds.iter().map(|(from, to)| to - from).sum();
        let step = nice((self.end - self.begin - folded) / 5.0);
        // Where a fold ends is worth a label: the time has jumped there.
        let mut moments: Vec<(f64, bool)> = self.folds.iter().map(|(_, end)| (*end, true)).collect();
        let many = ((self.end - self.begin) / step).floor().min(10_000.0) as u32;
        moments.extend((0..=many).map(|n| (self.begin + f64::from(n) * step, n == 0)));
        moments.retain(|(at, _)| *at < self.end && !self.folds.iter().any(|(from, to)| at > from && at < to));
        moments.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.total_cmp(&other.0)));
        let mut ticks: Vec<Tick> = Vec::new();
        for (at, _) in moments {
            let x = round(self.x(at));
            if ticks.len() < MOST_TICKS && ticks.iter().all(|tick| (tick.x - x).abs() >= APART) {
                ticks.push(Tick { x, word: label(at - self.begin, step), end: x > 94.0 });
            }
        }
        ticks.sort_by(|one, other| one.x.total_cmp(&other.x));
        ticks
    }
}

/// The next larger of 1, 2 and 5 with some zeros.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(0.001).log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step).unwrap_or(10.0);
    factor * power
}

fn label(seconds: f64, step: f64) -> String {
    match seconds {
        s if s < 0.0005 => "0".to_owned(),
        s if s >= 120.0 => format!("{}:{:02} min", (s / 60.0) as u64, (s % 60.0) as u64),
        s if step < 0.01 => format!("{s:.3} s"),
        s if step < 0.1 => format!("{s:.2} s"),
        s if step < 1.0 => format!("{s:.1} s"),
        s => format!("{s:.0} s"),
    }
}

/// Seconds; and 15 % of the whole.
const WORTH_FOLDING: f64 = 3.0;
/// Percent that a folded silence takes.
const FOLD: f64 = 12.0;
/// Percent that a bar takes at least.
const LEAST: f64 = 0.6;
/// Percent between two labels.
const APART: f64 = 13.0;
const MOST_TICKS: usize = 8;
