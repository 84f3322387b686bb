//! Carries out the commands of a request.

use std::io::Write;

use wim_protocol::{Command, Entry, Frame, Request};

use crate::input::open;
use crate::names::{Name, from_units};
use crate::unpack;
use crate::wimlib::{ReadError, Wim};

/// Answers a request. Bytes of files go to the process's descriptor 1, where `frames` goes too
/// unless one file is written to another place.
pub fn answer(request: &Request, parts: &[Name], frames: &mut dyn Write) -> Result<(), ReadError> {
    if let Command::Unpack(packed) = &request.command {
        let part = parts.first().ok_or(ReadError::Request("no image"))?;
        unpack::send(&mut open(part)?, packed, frames)?;
        Frame::Done.write(frames)?;
        return Ok(frames.flush()?);
    }
    let wim = Wim::open(parts, request.command == Command::Verify)?;
    match &request.command {
        Command::List => list(&wim, frames)?,
        Command::Extract { image, paths } if paths.is_empty() => extract_all(&wim, *image, frames)?,
        Command::Extract { image, paths } => {
            for path in paths {
                let path = name(path)?;
                let entry = find(&wim, *image, &path)?;
                send(&wim, *image, &path, Frame::File { path: None, size: entry.size }, frames)?;
            }
        }
        Command::Write { image, path, size } => {
            let path = name(path)?;
            if find(&wim, *image, &path)?.size != *size {
                return Err(ReadError::Request("the file has another size now"));
            }
            wim.extract(*image, &path)?;
        }
        Command::Verify => wim.verify()?,
        Command::Unpack(_) => {} // above: it needs no image that wimlib opened
    }
    Frame::Done.write(frames)?;
    Ok(frames.flush()?)
}

fn list(wim: &Wim, frames: &mut dyn Write) -> Result<(), ReadError> {
    let images = wim.images()?;
    for image in &images {
        Frame::Image(image.clone()).write(frames)?;
    }
    let root = root()?;
    for image in images {
        wim.each_entry(image.index, &root, true, &mut |entry| Ok(Frame::Entry(entry).write(frames)?))?;
    }
    Ok(())
}

/// In the order in which the bytes lie.
fn extract_all(wim: &Wim, image: u32, frames: &mut dyn Write) -> Result<(), ReadError> {
    let mut files = Vec::new();
    wim.each_entry(image, &root()?, true, &mut |entry| {
        if entry.attributes & NO_FILE == 0 {
            files.push((entry.offset, entry.size, entry.path));
        }
        Ok(())
    })?;
    files.sort();
    for (_, size, path) in files {
        let known = name(&path)?;
        send(wim, image, &known, Frame::File { path: Some(path), size }, frames)?;
    }
    Ok(())
}

fn send(wim: &Wim, image: u32, path: &Name, head: Frame, frames: &mut dyn Write) -> Result<(), ReadError> {
    head.write(frames)?;
    // wimlib writes past every buffer.
    frames.flush()?;
    wim.extract(image, path)
}

fn find(wim: &Wim, image: u32, path: &Name) -> Result<Entry, ReadError> {
    let mut found = None;
    wim.each_entry(image, path, false, &mut |entry| {
        found = Some(entry);
        Ok(())
    })?;
    found.ok_or(ReadError::Request("the image has no such file"))
}

fn root() -> Result<Name, ReadError> {
    name(&[u16::from(b'/')])
}

fn name(units: &[u16]) -> Result<Name, ReadError> {
    from_units(units).ok_or(ReadError::Request("a path with a zero in it"))
}

/// Folders, reparse points and encrypted files have no bytes of their own that another system could
/// use.
const NO_FILE: u32 = 0x10 | 0x400 | 0x4000;
