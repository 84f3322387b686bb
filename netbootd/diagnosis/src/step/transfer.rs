//! Transfers of files, and files that were refused.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pxe_policy::{ArchType, MacAddr, Signers};

use super::{Proto, SharedError};
use crate::configuration::Configuration;

/// Tells the transfers of one run of the daemon apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(pub u64);

/// A transfer that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferStarted {
    /// The number of the transfer.
    pub id: TransferId,
    /// The protocol: TFTP or HTTP.
    pub proto: Proto,
    /// The client's address and port.
    pub peer: SocketAddr,
    /// The machine, when the client's address is known.
    pub mac: Option<MacAddr>,
    /// The path in the boot tree, escaped.
    pub path: Arc<str>,
    /// Bytes to come, when known.
    pub size: Option<u64>,
    /// The options that server and client agreed on.
    pub negotiated: Negotiated,
    /// TFTP's block size in bytes; None for HTTP.
    pub block_size: Option<u16>,
    /// The program's header, when it is a PE program.
    pub program: Option<Program>,
    /// Whether it is a part of a file only: Macs read their root by thousands of those.
    pub partial: bool,
    /// The requested file, when another one is served for it.
    pub substitute: Option<Substitute>,
    /// Whether the client has acknowledged anything. HTTP's clients have: they opened a
    /// connection. Until then anybody may have asked in its name.
    pub proved: bool,
    /// The files that it names, when it is a configuration of a boot program.
    pub configuration: Option<Arc<Configuration>>,
}

/// A request that is answered with another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substitute {
    /// The path as asked for, escaped and cut short.
    pub asked: String,
    /// Why another file is served.
    pub why: Substitution,
}

/// Why a file is served under another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Substitution {
    /// shim asks for the description of a boot entry instead of its second stage.
    BootEntryName,
    /// The name is a URL of this server.
    OwnUrl,
    /// A Raspberry Pi asks in a folder of its own, and the shared folder has the file.
    SharedFolder,
}

impl Substitution {
    /// The word for the log and the timeline: the cause's, where it is one.
    pub fn name(self) -> &'static str {
        match self {
            Substitution::BootEntryName => "shim-second-stage",
            Substitution::OwnUrl => "url-over-tftp",
            Substitution::SharedFolder => "shared-folder",
        }
    }
}

impl fmt::Display for Substitute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "served for {}", self.asked)
    }
}

/// The options of a transfer that server and client agreed on; shown as `blksize=1468
/// windowsize=4`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Negotiated {
    /// The options of TFTP that were granted, by their names.
    Options(Vec<(&'static str, u64)>),
    /// The status of HTTP's answer.
    Status(u16),
}

impl Default for Negotiated {
    fn default() -> Self {
        Negotiated::Options(Vec::new())
    }
}

impl Negotiated {
    /// The value of one of TFTP's options.
    pub fn option(&self, option: &str) -> Option<u64> {
        match self {
            Negotiated::Options(options) => {
                options.iter().find(|(name, _)| *name == option).map(|(_, value)| *value)
            }
            Negotiated::Status(_) => None,
        }
    }

    /// The same but for one of TFTP's options.
    pub fn without(&self, option: &str) -> Self {
        match self {
            Negotiated::Options(options) => {
                let others = options.iter().filter(|(name, _)| *name != option);
                Negotiated::Options(others.copied().collect())
            }
            Negotiated::Status(status) => Negotiated::Status(*status),
        }
    }

    /// Whether the client asked for no option that was granted.
    pub fn is_empty(&self) -> bool {
        matches!(self, Negotiated::Options(options) if options.is_empty())
    }
}

impl fmt::Display for Negotiated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Negotiated::Options(options) => {
                let options: Vec<String> =
                    options.iter().map(|(name, value)| format!("{name}={value}")).collect();
                f.write_str(&options.join(" "))
            }
            Negotiated::Status(status) => write!(f, "status={status}"),
        }
    }
}

/// A transfer that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferFinished {
    /// The number of the transfer.
    pub id: TransferId,
    /// The protocol: TFTP or HTTP.
    pub proto: Proto,
    /// The client's address and port.
    pub peer: SocketAddr,
    /// The machine, when the client's address is known.
    pub mac: Option<MacAddr>,
    /// The path in the boot tree, escaped.
    pub path: Arc<str>,
    /// Whether it is a part of a file only.
    pub partial: bool,
    /// How the transfer ended.
    pub outcome: TransferOutcome,
    /// Bytes that the client has.
    pub bytes: u64,
    /// TFTP blocks that the client has; 0 for HTTP.
    pub blocks: u64,
    /// TFTP blocks that were sent again; 0 for HTTP.
    pub resends: u64,
    /// Whether the client acknowledged anything.
    pub proved: bool,
    /// From the request to the end.
    pub elapsed: Duration,
    /// More about the outcome.
    pub detail: Option<TransferDetail>,
    /// The program's header, when that was not known before all of the file was there: it comes
    /// from another server.
    pub program: Option<Program>,
}

impl TransferFinished {
    /// The message by which the client ended it; None when it is empty.
    pub fn client_message(&self) -> Option<&str> {
        match &self.detail {
            Some(TransferDetail::ClientMessage(message)) if !message.trim().is_empty() => Some(message),
            _ => None,
        }
    }

    /// Bytes a second, over the whole of it.
    pub fn rate(&self) -> f64 {
        // A transfer within the clock's grain has no rate to speak of.
        self.bytes as f64 / self.elapsed.as_secs_f64().max(0.001)
    }
}

/// More about the end of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferDetail {
    /// The message of the client's ERROR packet, escaped and cut short.
    ClientMessage(String),
    /// Why the file could not be read on.
    Unreadable(SharedError),
}

impl fmt::Display for TransferDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransferDetail::ClientMessage(message) => f.write_str(message),
            TransferDetail::Unreadable(error) => error.fmt(f),
        }
    }
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransferOutcome {
    /// The client has every byte.
    Completed,
    /// The client only wanted to know the size. A normal end.
    Probed,
    /// The client gave up.
    Aborted,
    /// The client's port is closed (ICMP), or its connection broke.
    ClientGone,
    /// Nothing was heard from the client for too long.
    TimedOut,
    /// The file could not be read to its end.
    ReadFailed,
    /// The daemon is stopping.
    Stopped,
}

impl TransferOutcome {
    /// The word for the log.
    pub fn name(self) -> &'static str {
        match self {
            TransferOutcome::Completed => "completed",
            TransferOutcome::Probed => "probed",
            TransferOutcome::Aborted => "aborted",
            TransferOutcome::ClientGone => "client-gone",
            TransferOutcome::TimedOut => "timed-out",
            TransferOutcome::ReadFailed => "read-failed",
            TransferOutcome::Stopped => "stopped",
        }
    }
}

/// A file that was asked for and not given.
#[derive(Debug, Clone, PartialEq)]
pub struct FileRefused {
    /// The protocol: TFTP or HTTP.
    pub proto: Proto,
    /// The client's address and port.
    pub peer: SocketAddr,
    /// The machine, when the client's address is known.
    pub mac: Option<MacAddr>,
    /// The path as asked for, escaped and cut short.
    pub path: String,
    /// The kind of the refusal.
    pub refusal: Refusal,
    /// More about it: the rule that the path breaks, the system's error.
    pub detail: Option<SharedError>,
}

/// Word that the port is closed which a refused request came from (ICMP): a client would still
/// listen there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disproved {
    /// The address and port in the request.
    pub peer: SocketAddr,
    /// The machine that uses the address.
    pub mac: Option<MacAddr>,
    /// The path as asked for, escaped and cut short.
    pub path: String,
}

/// Why a file was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// There is no such file. Normal: clients look for optional files.
    NotFound,
    /// The path leaves the boot tree, or the file may not be read.
    AccessDenied,
    /// A write was asked for.
    WriteRefused,
    /// The request could not be parsed.
    Malformed,
    /// Too many transfers are under way.
    Busy,
    /// The file or its template could not be read or rendered.
    Failed,
    /// There is no such file yet: its image is being taken in.
    ImageComing,
    /// There is no such file: its image was not taken in.
    ImageRefused,
    /// netbootd ends: nothing new begins.
    Stopping,
    /// It is a secret, and not for this machine.
    NotForMachine,
    /// The configuration's lists do not name the client's network.
    NotAllowed,
    /// The client asks more often than one address may.
    TooOften,
    /// The client has as many sessions as one address may have.
    ClientFull,
    /// The client's network has as many sessions as one may have.
    SubnetFull,
    /// The client acknowledges nothing in too many transfers: it may not be the one who asked.
    Unproved,
}

impl Refusal {
    /// The word for the log.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::NotFound => "not-found",
            Refusal::AccessDenied => "access-denied",
            Refusal::WriteRefused => "write-refused",
            Refusal::Malformed => "malformed",
            Refusal::Busy => "busy",
            Refusal::Failed => "failed",
            Refusal::ImageComing => "image-coming",
            Refusal::ImageRefused => "image-refused",
            Refusal::Stopping => "stopping",
            Refusal::NotForMachine => "not-for-this-machine",
            Refusal::NotAllowed => "not-allowed",
            Refusal::TooOften => "too-often",
            Refusal::ClientFull => "client-full",
            Refusal::SubnetFull => "subnet-full",
            Refusal::Unproved => "unproved",
        }
    }

    /// Those of the limits on what strangers may have.
    pub const LIMITS: [Refusal; 6] = [
        Refusal::NotAllowed,
        Refusal::TooOften,
        Refusal::ClientFull,
        Refusal::SubnetFull,
        Refusal::Unproved,
        Refusal::Busy,
    ];
}

/// A transfer whose client does not acknowledge what was sent several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferStalled {
    /// The number of the transfer.
    pub id: TransferId,
    /// Bytes that the client has.
    pub bytes: u64,
    /// Whether the client acknowledged anything, its options for instance.
    pub proved: bool,
    /// How often the same was sent again.
    pub resends: u64,
    /// The interface of this server that is too small for the transfer's packets, if it is.
    pub small_mtu: Option<SmallMtu>,
}

/// An interface of this server whose packets are smaller than those of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallMtu {
    /// The name of the interface.
    pub iface: String,
    /// Its MTU, or a smaller one of the route, in bytes.
    pub mtu: u16,
    /// The transfer's block size in bytes.
    pub block_size: u16,
    /// Bytes of a packet with a full block: IP, UDP and TFTP headers included.
    pub packet: u32,
}

impl fmt::Display for SmallMtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SmallMtu { iface, mtu, block_size, packet } = self;
        write!(
            f,
            "{iface} of this server has an MTU of {mtu} bytes, and a block of {block_size} makes packets of {packet}"
        )
    }
}

/// The header of a PE program (Microsoft's PE/COFF specification).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The architecture; None for a machine type that no firmware here has.
    pub arch: Option<ArchType>,
    /// Whether it carries a signature.
    pub signed: bool,
    /// False for a file that has a program's name and is none, such as a saved error page.
    pub is_pe: bool,
    /// The authorities behind its signatures, where they can be read.
    pub signers: Option<Arc<Signers>>,
}
