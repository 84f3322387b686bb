//! The facts of a packet about a machine.

use std::net::{Ipv4Addr, SocketAddrV4};

use pxe_policy::{ArchType, BootRequest, Class, MAX_ARCH_TYPES, Reason, SystemUuid};

use super::{Packet, option};
use crate::Iface;
use crate::option43::{BootItem, PxeOptions};
use crate::option250::{WdsOptions, WdsTag};

/// How a packet came in.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The interface that received the packet.
    pub iface: &'a Iface,
    /// The own address to answer from: the one that was asked, or the interface's own after a
    /// broadcast.
    pub local: Ipv4Addr,
    /// The sender's address and port.
    pub from: SocketAddrV4,
}

impl<'a> Arrival<'a> {
    /// Chooses the own address: `to` when it is one of the interface's, else the one in the
    /// client's network.
    pub fn new(iface: &'a Iface, to: Ipv4Addr, from: SocketAddrV4) -> Self {
        let local = if iface.owns(to) { to } else { iface.addr_towards(*from.ip()) };
        Arrival { iface, local, from }
    }
}

/// The kind of client, or None for a machine that did not ask to boot from the network.
///
/// The vendor class is compared by its prefix only: what follows differs between firmwares, and
/// U-Boot writes hex where others write decimal. U-Boot that is built without a vendor class sends
/// option 93 alone.
pub fn class_of(packet: &Packet) -> Option<Class> {
    let Some(vendor_class) = packet.first(option::VENDOR_CLASS) else {
        return packet.first(option::ARCH).map(|_| Class::Uboot);
    };
    let class = if vendor_class.starts_with(b"PXEClient") {
        Class::Pxe
    } else if vendor_class.starts_with(b"HTTPClient") {
        Class::Http
    } else if vendor_class.starts_with(b"AAPLBSDPC") {
        Class::Bsdp
    } else if vendor_class.starts_with(UBOOT) {
        return Some(Class::Uboot);
    } else {
        return None;
    };
    let ipxe = packet.all(option::USER_CLASS).any(is_ipxe);
    Some(if ipxe && class != Class::Bsdp { Class::Ipxe } else { class })
}

/// The request that a packet makes, or why it makes none. Without option 93 no boot file can be
/// chosen.
pub fn boot_request(packet: &Packet, arrival: &Arrival<'_>) -> Result<BootRequest, Reason> {
    let class = class_of(packet).ok_or(Reason::NotABootRequest)?;
    let request = BootRequest {
        mac: packet.mac(),
        uuid: packet.first(option::SYSTEM_UUID).and_then(SystemUuid::from_option),
        archs: archs(packet),
        class,
        relay: packet.relay().map(Into::into),
        segment: packet.relay().unwrap_or(arrival.local).into(),
        address: Some(packet.header.ciaddr()).filter(|addr| !addr.is_unspecified()).map(Into::into),
        boot_program: packet.first(option::WDS).is_some(),
        iface: arrival.iface.name.clone(),
        secs: packet.header.secs(),
        item: chosen_item(packet).map(|item| item.kind),
        tags: Vec::new(),
    };
    if request.archs.is_empty() && !matches!(class, Class::Bsdp | Class::Uboot) {
        return Err(Reason::NoArchitecture);
    }
    Ok(request)
}

/// The item of the firmware's menu that a request names.
pub fn chosen_item(packet: &Packet) -> Option<BootItem> {
    packet.all(option::VENDOR_OPTIONS).find_map(|value| PxeOptions::parse(value).ok()?.boot_item())
}

/// Option 93 as a list; an odd last byte is left out. A boot program of Windows that leaves it out
/// has found the architecture by itself and says it in option 250; U-Boot has it in its vendor
/// class too (`U-Boot.armv8`).
fn archs(packet: &Packet) -> Vec<ArchType> {
    let pairs = packet.all(option::ARCH).flat_map(|value| value.chunks_exact(2));
    let said: Vec<ArchType> =
        pairs.take(MAX_ARCH_TYPES).map(|pair| ArchType(u16::from_be_bytes([pair[0], pair[1]]))).collect();
    if !said.is_empty() {
        return said;
    }
    if let Some(arch) = packet.first(option::VENDOR_CLASS).and_then(uboot_arch) {
        return vec![arch];
    }
    let found = packet.first(option::WDS).and_then(|value| WdsOptions::parse(value).ok());
    let found = found.and_then(|options| options.first(WdsTag::ARCHITECTURE)?.try_into().ok());
    found.map(|arch| ArchType(u16::from_be_bytes(arch))).into_iter().collect()
}

/// The architecture that U-Boot's vendor class names.
fn uboot_arch(vendor_class: &[u8]) -> Option<ArchType> {
    match vendor_class.strip_prefix(UBOOT)? {
        b".armv8" => Some(ArchType::ARM64_UBOOT),
        b".armv7" | b".arm" => Some(ArchType::ARM32_UBOOT),
        _ => None,
    }
}

/// iPXE sends its user class bare; others send it as RFC 3004 says, each class behind its length.
fn is_ipxe(value: &[u8]) -> bool {
    if value == b"iPXE" {
        return true;
    }
    let mut rest = value;
    while let [length, after @ ..] = rest {
        let Some((class, after)) = after.split_at_checked(usize::from(*length)) else { return false };
        if class == b"iPXE" {
            return true;
        }
        rest = after;
    }
    false
}

const UBOOT: &[u8] = b"U-Boot";

#[cfg(test)]
mod tests {
    use dhcproto::v4::Message;

    use super::*;
    use crate::v4::question::request_bytes;
    use crate::v4::testing::{broadcast, captured, lan};

    fn asked(options: &[(u8, &[u8])]) -> Result<BootRequest, Reason> {
        let none = Ipv4Addr::UNSPECIFIED;
        let header = Message::new_with_id(1, none, none, none, none, &[2, 0, 0, 0, 0, 1]);
        let common: [(u8, &[u8]); 2] = [(option::MESSAGE_TYPE, &[3]), (option::VENDOR_CLASS, b"PXEClient")];
        let bytes = request_bytes(&header, common.into_iter().chain(options.iter().copied()));
        boot_request(&Packet::parse(&bytes).unwrap(), &broadcast(&lan()))
    }

    fn read(message: &[(u8, &[u8])]) -> Option<(Class, Vec<ArchType>)> {
        let none = Ipv4Addr::UNSPECIFIED;
        let header = Message::new_with_id(1, none, none, none, none, &[2, 0, 0, 0, 0, 1]);
        let kind: [(u8, &[u8]); 1] = [(option::MESSAGE_TYPE, &[1])];
        let bytes = request_bytes(&header, kind.into_iter().chain(message.iter().copied()));
        let request = boot_request(&Packet::parse(&bytes).unwrap(), &broadcast(&lan())).ok()?;
        Some((request.class, request.archs))
    }

    #[test]
    fn uboot_is_known_by_its_class_or_by_option_93_alone() {
        let (class, arch) = (option::VENDOR_CLASS, option::ARCH);
        let armv8: (u8, &[u8]) = (class, b"U-Boot.armv8");
        let arm64 = (Class::Uboot, vec![ArchType::ARM64_UBOOT]);
        assert_eq!(read(&[(arch, &[0, 22]), armv8]), Some(arm64.clone()));
        assert_eq!(read(&[armv8]), Some(arm64.clone()), "older builds send no option 93");
        assert_eq!(read(&[(arch, &[0, 22])]), Some(arm64), "some builds send no class");
        let arm32 = (Class::Uboot, vec![ArchType::ARM32_UBOOT]);
        assert_eq!(read(&[(class, b"U-Boot.armv7")]), Some(arm32));
        assert_eq!(read(&[(arch, &[0, 27]), (class, b"U-Boot")]), Some((Class::Uboot, vec![ArchType(27)])));
        assert_eq!(read(&[(class, b"MSFT 5.0"), (arch, &[0, 22])]), None);
        assert_eq!(read(&[]), None);
        let iface = lan();
        let request = boot_request(&captured("cifarm-uboot-riscv"), &broadcast(&iface)).unwrap();
        assert_eq!((request.class, request.archs), (Class::Uboot, Vec::new()));
        let efi = boot_request(&captured("cifarm-uboot-riscv-efi"), &broadcast(&iface)).unwrap();
        assert_eq!((efi.class, efi.archs), (Class::Pxe, vec![ArchType(27)]), "U-Boot as UEFI firmware");
    }

    #[test]
    fn a_boot_program_may_say_the_architecture_that_it_found() {
        let wds: &[u8] = &[12, 1, 0, 13, 2, 8, 0, 1, 2, 0, 7, 14, 1, 0, 255];
        assert_eq!(asked(&[(option::WDS, wds)]).unwrap().archs, [ArchType(7)]);
        assert_eq!(asked(&[(option::WDS, wds), (option::ARCH, &[0, 0])]).unwrap().archs, [ArchType(0)]);
        for broken in [&[1, 2, 0][..], &[1, 1, 7, 255], &[255], &[]] {
            assert_eq!(asked(&[(option::WDS, broken)]), Err(Reason::NoArchitecture), "{broken:?}");
        }
    }
}
