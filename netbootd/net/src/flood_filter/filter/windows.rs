//! Windows filters nothing for a socket: a flood of junk is read, and left alone.

use std::io;

use super::Purpose;
use crate::udp::Watched;

pub(crate) fn attach(_socket: &Watched, _purpose: Purpose) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn detach(_socket: &Watched) -> io::Result<()> {
    Ok(())
}
