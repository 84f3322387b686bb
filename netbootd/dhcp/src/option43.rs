//! PXE vendor options, carried inside option 43 (PXE 2.1 specification §2.3, table 2-1).
//!
//! ```text
//! +-----+-----+----------------+  ...  +-----+
//! | tag | len | value (len)    |       | 255 |
//! +-----+-----+----------------+  ...  +-----+
//! ```

use std::net::Ipv4Addr;

use nom::bytes::complete::take;
use nom::multi::many0;
use nom::number::complete::{be_u16, u8};
use nom::{IResult, Parser};
use thiserror::Error;

use crate::tlv::{self, Truncated};

/// The PXE vendor options in the order of the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PxeOptions(pub Vec<PxeOption>);

/// One PXE vendor option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PxeOption {
    /// Tag 6: how the client looks for boot servers.
    DiscoveryControl(DiscoveryControl),
    /// Tag 7: the multicast address of discovery.
    DiscoveryMulticast(Ipv4Addr),
    /// Tag 8: boot servers by type.
    BootServers(Vec<BootServer>),
    /// Tag 9: the menu.
    BootMenu(Vec<MenuEntry>),
    /// Tag 10: the line above the menu.
    MenuPrompt(MenuPrompt),
    /// Tag 71: the item that the client chose, or that an answer is about.
    BootItem(BootItem),
    /// Any other tag, kept as it is.
    Other {
        /// The tag, neither 0 nor 255.
        tag: u8,
        /// The value as the packet has it.
        value: Vec<u8>,
    },
}

/// The bits of tag 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscoveryControl(pub u8);

impl DiscoveryControl {
    /// Bit 0: no broadcast discovery.
    pub const NO_BROADCAST: u8 = 1;
    /// Bit 1: no multicast discovery.
    pub const NO_MULTICAST: u8 = 2;
    /// Bit 2: only the servers of tag 8.
    pub const ONLY_LISTED: u8 = 4;
    /// Bit 3: fetch the boot file of this offer at once, without asking port 4011.
    pub const BOOT_AT_ONCE: u8 = 8;
}

/// One type of tag 8 with its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootServer {
    /// The boot server type; 0 is remote install, 0x8000 and up are a vendor's own.
    pub kind: u16,
    /// Its addresses, at most 255.
    pub addresses: Vec<Ipv4Addr>,
}

/// One line of tag 9.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuEntry {
    /// The boot server type that the line stands for.
    pub kind: u16,
    /// Its text, at most 255 bytes.
    pub text: Vec<u8>,
}

/// Tag 10: the prompt in front of the boot menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuPrompt {
    /// Seconds until the first line is taken: 0 at once, 255 never.
    pub timeout: u8,
    /// The text that the firmware shows.
    pub text: Vec<u8>,
}

/// Tag 71: the item that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootItem {
    /// The boot server type.
    pub kind: u16,
    /// The layer; bit 15 asks for credentials.
    pub layer: u16,
}

/// Why an option 43 is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Option43Error {
    /// A length goes beyond the end.
    #[error("tag {tag} claims {need} bytes, {have} are left")]
    Truncated {
        /// The tag whose value is cut; 0 when the length byte itself is missing.
        tag: u8,
        /// Bytes that its length byte claims.
        need: usize,
        /// Bytes that are left of the option.
        have: usize,
    },
    /// A value does not have the shape of its tag.
    #[error("the value of tag {tag} has the wrong shape")]
    Shape {
        /// The tag with that value.
        tag: u8,
    },
    /// On emitting: a value is longer than its length byte can say.
    #[error("the value of tag {tag} has {have} bytes, more than 255")]
    TooLong {
        /// The tag whose value is too long.
        tag: u8,
        /// The bytes that are there.
        have: usize,
    },
}

impl PxeOptions {
    /// Offers the file at once: the client does not ask port 4011 ("bypass").
    pub fn boot_at_once() -> Self {
        PxeOptions(vec![PxeOption::DiscoveryControl(DiscoveryControl(DiscoveryControl::BOOT_AT_ONCE))])
    }

    /// The boot item, when there is one.
    pub fn boot_item(&self) -> Option<BootItem> {
        self.0.iter().find_map(|option| match option {
            PxeOption::BootItem(item) => Some(*item),
            _ => None,
        })
    }

    /// Reads the value of an option 43. Pad bytes are skipped; what follows the end byte is
    /// ignored.
    pub fn parse(mut rest: &[u8]) -> Result<Self, Option43Error> {
        let mut options = Vec::new();
        while let [tag, after @ ..] = rest {
            match *tag {
                PAD => rest = after,
                END => break,
                tag => {
                    let (value, after) =
                        tlv::value(tag, after).map_err(|Truncated { tag, need, have }| {
                            Option43Error::Truncated { tag, need, have }
                        })?;
                    options.push(PxeOption::parse(tag, value)?);
                    rest = after;
                }
            }
        }
        Ok(PxeOptions(options))
    }

    /// The value of an option 43, with its end byte.
    pub fn emit(&self) -> Result<Vec<u8>, Option43Error> {
        let mut bytes = Vec::new();
        for option in &self.0 {
            let (tag, value) = option.emit()?;
            tlv::put(&mut bytes, tag, &value).map_err(|have| Option43Error::TooLong { tag, have })?;
        }
        bytes.push(END);
        Ok(bytes)
    }
}

impl PxeOption {
    fn parse(tag: u8, value: &[u8]) -> Result<Self, Option43Error> {
        let parsed = match tag {
            6 => whole(u8, value).map(|bits| PxeOption::DiscoveryControl(DiscoveryControl(bits))),
            7 => whole(address, value).map(PxeOption::DiscoveryMulticast),
            8 => whole(many0(boot_server), value).map(PxeOption::BootServers),
            9 => whole(many0(menu_entry), value).map(PxeOption::BootMenu),
            10 => value.split_first().map(|(timeout, text)| {
                PxeOption::MenuPrompt(MenuPrompt { timeout: *timeout, text: text.to_vec() })
            }),
            71 => whole((be_u16, be_u16), value)
                .map(|(kind, layer)| PxeOption::BootItem(BootItem { kind, layer })),
            _ => Some(PxeOption::Other { tag, value: value.to_vec() }),
        };
        parsed.ok_or(Option43Error::Shape { tag })
    }

    fn emit(&self) -> Result<(u8, Vec<u8>), Option43Error> {
        let counted = |tag: u8, count: usize| {
            u8::try_from(count).map_err(|_| Option43Error::TooLong { tag, have: count })
        };
        Ok(match self {
            PxeOption::DiscoveryControl(control) => (6, vec![control.0]),
            PxeOption::DiscoveryMulticast(group) => (7, group.octets().to_vec()),
            PxeOption::BootServers(servers) => {
                let mut value = Vec::new();
                for server in servers {
                    value.extend(server.kind.to_be_bytes());
                    value.push(counted(8, server.addresses.len())?);
                    value.extend(server.addresses.iter().flat_map(Ipv4Addr::octets));
                }
                (8, value)
            }
            PxeOption::BootMenu(entries) => {
                let mut value = Vec::new();
                for entry in entries {
                    value.extend(entry.kind.to_be_bytes());
                    value.push(counted(9, entry.text.len())?);
                    value.extend(&entry.text);
                }
                (9, value)
            }
            PxeOption::MenuPrompt(prompt) => (10, [&[prompt.timeout], prompt.text.as_slice()].concat()),
            PxeOption::BootItem(item) => (71, [item.kind.to_be_bytes(), item.layer.to_be_bytes()].concat()),
            PxeOption::Other { tag, value } => (*tag, value.clone()),
        })
    }
}

fn whole<'a, O>(
    mut parser: impl Parser<&'a [u8], Output = O, Error = nom::error::Error<&'a [u8]>>,
    value: &'a [u8],
) -> Option<O> {
    match parser.parse(value) {
        Ok(([], output)) => Some(output),
        _ => None,
    }
}

fn address(input: &[u8]) -> IResult<&[u8], Ipv4Addr> {
    (u8, u8, u8, u8).map(|(a, b, c, d)| Ipv4Addr::new(a, b, c, d)).parse(input)
}

fn boot_server(input: &[u8]) -> IResult<&[u8], BootServer> {
    let (rest, (kind, count)) = (be_u16, u8).parse(input)?;
    let (rest, octets) = take(usize::from(count) * 4)(rest)?;
    let addresses = octets.chunks_exact(4).map(|a| Ipv4Addr::new(a[0], a[1], a[2], a[3])).collect();
    Ok((rest, BootServer { kind, addresses }))
}

fn menu_entry(input: &[u8]) -> IResult<&[u8], MenuEntry> {
    let (rest, (kind, length)) = (be_u16, u8).parse(input)?;
    let (rest, text) = take(length)(rest)?;
    Ok((rest, MenuEntry { kind, text: text.to_vec() }))
}

const PAD: u8 = 0;
const END: u8 = 255;

#[cfg(test)]
mod tests;
