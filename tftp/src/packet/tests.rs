use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_captured_packet_reads_as_an_independent_parser_read_it() {
    let file: Value = serde_json::from_str(include_str!("../../tests/data/tftp-vectors.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 11);
    for vector in vectors {
        let (id, decoded) = (vector["id"].as_str().unwrap(), &vector["decoded"]);
        let bytes = unhex(vector["hex"].as_str().unwrap());
        match Packet::parse(&bytes).unwrap() {
            Packet::ReadRequest(request) => {
                assert_eq!(decoded["opcode"], 1, "{id}");
                assert_eq!(request.filename, decoded["filename"].as_str().unwrap().as_bytes(), "{id}");
                assert_eq!(request.mode, Some(Mode::Octet), "{id}");
                let mut written = Vec::new();
                request.options.emit(&mut written);
                let mut expected = Vec::new();
                let mut names = Vec::new();
                for pair in decoded["options"].as_array().unwrap() {
                    let (name, value) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
                    if !names.contains(&name) {
                        put_string(&mut expected, name.as_bytes());
                        put_string(&mut expected, value.as_bytes());
                        names.push(name);
                    }
                }
                assert_eq!(written, expected, "{id}");
                if id.starts_with("ovmf") || id.starts_with("ipxe") || id.starts_with("tcpdump") {
                    let ours = Packet::read_request(request.filename, Mode::Octet, &request.options);
                    assert_eq!(ours, Some(bytes), "{id}");
                }
            }
            packet @ (Packet::Ack { block, .. } | Packet::Data { block, .. }) => {
                assert_eq!(u64::from(block), decoded["block"], "{id}");
                if let Some(window) = vector["expect"]["next_window"].as_u64() {
                    assert!(
                        matches!(packet, Packet::Ack { next_window: Some(got), .. } if u64::from(got) == window)
                    );
                }
                assert_eq!(packet.emit(), Some(bytes.clone()), "{id}");
            }
            packet @ Packet::Error { code, message } => {
                assert_eq!(u64::from(code.0), decoded["code"], "{id}");
                assert_eq!(message, decoded["message"].as_str().unwrap().as_bytes(), "{id}");
                assert_eq!(packet.emit(), Some(bytes.clone()), "{id}");
            }
            Packet::OptionAck(options) => {
                let expected = decoded["options"].as_array().unwrap();
                assert_eq!(options.len(), expected.len(), "{id}");
                for ((name, value), pair) in options.iter().zip(expected) {
                    assert_eq!(*name, pair[0].as_str().unwrap().as_bytes(), "{id}");
                    assert_eq!(*value, pair[1].as_str().unwrap().as_bytes(), "{id}");
                }
                assert_eq!(Packet::OptionAck(options).emit(), Some(bytes.clone()), "{id}");
            }
            Packet::WriteRequest(_) => panic!("{id}"),
        }
    }
}

#[test]
fn what_is_no_packet_says_why() {
    let table: [(&[u8], ParseError); 7] = [
        (b"", ParseError::Truncated { have: 0 }),
        (b"\0", ParseError::Truncated { have: 1 }),
        (b"\0\x03\0", ParseError::Truncated { have: 3 }),
        (b"\0\x07", ParseError::Opcode(7)),
        (b"\0\x01", ParseError::Missing("file name")),
        (b"\0\x01\0octet\0", ParseError::EmptyFileName),
        (b"\0\x01file\0", ParseError::Missing("mode")),
    ];
    for (bytes, error) in table {
        assert_eq!(Packet::parse(bytes), Err(error), "{bytes:?}");
    }
}

#[test]
fn modes_are_read_in_any_case_and_mail_is_none() {
    for (mode, expected) in [("OCTET", Some(Mode::Octet)), ("NetASCII", Some(Mode::Netascii)), ("mail", None)]
    {
        let bytes = format!("\0\u{1}f\0{mode}");
        let Ok(Packet::ReadRequest(request)) = Packet::parse(bytes.as_bytes()) else { panic!("{mode}") };
        assert_eq!(request.mode, expected);
    }
}

#[test]
fn a_request_that_would_be_too_long_is_not_written() {
    let options = RequestOptions::default();
    assert!(Packet::read_request(&[b'a'; 503], Mode::Octet, &options).is_some());
    assert!(Packet::read_request(&[b'a'; 504], Mode::Octet, &options).is_none());
    assert!(Packet::read_request(b"a\0b", Mode::Octet, &options).is_none());
}

proptest! {
    #[test]
    fn any_bytes_give_a_packet_or_an_error_and_what_was_read_writes_back(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(packet) = Packet::parse(&bytes)
            && let Some(written) = packet.emit()
        {
            prop_assert_eq!(Packet::parse(&written), Ok(packet));
        }
    }

    #[test]
    fn requests_come_back(name in "[a-zA-Z0-9/\\\\. ]{1,60}", block in 8u16..=65464, window in 1u16.., timeout in 1u8..) {
        let options = RequestOptions::asking(Some(block), Some(window), Some(timeout), true).with_variable_window();
        let bytes = Packet::read_request(name.as_bytes(), Mode::Netascii, &options).unwrap();
        let expected = Request { filename: name.as_bytes(), mode: Some(Mode::Netascii), options };
        prop_assert_eq!(Packet::parse(&bytes), Ok(Packet::ReadRequest(expected)));
    }
}
