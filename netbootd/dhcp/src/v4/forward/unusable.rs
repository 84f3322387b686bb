//! Why the distribution point's responder is of no use for a machine.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use pxe_policy::{MacAddr, Reason, ServedPathError};
use thiserror::Error;

use super::super::Malformed;
use super::super::option::MessageType;
use crate::SharedError;
use crate::option243::Option243Error;
use crate::option250::Option250Error;

/// Why the responder was not asked, did not answer, or answered nothing that a machine may follow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unusable {
    /// The machine is in no segment whose requests are forwarded.
    #[error("{client} is in no segment of {iface}")]
    Elsewhere {
        /// The address that the machine asks from.
        client: Ipv4Addr,
        /// The interface that received the request.
        iface: String,
    },
    /// The machine asks more often than one address may.
    #[error("{client} has asked {times} times")]
    TooOften {
        /// The address that the machine asks from.
        client: Ipv4Addr,
        /// Requests that one address may have at once.
        times: u32,
    },
    /// The ledger cannot record the deployment, for this reason.
    #[error("the ledger does not take it")]
    NotRecorded(Reason),
    /// The configuration names no responder.
    #[error("no responder is named")]
    NoResponder,
    /// The responder's name leads to no address.
    #[error("{0}")]
    NoAddress(SharedError),
    /// The request cannot be sent, or its port is closed.
    #[error("{to}: {error}")]
    Unreachable {
        /// The responder's address and port.
        to: SocketAddrV4,
        /// The system's error that stopped it.
        error: SharedError,
    },
    /// The responder is silent.
    #[error("{to} did not answer within {within:?}")]
    NoAnswer {
        /// The responder's address and port.
        to: SocketAddrV4,
        /// How long this server waited.
        within: Duration,
    },
    /// The answer is no DHCP packet.
    #[error(transparent)]
    NoPacket(Malformed),
    /// The answer has another transaction number.
    #[error("an answer to {0:08x}")]
    OtherTransaction(u32),
    /// The answer is for another machine.
    #[error("an answer for {0}")]
    OtherMachine(MacAddr),
    /// The answer is neither an offer nor an acknowledgement.
    #[error("{0:?}")]
    OtherType(MessageType),
    /// The boot file is no path that may be served.
    #[error("boot file: {0}")]
    BootFilePath(ServedPathError),
    /// Option 243 cannot be parsed.
    #[error(transparent)]
    Option243(Option243Error),
    /// Option 243 names no path that may be served.
    #[error("option 243: {0}")]
    VariablesPath(ServedPathError),
    /// Option 252 names no path that may be served.
    #[error("option 252: {0}")]
    Option252(ServedPathError),
    /// Option 250 cannot be parsed.
    #[error("option 250: {0}")]
    Option250(Option250Error),
    /// The answer names neither a boot file nor a next action.
    #[error("no boot file")]
    NoBootFile,
}

impl Unusable {
    /// The reason of the decision that follows.
    pub fn reason(&self) -> Reason {
        match self {
            Unusable::Elsewhere { .. } => Reason::RelayElsewhere,
            Unusable::TooOften { .. } => Reason::RelayTooOften,
            Unusable::NotRecorded(reason) => *reason,
            Unusable::NoResponder
            | Unusable::NoAddress(_)
            | Unusable::Unreachable { .. }
            | Unusable::NoAnswer { .. } => Reason::RelayNoAnswer,
            Unusable::OtherTransaction(_) | Unusable::OtherMachine(_) => Reason::RelayOtherMachine,
            Unusable::OtherType(_) | Unusable::NoBootFile => Reason::RelayNothing,
            Unusable::NoPacket(_)
            | Unusable::BootFilePath(_)
            | Unusable::Option243(_)
            | Unusable::VariablesPath(_)
            | Unusable::Option252(_)
            | Unusable::Option250(_) => Reason::RelayMalformed,
        }
    }
}
