//! Whether the listeners live: each answers, out of its own loop, when it is asked.
//!
//! A listener that hangs in one packet, whose task broke, or whose thread has ended does not
//! answer.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// All that are asked.
#[derive(Debug, Default)]
pub struct Heartbeat(Mutex<Vec<Arc<Asked>>>);

/// The handle by which a listener's loop answers.
#[derive(Debug)]
pub struct Pulse(Arc<Asked>);

#[derive(Debug)]
struct Asked {
    name: String,
    question: Notify,
    answered: AtomicBool,
}

impl Heartbeat {
    /// A pulse for a listener, which will be asked from now on.
    pub fn pulse(&self, name: impl Into<String>) -> Pulse {
        let asked =
            Arc::new(Asked { name: name.into(), question: Notify::new(), answered: AtomicBool::new(true) });
        self.0.lock().push(Arc::clone(&asked));
        Pulse(asked)
    }

    /// Asks everybody; gives the names of those that have not answered the question before.
    pub fn ask(&self) -> Vec<String> {
        let all = self.0.lock();
        let mut silent = Vec::new();
        for asked in all.iter() {
            if !asked.answered.swap(false, Ordering::Relaxed) {
                silent.push(asked.name.clone());
            }
            asked.question.notify_one();
        }
        silent
    }
}

impl Pulse {
    /// Waits for something, and answers meanwhile. A loop that has always something to do answers
    /// as well.
    pub async fn during<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        loop {
            tokio::select! {
                biased;
                () = self.0.question.notified() => self.0.answered.store(true, Ordering::Relaxed),
                got = &mut wait => return got,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn who_waits_answers_and_who_hangs_does_not() {
        let heartbeat = Heartbeat::default();
        let (waiting, hanging) = (heartbeat.pulse("waiting"), heartbeat.pulse("hanging"));
        let loops = tokio::spawn(async move { waiting.during(pending::<()>()).await });
        assert_eq!(heartbeat.ask(), Vec::<String>::new(), "nobody was asked before");
        tokio::task::yield_now().await;
        assert_eq!(heartbeat.ask(), ["hanging"]);
        hanging.during(ready(())).await;
        tokio::task::yield_now().await;
        assert_eq!(heartbeat.ask(), Vec::<String>::new(), "it goes on");
        loops.abort();
        let _ = loops.await;
        heartbeat.ask();
        assert_eq!(heartbeat.ask(), ["waiting", "hanging"], "its task has ended");
    }

    #[tokio::test]
    async fn who_is_never_idle_answers() {
        let heartbeat = Heartbeat::default();
        let busy = heartbeat.pulse("busy");
        heartbeat.ask();
        assert_eq!(busy.during(ready(7)).await, 7);
        assert_eq!(heartbeat.ask(), Vec::<String>::new());
    }
}
