//! How far the last request of one connection has come.

use std::sync::Arc;

use parking_lot::Mutex;

/// Whether a request is being answered, and whether the reader waits.
#[derive(Default)]
pub(super) struct Exchange(Mutex<State>);

#[derive(Default)]
struct State {
    phase: Phase,
    /// The reader waits for the client.
    starved: bool,
}

/// How far the last request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// There is none, or the answer to it has left.
    #[default]
    Silent,
    /// hyper has not had all of the answer yet.
    Answering,
    /// hyper has it, and sends it.
    Flushing,
}

/// Held while a request is answered, until hyper has all of the answer.
pub(super) struct Answering(Arc<Exchange>);

impl Exchange {
    /// A request has come.
    pub(super) fn answers(self: &Arc<Self>) -> Answering {
        self.0.lock().phase = Phase::Answering;
        Answering(Arc::clone(self))
    }

    /// The reader waits for the client, or has got something.
    pub(super) fn starved(&self, starved: bool) {
        self.0.lock().starved = starved;
    }

    /// Everything that hyper had has left.
    pub(super) fn flushed(&self) {
        let mut state = self.0.lock();
        if state.phase == Phase::Flushing {
            state.phase = Phase::Silent;
        }
    }

    /// Whether nothing is left to be done until the client speaks.
    pub(super) fn is_silent(&self) -> bool {
        let state = self.0.lock();
        state.phase == Phase::Silent && state.starved
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.lock().phase = Phase::Flushing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_silent_once_the_answer_has_left_and_the_reader_waits() {
        let exchange = Arc::new(Exchange::default());
        exchange.starved(true);
        assert!(exchange.is_silent());
        let answering = exchange.answers();
        exchange.flushed();
        assert!(!exchange.is_silent(), "a body that waits for its file has not ended");
        drop(answering);
        assert!(!exchange.is_silent(), "the answer is still in hyper's buffers");
        exchange.flushed();
        assert!(exchange.is_silent());
        exchange.starved(false);
        assert!(!exchange.is_silent(), "more has come");
    }
}
