//! `netbootd probe bsdp`: asks for the image list as Startup Disk does, shows every server's, and
//! chooses from one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use ::bsdp::{BootImageId, BsdpMessageType, SubOption, VendorClass, option43};
use clap::Args;
use dhcproto::v4::{Message, Opcode};
use netbootd_dhcp::Iface;
use netbootd_dhcp::v4::Packet;
use netbootd_dhcp::v4::destination::SERVER_PORT;
use netbootd_dhcp::v4::option::{self, MessageType};
use netbootd_dhcp::v4::question::request_bytes;
use netbootd_net::udp::{Endpoint, Incoming, Source};
use pxe_policy::MacAddr;

use super::block_on;
use crate::cli::out::out;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub struct BsdpArgs {
    /// The server to ask; without it, everybody on the interface is asked.
    pub server: Option<Ipv4Addr>,
    /// The interface to ask on; needed where there are several.
    #[arg(long)]
    pub iface: Option<String>,
    /// The model to ask as.
    #[arg(long, default_value = "MacBookPro9,1")]
    pub model: String,
    /// The architecture to ask as.
    #[arg(long, default_value = "i386")]
    pub arch: String,
    /// The hardware address to ask as [default: the interface's own].
    #[arg(long)]
    pub mac: Option<MacAddr>,
    /// Choose an image: its id as the list shows it, or "default". The server remembers that for
    /// this hardware address.
    #[arg(long, value_name = "ID")]
    pub select: Option<String>,
    /// How long to collect answers, in seconds.
    #[arg(long, default_value_t = 2)]
    pub timeout: u64,
}

/// Asks as a Mac, and prints the answers.
pub fn run(args: &BsdpArgs) -> Result<(), Failure> {
    block_on(async {
        let asker = Asker::new(args)?;
        let lists: Vec<Heard> = asker.ask(BsdpMessageType::List, &[], usize::MAX).await?;
        for heard in &lists {
            out!("{}", heard.described());
        }
        let best = lists.iter().max_by_key(|heard| heard.number(4)).ok_or_else(|| {
            Failure::NoAnswer(format!("no server has an image for {} ({})", args.model, args.arch))
        })?;
        let Some(wanted) = &args.select else { return Ok(()) };
        let id = match wanted.as_str() {
            "default" => best.id(7),
            id => u32::from_str_radix(id, 16).ok().map(|id| BootImageId::from_wire(id.to_be_bytes())),
        };
        let id =
            id.ok_or_else(|| Failure::Unusable(format!("{wanted:?} is no image id, eight hex digits")))?;
        let server = best.server();
        let chosen = [SubOption::ServerIdentifier(server), SubOption::SelectedBootImageId(id)];
        let answers = asker.ask(BsdpMessageType::Select, &chosen, 1).await?;
        let answer =
            answers.first().ok_or_else(|| Failure::NoAnswer(format!("{server} does not confirm {id}")))?;
        out!("{}", answer.described());
        if answer.options.contains(&SubOption::MessageType(BsdpMessageType::Failed)) {
            return Err(Failure::NoAnswer(format!("{server} refuses {id}")));
        }
        Ok(())
    })
}

struct Asker<'a> {
    args: &'a BsdpArgs,
    iface: Iface,
    mac: MacAddr,
    local: Ipv4Addr,
    port: u16,
    endpoint: Endpoint,
}

/// One answer with its sender.
struct Heard {
    from: SocketAddr,
    packet: Packet,
    options: Vec<SubOption>,
}

impl<'a> Asker<'a> {
    fn new(args: &'a BsdpArgs) -> Result<Self, Failure> {
        let iface = super::chosen_iface(args.iface.as_deref(), args.server)?;
        let local = iface.addr_towards(args.server.unwrap_or(Ipv4Addr::BROADCAST));
        let mac = args.mac.or(iface.mac).unwrap_or(MacAddr([2, 0, 0, 0, 0, 1]));
        for port in REPLY_PORTS {
            match Endpoint::bind((Ipv4Addr::UNSPECIFIED, port).into(), None) {
                Ok(endpoint) => return Ok(Asker { args, iface, mac, local, port, endpoint }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    let words = "servers answer to ports below 1024 only: run as root";
                    return Err(Failure::Permission(words.into()));
                }
                Err(error) => return Err(Failure::Unusable(format!("cannot bind port {port}: {error}"))),
            }
        }
        Err(Failure::Unusable("every port below 1024 is taken".into()))
    }

    async fn ask(
        &self,
        kind: BsdpMessageType,
        more: &[SubOption],
        enough: usize,
    ) -> Result<Vec<Heard>, Failure> {
        let xid = std::process::id() ^ u32::from(kind.wire()) << 24;
        let question = self.question(kind, more, xid);
        let to = SocketAddrV4::new(self.args.server.unwrap_or(Ipv4Addr::BROADCAST), SERVER_PORT);
        let ifindex = if self.args.server.is_none() { self.iface.index } else { 0 };
        let source = Source { addr: self.local.into(), ifindex };
        let sent = self.endpoint.send(&question, to.into(), source).await;
        sent.map_err(|error| Failure::Unusable(format!("cannot send to {to}: {error}")))?;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(self.args.timeout.min(60));
        let mut answers = Vec::new();
        let mut buf = vec![0; MAX_ANSWER];
        while answers.len() < enough.min(MAX_ANSWERS) {
            match tokio::time::timeout_at(deadline, self.endpoint.recv(&mut buf)).await {
                Err(_) => break,
                Ok(Ok(Incoming::Datagram(received))) => {
                    let Ok(packet) = Packet::parse_reply(&buf[..received.len]) else { continue };
                    let options = option43::parse(packet.all(option::VENDOR_OPTIONS));
                    if packet.header.xid() == xid
                        && packet.mac() == self.mac
                        && let Ok(options) = options
                    {
                        answers.push(Heard { from: received.from, packet, options });
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

    fn question(&self, kind: BsdpMessageType, more: &[SubOption], xid: u32) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(xid, self.local, none, none, none, &self.mac.octets());
        message.set_opcode(Opcode::BootRequest);
        let class = VendorClass { architecture: self.args.arch.clone(), model: self.args.model.clone() };
        let mut vendor = vec![
            SubOption::MessageType(kind),
            SubOption::Version(0x0101),
            SubOption::ReplyPort(self.port),
            SubOption::MaxMessageSize(MAX_ANSWER as u16),
        ];
        vendor.extend_from_slice(more);
        let mut options: Vec<(u8, Vec<u8>)> = vec![
            (option::MESSAGE_TYPE, vec![u8::from(MessageType::Inform)]),
            (option::MAX_MESSAGE_SIZE, 1500_u16.to_be_bytes().to_vec()),
            (option::PARAMETER_LIST, vec![option::VENDOR_CLASS, option::VENDOR_OPTIONS]),
            (option::VENDOR_CLASS, class.emit()),
            (option::PROBE, option::PROBE_MARK.to_vec()),
        ];
        // Everything above is short, so one option 43 holds it.
        options.extend(
            option43::emit(&vendor)
                .unwrap_or_default()
                .into_iter()
                .map(|value| (option::VENDOR_OPTIONS, value)),
        );
        request_bytes(&message, options.iter().map(|(code, value)| (*code, value.as_slice())))
    }
}

impl Heard {
    fn server(&self) -> Ipv4Addr {
        let sender = match self.from.ip() {
            IpAddr::V4(addr) => addr,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED, // never: it was asked over IPv4
        };
        self.packet.address(option::SERVER_IDENTIFIER).unwrap_or(sender)
    }

    fn number(&self, code: u8) -> u16 {
        let value = self.options.iter().map(SubOption::to_wire).find(|(at, _)| *at == code);
        value.and_then(|(_, value)| value.try_into().ok()).map_or(0, u16::from_be_bytes)
    }

    fn id(&self, code: u8) -> Option<BootImageId> {
        self.options.iter().find_map(|option| match option {
            SubOption::DefaultBootImageId(id) if code == 7 => Some(*id),
            SubOption::SelectedBootImageId(id) if code == 8 => Some(*id),
            _ => None,
        })
    }

    fn described(&self) -> String {
        let mut out = format!("{} from {}\n", self.kind(), self.server());
        let (default, selected) = (self.id(7), self.id(8));
        for option in &self.options {
            match option {
                SubOption::ServerPriority(priority) => out.push_str(&format!("  priority {priority}\n")),
                SubOption::BootImageList(entries) => {
                    for entry in entries {
                        let mark = |id, word| if id == Some(entry.id) { word } else { "" };
                        let marks = [mark(default, " (default)"), mark(selected, " (selected)")].concat();
                        let name = String::from_utf8_lossy(&entry.name);
                        out.push_str(&format!("  {} {}{marks}\n", entry.id, name.escape_debug()));
                    }
                }
                SubOption::SelectedBootImageId(id) if self.kind() != "LIST" => {
                    out.push_str(&format!("  image {id}\n"));
                }
                SubOption::MachineName(name) => {
                    out.push_str(&format!("  machine name {}\n", name.escape_ascii()));
                }
                SubOption::ShadowMountPath(path) => {
                    out.push_str(&format!("  shadow at {}\n", path.escape_ascii()));
                }
                _ => {}
            }
        }
        let next = self.packet.header.siaddr();
        if let Some(file) = self.packet.file().filter(|file| !file.is_empty()) {
            out.push_str(&format!("  booter {} from {next}\n", file.escape_ascii()));
        }
        if let Some(root) = self.packet.first(option::ROOT_PATH) {
            out.push_str(&format!("  root {}\n", root.escape_ascii()));
        }
        out
    }

    fn kind(&self) -> &'static str {
        let kind = self.options.iter().find_map(|option| match option {
            SubOption::MessageType(kind) => Some(*kind),
            _ => None,
        });
        match kind {
            Some(BsdpMessageType::List) => "LIST",
            Some(BsdpMessageType::Select) => "SELECT",
            Some(BsdpMessageType::Failed) => "FAILED",
            None => "answer without a message type",
        }
    }
}

/// Ports below 1024 that no service of the network boot has.
const REPLY_PORTS: std::ops::RangeInclusive<u16> = 900..=1023;
const MAX_ANSWER: usize = 8192;
/// A network with more boot servers than this has another problem.
const MAX_ANSWERS: usize = 64;
