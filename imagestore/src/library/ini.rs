//! The library's INI files: UTF-16 or eight bits a character, keys sometimes with a suffix.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The text of a file, whatever its encoding.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_INI).read_to_end(&mut bytes)?;
    Ok(decode(&bytes))
}

/// The text of a file's bytes, whatever its encoding.
pub fn decode(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        },
    }
}

/// The keys of a section, in order.
pub fn keys(text: &str, section: &str) -> Vec<String> {
    lines(text, section).map(|line| line.split('=').next().unwrap_or(line).trim().to_owned()).collect()
}

/// The value of the first key with this name; `Hash`, `Hash<suffix>` alike.
pub fn value(text: &str, section: &str, key: &str) -> Option<String> {
    lines(text, section).find_map(|line| {
        let (name, value) = line.split_once('=')?;
        let same = name.trim().get(..key.len()).is_some_and(|start| start.eq_ignore_ascii_case(key));
        same.then(|| value.trim().to_owned())
    })
}

fn lines<'a>(text: &'a str, section: &'a str) -> impl Iterator<Item = &'a str> {
    let mut inside = false;
    text.lines().map(str::trim).filter(move |line| {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name.eq_ignore_ascii_case(section);
            return false;
        }
        inside && !line.is_empty() && !line.starts_with(';')
    })
}

/// Real ones have a few hundred bytes; those of FileLib list every content that uses a file.
const MAX_INI: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[Packages]\r\nPS100005.9\r\nPS100005.10=\r\n\r\n[Info]\r\nVersion=9\r\n[File]\r\nHash1=AB \r\nSize=7\r\n";

    #[test]
    fn sections_keys_and_values_are_told_apart() {
        assert_eq!(keys(TEXT, "packages"), ["PS100005.9", "PS100005.10"]);
        assert_eq!(value(TEXT, "File", "hash").as_deref(), Some("AB"));
        assert_eq!(value(TEXT, "Info", "Hash"), None);
    }

    #[test]
    fn every_encoding_reads_the_same() {
        let wide: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("[File]\nHash=ü".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        let big: Vec<u8> = [0xfe, 0xff]
            .into_iter()
            .chain("[File]\nHash=ü".encode_utf16().flat_map(u16::to_be_bytes))
            .collect();
        let narrow = b"[File]\nHash=\xfc";
        let marked = "\u{feff}[File]\nHash=ü".as_bytes();
        for bytes in [&wide[..], &big, narrow, marked] {
            assert_eq!(value(&decode(bytes), "File", "Hash").as_deref(), Some("ü"));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let text = decode(&bytes);
            let _ = (keys(&text, "Packages"), value(&text, "File", "Hash"));
        }
    }
}
