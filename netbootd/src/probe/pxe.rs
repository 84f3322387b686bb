//! `netbootd probe pxe`: a DISCOVER as a PC would send it, and every offer that comes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use dhcproto::v4::{Message, Opcode};
use netbootd_dhcp::Iface;
use netbootd_dhcp::option43::PxeOptions;
use netbootd_dhcp::option243::VariablesFile;
use netbootd_dhcp::option250::WdsOptions;
use netbootd_dhcp::v4::destination::{BOOT_SERVER_PORT, CLIENT_PORT, SERVER_PORT};
use netbootd_dhcp::v4::option::{self, MessageType};
use netbootd_dhcp::v4::question::request_bytes;
use netbootd_dhcp::v4::{Malformed, Packet};
use netbootd_net::udp::{Endpoint, Incoming, Source};
use pxe_policy::{ArchType, MacAddr, SystemUuid};

use super::block_on;
use crate::cli::out::out;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub struct PxeArgs {
    /// The boot server to ask on port 4011 [default: broadcast a DISCOVER].
    pub server: Option<Ipv4Addr>,
    /// The interface to send from, with an IPv4 address; required for a broadcast.
    #[arg(long)]
    pub iface: Option<String>,
    /// The client's MAC address [default: the interface's].
    #[arg(long)]
    pub mac: Option<MacAddr>,
    /// The client's UUID.
    #[arg(long)]
    pub uuid: Option<SystemUuid>,
    /// The client's architecture.
    #[arg(long, default_value = "x64-uefi")]
    pub arch: ArchType,
    /// The client's class.
    #[arg(long, value_enum, default_value_t = AskAs::Pxe)]
    pub class: AskAs,
    /// How long to collect offers, in seconds.
    #[arg(long, default_value_t = 3)]
    pub timeout: u64,
}

impl Default for PxeArgs {
    fn default() -> Self {
        PxeArgs {
            server: None,
            iface: None,
            mac: None,
            uuid: None,
            arch: ArchType::X64_UEFI,
            class: AskAs::Pxe,
            timeout: 3,
        }
    }
}

/// The class of client that a probe sends as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AskAs {
    /// Firmware that boots by PXE.
    Pxe,
    /// Firmware that boots by HTTP (UEFI).
    Http,
    /// iPXE, by its user class.
    Ipxe,
}

/// Sends the request and prints every answer.
pub fn run(args: &PxeArgs) -> Result<(), Failure> {
    let iface = match args.server {
        Some(server) => super::chosen_iface(args.iface.as_deref(), Some(server))?,
        None => super::named_iface(args.iface.as_deref())?,
    };
    let answers = block_on(ask(args, &iface))?;
    for answer in &answers {
        out!("{}", described(answer));
    }
    if answers.is_empty() {
        let asked =
            args.server.map_or_else(|| format!("the network of {}", iface.name), |server| server.to_string());
        return Err(Failure::NoAnswer(format!("no answer from {asked} within {} s", args.timeout)));
    }
    Ok(())
}

/// One answer, its sender, and the time it took.
pub(super) struct Heard {
    pub(super) from: SocketAddr,
    after: Duration,
    pub(super) packet: Result<Packet, Malformed>,
}

/// The boot file of an answer, from its header or option 67.
pub(super) fn boot_file(packet: &Packet) -> Option<String> {
    let text =
        |bytes: &[u8]| bytes.split(|byte| *byte == 0).next().unwrap_or_default().escape_ascii().to_string();
    let file = packet.file().map(text).filter(|file| !file.is_empty());
    file.or_else(|| packet.first(option::BOOT_FILE).map(text)).filter(|file| !file.is_empty())
}

pub(super) async fn ask(args: &PxeArgs, iface: &Iface) -> Result<Vec<Heard>, Failure> {
    let mac = args.mac.or(iface.mac).unwrap_or(MacAddr([2, 0, 0, 0, 0, 1]));
    let local = iface.addr_towards(args.server.unwrap_or(Ipv4Addr::BROADCAST));
    let (to, from_port) = match args.server {
        Some(server) => (SocketAddrV4::new(server, BOOT_SERVER_PORT), BOOT_SERVER_PORT),
        None => (SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT), CLIENT_PORT),
    };
    let bound = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, from_port);
    let device = args.server.is_none().then_some(iface.name.as_str());
    // A netbootd on this host may listen there for what other servers offer.
    let endpoint = Endpoint::bind_shared(bound.into(), device).map_err(|error| cannot(&error, from_port))?;
    let xid = u32::from_be_bytes([mac.0[2], mac.0[3], mac.0[4], mac.0[5]]) ^ std::process::id();
    let question = question(args, mac, xid, args.server.map(|_| local));
    let ifindex = if args.server.is_none() { iface.index } else { 0 };
    let sent = endpoint.send(&question, to.into(), Source { addr: local.into(), ifindex }).await;
    sent.map_err(|error| Failure::Unusable(format!("cannot send to {to}: {error}")))?;

    let started = Instant::now();
    let deadline = started + Duration::from_secs(args.timeout.min(60));
    let mut answers = Vec::new();
    let mut buf = [0; 2048];
    while answers.len() < MAX_ANSWERS {
        match tokio::time::timeout_at(deadline.into(), endpoint.recv(&mut buf)).await {
            Err(_) => break,
            Ok(Ok(Incoming::Datagram(received))) => {
                let packet = Packet::parse_reply(&buf[..received.len]);
                let ours = packet.as_ref().is_ok_and(|packet| packet.header.xid() == xid);
                if ours {
                    answers.push(Heard { from: received.from, after: started.elapsed(), packet });
                }
            }
            Ok(Ok(Incoming::Unreachable(peer))) => {
                return Err(Failure::NoAnswer(format!("{peer} is closed: no boot server listens there")));
            }
            Ok(Err(error)) => return Err(Failure::NoAnswer(format!("cannot receive: {error}"))),
        }
    }
    Ok(answers)
}

/// A DISCOVER to the network, or a REQUEST to a boot server from a client that has an address.
fn question(args: &PxeArgs, mac: MacAddr, xid: u32, client: Option<Ipv4Addr>) -> Vec<u8> {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(xid, client.unwrap_or(none), none, none, none, &mac.0);
    message.set_opcode(Opcode::BootRequest);
    if client.is_none() {
        message.set_flags(dhcproto::v4::Flags::default().set_broadcast());
    }
    let kind = if client.is_some() { MessageType::Request } else { MessageType::Discover };
    let class = match args.class {
        AskAs::Http => "HTTPClient",
        AskAs::Pxe | AskAs::Ipxe => "PXEClient",
    };
    let uuid = args.uuid.map(SystemUuid::wire);
    let mut options: Vec<(u8, Vec<u8>)> = vec![
        (option::MESSAGE_TYPE, vec![u8::from(kind)]),
        (option::MAX_MESSAGE_SIZE, 1472_u16.to_be_bytes().to_vec()),
        (option::PARAMETER_LIST, vec![1, 3, 6, 43, 54, 60, 66, 67, 97]),
        (option::VENDOR_CLASS, format!("{class}:Arch:{:05}:UNDI:003000", args.arch.0).into_bytes()),
        (option::ARCH, args.arch.0.to_be_bytes().to_vec()),
        (94, vec![1, 3, 0]),
        (option::PROBE, option::PROBE_MARK.to_vec()),
    ];
    if args.class == AskAs::Ipxe {
        options.push((option::USER_CLASS, b"iPXE".to_vec()));
    }
    if let Some(uuid) = uuid {
        options.push((option::SYSTEM_UUID, [&[0], uuid.as_slice()].concat()));
    }
    request_bytes(&message, options.iter().map(|(code, value)| (*code, value.as_slice())))
}

fn described(heard: &Heard) -> String {
    let Ok(packet) = &heard.packet else { return String::new() };
    let text = |value: Option<&[u8]>| value.map(|bytes| bytes.escape_ascii().to_string());
    let set = |addr: Ipv4Addr| (!addr.is_unspecified()).then(|| addr.to_string());
    let trimmed =
        |value: &[u8]| value.split(|byte| *byte == 0).next().unwrap_or_default().escape_ascii().to_string();
    let options43 = packet.first(option::VENDOR_OPTIONS).map(|value| match PxeOptions::parse(value) {
        Ok(options) => format!("{:?}", options.0),
        Err(error) => format!("broken: {error}"),
    });
    let facts = [
        ("address", set(packet.header.yiaddr())),
        ("server identifier", packet.address(option::SERVER_IDENTIFIER).map(|addr| addr.to_string())),
        ("next server", set(packet.header.siaddr())),
        ("boot file", text(packet.file())),
        ("boot file (option 67)", packet.first(option::BOOT_FILE).map(trimmed)),
        ("vendor class", text(packet.first(option::VENDOR_CLASS))),
        ("PXE options (43)", options43),
        ("variables file (243)", packet.first(option::VARIABLES_FILE).map(variables)),
        (
            "boot programs (250)",
            packet.first(option::WDS).map(|value| format!("{:?}", WdsOptions::parse(value))),
        ),
        ("BCD (252)", packet.first(option::BCD_PATH).map(trimmed)),
    ];
    let mut out = format!("{:?} from {} after {:.0?}\n", packet.message_type(), heard.from, heard.after);
    for (name, value) in facts {
        if let Some(value) = value {
            out.push_str(&format!("  {name}: {value}\n"));
        }
    }
    out
}

fn variables(value: &[u8]) -> String {
    let file = match VariablesFile::parse(value) {
        Ok(file) => file,
        Err(error) => return format!("broken: {error}"),
    };
    let path = match file.path() {
        Some(Ok(path)) => path.as_str().to_owned(),
        Some(Err(error)) => format!("broken: {error}"),
        None => "no path".to_owned(),
    };
    if file.has_secret() { format!("{path}, with the secret that opens it") } else { path }
}

fn cannot(error: &io::Error, port: u16) -> Failure {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Failure::Permission(format!("no permission for port {port}: run as root"))
        }
        io::ErrorKind::AddrInUse => {
            Failure::Unusable(format!("port {port} is taken: a DHCP client or a boot server runs here"))
        }
        _ => Failure::Unusable(format!("cannot bind port {port}: {error}")),
    }
}

/// A network with more boot servers than this has another problem.
const MAX_ANSWERS: usize = 64;
