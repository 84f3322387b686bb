//! DHCP, DHCPv6 and BSDP packets, and how they were answered.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bsdp::{BootImageId, BsdpMessageType, LeftOut};
use pxe_policy::{ArchType, Class, Evidence, MacAddr, Reason, SystemUuid};

use crate::SharedError;

/// One decision about a DHCP packet, with all that the log shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The service that decided.
    pub proto: Proto,
    /// The interface that received the packet.
    pub iface: String,
    /// The sender of the packet.
    pub peer: SocketAddr,
    /// The transaction, when the header could be read.
    pub xid: Option<u32>,
    /// The machine, when the header could be read.
    pub mac: Option<MacAddr>,
    /// Option 97: the machine's GUID.
    pub uuid: Option<SystemUuid>,
    /// The architecture that counts.
    pub arch: Option<ArchType>,
    /// The kind of client that speaks.
    pub class: Option<Class>,
    /// The answer's message type, or why there is no answer.
    pub decision: Answered,
    /// The reason, as the log names it.
    pub reason: Reason,
    /// The error: of parsing the packet, of sending the reply, of the relay.
    pub detail: Option<SharedError>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The machine's name, when a directory knows it.
    pub machine: Option<String>,
    /// The deployment that it gets.
    pub deployment: Option<String>,
    /// The image that the machine gets.
    pub image: Option<String>,
    /// The boot file as the client gets it.
    pub boot_file: Option<String>,
    /// The address that was offered or leased.
    pub address: Option<IpAddr>,
    /// The evidence of the decision that an operator should see.
    pub evidence: Vec<Evidence>,
    /// The relay that the packet came through.
    pub relay: Option<IpAddr>,
    /// The lease that the machine takes from another server, when the packet says so.
    pub taken: Option<LeaseTaken>,
    /// The server that holds the boot file, when it is not this one: its part of the boot is not
    /// visible here.
    pub elsewhere: Option<IpAddr>,
    /// Whether `netbootd probe` asked, and no machine.
    pub probe: bool,
}

impl Decided {
    /// The error or, without one, the evidence: the text for the log, the page and the terminal.
    pub fn explanation(&self) -> Option<String> {
        self.detail.as_ref().map(ToString::to_string).or_else(|| {
            let seen: Vec<String> = self.evidence.iter().map(ToString::to_string).collect();
            (!seen.is_empty()).then(|| seen.join("; "))
        })
    }

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
            evidence: Vec::new(),
            relay: None,
            taken: None,
            elsewhere: None,
            probe: false,
        }
    }
}

/// The answer to a DHCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answered {
    /// DHCPOFFER, or an ADVERTISE of DHCPv6.
    Offer,
    /// DHCPACK, or a REPLY of DHCPv6.
    Ack,
    /// DHCPNAK: the address is refused.
    Nak,
    /// The message FAILED of BSDP.
    Failed,
    /// Nothing left, on purpose.
    Ignore,
    /// Nothing: the machine is meant to go on to its disk.
    LocalBoot,
    /// Nothing until an operator says so.
    Wait,
    /// An answer that could not be sent.
    SendFailed,
}

impl Answered {
    /// Whether the machine has an answer that boots it.
    pub fn is_reply(self) -> bool {
        matches!(self, Answered::Offer | Answered::Ack)
    }

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
    /// TFTP on port 69, or on `tftp.port`.
    Tftp,
    /// HTTP on port 80, or on `http.port`.
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

/// One packet of a Mac.
#[derive(Debug, Clone, PartialEq)]
pub struct MacAnswered {
    /// The interface that received the packet.
    pub iface: String,
    /// The sender of the packet.
    pub peer: SocketAddr,
    /// The number of the transaction.
    pub xid: u32,
    /// The Mac's hardware address.
    pub mac: MacAddr,
    /// The Mac's model identifier, such as `Macmini7,1`.
    pub model: Option<String>,
    /// The Mac's architecture: `i386` or `ppc`.
    pub architecture: Option<String>,
    /// The message type of the request; None at its start, and when that could not be read.
    pub asked: Option<BsdpMessageType>,
    /// The answer that left.
    pub decision: Answered,
    /// The reason, as the log names it.
    pub reason: bsdp::Reason,
    /// The error: of building or sending the reply, of the ledger.
    pub detail: Option<SharedError>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The Mac's name, when a directory knows it.
    pub machine: Option<String>,
    /// The image that was confirmed or offered, or a list's default.
    pub image: Option<BootImageId>,
    /// The booter as the Mac gets it.
    pub boot_file: Option<String>,
    /// How many images are for it.
    pub offered: usize,
    /// How many of those did not fit into the list.
    pub cut: usize,
    /// The images that are not for it, by folder, each with why.
    pub left_out: Vec<(String, LeftOut)>,
    /// Whether `netbootd probe` asked, and no Mac.
    pub probe: bool,
}

/// A lease that a machine takes from another DHCP server: a broadcast REQUEST with options 50 and
/// 54 (RFC 2131 §4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTaken {
    /// Option 50: the address; None when the packet has none.
    pub address: Option<Ipv4Addr>,
    /// Option 54: the server.
    pub server: Ipv4Addr,
}

impl fmt::Display for LeaseTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "took {address} from {}", self.server),
            None => write!(f, "took a lease from {}", self.server),
        }
    }
}

/// Another DHCP server's reply to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OtherReply {
    /// A DHCPOFFER of the other server.
    Offer,
    /// A DHCPACK of the other server.
    Ack,
    /// A DHCPNAK of the other server.
    Nak,
}

impl OtherReply {
    /// The verb for the log and the evidence.
    pub fn verb(self) -> &'static str {
        match self {
            OtherReply::Offer => "offers",
            OtherReply::Ack => "acknowledges",
            OtherReply::Nak => "refuses with a NAK",
        }
    }
}

/// Another DHCP server's broadcast to a machine that asked here as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherServer {
    /// The interface that it was received on.
    pub iface: String,
    /// The server: option 54, or the sender.
    pub server: Ipv4Addr,
    /// The machine that the packet is for.
    pub mac: MacAddr,
    /// The type of the message.
    pub reply: OtherReply,
    /// Option 60 of the packet, escaped.
    pub class: Option<String>,
    /// Option 66, or the header's `siaddr`.
    pub next_server: Option<String>,
    /// Option 67, or the header's `file`, escaped.
    pub boot_file: Option<String>,
    /// The address that it offers; None from a proxy.
    pub address: Option<Ipv4Addr>,
    /// Option 3: the first router.
    pub router: Option<Ipv4Addr>,
    /// Whether it names a DNS server (option 6).
    pub has_dns: bool,
    /// Whether it came from an address of this host: another program here answers as well.
    pub same_host: bool,
}

impl OtherServer {
    /// Whether it offers something to boot. A `siaddr` alone is none: many servers put their own
    /// address there.
    pub fn boots(&self) -> bool {
        self.boot_file.is_some() || self.class.is_some()
    }
}

impl fmt::Display for OtherServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.server, self.reply.verb())?;
        let address = self.address.map(|address| address.to_string());
        let router = self.router.map(|router| router.to_string());
        let parts = [
            ("boot file", self.boot_file.as_deref()),
            ("next server", self.next_server.as_deref()),
            ("class", self.class.as_deref()),
            ("address", address.as_deref()),
            ("router", router.as_deref()),
        ];
        let mut separator = " ";
        for (name, value) in parts {
            if let Some(value) = value {
                write!(f, "{separator}{name} {value}")?;
                separator = ", ";
            }
        }
        if self.same_host {
            write!(f, "{separator}from another program of this host")?;
        }
        Ok(())
    }
}
