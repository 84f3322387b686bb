//! The retransmission timer (RFC 6298). By hand: crates for it read the clock themselves.

use std::time::Duration;

/// How long to wait for an acknowledgement before sending again.
#[derive(Debug, Clone)]
pub(crate) struct RetransmissionTimer {
    smoothed: Option<(Duration, Duration)>,
    backoff: u32,
    initial: Duration,
    floor: Duration,
    ceiling: Duration,
}

impl RetransmissionTimer {
    /// The server's. `asked` is the client's own retransmission time, which bounds ours from above.
    pub(crate) fn of_server(asked: Option<Duration>) -> Self {
        RetransmissionTimer {
            smoothed: None,
            backoff: 0,
            initial: INITIAL,
            floor: FLOOR,
            ceiling: asked.unwrap_or(CEILING).clamp(FLOOR, CEILING),
        }
    }

    /// A client's, who leaves the haste to the server.
    pub(crate) fn of_client() -> Self {
        RetransmissionTimer {
            smoothed: None,
            backoff: 0,
            initial: CLIENT_FLOOR,
            floor: CLIENT_FLOOR,
            ceiling: CEILING,
        }
    }

    /// A round trip that was measured on something sent once only (Karn's rule is the caller's).
    pub(crate) fn measured(&mut self, sample: Duration) {
        self.smoothed = Some(match self.smoothed {
            None => (sample, sample / 2),
            Some((smoothed, variance)) => {
                let deviation = smoothed.abs_diff(sample);
                ((smoothed * 7 + sample) / 8, (variance * 3 + deviation) / 4)
            }
        });
        self.backoff = 0;
    }

    /// The peer went on: the next wait is not a repeated one.
    pub(crate) fn progressed(&mut self) {
        self.backoff = 0;
    }

    /// Nothing came in time: the next wait is twice as long.
    pub(crate) fn expired(&mut self) {
        self.backoff = (self.backoff + 1).min(MAX_BACKOFF);
    }

    /// The wait from now on.
    pub(crate) fn wait(&self) -> Duration {
        let base = match self.smoothed {
            Some((smoothed, variance)) => (smoothed + variance * 4).max(self.floor),
            None => self.initial,
        };
        (base.min(self.ceiling) * (1 << self.backoff)).min(CEILING)
    }

    /// The smoothed round trip, once one was measured.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.smoothed.map(|(smoothed, _)| smoothed)
    }
}

/// RFC 6298 §2.1 has a second, for the whole Internet. Machines boot from their own site, and one
/// answer too many does no harm.
const INITIAL: Duration = Duration::from_millis(250);
/// TFTP's clients acknowledge at once, so the floor need not wait for delayed acknowledgements as
/// TCP's 200 ms do. Firmware that takes longer over a block gets a window twice, and the doubling
/// wait keeps that rare.
const FLOOR: Duration = Duration::from_millis(25);
/// The shortest retransmission time of firmware.
const CLIENT_FLOOR: Duration = Duration::from_secs(1);
/// A machine that boots is not kept waiting longer than this for a lost packet.
const CEILING: Duration = Duration::from_secs(8);
const MAX_BACKOFF: u32 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_the_round_trip_and_doubles_when_nothing_comes() {
        let mut timer = RetransmissionTimer::of_server(None);
        assert_eq!(timer.wait(), INITIAL);
        timer.measured(Duration::from_millis(100));
        assert_eq!(timer.wait(), Duration::from_millis(300));
        timer.expired();
        timer.expired();
        assert_eq!(timer.wait(), Duration::from_millis(1200));
        timer.progressed();
        for _ in 0..100 {
            timer.measured(Duration::from_micros(50));
        }
        assert_eq!(timer.wait(), FLOOR);
        for _ in 0..50 {
            timer.expired();
        }
        assert_eq!(timer.wait(), CEILING);
    }

    #[test]
    fn a_client_waits_a_second_however_short_the_round_trip_is() {
        let mut timer = RetransmissionTimer::of_client();
        assert_eq!(timer.wait(), CLIENT_FLOOR);
        timer.measured(Duration::from_micros(50));
        assert_eq!(timer.wait(), CLIENT_FLOOR);
    }

    #[test]
    fn the_clients_own_time_bounds_the_wait() {
        let mut timer = RetransmissionTimer::of_server(Some(Duration::from_secs(1)));
        timer.measured(Duration::from_secs(3));
        assert_eq!(timer.wait(), Duration::from_secs(1));
    }
}
