//! Descriptors come over the socket that is standard input.
//!
//! Unsafe code for one reason: nothing in safe Rust takes ownership of a descriptor that the kernel
//! has just made.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, IoSliceMut, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::fcntl::OFlag;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::stat::Mode;
use nix::unistd::{dup, dup2_stdout};
use wim_protocol::{Command, MAX_PARTS};

use super::{Input, READ, decode};
use crate::names::Name;
use crate::wimlib::ReadError;

/// Waits for the request.
pub fn receive() -> Result<Input, ReadError> {
    let mut descriptors = receive_descriptors()?;
    let mut bytes = Vec::new();
    io::stdin().lock().take(READ).read_to_end(&mut bytes)?;
    let request = decode(&bytes)?;
    let frames = File::from(dup(io::stdout()).map_err(io::Error::from)?);
    if let Command::Write { .. } = request.command {
        let target = descriptors.pop().ok_or(ReadError::Request("no file to write to"))?;
        dup2_stdout(target).map_err(io::Error::from)?;
    }
    if descriptors.len() != request.parts.len() {
        return Err(ReadError::Request("not as many images as the request has parts"));
    }
    let parts = descriptors.iter().map(path_of).collect::<Result<_, _>>()?;
    Ok(Input { request, parts, frames, descriptors })
}

fn receive_descriptors() -> Result<Vec<OwnedFd>, ReadError> {
    let mut space = cmsg_space!([RawFd; MAX_PARTS + 1]);
    let mut first = [0];
    let mut pieces = [IoSliceMut::new(&mut first)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(io::stdin().as_raw_fd(), &mut pieces, Some(&mut space), flags);
    let message = message.map_err(io::Error::from)?;
    let mut descriptors = Vec::new();
    for control in message.cmsgs().map_err(io::Error::from)? {
        if let ControlMessageOwned::ScmRights(received) = control {
            // SAFETY: the kernel made them for this process in this call, and nobody else has them.
            descriptors.extend(received.into_iter().map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }));
        }
    }
    Ok(descriptors)
}

/// The path by which wimlib opens a descriptor again. It lies in memory that nothing can write to,
/// because the sandbox allows an open of exactly these bytes at exactly this place.
pub(crate) fn path_of(descriptor: &OwnedFd) -> Result<Name, ReadError> {
    let number = usize::try_from(descriptor.as_raw_fd()).ok();
    let path = number.and_then(|number| PATHS.get(number)).ok_or(ReadError::Request("too many images"))?;
    let path = CStr::from_bytes_until_nul(path).map_err(|_| ReadError::Request("no path"))?;
    Ok(Name::Borrowed(path))
}

/// Opens an image by its path, as wimlib does.
pub(crate) fn open(path: &Name) -> Result<File, ReadError> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::open(path.as_ref(), flags, Mode::empty()).map_err(io::Error::from)?.into())
}

static PATHS: [[u8; LENGTH]; 256] = paths();
const PREFIX: &[u8] = b"/proc/self/fd/";
/// Three digits and the zero at the end.
const LENGTH: usize = PREFIX.len() + 4;

const fn paths() -> [[u8; LENGTH]; 256] {
    let mut paths = [[0; LENGTH]; 256];
    let mut number = 0;
    while number < paths.len() {
        let mut at = 0;
        while at < PREFIX.len() {
            paths[number][at] = PREFIX[at];
            at += 1;
        }
        let mut power = 100;
        while power > 0 {
            if number >= power || power == 1 {
                paths[number][at] = b'0' + (number / power % 10) as u8;
                at += 1;
            }
            power /= 10;
        }
        number += 1;
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_descriptor_has_its_path() {
        for (number, path) in PATHS.iter().enumerate() {
            let path = CStr::from_bytes_until_nul(path).unwrap();
            assert_eq!(path.to_str().unwrap(), format!("/proc/self/fd/{number}"));
        }
    }
}
