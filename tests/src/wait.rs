//! Waiting for a condition, with an end; and the time that a simulated peer takes. Nothing else in
//! the tests sleeps.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Asks every few milliseconds until there is an answer, and returns it.
///
/// # Panics
/// With `why` when the patience is over.
pub fn for_some<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>, why: impl Fn() -> String) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{}", why());
        thread::sleep(PAUSE);
    }
}

/// Asks every few milliseconds until the condition holds.
///
/// # Panics
/// With `why` when the patience is over.
pub fn until(patience: Duration, mut holds: impl FnMut() -> bool, why: impl Fn() -> String) {
    for_some(patience, || holds().then_some(()), why);
}

/// Waits until the wall clock shows another second.
pub fn for_the_next_second() {
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).ok();
    let before = second();
    until(Duration::from_secs(2), || second() != before, || "the clock stands still".into());
}

/// Lets time pass that belongs to what a test simulates: a link's rate, the pause between two
/// packets, the instant of a power loss. Never a wait for netbootd: that is [`until`].
pub fn pass(time: Duration) {
    thread::sleep(time);
}

/// The time between two questions.
const PAUSE: Duration = Duration::from_millis(20);
