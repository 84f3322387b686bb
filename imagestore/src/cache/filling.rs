//! A blob that still comes in.

use std::error::Error;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use thiserror::Error;

use crate::platform::FileExt;

/// A blob that comes in. Its readers wait for the bytes.
#[derive(Debug)]
pub struct Filling {
    file: File,
    len: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    there: u64,
    ended: Option<Result<(), FillError>>,
}

/// Why no more of a blob comes.
#[derive(Debug, Clone, Error)]
pub enum FillError {
    /// The origin ended early.
    #[error("{there} bytes came of {wanted}")]
    Short {
        /// The bytes that came.
        there: u64,
        /// The blob's size in bytes.
        wanted: u64,
    },
    /// The origin, or the disk here. Many readers share the error.
    #[error(transparent)]
    Failed(Arc<dyn Error + Send + Sync>),
}

impl FillError {
    /// Of an error of the origin.
    pub fn failed(error: impl Error + Send + Sync + 'static) -> Self {
        FillError::Failed(Arc::new(error))
    }
}

impl Filling {
    /// An empty file that will have `len` bytes.
    pub fn new(file: File, len: u64) -> Self {
        Filling { file, len, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// How long it will be, in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it will hold nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether every byte is there.
    pub fn is_whole(&self) -> bool {
        matches!(self.state.lock().ended, Some(Ok(())))
    }

    /// Whether it ended before all had come.
    pub fn has_failed(&self) -> bool {
        matches!(self.state.lock().ended, Some(Err(_)))
    }

    /// Fills `buf` from `offset` once the bytes are there.
    pub(crate) fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let wanted = offset.saturating_add(buf.len() as u64);
        let mut state = self.state.lock();
        loop {
            match &state.ended {
                Some(Err(error)) => return Err(io::Error::other(error.clone())),
                Some(Ok(())) => break,
                // The last byte waits for the digest.
                None if wanted <= state.there && wanted < self.len => break,
                None => {}
            }
            let before = state.there;
            let timed_out = self.changed.wait_for(&mut state, PATIENCE).timed_out();
            if timed_out && state.there == before && state.ended.is_none() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        drop(state);
        self.file.read_exact_at(buf, offset)
    }

    /// The next bytes have come. More than it should have is an error.
    pub fn put(&self, bytes: &[u8]) -> io::Result<()> {
        let there = self.state.lock().there;
        if there + bytes.len() as u64 > self.len {
            return Err(io::Error::other("the origin sends more than it should"));
        }
        self.file.write_all_at(bytes, there)?;
        self.state.lock().there += bytes.len() as u64;
        self.changed.notify_all();
        Ok(())
    }

    /// All bytes have arrived, or the transfer failed. Readers get the last byte only then.
    pub fn end(&self, result: Result<(), FillError>) {
        self.state.lock().ended = Some(result);
        self.changed.notify_all();
    }
}

/// Nothing of a blob has come for this long: the origin is gone.
const PATIENCE: Duration = Duration::from_secs(60);
