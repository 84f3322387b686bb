//! The request names the images by path.
//!
//! Unsafe code for one reason: wimlib writes to standard output through the C library, which would
//! change line ends unless it is told not to.
#![allow(unsafe_code)]

use std::ffi::{OsString, c_int};
use std::fs::File;
use std::io::{self, Read};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::AsHandle;

use wim_protocol::Command;

use super::{Input, READ, decode};
use crate::names::{Name, from_units};
use crate::wimlib::ReadError;

/// Waits for the request.
pub fn receive() -> Result<Input, ReadError> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(READ).read_to_end(&mut bytes)?;
    let request = decode(&bytes)?;
    if let Command::Write { .. } = request.command {
        return Err(ReadError::Request("no file to write to"));
    }
    let parts = request.parts.iter().map(|path| from_units(path)).collect::<Option<_>>();
    let parts = parts.ok_or(ReadError::Request("a path with a zero in it"))?;
    // SAFETY: it takes two numbers; descriptor 1 is standard output.
    if unsafe { _setmode(STDOUT, BINARY) } == -1 {
        return Err(io::Error::last_os_error().into());
    }
    let frames = File::from(io::stdout().as_handle().try_clone_to_owned()?);
    Ok(Input { request, parts, frames })
}

/// Opens an image by its path.
pub(crate) fn open(path: &Name) -> Result<File, ReadError> {
    let units = path.strip_suffix(&[0]).unwrap_or(path);
    Ok(File::open(OsString::from_wide(units))?)
}

unsafe extern "C" {
    fn _setmode(descriptor: c_int, mode: c_int) -> c_int;
}

const STDOUT: c_int = 1;
/// Microsoft's `_O_BINARY`: no translation of line ends.
const BINARY: c_int = 0x8000;
