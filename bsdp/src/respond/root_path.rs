//! The root path (option 17): where the system that boots finds its disk.

use std::net::Ipv4Addr;

use crate::{BootImage, BootImageType, RootPath};

/// Option 17. Macs do no DNS here, and take as HTTP what begins with `http:`.
pub(super) fn root_path(image: &BootImage, host: Ipv4Addr, http_port: u16) -> Option<String> {
    match (&image.root, image.kind) {
        (RootPath::None, _) => None,
        (RootPath::Http(url), _) => Some(url.clone()),
        (RootPath::Nfs { host, path }, _) => Some(format!("nfs:{host}:{path}")),
        (RootPath::File(file), BootImageType::Nfs) => {
            let path = format!("{}/{file}", image.folder).replace(':', "\\:");
            Some(format!("nfs:{host}:{}:{path}", image.place.nfs_export))
        }
        (RootPath::File(file), _) => {
            let port = if http_port == HTTP_PORT { String::new() } else { format!(":{http_port}") };
            let path = percent_escaped(&format!("{}/{}/{file}", image.place.http, image.folder));
            Some(format!("http://{host}{port}{path}"))
        }
    }
}

/// RFC 3986 §2.3: unreserved characters stay, and the slash.
fn percent_escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                escaped.push(byte.into());
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

const HTTP_PORT: u16 = 80;
