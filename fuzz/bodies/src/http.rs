//! The inputs of HTTP clients: a path and a range.

use std::net::Ipv4Addr;

use imagestore::{BootPath, RequestedPath};
use netbootd_dhcp::v4::boot_info::url;
use netbootd_server::listen::http::decode;
use netbootd_server::listen::http::range::{Wanted, wanted};

/// Any path: refused, or one that stays below its root and reads again as itself.
pub fn boot_path(bytes: &[u8]) {
    if let Ok(path) = BootPath::parse(bytes) {
        assert!(path.components().all(|part| !part.is_empty() && part != b".." && part != b"."));
        assert_eq!(BootPath::parse(path.as_bytes()), Ok(path));
    }
    if let Ok(path) = RequestedPath::parse(bytes) {
        assert!(path.cleaned().is_none_or(|cleaned| cleaned.as_bytes().len() < bytes.len()));
    }
}

/// Two bytes say how long the file is; the path and the Range header follow with a line end between
/// them.
pub fn http_request(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let (path, header) = text.split_once('\n').map_or((text, None), |(path, header)| (path, Some(header)));
    range(header, u64::from(u16::from_be_bytes(*length)));
    range(header, u64::MAX);

    if let Some(raw) = decode(path) {
        assert!(raw.len() <= path.len() && !raw.contains(&0));
        boot_path(&raw);
    }
    if !path.contains('\0') {
        let written = url(path, Ipv4Addr::LOCALHOST.into(), 8080);
        let asked = written.strip_prefix("http://127.0.0.1:8080/").expect("our own address stands before it");
        assert!(asked.is_ascii() && !asked.contains([' ', '?', '#']));
        assert_eq!(decode(asked).as_deref(), Some(path.trim_start_matches('/').as_bytes()));
    }
}

fn range(header: Option<&str>, len: u64) {
    if let Wanted::Part { first, last } = wanted(header, len) {
        assert!(first <= last && last < len, "{first} to {last} of {len}");
        let again = format!("bytes={first}-{last}");
        assert_eq!(wanted(Some(&again), len), Wanted::Part { first, last });
    }
}
