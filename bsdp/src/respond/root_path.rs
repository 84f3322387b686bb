//! The root path (option 17): where the system that boots finds its disk.

use std::net::Ipv4Addr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

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
            let path = format!("{}/{}/{file}", image.place.http, image.folder);
            Some(format!("http://{host}{port}{}", utf8_percent_encode(&path, KEPT)))
        }
    }
}

/// The characters of a URL's path that stay: unreserved ones (RFC 3986 §2.3), and the slash.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const HTTP_PORT: u16 = 80;
