//! Boot requests: one packet's facts about a machine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use thiserror::Error;

use crate::{ArchType, MacAddr, SystemUuid};

/// How many architecture types of option 93 are kept; no firmware was seen to send more than three.
pub const MAX_ARCH_TYPES: usize = 8;

/// The kind of client: firmware, or a boot program that asks again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// PXE firmware (vendor class `PXEClient`).
    Pxe,
    /// UEFI HTTP boot (vendor class `HTTPClient`).
    Http,
    /// iPXE (user class `iPXE`), whichever vendor class it sends along.
    Ipxe,
    /// U-Boot by itself (vendor class `U-Boot...`, or none beside option 93). It takes its files by
    /// TFTP from the server that gives its address; it knows neither a proxy nor a menu.
    Uboot,
    /// A Mac (vendor class `AAPLBSDPC`).
    Bsdp,
}

impl Class {
    /// Every machine but a Mac that asks for a boot file by DHCP.
    pub const PCS: [Class; 4] = [Class::Pxe, Class::Http, Class::Ipxe, Class::Uboot];

    /// Whether the client takes PXE's options: menus, and an answer on port 4011.
    pub fn speaks_pxe(self) -> bool {
        matches!(self, Class::Pxe | Class::Ipxe)
    }

    /// The name used in logs and rules.
    pub fn name(self) -> &'static str {
        match self {
            Class::Pxe => "pxe",
            Class::Http => "http",
            Class::Ipxe => "ipxe",
            Class::Uboot => "uboot",
            Class::Bsdp => "bsdp",
        }
    }
}

/// Text that names no client class.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a client class: one of pxe, http, ipxe, uboot, bsdp was expected")]
pub struct UnknownClass(pub String);

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Class {
    type Err = UnknownClass;

    /// Takes the names of [`Class::name`] and the vendor classes themselves, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        match text.to_ascii_lowercase().as_str() {
            "pxe" | "pxeclient" => Ok(Class::Pxe),
            "http" | "httpclient" => Ok(Class::Http),
            "ipxe" => Ok(Class::Ipxe),
            "uboot" | "u-boot" => Ok(Class::Uboot),
            "bsdp" | "aaplbsdpc" => Ok(Class::Bsdp),
            _ => Err(UnknownClass(text.to_owned())),
        }
    }
}

/// The facts of one DHCP packet about a machine, after parsing and before any decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootRequest {
    /// The hardware address (`chaddr`).
    pub mac: MacAddr,
    /// Option 97, when present and well-formed.
    pub uuid: Option<SystemUuid>,
    /// Option 93 in the order sent, at most [`MAX_ARCH_TYPES`]; empty for Macs and for U-Boot that
    /// does not say it.
    pub archs: Vec<ArchType>,
    /// The kind of client that speaks.
    pub class: Class,
    /// `giaddr`, or DHCPv6's link address, when a relay forwarded the packet.
    pub relay: Option<IpAddr>,
    /// The segment's address that decides the subnet: the relay's, or the receiving interface's
    /// own.
    pub segment: IpAddr,
    /// The client's own address, when it has one already.
    pub address: Option<IpAddr>,
    /// Whether a Windows boot program speaks (option 250), which was started already and asks what
    /// to do next.
    pub boot_program: bool,
    /// The name of the interface that received the packet.
    pub iface: String,
    /// Seconds since the client began, as it says (OVMF always says 0).
    pub secs: u16,
    /// The item of the firmware's menu that somebody at the machine chose (option 43, tag 71).
    pub item: Option<u16>,
    /// The tags that operators gave the machine. No packet says them.
    pub tags: Vec<String>,
}

impl BootRequest {
    /// The architecture that counts: the first one with a name, or else the first.
    pub fn arch(&self) -> Option<ArchType> {
        self.archs.iter().copied().find(|arch| arch.name().is_some()).or(self.archs.first().copied())
    }

    /// A request of a machine on this host's own link that has asked for a long time.
    pub fn asking(mac: MacAddr, uuid: Option<SystemUuid>, arch: ArchType, class: Class) -> Self {
        BootRequest {
            mac,
            uuid,
            archs: vec![arch],
            class,
            relay: None,
            segment: Ipv4Addr::LOCALHOST.into(),
            address: None,
            boot_program: false,
            iface: String::new(),
            secs: u16::MAX,
            item: None,
            tags: Vec::new(),
        }
    }

    /// Whether operators gave the machine this tag, in any case of its letters.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own.eq_ignore_ascii_case(tag))
    }
}

/// The identifiers by which directories look a machine up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The machine's hardware address.
    pub mac: MacAddr,
    /// Its GUID, unless that is banned.
    pub uuid: Option<SystemUuid>,
    /// Its architecture: which unknown computer object stands for it, and which files suit it.
    pub arch: Option<ArchType>,
    /// Whether it is a Mac.
    pub is_mac: bool,
}

impl Identity {
    /// Of a request that bans have been taken out of.
    pub fn from_request(request: &BootRequest) -> Self {
        Identity {
            mac: request.mac,
            uuid: request.uuid,
            arch: request.arch(),
            is_mac: request.class == Class::Bsdp,
        }
    }
}
