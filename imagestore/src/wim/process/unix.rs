//! The images go over as open descriptors, by the socket that is the reader's standard input.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use wim_protocol::Units;

use super::super::Part;

/// Nothing of it is needed.
pub(super) fn environment() -> [(&'static str, &'static str); 0] {
    []
}

/// They come without names.
pub(super) fn names(parts: &[Part]) -> Vec<Units> {
    vec![Units::new(); parts.len()]
}

pub(super) fn spawn(mut process: Command) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    Ok((process.stdin(OwnedFd::from(theirs)).spawn()?, ours))
}

pub(super) fn hand_over(
    mut channel: UnixStream,
    parts: &[Part],
    to: Option<File>,
    request: &[u8],
) -> io::Result<()> {
    let open = parts.iter().map(|part| &part.file).chain(&to);
    let descriptors: Vec<i32> = open.map(AsRawFd::as_raw_fd).collect();
    // Descriptors go with at least one byte.
    let (byte, rights) = ([IoSlice::new(&[0])], [ControlMessage::ScmRights(&descriptors)]);
    sendmsg::<()>(channel.as_raw_fd(), &byte, &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    channel.write_all(request)?;
    channel.shutdown(Shutdown::Write)
}
