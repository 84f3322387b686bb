//! The files of a boot: those that it has, those under way, and those that it did not get.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::configuration::Configuration;
use crate::file::FileKind;
use crate::step::{
    Negotiated, Program, Proto, Refusal, SharedError, SmallMtu, Substitute, TransferFinished, TransferId,
    TransferStalled,
};

/// A file that a machine has.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// When it was complete.
    pub at: SystemTime,
    /// The path that was served, escaped.
    pub path: Arc<str>,
    /// The kind of the file.
    pub kind: FileKind,
    /// Its size in bytes.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// The header, when it is a PE program.
    pub program: Option<Program>,
    /// How it came: transfers of one kind alone can be compared.
    pub way: Transport,
    /// TFTP blocks, and how many were sent again.
    pub blocks: (u64, u64),
}

/// The protocol of a transfer and what was negotiated, but for the file's size.
pub type Transport = (Proto, Negotiated);

/// A file that was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed {
    /// When the request was refused.
    pub at: SystemTime,
    /// The boot's step before.
    pub(crate) before: SystemTime,
    /// The path as asked for, escaped.
    pub path: String,
    /// The kind of the file, by its name.
    pub kind: FileKind,
    /// The reason of the refusal.
    pub refusal: Refusal,
    /// More about it: the rule that the path breaks, the system's error.
    pub detail: Option<SharedError>,
    /// The protocol of the request.
    pub proto: Proto,
}

/// A request for a file's size alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// When the request was answered.
    pub at: SystemTime,
    /// The path as the client sent it, control characters escaped.
    pub path: Arc<str>,
    /// TFTP's `tsize`, or HTTP's HEAD.
    pub proto: Proto,
    /// The header, when it is a PE program.
    pub program: Option<Program>,
}

/// A request that was answered with another file.
#[derive(Debug, Clone, PartialEq)]
pub struct Substituted {
    /// The time of the read request.
    pub at: SystemTime,
    /// The path that was served.
    pub served: Arc<str>,
    /// The requested file, and why it was not served.
    pub substitute: Substitute,
}

/// A transfer under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// When the transfer began.
    pub since: SystemTime,
    /// The number of the transfer.
    pub id: TransferId,
    /// The path that is served, escaped.
    pub path: Arc<str>,
    /// The kind of the file.
    pub kind: FileKind,
    /// The protocol: TFTP or HTTP.
    pub proto: Proto,
    /// The client's address and port.
    pub peer: SocketAddr,
    /// The options that server and client agreed on.
    pub negotiated: Negotiated,
    /// TFTP's block size in bytes; None for HTTP.
    pub block_size: Option<u16>,
    /// The file's size in bytes, when known.
    pub size: Option<u64>,
    /// The header, when it is a PE program.
    pub program: Option<Program>,
    /// The files that it names, when it is a configuration.
    pub configuration: Option<Arc<Configuration>>,
    /// Bytes that the client has, and since when.
    pub bytes: (u64, SystemTime),
    /// Set while the client does not acknowledge.
    pub stalled: Option<TransferStalled>,
    /// TFTP blocks that were sent again.
    pub resends: u64,
    /// Whether the client has acknowledged anything.
    pub proved: bool,
}

impl Running {
    /// The protocol and what was negotiated, for comparisons.
    pub fn way(&self) -> Transport {
        (self.proto, self.negotiated.without("tsize"))
    }

    /// How long the bytes took; not the wait for the last acknowledgement, where none came.
    pub(crate) fn took(&self, finished: &TransferFinished) -> Duration {
        let (bytes, at) = self.bytes;
        match at.duration_since(self.since) {
            Ok(took) if self.lacks_its_last_acknowledgement(bytes) => took.min(finished.elapsed),
            _ => finished.elapsed,
        }
    }

    /// Whether nothing but the last window is not acknowledged: GRUB starts what it has without
    /// another word.
    pub(crate) fn lacks_its_last_acknowledgement(&self, bytes: u64) -> bool {
        let window = self.negotiated.option("windowsize").unwrap_or(1);
        let most = self.block_size.map_or(0, u64::from) * window;
        bytes > 0 && self.size.is_some_and(|size| size.saturating_sub(bytes) <= most)
    }
}

/// A transfer that did not end well.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// When it was asked for.
    pub since: SystemTime,
    /// When the transfer ended.
    pub at: SystemTime,
    /// How the transfer ended.
    pub finished: TransferFinished,
    /// TFTP's block size in bytes; None for HTTP.
    pub block_size: Option<u16>,
    /// The options that server and client agreed on.
    pub negotiated: Negotiated,
    /// The header, when it is a PE program.
    pub program: Option<Program>,
    /// The interface of this server that was too small for its packets, if it was.
    pub small_mtu: Option<SmallMtu>,
}
