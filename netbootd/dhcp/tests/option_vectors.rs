//! Published option values, read and written back.
#![allow(clippy::unwrap_used)] // helpers of tests

use netbootd_dhcp::option43::PxeOptions;
use netbootd_dhcp::option243::VariablesFile;
use netbootd_dhcp::option250::{Option250Error, WdsOptions, WdsTag};
use netbootd_dhcp::option252;
use proptest::prelude::*;
use serde_json::Value;

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_published_value_reads_as_said_and_writes_back() {
    let file: Value = serde_json::from_str(include_str!("data/option-vectors.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 10);
    for vector in vectors {
        let (id, bytes) = (vector["id"].as_str().unwrap(), unhex(vector["hex"].as_str().unwrap()));
        let expect = &vector["expect"];
        match vector["category"].as_str().unwrap() {
            kind @ ("option250" | "option250-reply") => {
                let options = WdsOptions::parse(&bytes).unwrap();
                let said: Vec<(WdsTag, Vec<u8>)> = expect["tlv"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|pair| {
                        (
                            WdsTag(u8::try_from(pair[0].as_u64().unwrap()).unwrap()),
                            unhex(pair[1].as_str().unwrap()),
                        )
                    })
                    .collect();
                assert_eq!(options.0, said, "{id}");
                assert_eq!(options.emit(), Ok(bytes), "{id}");
                let asks = kind == "option250";
                assert_eq!(options.first(WdsTag::ARCHITECTURE), asks.then_some(&[0, 7][..]), "{id}");
            }
            "option243" => {
                let value = VariablesFile::parse(&bytes).unwrap();
                let path = value.path().unwrap().unwrap();
                assert_eq!(path.as_str(), expect["path"].as_str().unwrap(), "{id}");
                assert_eq!(value.has_secret(), expect["secret"].as_bool().unwrap_or_default(), "{id}");
                assert_eq!(value.emit(), Ok(bytes), "{id}");
            }
            "option252" => {
                let path = option252::parse(&bytes).unwrap();
                assert_eq!(path.as_str(), expect["path"].as_str().unwrap(), "{id}");
                assert_eq!(option252::emit(&path), bytes, "{id}");
            }
            "option43" => {
                let options = PxeOptions::parse(&bytes).unwrap();
                assert_eq!(options.0.len(), expect["sub"].as_array().unwrap().len(), "{id}");
                assert_eq!(options.emit(), Ok(bytes), "{id}");
            }
            other => panic!("{id}: {other}"),
        }
    }
}

#[test]
fn lengths_that_lie_are_named() {
    assert_eq!(WdsOptions::parse(&[12]), Err(Option250Error::Truncated { tag: 12, need: 1, have: 0 }));
    assert_eq!(WdsOptions::parse(&[12, 3, 0]), Err(Option250Error::Truncated { tag: 12, need: 3, have: 1 }));
    for value in [&b""[..], &[1], &[1, 3, b'a'], &[1, 0, b'a']] {
        assert!(VariablesFile::parse(value).is_err(), "{value:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_value_or_an_error_and_what_was_read_writes_back(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(options) = WdsOptions::parse(&bytes) {
            let written = options.emit().unwrap();
            prop_assert_eq!(WdsOptions::parse(&written), Ok(options));
        }
        if let Ok(value) = VariablesFile::parse(&bytes) {
            prop_assert_eq!(value.emit(), Ok(bytes));
        }
    }
}
