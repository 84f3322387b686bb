use proptest::prelude::*;

use super::*;
use crate::v4::testing::{captured_bytes, unhex, vectors};

fn parse_either(bytes: &[u8]) -> Result<Packet, Malformed> {
    Packet::parse(bytes).or_else(|_| Packet::parse_reply(bytes))
}

#[test]
fn every_captured_packet_reads_as_an_independent_parser_read_it() {
    for vector in vectors() {
        let (id, decoded) = (&vector.id, &vector.json["decoded"]);
        let packet = parse_either(&vector.bytes).unwrap_or_else(|error| panic!("{id}: {error}"));
        let header = &packet.header;
        let is_reply = decoded["op"] == 2;
        assert_eq!(Packet::parse(&vector.bytes).is_err(), is_reply, "{id}");
        assert_eq!(format!("{:08x}", header.xid()), decoded["xid"], "{id}");
        assert_eq!(packet.mac().to_string(), decoded["chaddr"], "{id}");
        assert_eq!(u64::from(header.hops()), decoded["hops"], "{id}");
        assert_eq!(u64::from(header.secs()), decoded["secs"], "{id}");
        assert_eq!(format!("0x{:04x}", u16::from(header.flags())), decoded["flags"], "{id}");
        for (name, addr) in [
            ("ciaddr", header.ciaddr()),
            ("yiaddr", header.yiaddr()),
            ("siaddr", header.siaddr()),
            ("giaddr", header.giaddr()),
        ] {
            assert_eq!(addr.to_string(), decoded[name], "{id} {name}");
        }
        let text = |field: Option<&[u8]>| field.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        assert_eq!(text(packet.file()).as_deref(), decoded["file"].as_str(), "{id}");
        assert_eq!(text(packet.server_name()).as_deref(), decoded["sname"].as_str(), "{id}");
        assert_eq!(u64::from(u8::from(packet.message_type())), decoded["msg_type"], "{id}");
        let order: Vec<u64> =
            decoded["option_order"].as_array().unwrap().iter().map(|code| code.as_u64().unwrap()).collect();
        assert_eq!(packet.option_codes().map(u64::from).collect::<Vec<_>>(), order, "{id}");
        for (code, value) in decoded["options"].as_object().unwrap() {
            let value = unhex(value.as_str().unwrap());
            assert_eq!(packet.first(code.parse().unwrap()), Some(value.as_slice()), "{id} option {code}");
        }
    }
}

#[test]
fn a_header_that_lies_is_refused_before_the_codec_sees_it() {
    let good = captured_bytes("ovmf-x64-4");
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        Packet::parse(&bytes)
    };
    assert_eq!(changed(0, 9), Err(Malformed::Op(9)));
    assert_eq!(changed(2, 255), Err(Malformed::HardwareAddress { kind: 1, length: 255 }));
    assert_eq!(changed(2, 16), Err(Malformed::HardwareAddress { kind: 1, length: 16 }));
    assert_eq!(changed(1, 32), Err(Malformed::HardwareAddress { kind: 32, length: 6 }));
    assert_eq!(changed(236, 0), Err(Malformed::NoCookie));
    assert_eq!(changed(240, 54), Err(Malformed::NoMessageType));
    assert_eq!(Packet::parse(&good[..239]), Err(Malformed::Truncated { have: 239 }));
    assert_eq!(Packet::parse(&good[..240]), Err(Malformed::NoMessageType));
}

#[test]
fn a_bad_tail_of_the_options_is_left_out_and_the_rest_used() {
    let mut bytes = captured_bytes("ovmf-x64-4");
    let end = bytes.iter().rposition(|byte| *byte == option::END).unwrap();
    bytes.truncate(end);
    bytes.extend([option::HOST_NAME, 200, b'x']);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.message_type(), MessageType::Request);
    assert_eq!(packet.first(option::HOST_NAME), None);
    assert!(packet.first(option::VENDOR_CLASS).unwrap().starts_with(b"PXEClient"));
}

proptest! {
    #[test]
    fn any_bytes_give_a_packet_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = parse_either(&bytes);
    }

    #[test]
    fn a_captured_packet_with_any_bytes_changed_gives_a_packet_or_an_error(
        changes in proptest::collection::vec((0usize..412, any::<u8>()), 1..20),
        length in 0usize..413,
    ) {
        let mut bytes = captured_bytes("ipxe-bios-8");
        for (at, value) in changes {
            bytes[at] = value;
        }
        bytes.truncate(length);
        let _ = parse_either(&bytes);
    }
}
