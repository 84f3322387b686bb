//! The thread that appends lines to the newest file. Dropping the handle writes what waits and ends
//! the thread.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::segments::Segments;
use super::{Lines, day, oldest_day};

/// The handle to the journal's thread.
#[derive(Debug)]
pub(super) struct Journal {
    queue: Mutex<Option<SyncSender<Work>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Work {
    Append(Lines),
    /// Says when everything before it is on the disk.
    Flush(Sender<()>),
}

impl Journal {
    pub(super) fn start(segments: Segments) -> io::Result<Self> {
        let (queue, work) = sync_channel(MOST_WAITING);
        let lost = Arc::<AtomicU64>::default();
        let mut file =
            Appended { segments, open: None, unsynced: false, synced: Instant::now(), broken: false };
        let counted = Arc::clone(&lost);
        let thread =
            thread::Builder::new().name("history".into()).spawn(move || file.run(&work, &counted))?;
        Ok(Journal { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)), lost })
    }

    /// False when too much waits already.
    pub(super) fn append(&self, lines: Lines) -> bool {
        self.sender().is_some_and(|queue| queue.try_send(Work::Append(lines)).is_ok())
    }

    pub(super) fn flush(&self) {
        let (done, flushed) = channel();
        if let Some(queue) = self.sender()
            && queue.send(Work::Flush(done)).is_ok()
        {
            let _ = flushed.recv(); // a thread that has ended has written what it could
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn sender(&self) -> Option<SyncSender<Work>> {
        self.queue.lock().clone()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.queue.get_mut().take());
        if let Some(thread) = self.thread.get_mut().take() {
            let _ = thread.join(); // a panic there has been reported already
        }
    }
}

/// The newest file, and what it lacks.
struct Appended {
    segments: Segments,
    open: Option<Open>,
    unsynced: bool,
    synced: Instant,
    /// The last write failed, maybe half-way through a line.
    broken: bool,
}

struct Open {
    file: File,
    day: u64,
    number: u64,
    length: u64,
}

impl Appended {
    fn run(&mut self, work: &Receiver<Work>, lost: &AtomicU64) {
        loop {
            match work.recv_timeout(SYNC_EVERY) {
                Ok(Work::Append(lines)) => {
                    if let Err(error) = self.append(&lines, SystemTime::now()) {
                        lost.fetch_add(lines.count, Ordering::Relaxed);
                        if !std::mem::replace(&mut self.broken, true) {
                            tracing::error!(%error, "steps of machines are not saved");
                        }
                        self.open = None;
                    }
                }
                Ok(Work::Flush(done)) => {
                    self.sync();
                    let _ = done.send(()); // nobody waits for it any more otherwise
                }
                Err(RecvTimeoutError::Timeout) => self.sync(),
                Err(RecvTimeoutError::Disconnected) => return self.sync(),
            }
        }
    }

    fn append(&mut self, lines: &Lines, now: SystemTime) -> io::Result<()> {
        let day = day(now);
        if self.open.as_ref().is_some_and(|open| open.day != day || open.length >= self.segments.size) {
            self.sync();
            self.open = None;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let next = self.next(day, now)?;
                self.open.insert(next)
            }
        };
        open.file.write_all(lines.text.as_bytes())?;
        open.length += lines.text.len() as u64;
        self.unsynced = true;
        self.broken = false;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync();
        }
        Ok(())
    }

    /// Goes on with the newest file of the day if it has room, and makes another one otherwise.
    /// Removes what is too old or too much.
    fn next(&self, day: u64, now: SystemTime) -> io::Result<Open> {
        self.segments.prune(oldest_day(now))?;
        let newest = self.segments.since(day)?.into_iter().rfind(|segment| segment.day == day);
        let mut number = newest.map_or(1, |segment| segment.number.max(1));
        loop {
            let path: PathBuf = self.segments.path(day, number);
            let mut file = self.segments.open(&path)?;
            let mut length = file.metadata()?.len();
            if length >= self.segments.size {
                number += 1;
                continue;
            }
            if length > 0 {
                // A line that was cut short before is no part of the next one.
                file.write_all(b"\n")?;
                length += 1;
            }
            return Ok(Open { file, day, number, length });
        }
    }

    fn sync(&mut self) {
        self.synced = Instant::now();
        if std::mem::take(&mut self.unsynced)
            && let Some(open) = &self.open
            && let Err(error) = open.file.sync_data()
        {
            tracing::warn!(%error, number = open.number, "steps of machines may not survive a power cut");
        }
    }
}

/// Pieces of 64 KiB that wait for the disk: some twenty seconds of 5,000 steps a second, in 32 MiB.
const MOST_WAITING: usize = 512;
/// The steps that a power cut may take at most.
const SYNC_EVERY: Duration = Duration::from_secs(2);
