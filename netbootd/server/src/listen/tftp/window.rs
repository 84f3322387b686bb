//! A window's blocks on their way from the file to the socket: gathered from the page cache, and as
//! many in one system call as the kernel takes.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::sync::Arc;

use imagestore::{Mapping, ReadError};
use netbootd_content::{Content, Refused};
use netbootd_net::udp::{EFAULT, MAX_SEGMENTED_BYTES, MAX_SEGMENTS};
use tftp::{Packet, Sender};
use thiserror::Error;
use tokio::task::JoinError;

use super::transfer_socket::TransferSocket;

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

    /// For one block: what is read is not worth a mapping.
    pub(super) fn of_one() -> Self {
        Window { mapping: None, segmented: false }
    }

    /// Reads blocks and sends them, as many as possible in one system call.
    pub(super) async fn send(
        &mut self,
        line: &TransferSocket,
        sender: &Sender,
        content: &Arc<Content>,
        first: u64,
        count: u16,
    ) -> Result<(), Unreadable> {
        let segment = usize::from(sender.negotiated().block_size) + HEADER;
        let at_once = (MAX_SEGMENTED_BYTES / segment).clamp(1, MAX_SEGMENTS) as u64;
        let end = first + u64::from(count);
        let mut next = first;
        while next < end {
            let until = (next + at_once).min(end);
            let (offset, length) = span(sender, next, until);
            let size = sender.negotiated().block_size.into();
            let blocks = Blocks { first: next, count: (until - next) as usize, size };
            // The last block leaves only while the file is the one that was opened: it is read
            // first and checked after that.
            let ends = offset + length as u64 == content.len();
            let sent = if let Some(mapping) = self.mapping.as_ref().filter(|_| !ends) {
                let bytes = mapping.slice(offset, length).ok_or(Unreadable::Short)?;
                blocks.send(line, &bytes, &mut self.segmented)
            } else if content.may_wait() {
                let bytes = read_elsewhere(Arc::clone(content), offset, length).await?;
                blocks.send(line, &bytes, &mut self.segmented)
            } else {
                // The buffer is the thread's: a transfer that waits for its client holds none.
                BUFFER.with_borrow_mut(|buffer| {
                    buffer.resize(buffer.len().max(length), 0);
                    let bytes = &mut buffer[..length];
                    let read = content.read_exact_at(offset, bytes);
                    let read = read.and_then(|()| if ends { content.check_unchanged() } else { Ok(()) });
                    read?;
                    Ok::<_, Unreadable>(blocks.send(line, bytes, &mut self.segmented))
                })?
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => line.writable().await,
                Err(error) if error.raw_os_error() == Some(EFAULT) => {
                    return Err(Unreadable::Shrunk);
                }
                // A datagram that could not leave is lost like any other.
                Ok(()) | Err(_) => next = until,
            }
        }
        Ok(())
    }
}

/// Why a transfer's file cannot be read on.
#[derive(Debug, Error)]
pub(super) enum Unreadable {
    /// The disk, or what the file comes from.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be opened again.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Its mapping is shorter than it was.
    #[error("the file ends before its blocks do")]
    Short,
    /// The kernel finds no page behind its mapping.
    #[error("the file has shrunk, or cannot be read to its end")]
    Shrunk,
    /// Another file has its name now.
    #[error("the file was replaced before anything of it was acknowledged")]
    Replaced,
    /// One that stays open was closed.
    #[error("the file is closed")]
    Closed,
    /// The thread that read it panicked.
    #[error(transparent)]
    Broken(#[from] JoinError),
}

/// Blocks in a row: the first one's number, how many, and bytes in each but the file's last.
#[derive(Debug, Clone, Copy)]
struct Blocks {
    first: u64,
    count: usize,
    size: usize,
}

impl Blocks {
    /// Puts a header before each block's bytes. The bytes themselves are for the kernel only.
    fn send(self, line: &TransferSocket, bytes: &[u8], segmented: &mut bool) -> io::Result<()> {
        let headers: Vec<_> =
            (self.first..).take(self.count).map(|block| Packet::data_header(block as u16)).collect();
        let mut rest = bytes;
        let mut parts = Vec::with_capacity(2 * self.count);
        for header in &headers {
            let (payload, after) = rest.split_at(rest.len().min(self.size));
            parts.extend([IoSlice::new(header), IoSlice::new(payload)]);
            rest = after;
        }
        transmit(line, &parts, segmented)
    }
}

/// Where the blocks up to but without `end` are in the file: offset and length.
fn span(sender: &Sender, first: u64, end: u64) -> (u64, usize) {
    let (offset, _) = sender.offset_of(first);
    let (last, length) = sender.offset_of(end - 1);
    (offset, (last - offset) as usize + usize::from(length))
}

/// Reads bytes that may still have to come from elsewhere: another thread waits for them.
async fn read_elsewhere(content: Arc<Content>, offset: u64, length: usize) -> Result<Vec<u8>, Unreadable> {
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; length];
        content.read_exact_at(offset, &mut bytes).map(|()| bytes)
    });
    Ok(read.await??)
}

/// Sends datagrams, each a header and its payload.
fn transmit(line: &TransferSocket, parts: &[IoSlice<'_>], segmented: &mut bool) -> io::Result<()> {
    let size = parts.iter().take(2).map(|part| part.len()).sum::<usize>();
    if let Some(size) = u16::try_from(size).ok().filter(|_| *segmented && parts.len() > 2) {
        match line.try_send(parts, Some(size)) {
            Err(error) if !is_about_the_socket(&error) => {
                // No checksum offload on the way out, a tunnel, blocks larger than the MTU: one by
                // one from now on.
                *segmented = false;
            }
            other => return other,
        }
    }
    let (mut datagrams, _) = parts.as_chunks();
    let mut sent = Ok(());
    while !datagrams.is_empty() {
        let left = line.try_send_each(datagrams);
        if left.as_ref().is_err_and(is_about_the_socket) {
            return left.map(drop); // the blocks that have left already are repeats for the client then
        }
        // Another one may fit where this one did not.
        datagrams = &datagrams[*left.as_ref().unwrap_or(&1)..];
        sent = left.map(drop);
    }
    sent
}

/// Whether sending in another form would fail as well: no room, or no bytes.
fn is_about_the_socket(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(EFAULT)
}

thread_local! {
    /// Holds what one sending reads, at most 64 KiB.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Opcode and block number.
const HEADER: usize = 4;
