//! The time that leases go by.

use std::fmt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Seconds;

/// The clock of leases, in seconds since the Unix epoch.
pub struct Clock(Box<dyn Fn() -> Seconds + Send + Sync>);

impl Clock {
    /// Whatever a function says.
    pub fn new(now: impl Fn() -> Seconds + Send + Sync + 'static) -> Self {
        Clock(Box::new(now))
    }

    /// Leases end after a while, not at an hour: when the host's clock is set anew, none ends and
    /// none is kept.
    pub fn steady() -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let started = Instant::now();
        Clock::new(move || at + started.elapsed().as_secs())
    }

    /// The time now, which never goes back.
    pub fn now(&self) -> Seconds {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
