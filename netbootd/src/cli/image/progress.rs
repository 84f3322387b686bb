//! How a long command goes: a bar on a terminal, now and then a line elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use crate::cli::out::errln;
use imagestore::Observer;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::interrupt::Interrupt;

/// Shows bytes, rate and what remains.
pub(super) struct Progress {
    what: &'static str,
    bar: Option<ProgressBar>,
    total: u64,
    done: u64,
    started: Instant,
    told: Instant,
    interrupt: Interrupt,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = "{prefix}  [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}  {msg}";
            let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style).with_prefix(what)
        });
        Progress { what, bar, total: 0, done: 0, started: now, told: now, interrupt: Interrupt::listen() }
    }

    pub(super) fn done(&self) {
        match &self.bar {
            Some(bar) => bar.finish_and_clear(),
            None => errln!("{}", self.line()),
        }
    }

    fn line(&self) -> String {
        let rate = self.done as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let left = self.total.saturating_sub(self.done) as f64 / rate.max(1.0);
        format!(
            "{}: {} of {}, {}/s, {left:.0} s remain",
            self.what,
            HumanBytes(self.done),
            HumanBytes(self.total),
            HumanBytes(rate as u64)
        )
    }
}

impl Observer for Progress {
    fn is_cancelled(&self) -> bool {
        self.interrupt.is_set()
    }

    fn total(&mut self, bytes: u64) {
        self.total += bytes;
        if let Some(bar) = &self.bar {
            bar.set_length(self.total);
        }
    }

    fn file(&mut self, name: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(name.escape_debug().to_string());
        }
    }

    fn bytes(&mut self, count: u64) {
        self.done += count;
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None if self.told.elapsed() >= LINE_EVERY => {
                self.told = Instant::now();
                errln!("{}", self.line());
            }
            None => {}
        }
    }
}

/// Plain lines fill a log; a bar does not.
const LINE_EVERY: Duration = Duration::from_secs(10);
