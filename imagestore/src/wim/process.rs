//! One reader at work: its request, its answer, and what it says at its end.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command as Program, Stdio};

use wim_protocol::{Command, ProtocolError, ReaderLimits, Request};

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

use super::{Part, WimError, listing, refused};
use crate::platform::widen_pipe;

/// A reader that has its request; what is read from it is its answer. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Reader {
    child: Child,
    answer: Option<BufReader<ChildStdout>>,
}

impl Reader {
    pub(super) fn start(
        program: &Path,
        parts: &[Part],
        limits: ReaderLimits,
        command: Command,
        to: Option<File>,
    ) -> io::Result<Self> {
        let mut process = Program::new(program);
        // Keys of object storage come in the environment.
        process.env_clear().envs(platform::environment());
        process.stdout(Stdio::piped()).stderr(Stdio::piped());
        let request = Request { parts: platform::names(parts), limits, command };
        let (mut child, channel) = platform::spawn(process)?;
        let answer = child.stdout.take().map(|stdout| {
            widen_pipe(&stdout);
            BufReader::with_capacity(BUFFER, stdout)
        });
        let reader = Reader { child, answer };
        match platform::hand_over(channel, parts, to, &request.encode()) {
            // It has ended already, and its words say why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(reader),
            handed => handed.map(|()| reader),
        }
    }

    #[cfg(unix)] // on Windows the pipe's end says so
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for it, after its whole answer or in the middle of it.
    pub(super) fn end(mut self, path: &Path) -> Result<(), WimError> {
        self.wait(path)
    }

    /// Why its answer is not what it should be: by its own words, if it has failed, or else by what
    /// was wrong.
    pub(super) fn explain(mut self, path: &Path, error: &ProtocolError) -> WimError {
        if !matches!(error, ProtocolError::Truncated { .. }) {
            // It does not do what it should, so it is not waited for.
            let _ = self.child.kill();
        }
        let answer = format!("{}: {error}", super::program::NAME);
        match (self.wait(path), error) {
            (Err(failed), ProtocolError::Truncated { .. }) => failed,
            _ => refused(path, &answer),
        }
    }

    fn wait(&mut self, path: &Path) -> Result<(), WimError> {
        // Closing its output ends a reader that still writes.
        drop(self.answer.take());
        let mut words = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            // Its words are for a message; losing them loses no data.
            let _ = stderr.take(MAX_WORDS).read_to_end(&mut words);
        }
        let status = self.child.wait().map_err(|error| refused(path, &error.to_string()))?;
        if status.success() {
            return Ok(());
        }
        let complaint = listing::complaint(&words);
        let complaint = complaint.unwrap_or_else(|| format!("{} ended with {status}", super::program::NAME));
        Err(refused(path, &complaint))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// Reads the reader's answer from its pipe.
impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.answer.as_mut().map_or(Ok(0), |answer| answer.read(buf))
    }
}

const BUFFER: usize = 64 << 10;
const MAX_WORDS: u64 = 64 << 10;
