//! The fuzzer's side: starts the program, hands it an image, and reads its answer.
//!
//! Unsafe code for one reason: the program is a copy of this process (`fork`), so that the sanitizer
//! and the coverage of the fuzzer are in it.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, dup2_stdin, dup2_stdout, fork, pipe};
use tempfile::NamedTempFile;
use wim_protocol::{Command, ReaderLimits, Request};

use super::{Observer, child};
use crate::wim_image::IN_MEMORY;

/// A process that answers.
#[derive(Debug)]
pub(super) struct Program {
    id: Pid,
    image: NamedTempFile,
    requests: Option<File>,
    answers: File,
    results: File,
    answered: u32,
}

/// The bytes of an answer, and whether the program says that it is complete.
pub(super) struct Answer {
    pub(super) complete: bool,
    pub(super) bytes: Vec<u8>,
}

impl Program {
    /// Starts it, and sends the request with which it enters its sandbox.
    #[allow(clippy::print_stderr)] // the child's error, among the fuzzer's own lines
    pub(super) fn start(observer: &Observer) -> Self {
        let image = NamedTempFile::new_in(IN_MEMORY).expect("memory has room");
        let (ours, theirs) = UnixStream::pair().expect("there is a descriptor left");
        let [(read_requests, requests), (answers, write_answers), (results, write_results)] =
            [(); 3].map(|()| pipe().expect("there is a descriptor left"));
        // SAFETY: the child calls what this process calls, and no other thread of this process holds
        // a lock that it needs.
        let id = match unsafe { fork() }.expect("there is a process left") {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                drop((ours, requests, answers, results));
                let descriptors = dup2_stdin(OwnedFd::from(theirs)).and_then(|()| dup2_stdout(write_answers));
                descriptors.expect("they are open");
                let served = child::serve(read_requests.into(), write_results.into(), observer);
                if let Err(error) = &served {
                    eprintln!("the program: {error}");
                }
                // SAFETY: it returns to nothing; what the fuzzer does at its own end is not due.
                unsafe { libc::_exit(i32::from(served.is_err())) }
            }
        };
        drop((theirs, read_requests, write_answers, write_results));
        let program = Program {
            id,
            requests: Some(requests.into()),
            answers: answers.into(),
            results: results.into(),
            answered: 0,
            image,
        };
        program.hand_over(ours);
        program
    }

    /// As the daemon does it.
    fn hand_over(&self, mut channel: UnixStream) {
        let opened = File::open(self.image.path()).expect("it is there");
        let descriptors = [opened.as_raw_fd()];
        let (byte, rights) = ([IoSlice::new(&[0])], [ControlMessage::ScmRights(&descriptors)]);
        sendmsg::<()>(channel.as_raw_fd(), &byte, &rights, MsgFlags::MSG_NOSIGNAL, None).expect("it is sent");
        channel.write_all(&encode(&Command::List)).expect("it is sent");
        channel.shutdown(Shutdown::Write).expect("it is open");
    }

    pub(super) fn answered(&self) -> u32 {
        self.answered
    }

    /// Has it read another image.
    ///
    /// # Panics
    /// When it ends.
    pub(super) fn ask(&mut self, command: &Command, image: &[u8]) -> Answer {
        let file = self.image.as_file();
        let written = file.set_len(0).and_then(|()| file.write_all_at(image, 0));
        written.expect("memory has room");
        let request = encode(command);
        let length = u32::try_from(request.len()).expect("it is short").to_le_bytes();
        let requests = self.requests.as_mut().expect("it is open");
        // A program that has ended is seen when its answer is read.
        let _ = requests.write_all(&[&length[..], &request].concat());
        self.answered += 1;
        self.read()
    }

    fn read(&mut self) -> Answer {
        let (mut bytes, mut piece) = (Vec::new(), [0; 1 << 16]);
        loop {
            let ready = {
                let wanted = PollFlags::POLLIN;
                let mut open =
                    [PollFd::new(self.answers.as_fd(), wanted), PollFd::new(self.results.as_fd(), wanted)];
                // The fuzzer ends an input that takes too long, and the test runner a test.
                if poll(&mut open, PollTimeout::NONE) == Err(Errno::EINTR) {
                    continue; // libFuzzer's clock ticks
                }
                open.map(|descriptor| descriptor.any().unwrap_or(true))
            };
            // The result is written after the answer, so nothing of it comes later.
            if ready[0] {
                let read = self.answers.read(&mut piece).expect("it is open");
                bytes.extend(&piece[..read]);
                if read > 0 {
                    continue;
                }
            }
            let mut complete = [0];
            if self.results.read_exact(&mut complete).is_err() {
                panic!("the program ended: {:?}", waitpid(self.id, None));
            }
            return Answer { complete: complete == [1], bytes };
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It ends when no request can come.
        self.requests = None;
        let _ = waitpid(self.id, None);
    }
}

/// The address sanitizer takes terabytes of addresses, and one process answers many requests: memory
/// is bounded as for [`wim_image`](crate::wim_image()), and time by the fuzzer.
fn encode(command: &Command) -> Vec<u8> {
    let limits = ReaderLimits { memory: u64::MAX, seconds: 600 };
    Request { parts: vec![Vec::new()], limits, command: command.clone() }.encode()
}
