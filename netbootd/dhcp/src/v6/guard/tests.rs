use proptest::prelude::*;

use super::*;
use crate::v6::testing::{MAC, SOLICIT, association, client_id, message, opt, relayed};

#[test]
fn a_message_reads_as_it_was_written() {
    let options =
        [client_id(), association(7, Some("2001:db8::5")), opt(option::OPTION_REQUEST, &[0, 59, 0, 60])];
    let packet = Packet::parse(&message(SOLICIT, &options)).unwrap();
    assert_eq!((packet.kind, packet.xid()), (MessageType::Solicit, 0x000a_0b0c));
    assert!(packet.asks_for(option::BOOT_FILE_URL) && !packet.asks_for(option::DNS));
    let addresses = vec!["2001:db8::5".parse().unwrap()];
    assert_eq!(packet.associations().collect::<Vec<_>>(), [Association { id: 7, addresses }]);
    assert!(packet.nearest_relay().is_none());
}

#[test]
fn relays_are_peeled_off_up_to_a_bound() {
    let mut bytes = message(SOLICIT, &[client_id()]);
    let seen = opt(option::CLIENT_LINK_LAYER, &[&[0, 1][..], &MAC.octets()].concat());
    bytes = relayed("2001:db8:9::1", "fe80::5", &[seen], &bytes);
    bytes = relayed("::", "2001:db8:8::1", &[], &bytes);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.relays.len(), 2);
    let nearest = packet.nearest_relay().unwrap();
    assert_eq!((nearest.link, nearest.peer), ("2001:db8:9::1".parse().unwrap(), "fe80::5".parse().unwrap()));
    for _ in 2..MAX_RELAYS {
        bytes = relayed("::", "fe80::1", &[], &bytes);
    }
    assert_eq!(Packet::parse(&bytes).unwrap().relays.len(), MAX_RELAYS);
    let bytes = relayed("::", "fe80::1", &[], &bytes);
    assert_eq!(Packet::parse(&bytes), Err(Malformed::TooManyRelays));
}

#[test]
fn lengths_that_lie_and_messages_of_servers_are_refused() {
    let parse = |bytes: &[u8]| Packet::parse(bytes).unwrap_err();
    assert_eq!(parse(&[]), Malformed::Truncated { need: 4, have: 0 });
    assert_eq!(parse(&[1, 0, 0]), Malformed::Truncated { need: 4, have: 3 });
    assert_eq!(parse(&[12; 33]), Malformed::Truncated { need: 34, have: 33 });
    assert_eq!(parse(&[1, 0, 0, 0, 0, 1, 0]), Malformed::Truncated { need: 4, have: 3 });
    assert_eq!(parse(&[1, 0, 0, 0, 0, 1, 0, 9, 1]), Malformed::Option { code: 1, need: 9, have: 1 });
    for kind in [0, 2, 7, 10, 13, 14, 255] {
        assert_eq!(parse(&message(kind, &[client_id()])), Malformed::Type(kind));
    }
    let mut empty = vec![12; 34];
    empty.extend(opt(option::INTERFACE_ID, b"eth1"));
    assert_eq!(parse(&empty), Malformed::NoRelayedMessage);
    assert_eq!(parse(&message(SOLICIT, &[])), Malformed::NoClientId);
    assert_eq!(parse(&message(SOLICIT, &[opt(option::CLIENT_ID, &[0; 131])])), Malformed::NoClientId);
    assert!(Packet::parse(&message(11, &[])).is_ok(), "who asks for no address may stay unknown");
}

#[test]
fn an_association_that_lies_is_left_out_and_the_rest_is_read() {
    let broken = [
        opt(option::IA_NA, &[0; 11]),
        opt(option::IA_NA, &[&[0; 12][..], &opt(option::IA_ADDR, &[0; 23])].concat()),
        opt(option::IA_NA, &[&[0; 12][..], &[0, 13, 0, 1, 0]].concat()),
        opt(option::IA_NA, &[&[0; 12][..], &[0, 5, 255, 255]].concat()),
    ];
    let options = [vec![client_id()], broken.to_vec(), vec![association(9, None)]].concat();
    let packet = Packet::parse(&message(SOLICIT, &options)).unwrap();
    let found: Vec<(u32, usize)> =
        packet.associations().map(|found| (found.id, found.addresses.len())).collect();
    assert_eq!(found, [(0, 0), (0, 0), (9, 0)]);
}

#[test]
fn texts_end_where_a_length_lies() {
    let all: Vec<&[u8]> = texts(&[0, 1, b'a', 0, 0, 0, 2, b'b', b'c', 0, 9, b'd']).collect();
    assert_eq!(all, [&b"a"[..], b"", b"bc"]);
}

proptest! {
    #[test]
    fn any_bytes_are_a_packet_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(packet) = Packet::parse(&bytes) {
            let _ = packet.associations().count();
        }
    }

    #[test]
    fn a_relayed_message_with_any_bytes_changed_is_a_packet_or_an_error(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let inside = message(SOLICIT, &[client_id(), association(1, Some("2001:db8::5"))]);
        let mut bytes = relayed("2001:db8::1", "fe80::5", &[opt(option::INTERFACE_ID, b"eth1")], &inside);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(packet) = Packet::parse(&bytes) {
            let _ = packet.associations().count();
        }
    }
}
