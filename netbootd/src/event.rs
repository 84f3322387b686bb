//! What the daemon did, one value an event: the same values feed the log, the counters and the console.

mod cmtrace;
mod limit;
mod log;
mod mac;
mod other_offer;
mod recorder;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pxe_policy::{ArchType, Class, MacAddr, Reason, SystemUuid};

use crate::limits::places::Full;

pub use cmtrace::CmTrace;
pub use mac::{ImageFolderRead, MacAnswered};
pub use other_offer::OtherOffer;
pub use recorder::{Counters, Recorded, Recorder};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A DHCP packet was answered or left alone.
    Decided(Decided),
    /// A Mac's packet was answered or left alone.
    MacAnswered(MacAnswered),
    /// Another server offered a machine something to boot.
    OtherOffered(OtherOffer),
    /// A Mac's image folder was read for the first time, or otherwise than before.
    ImageFolderRead(ImageFolderRead),
    /// A source of images begins to be taken in: a path, or a content id.
    ImageBegun(String),
    /// A source of images was dealt with.
    ImageTaken(ImageTaken),
    /// A transfer was accepted.
    TransferStarted(TransferStarted),
    /// A transfer went on. At most ten a second for each transfer.
    TransferProgress {
        /// Which one.
        id: TransferId,
        /// Bytes that the client has.
        bytes: u64,
    },
    /// A transfer ended.
    TransferFinished(TransferFinished),
    /// A file was asked for and not given.
    FileRefused(FileRefused),
}

/// One DHCP decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The service that decided.
    pub proto: Proto,
    /// The receiving interface.
    pub iface: String,
    /// The sender of the packet.
    pub peer: SocketAddr,
    /// The transaction, when the header could be read.
    pub xid: Option<u32>,
    /// The machine, when the header could be read.
    pub mac: Option<MacAddr>,
    /// Option 97.
    pub uuid: Option<SystemUuid>,
    /// The architecture that counts.
    pub arch: Option<ArchType>,
    /// Who is speaking.
    pub class: Option<Class>,
    /// What left: the message type of the answer, or why nothing did.
    pub decision: Answered,
    /// Why.
    pub reason: Reason,
    /// More about the reason: what was wrong with the packet, which files are missing.
    pub detail: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The machine's name, when a directory knows it.
    pub machine: Option<String>,
    /// The deployment that it gets.
    pub deployment: Option<String>,
    /// The image.
    pub image: Option<String>,
    /// The boot file as the client is told.
    pub boot_file: Option<String>,
    /// The address that was offered or leased.
    pub address: Option<IpAddr>,
}

impl Decided {
    /// Silence, of which nothing more is known yet.
    pub fn ignored(proto: Proto, iface: &str, peer: SocketAddr, reason: Reason) -> Self {
        Decided {
            proto,
            iface: iface.to_owned(),
            peer,
            xid: None,
            mac: None,
            uuid: None,
            arch: None,
            class: None,
            decision: Answered::Ignore,
            reason,
            detail: None,
            rule: None,
            machine: None,
            deployment: None,
            image: None,
            boot_file: None,
            address: None,
        }
    }
}

/// What a DHCP packet was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answered {
    /// DHCPOFFER, or an ADVERTISE of DHCPv6.
    Offer,
    /// DHCPACK, or a REPLY of DHCPv6.
    Ack,
    /// DHCPNAK.
    Nak,
    /// A BSDP refusal.
    Failed,
    /// Nothing, on purpose.
    Ignore,
    /// Nothing: the machine is meant to go on to its disk.
    LocalBoot,
    /// Nothing until an operator says so.
    Wait,
    /// An answer that could not be sent.
    SendFailed,
}

impl Answered {
    /// The word for the log.
    pub fn name(self) -> &'static str {
        match self {
            Answered::Offer => "offer",
            Answered::Ack => "ack",
            Answered::Nak => "nak",
            Answered::Failed => "failed",
            Answered::Ignore => "ignore",
            Answered::LocalBoot => "local-boot",
            Answered::Wait => "wait",
            Answered::SendFailed => "send-failed",
        }
    }
}

/// The service an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Proto {
    /// DHCP on port 67, as a proxy.
    Proxy,
    /// DHCP on port 67, as the address server.
    Dhcp,
    /// DHCPv6 on ports 547 and 4011, in either mode.
    Dhcp6,
    /// BSDP on port 67.
    Bsdp,
    /// The boot server on port 4011.
    Pxe,
    /// TFTP.
    Tftp,
    /// HTTP.
    Http,
}

impl Proto {
    /// The word for the log.
    pub fn name(self) -> &'static str {
        match self {
            Proto::Proxy => "proxy",
            Proto::Dhcp => "dhcp",
            Proto::Dhcp6 => "dhcp6",
            Proto::Bsdp => "bsdp",
            Proto::Pxe => "pxe",
            Proto::Tftp => "tftp",
            Proto::Http => "http",
        }
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Tells the transfers of one run of the daemon apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(pub u64);

/// A transfer that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferStarted {
    /// Which one.
    pub id: TransferId,
    /// TFTP or HTTP.
    pub proto: Proto,
    /// The client.
    pub peer: SocketAddr,
    /// The machine, when the client's address is known.
    pub mac: Option<MacAddr>,
    /// The path in the boot tree, escaped.
    pub path: Arc<str>,
    /// Bytes to come, when known.
    pub size: Option<u64>,
    /// What was negotiated, such as `blksize=1468 windowsize=4`.
    pub negotiated: String,
    /// Whether it is a part of a file only: Macs read their root by thousands of those.
    pub partial: bool,
}

/// A transfer that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferFinished {
    /// Which one.
    pub id: TransferId,
    /// TFTP or HTTP.
    pub proto: Proto,
    /// The client.
    pub peer: SocketAddr,
    /// The machine, when the client's address is known.
    pub mac: Option<MacAddr>,
    /// The path in the boot tree, escaped.
    pub path: Arc<str>,
    /// Whether it is a part of a file only.
    pub partial: bool,
    /// How it ended.
    pub outcome: TransferOutcome,
    /// Bytes that the client has.
    pub bytes: u64,
    /// TFTP blocks that the client has; 0 for HTTP.
    pub blocks: u64,
    /// TFTP blocks that were sent again; 0 for HTTP.
    pub resends: u64,
    /// From the request to the end.
    pub elapsed: Duration,
    /// More about the outcome: the client's error text, escaped; the read error.
    pub detail: Option<String>,
}

impl TransferFinished {
    /// Bytes a second, over the whole of it.
    pub fn rate(&self) -> f64 {
        // What was over within the clock's grain has no rate to speak of.
        self.bytes as f64 / self.elapsed.as_secs_f64().max(0.001)
    }
}

/// A source of images that was dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTaken {
    /// Where it is: a path, or a content id.
    pub source: String,
    /// The image's name, when it was taken in.
    pub image: Option<String>,
    /// Why it was not, or what is to know about it.
    pub detail: Option<String>,
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
    /// TFTP or HTTP.
    pub proto: Proto,
    /// The client.
    pub peer: SocketAddr,
    /// The machine, when the client's address is known.
    pub mac: Option<MacAddr>,
    /// The path as asked for, escaped and cut short.
    pub path: String,
    /// Why not.
    pub refusal: Refusal,
    /// More about it: the rule that the path breaks, the system's error.
    pub detail: Option<String>,
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

impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        match full {
            Full::All => Refusal::Busy,
            Full::Network => Refusal::SubnetFull,
            Full::Client => Refusal::ClientFull,
            Full::Unproved => Refusal::Unproved,
        }
    }
}
