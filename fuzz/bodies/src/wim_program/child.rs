//! The program's side: what `netbootd-wim` does from its first line to its last, with a loop around
//! the answer.

use std::fs::File;
use std::io::{BufWriter, Read, Write};

use netbootd_wim::{ReadError, answer, initialize, input, sandbox};
use wim_protocol::Request;

use super::Observer;
use crate::wim_image::memory;

/// Receives the image and the first request on standard input, enters the sandbox, and answers one
/// request for each length and its bytes that come through `requests`. After each answer goes one
/// byte to `results`: 1 if it was complete.
pub(super) fn serve(mut requests: File, mut results: File, observer: &Observer) -> Result<(), ReadError> {
    memory::bound();
    initialize(false)?;
    let input = input::receive()?;
    sandbox::enter(&input)?;
    let mut length = [0; 4];
    while requests.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        requests.read_exact(&mut bytes)?;
        let request = Request::decode(&bytes)?;
        memory::begin();
        (observer.begin)();
        let mut frames = BufWriter::with_capacity(BUFFER, &input.frames);
        let answered = answer(&request, &input.parts, &mut frames).is_ok();
        let complete = frames.flush().is_ok() && answered;
        (observer.end)();
        results.write_all(&[u8::from(complete)])?;
    }
    Ok(())
}

/// As large as the program's.
const BUFFER: usize = 64 << 10;
