use plist::{Dictionary, Value as Plist};

use super::*;

fn xml(inside: &str) -> Vec<u8> {
    let head = r#"<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "x"><plist version="1.0">"#;
    format!("{head}{inside}</plist>").into_bytes()
}

#[test]
fn xml_and_binary_say_the_same() {
    let mut dictionary = Dictionary::new();
    dictionary.insert("Name".into(), "Ünïcode ✓".into());
    dictionary.insert("Index".into(), 4096.into());
    dictionary.insert("IsInstall".into(), true.into());
    dictionary.insert("Architectures".into(), Plist::Array(vec!["i386".into()]));
    dictionary.insert("Unknown".into(), Plist::Dictionary(Dictionary::from_iter([("a", Plist::Real(1.5))])));
    dictionary.insert("When".into(), Plist::Date(std::time::SystemTime::UNIX_EPOCH.into()));
    let list = Plist::Dictionary(dictionary);
    let (mut binary, mut text) = (Vec::new(), Vec::new());
    list.to_writer_binary(&mut binary).unwrap();
    list.to_writer_xml(&mut text).unwrap();
    let info = NbiInfo::parse(&binary).unwrap();
    assert_eq!(NbiInfo::parse(&text).unwrap(), info);
    assert_eq!(info.text("Name"), Some("Ünïcode ✓"));
    assert_eq!((info.integer("Index"), info.boolean("IsInstall")), (Some(4096), Some(true)));
    assert_eq!(info.texts("Architectures"), Some(&["i386".to_owned()][..]));
    assert_eq!(info.text("Unknown"), None);
}

#[test]
fn digits_in_a_string_are_a_number() {
    let info = NbiInfo::parse(&xml(
        "<dict><key>Index</key><string>7</string><key>Kind</key><string>x</string></dict>",
    ));
    let info = info.unwrap();
    assert_eq!((info.integer("Index"), info.integer("Kind")), (Some(7), None));
}

#[test]
fn what_is_no_property_list_says_so() {
    assert_eq!(NbiInfo::parse(&xml("<array/>")), Err(PlistError::NoDictionary));
    let entities = b"<!DOCTYPE plist [<!ENTITY a \"b\">]><plist><dict/></plist>";
    assert_eq!(NbiInfo::parse(entities), Err(PlistError::Entities));
    for bytes in [&b"not a plist"[..], b"bplist00", b"<plist><dict><key>", b"\xff\xfe", b""] {
        let error = NbiInfo::parse(bytes).unwrap_err();
        assert!(matches!(error, PlistError::Damaged(_) | PlistError::NoDictionary), "{bytes:?}: {error}");
    }
    let large = PlistError::TooLarge { have: MAX_PLIST + 1 };
    assert_eq!(NbiInfo::parse(&vec![b' '; MAX_PLIST + 1]), Err(large));
}

#[test]
fn nesting_and_repeats_are_bounded() {
    let deep = format!("<dict><key>a</key>{}{}</dict>", "<array>".repeat(50_000), "</array>".repeat(50_000));
    assert_eq!(NbiInfo::parse(&xml(&deep)), Err(PlistError::Unreasonable));
    assert_eq!(NbiInfo::parse(&laughs()), Err(PlistError::Unreasonable));
}

/// A binary list of a few hundred bytes that unfolds to 2^40 values: each array holds the next one
/// twice.
fn laughs() -> Vec<u8> {
    let mut bytes = b"bplist00".to_vec();
    let mut offsets = Vec::new();
    let mut object = |bytes: &mut Vec<u8>, value: &[u8]| {
        offsets.push(u8::try_from(bytes.len()).unwrap());
        bytes.extend(value);
    };
    object(&mut bytes, &[0xd1, 1, 2]); // { object 1: object 2 }
    object(&mut bytes, &[0x51, b'a']);
    for n in 2..42 {
        object(&mut bytes, &[0xa2, n + 1, n + 1]);
    }
    object(&mut bytes, &[0xa0]);
    let (table, count) = (bytes.len() as u64, offsets.len() as u64);
    bytes.extend(offsets);
    bytes.extend([0, 0, 0, 0, 0, 0, 1, 1]);
    bytes.extend(count.to_be_bytes());
    bytes.extend(0_u64.to_be_bytes());
    bytes.extend(table.to_be_bytes());
    bytes
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let _ = NbiInfo::parse(&bytes);
        let _ = NbiInfo::parse(&[b"bplist00".as_slice(), &bytes].concat());
    }
}
