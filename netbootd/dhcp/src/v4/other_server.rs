//! Broadcasts of other DHCP servers to clients: an address or a boot that another server gives a
//! machine.

use std::net::Ipv4Addr;

use super::option::{self, MessageType};
use super::{Arrival, Packet};
use crate::outcome::{OtherReply, OtherServer};

/// Reads what came to a client's port. None for what is neither OFFER, ACK nor NAK, or names this
/// server and comes from elsewhere. The caller drops the server's own replies.
pub fn read(bytes: &[u8], arrival: &Arrival<'_>) -> Option<OtherServer> {
    let packet = Packet::parse_reply(bytes).ok()?;
    let sender = *arrival.from.ip();
    let server = packet.address(option::SERVER_IDENTIFIER).unwrap_or(sender);
    let is_own = |addr: Ipv4Addr| arrival.iface.addrs.iter().any(|net| net.addr() == addr);
    let reply = match packet.message_type() {
        MessageType::Offer => OtherReply::Offer,
        MessageType::Ack => OtherReply::Ack,
        MessageType::Nak => OtherReply::Nak,
        _ => return None,
    };
    let same_host = is_own(sender);
    if is_own(server) && !same_host {
        return None;
    }
    let set = |addr: Ipv4Addr| (!addr.is_unspecified()).then_some(addr);
    let named = packet.first(option::TFTP_SERVER_NAME).and_then(text);
    Some(OtherServer {
        iface: arrival.iface.name.clone(),
        server,
        mac: packet.mac(),
        class: packet.first(option::VENDOR_CLASS).and_then(text),
        next_server: named.or_else(|| set(packet.header.siaddr()).map(|addr| addr.to_string())),
        boot_file: packet.first(option::BOOT_FILE).and_then(text).or_else(|| text(packet.file()?)),
        address: set(packet.header.yiaddr()),
        reply,
        router: packet.address(option::ROUTER),
        has_dns: packet.first(option::DNS).is_some_and(|value| value.len() >= 4),
        same_host,
    })
}

/// Up to the first zero byte, escaped; None when that is nothing.
fn text(value: &[u8]) -> Option<String> {
    let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
    (!value.is_empty()).then(|| value.escape_ascii().to_string())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use super::*;
    use crate::v4::testing::{lan, offer};

    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);

    fn heard(bytes: &[u8], from: Ipv4Addr) -> Option<OtherServer> {
        let iface = lan();
        read(bytes, &Arrival::new(&iface, Ipv4Addr::BROADCAST, SocketAddrV4::new(from, 67)))
    }

    #[test]
    fn another_servers_boot_options_are_told() {
        let options: [(u8, &[u8]); 4] = [
            (option::SERVER_IDENTIFIER, &OTHER.octets()),
            (option::VENDOR_CLASS, b"PXEClient"),
            (option::TFTP_SERVER_NAME, b"wds.corp.example\0"),
            (option::BOOT_FILE, b"boot\\x64\\wdsnbp.com\0"),
        ];
        let said = heard(&offer(&options), OTHER).unwrap().to_string();
        let wanted = "10.77.0.9 offers boot file boot\\\\x64\\\\wdsnbp.com, next server wds.corp.example, class PXEClient";
        assert!(said.starts_with(wanted), "{said}");
    }

    /// RFC 2132 §9.3: the header's fields hold options.
    #[test]
    fn options_in_the_headers_fields_are_read_and_no_names() {
        let mut bytes = offer(&[(option::SERVER_IDENTIFIER, &OTHER.octets()), (option::OVERLOAD, &[3])]);
        bytes[108..115].copy_from_slice(&[option::BOOT_FILE, 4, b'o', b'l', b'd', 0, option::END]);
        bytes[44..50].copy_from_slice(&[option::TFTP_SERVER_NAME, 3, b'w', b'd', b's', option::END]);
        let other = heard(&bytes, OTHER).unwrap();
        assert_eq!(other.boot_file.as_deref(), Some("old"));
        assert_eq!(other.next_server.as_deref(), Some("wds"));
        let mut nothing = offer(&[(option::SERVER_IDENTIFIER, &OTHER.octets()), (option::OVERLOAD, &[1])]);
        nothing[108..112].copy_from_slice(&[option::ROUTER, 200, 1, 2]);
        assert!(!heard(&nothing, OTHER).unwrap().boots());
    }

    #[test]
    fn addresses_alone_and_what_this_server_says_are_no_rivals() {
        let plain = offer(&[(option::SERVER_IDENTIFIER, &OTHER.octets())]);
        assert!(!heard(&plain, OTHER).unwrap().boots(), "an address, and nothing to boot");
        let boots: [(u8, &[u8]); 1] = [(option::BOOT_FILE, b"a")];
        let own = lan().addrs[0].addr();
        assert!(heard(&offer(&boots), own).unwrap().same_host, "another program of this host");
        let relayed: [(u8, &[u8]); 2] =
            [(option::SERVER_IDENTIFIER, &own.octets()), (option::BOOT_FILE, b"a")];
        assert_eq!(heard(&offer(&relayed), OTHER), None);
        assert!(!heard(&offer(&boots), OTHER).unwrap().same_host);
        assert!(heard(&offer(&boots), OTHER).is_some(), "the sender stands for a server without option 54");
        let hostile: [(u8, &[u8]); 1] = [(option::VENDOR_CLASS, b"<b>\x1b[2J\xff")];
        assert_eq!(heard(&offer(&hostile), OTHER).unwrap().class.unwrap(), "<b>\\x1b[2J\\xff");
        for bytes in [&b""[..], &[2; 300], &plain[..100]] {
            assert_eq!(heard(bytes, OTHER), None);
        }
    }
}
