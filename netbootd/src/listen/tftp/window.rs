//! A window's blocks on their way from the file to the socket: one reading and one sending for as many as the kernel takes.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};

use tftp::{Packet, Sender};

use super::line::Line;
use crate::content::Content;
use crate::net::udp::{MAX_SEGMENTED_BYTES, MAX_SEGMENTS};

/// How a transfer's windows leave.
#[derive(Debug)]
pub(super) struct Window {
    segmented: bool,
}

impl Window {
    pub(super) fn new() -> Self {
        Window { segmented: true }
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
            // The buffer is the thread's: a transfer that waits for its client holds none.
            let sent = BUFFER.with_borrow_mut(|buffer| {
                let length = fill(buffer, sender, content, next, until)?;
                Ok::<_, String>(self.transmit(line, &buffer[..length], segment))
            })?;
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => line.writable().await,
                // What could not leave is lost like any other datagram.
                Ok(()) | Err(_) => next = until,
            }
        }
        Ok(())
    }

    fn transmit(&mut self, line: &Line, datagrams: &[u8], segment: usize) -> io::Result<()> {
        let size = u16::try_from(segment).ok().filter(|_| self.segmented && datagrams.len() > segment);
        if let Some(size) = size {
            match line.try_send(datagrams, Some(size)) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    // No checksum offload on the way out, a tunnel, blocks larger than the MTU: one by one from now on.
                    self.segmented = false;
                }
                other => return other,
            }
        }
        let mut sent = Ok(());
        for datagram in datagrams.chunks(segment) {
            sent = line.try_send(datagram, None);
            if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                break; // the blocks that have left already are repeats for the client then
            }
        }
        sent
    }
}

/// Fills the buffer with the datagrams of blocks in a row. Gives their length.
fn fill(
    buffer: &mut Vec<u8>,
    sender: &Sender,
    content: &Content,
    first: u64,
    end: u64,
) -> Result<usize, String> {
    let lengths = (first..end).map(|block| usize::from(sender.offset_of(block).1));
    let length = lengths.map(|length| length + HEADER).sum();
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    let mut payloads = Vec::with_capacity((end - first) as usize);
    let mut rest = &mut buffer[..length];
    for block in first..end {
        let (header, after) = rest.split_at_mut(HEADER);
        header.copy_from_slice(&Packet::data_header(block as u16));
        let (payload, after) = after.split_at_mut(usize::from(sender.offset_of(block).1));
        payloads.push(IoSliceMut::new(payload));
        rest = after;
    }
    let offset = sender.offset_of(first).0;
    // The page cache answers at once; what still comes from elsewhere may take a while.
    let mut read = || content.read_exact_vectored_at(offset, &mut payloads);
    let done = if content.may_wait() { tokio::task::block_in_place(read) } else { read() };
    done.map_err(|error| error.to_string())?;
    Ok(length)
}

thread_local! {
    /// Holds one sending's datagrams, at most 64 KiB.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Opcode and block number.
const HEADER: usize = 4;
