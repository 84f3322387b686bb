//! The fields of a request, checked.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::{Answer, DhcpMessage, Request, Server};
use crate::eligible::NETBOOT_1_MODEL;
use crate::{BootImageId, BsdpMessageType, Reason, SubOption, VendorClass, cannot_netboot, option43};

/// A request whose fields are all valid.
pub(super) struct Asked {
    pub(super) class: VendorClass,
    pub(super) kind: Option<BsdpMessageType>,
    pub(super) version: u16,
    pub(super) server: Option<Ipv4Addr>,
    pub(super) selected: Option<BootImageId>,
    pub(super) filter: Option<Vec<u16>>,
    pub(super) max_message_size: Option<u16>,
    pub(super) to: Option<SocketAddrV4>,
}

/// Reads a request; what was understood before a fault goes into the answer.
pub(super) fn read(server: &Server, request: &Request, answer: &mut Answer) -> Result<Asked, Reason> {
    let mut class = VendorClass::parse(&request.vendor_class).map_err(|_| Reason::NotBsdp)?;
    answer.vendor_class = Some(class.clone());
    if class.architecture.is_empty() {
        return Err(Reason::NotBsdp);
    }
    let options =
        option43::parse(request.vendor_options.iter().map(Vec::as_slice)).map_err(|_| Reason::Malformed)?;
    let find = |pick: fn(&SubOption) -> Option<u16>| options.iter().find_map(pick);
    let kind = options.iter().find_map(|option| match option {
        SubOption::MessageType(kind) => Some(*kind),
        _ => None,
    });
    answer.asked = kind;
    match (request.message, kind) {
        (DhcpMessage::Discover, _)
        | (DhcpMessage::Inform, Some(BsdpMessageType::List | BsdpMessageType::Select)) => {}
        _ => return Err(Reason::NotARequest),
    }
    let version = find(|option| if let SubOption::Version(version) = option { Some(*version) } else { None });
    let version =
        version.filter(|version| [0x0000, 0x0100, 0x0101].contains(version)).ok_or(Reason::WrongVersion)?;
    if cannot_netboot(&class.model) || class.architecture.starts_with("arm") {
        return Err(Reason::CannotNetboot);
    }
    if options.contains(&SubOption::NetBoot1) {
        if !server.netboot_1 {
            return Err(Reason::NoImage);
        }
        class.model = NETBOOT_1_MODEL.to_owned();
    }
    let port = find(|option| if let SubOption::ReplyPort(port) = option { Some(*port) } else { None });
    let port = port.unwrap_or(CLIENT_PORT);
    if port >= FIRST_UNPRIVILEGED_PORT {
        return Err(Reason::ReplyPortNotPrivileged);
    }
    let to = match request.message {
        DhcpMessage::Discover => None,
        // Apple's server stays silent without ciaddr; a client that has an address sends from it,
        // though.
        _ => {
            let known = [request.client_addr, request.sender].into_iter().find(|addr| !addr.is_unspecified());
            Some(SocketAddrV4::new(known.ok_or(Reason::NoAddress)?, port))
        }
    };
    Ok(Asked {
        class,
        kind,
        version,
        server: options.iter().find_map(|option| match option {
            SubOption::ServerIdentifier(addr) => Some(*addr),
            _ => None,
        }),
        selected: options.iter().find_map(|option| match option {
            SubOption::SelectedBootImageId(id) => Some(*id),
            _ => None,
        }),
        filter: options.iter().find_map(|option| match option {
            SubOption::AttributesFilter(filter) => Some(filter.clone()),
            _ => None,
        }),
        max_message_size: find(
            |option| if let SubOption::MaxMessageSize(size) = option { Some(*size) } else { None },
        ),
        to,
    })
}

const CLIENT_PORT: u16 = 68;
/// Only the system may send from a port below this one.
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;
