//! Windows images, through the program `netbootd-wim` as it runs: a process of its own in its
//! sandbox, which gets the image as a descriptor and answers through its pipes.
//!
//! The program answers one request and ends. To start one for each input takes four times as long
//! as to read it, so one process answers [`AT_ONCE`] of them here, one after the other, each with
//! another image in the file that it was handed.

mod child;
mod parent;

use std::sync::Mutex;

use wim_protocol::{Command, Frame};

use crate::wim_image::question;
use parent::Program;

/// Any Windows image, as [`wim_image`](crate::wim_image()) makes it of the bytes.
pub fn wim_program(bytes: &[u8]) {
    wim_program_observed(bytes, &Observer { begin: || (), end: || () });
}

/// The same; a fuzzer learns in the program's process which code was reached.
pub fn wim_program_observed(bytes: &[u8], observer: &Observer) {
    let Some((command, image)) = question(bytes) else { return };
    let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // One that has answered enough ends before the next one starts, which is a copy of this process
    // with all its pipes.
    let former = running.take().filter(|program| program.answered() < AT_ONCE);
    let mut program = former.unwrap_or_else(|| Program::start(observer));
    let answer = program.ask(&command, &image);
    check(&command, answer.complete, &answer.bytes);
    *running = Some(program);
}

/// Functions that the program's process calls around each request.
#[derive(Debug, Clone, Copy)]
pub struct Observer {
    /// Before it is answered.
    pub begin: fn(),
    /// After it is answered.
    pub end: fn(),
}

/// An answer that is complete consists of whole frames and of the bytes of the files, and ends with
/// [`Frame::Done`]; another one breaks off.
fn check(command: &Command, complete: bool, mut bytes: &[u8]) {
    let mut last = None;
    while !bytes.is_empty() {
        let frame = match Frame::read(&mut bytes) {
            Ok(frame) => frame,
            Err(error) => {
                assert!(!complete, "{command:?}: {error}");
                return;
            }
        };
        if let Frame::File { size, .. } = &frame {
            let size = usize::try_from(*size).unwrap_or(usize::MAX);
            match bytes.get(size..) {
                Some(left) => bytes = left,
                None => {
                    assert!(!complete, "{command:?}: a file is cut short");
                    return;
                }
            }
        }
        last = Some(frame);
    }
    assert_eq!(complete, last == Some(Frame::Done), "{command:?}");
}

static RUNNING: Mutex<Option<Program>> = Mutex::new(None);
/// Requests that one process answers.
const AT_ONCE: u32 = 256;
