//! Packets of every kind of client, through the handlers that a listener gives them to.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::path::Path;
use std::sync::Arc;

use bsdp::{BootImageId, BsdpMessageType, SubOption, option43};
use dhcproto::v4::Message;
use netbootd_config::{Config, Mode};
use netbootd_dhcp::Iface;
use netbootd_dhcp::v4::boot_server::{self, Led};
use netbootd_dhcp::v4::question::request_bytes;
use netbootd_dhcp::v4::{self as dhcp, Arrival, Packet, intake, option, proxy};
use netbootd_dhcp::v6::testing as six;
use netbootd_dhcp::v6::{self as dhcp6, option as option6};
use netbootd_state::file::State;
use netbootd_telemetry::event::{Decided, Event, Proto};
use pxe_policy::{ArchType, Class, MacAddr, SystemUuid};

use crate::bsdp_server::BsdpServer;
use crate::dhcp_server::DhcpServer;
use crate::dhcp6_server::Dhcp6Server;
use crate::limits;
use crate::services::{Services, Snapshot};

pub(super) const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
pub(super) const RELAY: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);

/// A server with a configuration, and the packets' way in.
pub(super) struct Site {
    pub(super) services: Arc<Services>,
    addresses: Option<DhcpServer>,
    addresses6: Dhcp6Server,
    iface: Iface,
    _folder: tempfile::TempDir,
}

/// A client's question, by DHCP or BSDP.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) mac: MacAddr,
    pub(super) kind: Kind,
    pub(super) relayed: bool,
    pub(super) secs: u16,
    pub(super) uuid: Option<SystemUuid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A PC on port 67.
    Pc(Class, ArchType),
    /// A PC on port 4011.
    BootServer(Class, ArchType),
    /// A PC by DHCPv6; option 61 says the class.
    Six(u8),
    /// A Mac at its start.
    Discover,
    /// A Mac that wants the list.
    List,
    /// A Mac that chooses an image, here or at another server.
    Select(u16, bool),
}

/// The outcome of a packet, apart from its bytes.
pub(super) struct Outcome {
    pub(super) event: Event,
    /// The images that a Mac is listed, in order.
    pub(super) listed: Vec<BootImageId>,
    pub(super) replied: bool,
}

impl Site {
    /// With a boot folder that has the files and images that the tests name.
    pub(super) fn new(configuration: &str, devices: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path());
        fs::write(folder.path().join("devices.csv"), devices).unwrap();
        let root = folder.path().display().to_string();
        let text = format!("{configuration}\n[boot]\nroot = {root:?}\n");
        let file = folder.path().join("netbootd.toml");
        let (config, _) = Config::parse(&text, &file, None).unwrap_or_else(|found| panic!("{text}\n{found}"));
        let state = || Arc::new(State::in_memory().unwrap());
        let iface = Iface { addrs6: six::lan().addrs6, ..dhcp::testing::lan() };
        // Leases have a journal beside the state file.
        let on_disk = || Arc::new(State::open(&folder.path().join("state")).unwrap());
        let addresses = (config.dhcp.mode == Mode::Server)
            .then(|| DhcpServer::open(&config, vec![LOCAL], on_disk()).unwrap());
        let addresses6 = Dhcp6Server::open(&config, six::MAC, Vec::new(), state()).unwrap();
        let netboot = BsdpServer::open(vec![LOCAL], state()).unwrap();
        let enabled = config.netboot.enabled;
        let services = Services::open(Snapshot::new(config, None).unwrap(), state()).unwrap();
        let services = Arc::new(services.with_netboot(enabled.then_some(netboot)));
        if let Some(netboot) = &services.netboot {
            netboot.rescan(&services);
        }
        Site { services, addresses, addresses6, iface, _folder: folder }
    }

    /// Whether a packet is looked at by the lists of networks and relays.
    pub(super) fn lets_in(&self, ask: &Ask) -> bool {
        let packet = Packet::parse(&ask.bytes()).unwrap();
        let settings = &self.services.snapshot.load().config.limits;
        limits::allows(settings, &packet, &self.arrival(ask))
    }

    fn arrival(&self, ask: &Ask) -> Arrival<'_> {
        let from = if ask.relayed { SocketAddrV4::new(RELAY, 67) } else { SocketAddrV4::new(CLIENT, 68) };
        Arrival::new(&self.iface, Ipv4Addr::BROADCAST, from)
    }

    pub(super) async fn ask(&self, ask: &Ask) -> Outcome {
        let decided =
            |event: Decided, replied| Outcome { event: Event::Decided(event), listed: Vec::new(), replied };
        if let Kind::Six(arch) = ask.kind {
            let (packet, from) = ask.six(arch);
            let to = "ff02::1:2".parse().unwrap();
            let arrival = dhcp6::Arrival { iface: &self.iface, to, from, port: 547 };
            let answer = self.addresses6.answer(&self.services, &packet, &arrival).await;
            return decided(answer.event, answer.reply.is_some());
        }
        let bytes = ask.bytes();
        let packet = Packet::parse(&bytes).unwrap();
        let arrival = self.arrival(ask);
        match ask.kind {
            Kind::Pc(..) => {
                let answer = self.on_67(&packet, &arrival).await;
                decided(answer.event, answer.reply.is_some())
            }
            Kind::BootServer(..) => {
                let answer = self.on_4011(&packet, &arrival).await;
                decided(answer.event, answer.reply.is_some())
            }
            _ => self.as_mac(&packet, &arrival).await,
        }
    }

    async fn on_67(&self, packet: &Packet, arrival: &Arrival<'_>) -> dhcp::Answer {
        let services = &self.services;
        if let Some(addresses) = &self.addresses {
            return addresses.answer(services, packet, arrival).await.expect("nothing overtakes it");
        }
        if services.snapshot.load().config.dhcp.mode == Mode::Off {
            return dhcp::Answer::silence(packet, arrival, Proto::Proxy, pxe_policy::Reason::Disabled);
        }
        let request = intake::boot_request(packet, arrival).unwrap();
        let answers = services.consult(&request).await;
        let service = services.snapshot.load().boot_service();
        proxy::answer(packet, arrival, service, |request| services.decide(request, &answers))
    }

    async fn on_4011(&self, packet: &Packet, arrival: &Arrival<'_>) -> dhcp::Answer {
        let services = &self.services;
        let request = intake::boot_request(packet, arrival).unwrap();
        let answers = services.consult(&request).await;
        let service = services.snapshot.load().boot_service();
        let decide = |request: &_| services.decide(request, &answers);
        match boot_server::answer(packet, arrival, service, None, decide) {
            Led::Answered(answer) => *answer,
            Led::Forwarded(asked) => asked.answer,
        }
    }

    async fn as_mac(&self, packet: &Packet, arrival: &Arrival<'_>) -> Outcome {
        let netboot = self.services.netboot.as_ref().unwrap();
        let (reply, event) = netboot.answer(&self.services, packet, arrival).await;
        let listed = reply.as_ref().map_or_else(Vec::new, |reply| {
            let reply = Packet::parse_reply(&reply.bytes).unwrap();
            let options = option43::parse(reply.all(option::VENDOR_OPTIONS)).unwrap();
            let lists = options.into_iter().filter_map(|option| match option {
                SubOption::BootImageList(entries) => Some(entries),
                _ => None,
            });
            lists.flatten().map(|entry| entry.id).collect()
        });
        Outcome { event, listed, replied: reply.is_some() }
    }
}

impl Ask {
    /// The relay's address as an operator says it to `explain`.
    pub(super) fn relay(&self) -> Option<IpAddr> {
        self.relayed.then(|| RELAY.into())
    }

    fn bytes(&self) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let ciaddr = if matches!(self.kind, Kind::List | Kind::Select(..)) { CLIENT } else { none };
        let giaddr = if self.relayed { RELAY } else { none };
        let mut header = Message::new_with_id(7, ciaddr, none, none, giaddr, &self.mac.octets());
        header.set_secs(self.secs);
        let mut options: Vec<(u8, Vec<u8>)> = Vec::new();
        let kind = match self.kind {
            Kind::Pc(..) | Kind::Discover => 1,
            Kind::BootServer(..) => 3,
            _ => 8,
        };
        options.push((option::MESSAGE_TYPE, vec![kind]));
        match self.kind {
            Kind::Pc(class, arch) | Kind::BootServer(class, arch) => {
                let vendor = match class {
                    Class::Http => "HTTPClient:Arch:00016:UNDI:003016",
                    Class::Uboot => "U-Boot.armv8",
                    _ => "PXEClient:Arch:00007:UNDI:003016",
                };
                options.push((option::VENDOR_CLASS, vendor.into()));
                options.push((option::ARCH, arch.0.to_be_bytes().to_vec()));
                if class == Class::Ipxe {
                    options.push((option::USER_CLASS, b"iPXE".to_vec()));
                }
                options.extend(
                    self.uuid.map(|uuid| (option::SYSTEM_UUID, [&[0], uuid.wire().as_slice()].concat())),
                );
            }
            _ => {
                options.push((option::VENDOR_CLASS, b"AAPLBSDPC/i386/iMac14,3".to_vec()));
                let mut said = vec![SubOption::Version(0x0101)];
                said.extend(self.bsdp());
                let values = option43::emit(&said).unwrap();
                options.extend(values.into_iter().map(|value| (option::VENDOR_OPTIONS, value)));
                options.push((option::MAX_MESSAGE_SIZE, 1500_u16.to_be_bytes().to_vec()));
            }
        }
        request_bytes(&header, options.iter().map(|(code, value)| (*code, value.as_slice())))
    }

    fn bsdp(&self) -> Vec<SubOption> {
        match self.kind {
            Kind::List => vec![SubOption::MessageType(BsdpMessageType::List)],
            Kind::Select(index, here) => vec![
                SubOption::MessageType(BsdpMessageType::Select),
                SubOption::ServerIdentifier(if here { LOCAL } else { Ipv4Addr::new(10, 77, 0, 3) }),
                SubOption::SelectedBootImageId(id(index)),
            ],
            _ => Vec::new(),
        }
    }

    /// A SOLICIT from the link-local address that is made of the hardware address.
    fn six(&self, arch: u8) -> (dhcp6::Packet, SocketAddrV6) {
        let [a, b, c, d, e, f] = self.mac.octets();
        let half = |high: u8, low: u8| u16::from_be_bytes([high, low]);
        let addr = Ipv6Addr::new(0xfe80, 0, 0, 0, half(a ^ 2, b), half(c, 0xff), half(0xfe, d), half(e, f));
        let waited = (u32::from(self.secs) * 100).min(0xffff) as u16;
        let more = [six::opt(option6::ELAPSED_TIME, &waited.to_be_bytes()), six::association(1, None)];
        (six::firmware(six::SOLICIT, arch, &more), SocketAddrV6::new(addr, 546, 0, 3))
    }
}

/// The id of the image with this number.
pub(super) fn id(index: u16) -> BootImageId {
    BootImageId { install: false, kind: bsdp::ImageKind::MAC_OS_X, index, reserved: 0 }
}

/// The names of the images, whose numbers begin at 1.
pub(super) const IMAGES: [&str; 3] = ["Sierra", "Mojave", "Rescue"];

fn fill(root: &Path) {
    fs::write(root.join("a.efi"), "a").unwrap();
    fs::write(root.join("ipxe.efi"), "ipxe").unwrap();
    fs::create_dir_all(root.join("win/boot/x64")).unwrap();
    for name in ["bootmgfw.efi", "pxeboot.n12"] {
        fs::write(root.join("win/boot/x64").join(name), "boot").unwrap();
    }
    for (name, index) in IMAGES.iter().zip(1..) {
        let folder = root.join(format!("NetBoot/SP0/{name}.nbi"));
        fs::create_dir_all(folder.join("i386")).unwrap();
        fs::write(folder.join("i386/booter"), "booter").unwrap();
        let list = format!(
            "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>Name</key><string>{name}</string>\
             <key>Index</key><integer>{index}</integer><key>Type</key><string>BootFileOnly</string>\
             <key>Kind</key><integer>1</integer><key>BootFile</key><string>booter</string>\
             <key>Architectures</key><array><string>i386</string></array></dict></plist>"
        );
        fs::write(folder.join("NBImageInfo.plist"), list).unwrap();
    }
}
