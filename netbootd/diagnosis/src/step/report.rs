//! A client's reports of itself, by HTTP or syslog.

use std::net::SocketAddr;

use pxe_policy::MacAddr;

use crate::report::Report;
use crate::syslog::Message;

/// A client's own words. They are laid to the machine that uses the sender's address, and to no
/// other.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// The sender's address and port.
    pub peer: SocketAddr,
    /// The machine that uses the sender's address; None for a sender that is no machine.
    pub mac: Option<MacAddr>,
    /// The report or the syslog message.
    pub message: ClientMessage,
}

/// A client's own words.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// A report, by HTTP.
    Report(Box<Report>),
    /// A message of syslog.
    Syslog(Message),
}
