//! The failures of a simulated client.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use bsdp::{BsdpMessageType, Option43Error};
use netbootd_dhcp::v4::option::MessageType;
use tftp::ReceiverOutcome;
use thiserror::Error;

/// Why a client did not get its file.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No connection to an HTTP server.
    #[error("cannot connect to {server}")]
    Connect {
        /// The server's address and port.
        server: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// A socket's send or receive failed.
    #[error("the socket failed")]
    Socket(#[from] io::Error),
    /// A BSDP answer with a damaged option 43.
    #[error("a damaged option 43")]
    Option43(#[from] Option43Error),
    /// No DHCP answer after the last retransmission.
    #[error("no answer to {0:?}")]
    NoDhcpAnswer(MessageType),
    /// No BSDP answer after the last retransmission.
    #[error("no answer to BSDP {0:?}")]
    NoBsdpAnswer(BsdpMessageType),
    /// An OFFER without option 54.
    #[error("an OFFER without its server")]
    NoServerIdentifier,
    /// A BSDP list without tag 7.
    #[error("a list without a default image")]
    NoDefaultImage,
    /// Another answer than an ACK for the offered address.
    #[error("{kind:?} for {address} instead of an ACK")]
    NotAcknowledged {
        /// The answer's option 53.
        kind: MessageType,
        /// The address of the OFFER.
        address: Ipv4Addr,
    },
    /// Another boot file than the expected one.
    #[error("the boot file is {0:?}")]
    BootFile(String),
    /// The name does not fit a read request.
    #[error("the file's name is too long")]
    NameTooLong,
    /// A datagram that is no TFTP packet.
    #[error("not a TFTP packet")]
    NotTftp,
    /// A TFTP transfer that ended early.
    #[error("{outcome:?} after {bytes} bytes")]
    Transfer {
        /// The end of the state machine.
        outcome: ReceiverOutcome,
        /// Bytes of the file so far.
        bytes: usize,
    },
    /// A transfer that takes longer than the client waits.
    #[error("{bytes} of {size} bytes in {} s", within.as_secs())]
    Late {
        /// Bytes of the file so far.
        bytes: usize,
        /// The file's size in bytes.
        size: usize,
        /// The time that the client waits.
        within: Duration,
    },
    /// The connection or transfer ended before the last byte.
    #[error("the file ends after {0} bytes")]
    Short(usize),
    /// Bytes that differ from the file's.
    #[error("other bytes at {0}")]
    OtherBytes(u64),
    /// The server closed the connection.
    #[error("the server has closed the connection")]
    Closed,
    /// No HTTP head within the most bytes that one has.
    #[error("no head of an answer")]
    NoHead,
    /// Another status than the expected one.
    #[error("{line:?} instead of {expected}")]
    Status {
        /// The answer's first line.
        line: String,
        /// The status that was expected.
        expected: &'static str,
    },
    /// A head without `Content-Length`.
    #[error("no length in {0:?}")]
    NoLength(String),
    /// Another length than the range has.
    #[error("{bytes} bytes are promised for {range:?}")]
    Promised {
        /// The `Content-Length` of the answer.
        bytes: u64,
        /// The bytes that were asked for.
        range: Range<u64>,
    },
    /// The client's thread or task panicked.
    #[error("the client panicked")]
    Panicked,
}
