//! Datagrams on ports 67, 68 and 4011: what clients send, and what other servers send.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::LazyLock;
use std::time::Duration;

use dhcproto::v4::Opcode;
use netbootd_dhcp::v4::boot_info::{BootService, LocalBoot, OfferStyle};
use netbootd_dhcp::v4::boot_program::Prompt;
use netbootd_dhcp::v4::boot_server::{self, Led};
use netbootd_dhcp::v4::option::{self, MessageType};
use netbootd_dhcp::v4::question::request_bytes;
use netbootd_dhcp::v4::{Answer, Arrival, Packet, forward, intake, other_server, proxy, server};
use netbootd_dhcp::{Iface, Subnet};
use pxe_policy::{Boot, Class, Decision, FirmwareMenu, Reason, Verdict, Via};

use crate::macs;

/// Any datagram of a client: a service, chosen by its length, answers it, and the reply reads as
/// what it should say.
pub fn dhcp_packet(bytes: &[u8]) {
    let Ok(packet) = Packet::parse(bytes) else { return };
    let written = request_bytes(&packet.header, packet.options());
    assert_eq!(Packet::parse(&written).as_ref(), Ok(&packet), "what was read can be written");

    let arrival = Arrival::new(&LAN, Ipv4Addr::BROADCAST, SocketAddrV4::new(FROM, 68));
    if intake::class_of(&packet) == Some(Class::Bsdp) {
        macs::answer(&packet, &arrival);
    }
    match bytes.len() % 5 {
        0 => check(
            &packet,
            &proxy::answer(&packet, &arrival, service(&packet), |_| verdict(packet.header.xid())),
        ),
        1 => boot_server(&packet, &arrival),
        2 => lease(&packet, &arrival, MessageType::Offer),
        3 => lease(&packet, &arrival, MessageType::Ack),
        _ => {
            check(&packet, &server::nak(&packet, &arrival, Reason::OtherServer));
            check(&packet, &server::inform(&packet, &arrival, &SUBNET));
        }
    }
}

fn boot_server(packet: &Packet, arrival: &Arrival<'_>) {
    match boot_server::answer(packet, arrival, service(packet), None, |_| verdict(packet.header.xid())) {
        Led::Answered(answer) => check(packet, &answer),
        Led::Forwarded(_) => {
            let asked = forward::ask(packet, arrival.local);
            let asked = Packet::parse(&asked).expect("our own question reads");
            assert_eq!((asked.header.xid(), asked.mac()), (packet.header.xid(), packet.mac()));
        }
    }
}

fn lease(packet: &Packet, arrival: &Arrival<'_>, kind: MessageType) {
    let request = intake::boot_request(packet, arrival).ok();
    let verdict = verdict(packet.header.xid());
    let boot = request.as_ref().map(|request| (request, &verdict));
    let terms =
        server::Terms { address: GIVEN, subnet: &SUBNET, name: Some("pc-1"), lease_time: SUBNET.lease_time };
    check(packet, &server::lease(packet, arrival, kind, terms, service(packet), boot));
}

/// Any datagram of a server: an offer beside ours, and what the distribution point's own responder
/// says to a question handed on.
pub fn dhcp_reply(bytes: &[u8]) {
    let arrival = Arrival::new(&LAN, Ipv4Addr::BROADCAST, SocketAddrV4::new(OTHER, 67));
    if let Some(other) = other_server::read(bytes, &arrival) {
        assert!(!other.to_string().contains(char::is_control), "a stranger's words are escaped");
    }
    let Ok(reply) = Packet::parse_reply(bytes) else { return };
    // A boot program that asks on port 4011; the answer is for it.
    let mut header = reply.header.clone();
    header.set_opcode(Opcode::BootRequest);
    let question: [(u8, &[u8]); 4] = [
        (option::MESSAGE_TYPE, &[3]),
        (option::VENDOR_CLASS, b"PXEClient"),
        (option::ARCH, &[0, 7]),
        (option::WDS, &[12, 1, 0, 255]),
    ];
    let packet = request_bytes(&header, question);
    let packet = Packet::parse(&packet).expect("our own question reads");
    let arrival = Arrival::new(&LAN, SERVER, SocketAddrV4::new(FROM, 4011));
    let relayed = |_: &_| Verdict { decision: Decision::Relay, ..Verdict::silence(Reason::Rule) };
    let led = boot_server::answer(&packet, &arrival, service(&packet), None, relayed);
    let Led::Forwarded(asked) = led else { panic!("a question of a boot program is handed on") };
    match forward::read(&packet, bytes) {
        Err(why) => check(&packet, &forward::refused(*asked, &packet, &arrival, why)),
        Ok(told) => {
            let answer = forward::answer(*asked, &packet, &arrival, &told);
            check(&packet, &answer);
            let Some(reply) = answer.reply.filter(|_| told.file.is_some() || told.wds.is_some()) else {
                return;
            };
            assert_eq!(forward::read(&packet, &reply.bytes), Ok(told), "the machine reads what was said");
        }
    }
}

/// A reply is a packet that the client reads as its own, within the sizes that firmware takes.
fn check(packet: &Packet, answer: &Answer) {
    let Some(reply) = &answer.reply else { return };
    assert!((300..=1400).contains(&reply.bytes.len()), "{} bytes", reply.bytes.len());
    let read = Packet::parse_reply(&reply.bytes).expect("our own reply reads");
    assert_eq!((read.header.xid(), read.mac()), (packet.header.xid(), packet.mac()));
    assert_eq!(read.header.giaddr(), packet.header.giaddr());
    assert_eq!(read.address(option::SERVER_IDENTIFIER), Some(reply.from));
    let echoed: Vec<&[u8]> = read.all(option::RELAY_AGENT).collect();
    assert_eq!(echoed, packet.all(option::RELAY_AGENT).collect::<Vec<_>>(), "a relay gets its own back");
}

/// One of every kind of verdict, chosen by a packet's transaction.
pub(crate) fn verdict(xid: u32) -> Verdict {
    let boot = |file: &str, via, prompt: Option<&str>| {
        Decision::Boot(Boot {
            file: file.to_owned(),
            via,
            next_server: (xid & 0x100 != 0).then_some(OTHER),
            image: None,
            prompt: prompt.map(|text| FirmwareMenu::of_deployment(text.to_owned())),
            config: None,
        })
    };
    let decision = match xid % 11 {
        0 => boot("boot/x64/wdsnbp.com", Via::Tftp, None),
        1 => boot("pxelinux.0", Via::Tftp, None),
        2 => boot("boot/x64/bootmgfw.efi", Via::Http, None),
        3 => boot("https://boot.example/a.efi", Via::Http, None),
        4 => boot("boot/x64/bootmgfw.efi", Via::Tftp, Some("Windows 11")),
        5 => boot(LONG_PATH, Via::Tftp, None),
        6 => Decision::LocalBoot,
        7 => Decision::Wait,
        8 => Decision::Relay,
        9 => Decision::Refer(OTHER),
        _ => Decision::Ignore,
    };
    Verdict { decision, ..Verdict::silence(Reason::Rule) }
}

fn service(packet: &Packet) -> BootService {
    let xid = packet.header.xid();
    BootService {
        style: if xid & 0x200 == 0 { OfferStyle::Binl } else { OfferStyle::Bypass },
        http_port: if xid & 0x400 == 0 { 80 } else { 8080 },
        local_boot: if xid & 0x800 == 0 { LocalBoot::Silence } else { LocalBoot::Menu },
        program_prompt: if xid & 0x1000 == 0 { Prompt::OptIn } else { Prompt::OptOut },
        log_server: xid & 0x2000 != 0,
    }
}

pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);
const FROM: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
const GIVEN: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
/// Longer than the header's field.
const LONG_PATH: &str = "a/folder/whose/name/is/so/long/that/the/path/of/the/boot/file/does/not/fit/the/field/of/the/header/\
    and/goes/into/option/67/instead/boot/x64/bootmgfw.efi";

pub(crate) static LAN: LazyLock<Iface> = LazyLock::new(|| Iface {
    name: "lan0".into(),
    index: 3,
    mac: None,
    addrs: vec!["10.77.0.2/24".parse().expect("an address"), "10.78.0.2/24".parse().expect("an address")],
    addrs6: Vec::new(),
});

static SUBNET: LazyLock<Subnet> = LazyLock::new(|| Subnet {
    subnet: "10.77.0.0/24".parse().expect("a network"),
    pool: Vec::new(),
    router: Some(Ipv4Addr::new(10, 77, 0, 254)),
    dns: vec![OTHER],
    domain: Some("lab.test".into()),
    lease_time: Duration::from_secs(3600),
    reservations: Vec::new(),
});
