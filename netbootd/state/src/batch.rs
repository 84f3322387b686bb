//! A thread that writes to the disk for many: whatever waits for it at a time shares one flush, so
//! a building that switches on does not wait for a thousand of them. Dropping the handle writes
//! what waits and ends the thread.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

/// The thread's handle. `T` is one change.
pub struct Batcher<T> {
    queue: Mutex<Option<mpsc::Sender<Waiting<T>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A change that waits for the disk.
struct Waiting<T> {
    change: T,
    done: oneshot::Sender<bool>,
}

impl<T: Send + 'static> Batcher<T> {
    /// Starts the thread. `save` gets the changes in the order of the calls, at most [`MOST`] at a
    /// time, and says whether all of them are on the disk.
    pub fn start(name: &str, mut save: impl FnMut(Vec<T>) -> bool + Send + 'static) -> io::Result<Self> {
        let (queue, mut inbox) = mpsc::channel(MOST);
        let work = move || {
            let mut batch = Vec::new();
            while inbox.blocking_recv_many(&mut batch, MOST) > 0 {
                let begun = Instant::now();
                let waiting = batch.drain(..).map(|Waiting { change, done }| (change, done));
                let (changes, waiting): (Vec<T>, Vec<_>) = waiting.unzip();
                let saved = save(changes);
                for done in waiting {
                    // A caller that no longer waits has got no answer, which is safe.
                    let _ = done.send(saved);
                }
                // Changes that come meanwhile share the next flush: on a fast disk a flush costs
                // more than its bytes.
                thread::sleep(REST.saturating_sub(begun.elapsed()));
            }
        };
        let thread = thread::Builder::new().name(name.into()).spawn(work)?;
        Ok(Batcher { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    /// Makes a change; true once it is on the disk.
    pub async fn save(&self, change: T) -> bool {
        let (done, saved) = oneshot::channel();
        let queue = self.queue.lock().clone();
        let Some(queue) = queue else { return false };
        queue.send(Waiting { change, done }).await.is_ok() && saved.await.unwrap_or(false)
    }
}

impl<T> Drop for Batcher<T> {
    fn drop(&mut self) {
        drop(self.queue.get_mut().take());
        if let Some(thread) = self.thread.get_mut().take() {
            let _ = thread.join(); // a panic there has been told already
        }
    }
}

impl<T> std::fmt::Debug for Batcher<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Batcher")
    }
}

/// From one flush to the next, at least: less than anybody notices.
const REST: Duration = Duration::from_millis(1);
/// Changes that wait for the disk; more wait in their tasks.
pub const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn what_comes_while_the_disk_is_busy_shares_the_next_flush() {
        let (begun, begins) = channel();
        let (end, ends) = channel();
        let batcher = Batcher::start("test", move |changes: Vec<u32>| {
            begun.send(changes.len()).unwrap();
            ends.recv().unwrap()
        });
        let batcher = Arc::new(batcher.unwrap());
        let save = |n| {
            let batcher = Arc::clone(&batcher);
            tokio::spawn(async move { batcher.save(n).await })
        };
        let first = save(0);
        tokio::task::yield_now().await;
        assert_eq!(begins.recv().unwrap(), 1);
        let others: Vec<_> = (1..10).map(save).collect();
        tokio::task::yield_now().await;
        end.send(true).unwrap();
        assert!(first.await.unwrap());
        assert_eq!(begins.recv().unwrap(), 9);
        end.send(false).unwrap();
        for other in others {
            assert!(!other.await.unwrap(), "nobody is told that it is on the disk");
        }
    }
}
