//! The boot part of a reply: the boot file, its server, and the PXE or HTTP flavour around them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use pxe_policy::{ArchType, Boot, BootRequest, Class, FirmwareMenu, MenuLine, Via};

use super::boot_program::Prompt;
use super::intake::chosen_item;
use super::reply::ReplyBuilder;
use super::{Packet, option};
use crate::option43::{BootServer, DiscoveryControl, MenuEntry, MenuPrompt, PxeOption, PxeOptions};

/// How boot clients are answered; from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootService {
    /// How a proxy offers.
    pub style: OfferStyle,
    /// The port of the HTTP service, for URLs.
    pub http_port: u16,
    /// How machines are sent to their disks.
    pub local_boot: LocalBoot,
    /// How Windows' boot programs let somebody choose.
    pub program_prompt: Prompt,
    /// Whether this server takes messages of syslog.
    pub log_server: bool,
}

/// How machines are sent to their disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocalBoot {
    /// They hear nothing, and give up after a while.
    #[default]
    Silence,
    /// By a menu whose one line is the disk, and that waits for nobody.
    Menu,
}

/// How a proxy offers to PXE firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferStyle {
    /// As WDS does: no option 43, and the boot file comes from port 4011.
    Binl,
    /// With option 43 = `06 01 08 ff` and the file at once; some UEFI firmware ignores such offers.
    Bypass,
}

/// The boot file as the client gets it: a path for TFTP, a URL for HTTP.
///
/// URLs carry an address, never a name: EDK2 ignores a name without a DNS server beside it. The
/// URLs of HTTPS, which need the name of a certificate, are whole ones already.
pub fn boot_file(boot: &Boot, local: Ipv4Addr, service: BootService) -> String {
    if boot.is_url() || boot.via == Via::Tftp {
        return boot.file.clone();
    }
    url(&boot.file, boot.next_server.unwrap_or(local).into(), service.http_port)
}

/// The address of a path in the boot tree.
pub fn url(path: &str, server: IpAddr, http_port: u16) -> String {
    format!("{}/{}", origin(server, http_port), escaped(path))
}

/// The address of the HTTP service, without a path.
pub fn origin(server: IpAddr, http_port: u16) -> String {
    Origin::http(server, http_port).to_string()
}

/// Scheme, host and port of the boot HTTP service, as a client reaches it: what every URL begins
/// with that is written for that client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(Arc<str>);

impl Origin {
    /// The HTTP service at an address.
    pub fn http(server: IpAddr, port: u16) -> Self {
        Origin(match port {
            DEFAULT_HTTP_PORT => format!("http://{}", host(server)).into(),
            port => format!("http://{}:{port}", host(server)).into(),
        })
    }

    /// The HTTPS service by a name of its certificate, or an address.
    pub fn https(name: &str, port: u16) -> Self {
        let name = match name.parse::<IpAddr>() {
            Ok(addr) => host(addr),
            Err(_) => name.to_owned(),
        };
        Origin(match port {
            DEFAULT_HTTPS_PORT => format!("https://{name}").into(),
            port => format!("https://{name}:{port}").into(),
        })
    }

    /// The HTTPS service as a request's Host names it.
    pub fn of_authority(authority: &str) -> Self {
        Origin(format!("https://{authority}").into())
    }

    /// The URL of a path in the boot tree.
    pub fn url(&self, path: &str) -> String {
        format!("{self}/{}", escaped(path))
    }

    /// Host and port, as in the URL.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or(&self.0, |(_, authority)| authority)
    }

    /// Whether its host is this name or address, written without brackets or port.
    pub fn is_at(&self, host: &str) -> bool {
        let authority = self.authority();
        let without_port = match authority.rsplit_once(':') {
            Some((before, port)) if !port.ends_with(']') => before,
            _ => authority,
        };
        without_port.trim_matches(['[', ']']).eq_ignore_ascii_case(host.trim_matches(['[', ']']))
    }

    /// `http` or `https`, without the colon.
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("http", |(scheme, _)| scheme)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address as URLs have it.
pub fn host(server: IpAddr) -> String {
    match server {
        IpAddr::V4(addr) => addr.to_string(),
        IpAddr::V6(addr) => format!("[{addr}]"),
    }
}

/// A path of the boot tree as URLs have it, without its first slash.
pub fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.trim_start_matches('/').bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Says what the reply is about: option 60 exactly as the client's kind expects it, option 97 as it
/// was sent, and the PXE options, if any. They come in this order, behind 53 and 54.
pub fn put_flavour(
    reply: ReplyBuilder,
    packet: &Packet,
    class: Class,
    vendor_class: bool,
    options: Option<&PxeOptions>,
) -> ReplyBuilder {
    let mut reply = reply;
    if vendor_class {
        let text: &[u8] = if class == Class::Http { b"HTTPClient" } else { b"PXEClient" };
        reply = reply.option(option::VENDOR_CLASS, text);
    }
    if let Some(uuid) = packet.first(option::SYSTEM_UUID) {
        reply = reply.option(option::SYSTEM_UUID, uuid);
    }
    match options.map(PxeOptions::emit) {
        Some(Ok(bytes)) => reply.option(option::VENDOR_OPTIONS, &bytes),
        // The options put here are a few bytes long; nothing in them can outgrow its length byte.
        Some(Err(_)) | None => reply,
    }
}

/// Names the boot file and the server that holds it.
pub fn put_boot_file(
    reply: ReplyBuilder,
    packet: &Packet,
    class: Class,
    boot: &Boot,
    told: &str,
    local: Ipv4Addr,
) -> ReplyBuilder {
    let server = boot.next_server.unwrap_or(local);
    let reply = reply.next_server(server).boot_file(told, class == Class::Http);
    if packet.asks_for(option::TFTP_SERVER_NAME) && boot.via == Via::Tftp {
        return reply.option(option::TFTP_SERVER_NAME, server.to_string().as_bytes());
    }
    reply
}

/// Names this server as the log server (option 7), where it is one: to iPXE, and to clients that
/// ask for it.
pub fn put_log_server(
    reply: ReplyBuilder,
    packet: &Packet,
    is_ipxe: bool,
    service: BootService,
    local: Ipv4Addr,
) -> ReplyBuilder {
    if service.log_server && (is_ipxe || packet.asks_for(option::LOG_SERVER)) {
        return reply.option(option::LOG_SERVER, &local.octets());
    }
    reply
}

/// The menu of a machine whose user has to choose (PXE 2.1 §2.2.5; F8 by that specification). Each
/// line but the disk is asked for on this server's port 4011.
pub fn menu(menu: &FirmwareMenu, local: Ipv4Addr) -> PxeOptions {
    let server = |line: &MenuLine| BootServer { kind: line.item, addresses: vec![local] };
    let entry = |line: &MenuLine| MenuEntry { kind: line.item, text: line.text.clone().into_bytes() };
    let from_here = menu.lines.iter().filter(|line| line.item != FirmwareMenu::DISK);
    PxeOptions(vec![
        PxeOption::DiscoveryControl(DiscoveryControl(
            DiscoveryControl::NO_BROADCAST | DiscoveryControl::NO_MULTICAST | DiscoveryControl::ONLY_LISTED,
        )),
        PxeOption::BootServers(from_here.map(server).collect()),
        PxeOption::BootMenu(menu.lines.iter().map(entry).collect()),
        PxeOption::MenuPrompt(MenuPrompt { timeout: menu.seconds, text: menu.prompt.clone().into_bytes() }),
    ])
}

/// The menu text that the ROM of a Raspberry Pi up to model 3 requires before it fetches
/// bootcode.bin (raspberrypi/firmware#1265; dnsmasq's `pxe-service=0,"Raspberry Pi Boot"`). None
/// for other machines.
pub fn raspberry_pi(request: &BootRequest) -> Option<PxeOptions> {
    let is_rom = request.class == Class::Pxe && request.arch() == Some(ArchType::X86_BIOS);
    (is_rom && request.mac.is_raspberry_pi()).then(|| {
        PxeOptions(vec![
            PxeOption::DiscoveryControl(DiscoveryControl(
                DiscoveryControl::NO_BROADCAST | DiscoveryControl::NO_MULTICAST,
            )),
            PxeOption::BootMenu(vec![MenuEntry { kind: FirmwareMenu::DISK, text: RASPBERRY_PI.to_vec() }]),
            PxeOption::MenuPrompt(MenuPrompt { timeout: 0, text: b"PXE".to_vec() }),
        ])
    })
}

/// The menu that sends a machine to its disk at once.
pub fn to_disk() -> PxeOptions {
    let disk = MenuEntry { kind: FirmwareMenu::DISK, text: b"Boot from disk".to_vec() };
    PxeOptions(vec![
        PxeOption::DiscoveryControl(DiscoveryControl(
            DiscoveryControl::NO_BROADCAST | DiscoveryControl::NO_MULTICAST | DiscoveryControl::ONLY_LISTED,
        )),
        PxeOption::BootMenu(vec![disk]),
        PxeOption::MenuPrompt(MenuPrompt { timeout: 0, text: b"Boot from disk".to_vec() }),
    ])
}

/// The boot item that a request on port 4011 names, to be echoed.
pub fn echoed_item(packet: &Packet) -> Option<PxeOptions> {
    Some(PxeOptions(vec![PxeOption::BootItem(chosen_item(packet)?)]))
}

/// With the spaces that the ROM wants behind it.
const RASPBERRY_PI: &[u8] = b"Raspberry Pi Boot   ";
const DEFAULT_HTTP_PORT: u16 = 80;
const DEFAULT_HTTPS_PORT: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4::testing::BINL;

    fn boot(file: &str, via: Via, next_server: Option<Ipv4Addr>) -> Boot {
        Boot { file: file.into(), via, next_server, image: None, prompt: None, config: None }
    }

    #[test]
    fn a_boot_file_is_a_path_or_a_url_as_its_client_fetches_it() {
        let local = Ipv4Addr::new(10, 0, 0, 1);
        let other = Some(Ipv4Addr::new(10, 0, 0, 9));
        let table = [
            (boot("/a/b.0", Via::Tftp, None), 80, "/a/b.0"),
            (boot("a/b c.efi", Via::Http, None), 80, "http://10.0.0.1/a/b%20c.efi"),
            (boot("//a.efi", Via::Http, None), 8080, "http://10.0.0.1:8080/a.efi"),
            (boot("a.efi", Via::Http, other), 80, "http://10.0.0.9/a.efi"),
            (boot("https://boot.example/a.efi", Via::Http, None), 80, "https://boot.example/a.efi"),
        ];
        for (boot, http_port, told) in table {
            let service = BootService { http_port, ..BINL };
            assert_eq!(boot_file(&boot, local, service), told);
        }
    }
}
