//! A window's blocks on their way from the file to the socket: gathered from the page cache, and as many in one system call as the
//! kernel takes.

use std::cell::RefCell;
use std::io::{self, IoSlice};

use imagestore::Mapping;
use nix::libc;
use tftp::{Packet, Sender};

use super::line::Line;
use crate::content::Content;
use crate::net::udp::{MAX_SEGMENTED_BYTES, MAX_SEGMENTS};

/// How a transfer's windows leave.
#[derive(Debug)]
pub(super) struct Window {
    mapping: Option<Mapping>,
    segmented: bool,
}

impl Window {
    pub(super) fn new(content: &Content) -> Self {
        Window { mapping: content.map(), segmented: true }
    }

    /// Reads blocks and sends them, as many as possible in one system call. The text of an error is a read error's.
    pub(super) async fn send(
        &mut self,
        line: &Line,
        sender: &Sender,
        content: &Content,
        first: u64,
        count: u16,
    ) -> Result<(), String> {
        let segment = usize::from(sender.negotiated().block_size) + HEADER;
        let at_once = (MAX_SEGMENTED_BYTES / segment).clamp(1, MAX_SEGMENTS) as u64;
        let end = first + u64::from(count);
        let mut next = first;
        while next < end {
            let until = (next + at_once).min(end);
            let sent = match &self.mapping {
                Some(mapping) => send_mapped(line, sender, mapping, next..until, &mut self.segmented),
                None => send_read(line, sender, content, next..until, &mut self.segmented)?,
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => line.writable().await,
                Err(error) if error.raw_os_error() == Some(libc::EFAULT) => {
                    return Err("the file has shrunk, or cannot be read to its end".into());
                }
                // What could not leave is lost like any other datagram.
                Ok(()) | Err(_) => next = until,
            }
        }
        Ok(())
    }
}

/// Blocks straight from the page cache.
fn send_mapped(
    line: &Line,
    sender: &Sender,
    mapping: &Mapping,
    blocks: std::ops::Range<u64>,
    segmented: &mut bool,
) -> io::Result<()> {
    let headers = headers(&blocks);
    let mut parts = Vec::with_capacity(2 * headers.len());
    for (header, block) in headers.iter().zip(blocks) {
        let (offset, length) = sender.offset_of(block);
        let payload = mapping.slice(offset, length.into()).ok_or(io::ErrorKind::InvalidInput)?;
        parts.extend([IoSlice::new(header), payload]);
    }
    transmit(line, &parts, segmented)
}

/// Blocks that are read first. The buffer is the thread's: a transfer that waits for its client holds none.
fn send_read(
    line: &Line,
    sender: &Sender,
    content: &Content,
    blocks: std::ops::Range<u64>,
    segmented: &mut bool,
) -> Result<io::Result<()>, String> {
    BUFFER.with_borrow_mut(|buffer| {
        let headers = headers(&blocks);
        let lengths: Vec<usize> = blocks.clone().map(|block| sender.offset_of(block).1.into()).collect();
        let whole = lengths.iter().sum();
        if buffer.len() < whole {
            buffer.resize(whole, 0);
        }
        let mut rest = &mut buffer[..whole];
        let offset = sender.offset_of(blocks.start).0;
        // The page cache answers at once; what still comes from elsewhere may take a while.
        let mut read = || content.read_exact_at(offset, rest);
        let done = if content.may_wait() { tokio::task::block_in_place(read) } else { read() };
        done.map_err(|error| error.to_string())?;
        let mut parts = Vec::with_capacity(2 * headers.len());
        for (header, length) in headers.iter().zip(lengths) {
            let (payload, after) = rest.split_at_mut(length);
            parts.extend([IoSlice::new(header), IoSlice::new(payload)]);
            rest = after;
        }
        Ok(transmit(line, &parts, segmented))
    })
}

fn headers(blocks: &std::ops::Range<u64>) -> Vec<[u8; HEADER]> {
    blocks.clone().map(|block| Packet::data_header(block as u16)).collect()
}

/// Sends datagrams, each a header and its payload.
fn transmit(line: &Line, parts: &[IoSlice<'_>], segmented: &mut bool) -> io::Result<()> {
    let size = parts.iter().take(2).map(|part| part.len()).sum::<usize>();
    if let Some(size) = u16::try_from(size).ok().filter(|_| *segmented && parts.len() > 2) {
        match line.try_send(parts, Some(size)) {
            Err(error) if !is_about_the_socket(&error) => {
                // No checksum offload on the way out, a tunnel, blocks larger than the MTU: one by one from now on.
                *segmented = false;
            }
            other => return other,
        }
    }
    let mut sent = Ok(());
    for datagram in parts.chunks(2) {
        sent = line.try_send(datagram, None);
        if sent.as_ref().is_err_and(is_about_the_socket) {
            break; // the blocks that have left already are repeats for the client then
        }
    }
    sent
}

/// Whether sending in another form would fail as well: no room, or no bytes.
fn is_about_the_socket(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EFAULT)
}

thread_local! {
    /// Holds what one sending reads, at most 64 KiB.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Opcode and block number.
const HEADER: usize = 4;
