//! `netbootd-wim`: answers the request on its standard input, and ends.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use netbootd_wim::{ReadError, answer, initialize, input, sandbox};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A parent that does not listen has ended, or has ended this.
            let _ = writeln!(std::io::stderr(), "[ERROR] {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), ReadError> {
    initialize(true)?;
    let input = input::receive()?;
    sandbox::enter(&input)?;
    let mut frames = BufWriter::with_capacity(BUFFER, input.frames);
    answer(&input.request, &input.parts, &mut frames)?;
    Ok(frames.flush()?)
}

/// Entries go out in pieces of this many bytes.
const BUFFER: usize = 64 << 10;
