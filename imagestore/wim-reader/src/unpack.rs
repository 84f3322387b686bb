//! One compressed resource of an image: a table of where its chunks begin, and the chunks.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use wim_protocol::{Frame, MAX_UNPACKED, Packed};

use crate::wimlib::{Decompressor, ReadError};

/// Sends the resource's bytes, as a file.
pub(crate) fn send(image: &mut File, resource: &Packed, frames: &mut dyn Write) -> Result<(), ReadError> {
    let bytes = unpack(image, resource)?;
    Frame::File { path: None, size: resource.size }.write(frames)?;
    Ok(frames.write_all(&bytes)?)
}

fn unpack(image: &mut File, resource: &Packed) -> Result<Vec<u8>, ReadError> {
    let Packed { chunk, at, packed, size, .. } = *resource;
    if size == 0 || size > MAX_UNPACKED || packed > MAX_UNPACKED || !CHUNKS.contains(&chunk) {
        return Err(ReadError::Request("a resource of an impossible size"));
    }
    let mut bytes = vec![0; usize::try_from(packed).map_err(|_| DAMAGED)?];
    image.seek(SeekFrom::Start(at))?;
    image.read_exact(&mut bytes)?;
    // One entry for each chunk after the first, of four bytes in a resource below 4 GB.
    let count = usize::try_from(size.div_ceil(chunk.into())).map_err(|_| DAMAGED)?;
    let (table, chunks) = bytes.split_at_checked((count - 1) * 4).ok_or(DAMAGED)?;
    let begins = table.as_chunks().0.iter().map(|entry| u32::from_le_bytes(*entry) as usize);
    let begins: Vec<usize> = [0].into_iter().chain(begins).chain([chunks.len()]).collect();
    let mut unpacked = vec![0; usize::try_from(size).map_err(|_| DAMAGED)?];
    let mut decompressor = Decompressor::new(resource.compression, chunk)?;
    for (place, to) in begins.windows(2).zip(unpacked.chunks_mut(chunk as usize)) {
        let from = chunks.get(place[0]..place[1]).ok_or(DAMAGED)?;
        // A chunk that did not become smaller is kept as it was.
        match from.len() == to.len() {
            true => to.copy_from_slice(from),
            false => decompressor.decompress(from, to)?,
        }
    }
    Ok(unpacked)
}

const DAMAGED: ReadError = ReadError::Request("a damaged resource");
/// Windows writes chunks of 32 KiB; wimlib up to 64 MiB.
const CHUNKS: std::ops::RangeInclusive<u32> = 4096..=(64 << 20);
