//! A thread copies what the reader sends: a program of Windows is handed no open file so simply.

use std::fs::File;
use std::io::{self, Read};
use std::marker::PhantomData;
use std::thread::JoinHandle;

use wim_protocol::{Command, Frame, ProtocolError};

use super::super::process::Reader;
use super::super::{ArchiveEntry, Wim, WimError, expect_file, out_of_turn};

/// A file on its way out.
#[derive(Debug)]
pub struct Writing<'a> {
    thread: JoinHandle<Result<(), WimError>>,
    wim: PhantomData<&'a Wim>,
}

pub(in super::super) fn start<'a>(
    wim: &'a Wim,
    entry: &ArchiveEntry,
    mut to: File,
) -> Result<Writing<'a>, WimError> {
    let command = Command::Extract { image: entry.image, paths: vec![entry.exact_path()] };
    let mut reader = wim.start(command, entry.size)?;
    let (size, path) = (entry.size, wim.path().to_owned());
    let thread = std::thread::spawn(move || match copy(&mut reader, &mut to, size) {
        Ok(()) => reader.end(&path),
        Err(error) => Err(reader.explain(&path, &error)),
    });
    Ok(Writing { thread, wim: PhantomData })
}

fn copy(reader: &mut Reader, to: &mut File, size: u64) -> Result<(), ProtocolError> {
    expect_file(reader, size)?;
    io::copy(&mut (&mut *reader).take(size), to)?;
    match Frame::read(reader)? {
        Frame::Done => Ok(()),
        _ => Err(out_of_turn()),
    }
}

impl Writing<'_> {
    /// Whether all of it is there; the result is in [`Writing::finish`].
    pub fn has_ended(&mut self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end.
    pub fn finish(self) -> Result<(), WimError> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
