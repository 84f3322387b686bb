//! Windows images, through what `netbootd-wim` does once it has shut itself in: listed, unpacked,
//! and compared with their checksums.

mod build;
pub(crate) mod memory;
mod sha1;

use std::fs::File;
use std::io::{self, Write};
use std::sync::Once;

use netbootd_wim::{Name, ReadError, answer, from_units};
use nix::unistd::{dup, dup2_stdout};
use tempfile::NamedTempFile;
use wim_protocol::{Command, Frame, MAX_FRAME, ReaderLimits, Request};

/// Any Windows image: one that is as the bytes are, or one that is built around them, so that its
/// checksums are right.
pub fn wim_image(bytes: &[u8]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        memory::bound();
        netbootd_wim::initialize(false).expect("the library is ready");
    });
    let Some((command, image)) = question(bytes) else { return };
    let mut file = NamedTempFile::new_in(IN_MEMORY).expect("memory has room");
    file.write_all(&image).expect("memory has room");
    let path: Vec<u16> = file.path().display().to_string().encode_utf16().collect();
    let path = from_units(&path).expect("it has no zero");
    // The bytes of files go to standard output, whatever it is.
    let shown = dup(io::stdout()).expect("there is a descriptor left");
    dup2_stdout(File::options().write(true).open("/dev/null").expect("it is there")).expect("it is open");
    memory::begin();
    // As the program does: one request, from its beginning to its end.
    ask(command, &path);
    dup2_stdout(shown).expect("it is open");
}

/// A command and the image that it is about.
pub(crate) fn question(bytes: &[u8]) -> Option<(Command, Vec<u8>)> {
    let (kind, rest) = bytes.split_first()?;
    let image = if kind & BUILT == 0 { rest.to_vec() } else { build::image(*kind, rest) };
    let command = match kind & (VERIFIED | EXTRACTED) {
        0 => Command::List,
        EXTRACTED => Command::Extract { image: 1, paths: Vec::new() },
        _ => Command::Verify,
    };
    Some((command, image))
}

fn ask(command: Command, path: &Name) {
    let limits = ReaderLimits { memory: 1, seconds: 1 };
    let request = Request { parts: vec![Vec::new()], limits, command };
    let mut frames = Vec::new();
    let answered = answer(&request, std::slice::from_ref(path), &mut frames);
    // A frame that is too long is the one thing that the program refuses by itself.
    if let Err(ReadError::Protocol(error)) = &answered {
        assert!(error.to_string().contains(&format!("more than {MAX_FRAME}")), "{error}");
    }
    let (mut left, mut last) = (frames.as_slice(), None);
    while !left.is_empty() {
        last = Some(Frame::read(&mut left).expect("what it writes can be read"));
    }
    assert_eq!(answered.is_ok(), last == Some(Frame::Done));
}

/// wimlib opens paths, and asks where they lead, which the memory of a process has none for.
pub(crate) const IN_MEMORY: &str = "/dev/shm";
/// Bits of the first byte; those of [`build`] are below.
const EXTRACTED: u8 = 0x20;
const BUILT: u8 = 0x40;
const VERIFIED: u8 = 0x80;
