//! The images go over by their paths.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::windows::ffi::OsStrExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use wim_protocol::Units;

use super::super::Part;

/// The variables that every program of Windows needs.
pub(super) fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| PASSED_ON.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

pub(super) fn names(parts: &[Part]) -> Vec<Units> {
    parts.iter().map(|part| part.path.as_os_str().encode_wide().collect()).collect()
}

pub(super) fn spawn(mut process: Command) -> io::Result<(Child, ChildStdin)> {
    let mut child = process.stdin(Stdio::piped()).spawn()?;
    let stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    Ok((child, stdin))
}

pub(super) fn hand_over(
    mut channel: ChildStdin,
    _parts: &[Part],
    _to: Option<File>,
    request: &[u8],
) -> io::Result<()> {
    channel.write_all(request)
}

const PASSED_ON: [&str; 4] = ["SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP"];
