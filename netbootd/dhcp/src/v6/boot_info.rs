//! The boot part of an answer: where the boot file is, and the vendor class around it.

use std::net::Ipv6Addr;

use pxe_policy::{Boot, Class, Reason, Via};

use super::option;
use super::reply::ReplyBuilder;
use crate::v4::boot_info::{escaped, host, url};

/// The boot file as the client gets it: always a URL (RFC 5970 §3.1), with an address in it.
///
/// A server of IPv4 is nothing to a client that boots over IPv6.
pub fn boot_file_url(boot: &Boot, local: Ipv6Addr, http_port: u16) -> Result<String, Reason> {
    if boot.is_url() {
        return Ok(boot.file.clone());
    }
    if boot.next_server.is_some() {
        return Err(Reason::NoBootFile);
    }
    Ok(match boot.via {
        // The server has made a URL of what goes by HTTPS.
        Via::Http | Via::Https => url(&boot.file, local.into(), http_port),
        // EDK2 knows no other port than 69 here.
        Via::Tftp => format!("tftp://{}/{}", host(local.into()), escaped(&boot.file)),
    })
}

/// Names the boot file. EDK2 reads the URL as a text that a NUL ends: the next option's first byte
/// is one, so this is never the last.
pub fn put_boot_file<'a>(reply: ReplyBuilder<'a>, url: &str) -> ReplyBuilder<'a> {
    reply.option(option::BOOT_FILE_URL, url.as_bytes())
}

/// Says whose kind of client the answer is for. EDK2's HTTP boot takes no URL without it; its PXE
/// takes it for a promise that port 4011 will say more, so a server that gives addresses leaves it
/// out there.
pub fn put_vendor_class(reply: ReplyBuilder<'_>, class: Class) -> ReplyBuilder<'_> {
    let text: &[u8] = if class == Class::Http { b"HTTPClient" } else { b"PXEClient" };
    let mut value = INTEL.to_be_bytes().to_vec();
    value.extend((text.len() as u16).to_be_bytes());
    value.extend(text);
    reply.option(option::VENDOR_CLASS, &value)
}

/// The enterprise that the classes are of.
const INTEL: u32 = 343;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_boot_file_is_a_url_with_an_address_of_ipv6() {
        let boot = |file: &str, via, next_server| Boot {
            file: file.into(),
            via,
            next_server,
            image: None,
            prompt: None,
            config: None,
        };
        let local = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        let other = Some(Ipv4Addr::new(10, 0, 0, 9));
        let table = [
            (boot("/a/b c.efi", Via::Tftp, None), 80, Ok("tftp://[2001:db8::1]/a/b%20c.efi")),
            (boot("a.efi", Via::Http, None), 80, Ok("http://[2001:db8::1]/a.efi")),
            (boot("a.efi", Via::Http, None), 8080, Ok("http://[2001:db8::1]:8080/a.efi")),
            (boot("tftp://[2001:db8::9]/a", Via::Http, None), 80, Ok("tftp://[2001:db8::9]/a")),
            (boot("a.efi", Via::Tftp, other), 80, Err(Reason::NoBootFile)),
        ];
        for (boot, port, told) in table {
            assert_eq!(boot_file_url(&boot, local, port), told.map(str::to_owned), "{boot:?}");
        }
    }
}
