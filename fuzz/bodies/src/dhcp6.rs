//! Datagrams on port 547: what clients send over IPv6, with or without relays.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::LazyLock;
use std::time::Duration;

use dhcproto::v6::Status;
use netbootd_dhcp::v6::guard::Options;
use netbootd_dhcp::v6::option::{self, MessageType};
use netbootd_dhcp::v6::proxy::{self, Own};
use netbootd_dhcp::v6::server::{self, Question};
use netbootd_dhcp::v6::{Answer, Arrival, Duid, Packet, intake};
use netbootd_dhcp::{Iface, Subnet6};
use pxe_policy::Reason;

use crate::dhcp::verdict;

/// Any datagram of a client: a service, chosen by its length, answers it, and the answer reads as
/// what it should say.
pub fn dhcp6_packet(bytes: &[u8]) {
    let Ok(packet) = Packet::parse(bytes) else { return };
    let from = SocketAddrV6::new(FROM, 546, 0, 3);
    let arrival = Arrival { iface: &LAN, to: GROUP, from, port: 547 };
    let mac = intake::mac_seen(&packet, FROM);
    let own = Own { duid: &DUID, http_port: 80 };
    let question = Question { packet: &packet, arrival: &arrival, mac };
    let request = intake::boot_request(&packet, &arrival, mac).ok();
    let verdict = verdict(packet.xid());
    let boot = request.as_ref().map(|request| (request, &verdict));
    let (answer, answers_associations) = match bytes.len() % 5 {
        0 => (proxy::answer(&packet, &arrival, mac, own, |_| verdict), false),
        1 => (server::lease(question, MessageType::Reply, GIVEN, &SUBNET, own, boot), true),
        2 => (server::information(question, Some(&SUBNET), own, boot), false),
        3 => (server::no_binding(question, own), true),
        _ => (server::status(question, own, Status::Success, Reason::Lease), false),
    };
    check(&packet, &answer, answers_associations);
}

/// Every relay gets its own envelope back, and the client what is for it, in one piece on every
/// link.
fn check(packet: &Packet, answer: &Answer, answers_associations: bool) {
    let Some(reply) = &answer.reply else { return };
    assert!(reply.bytes.len() <= 1232, "{} bytes", reply.bytes.len());
    let mut message = reply.bytes.clone();
    for relay in &packet.relays {
        assert_eq!(message[..2], [u8::from(MessageType::RelayRepl), relay.hops]);
        assert_eq!(message[2..18], relay.link.octets());
        assert_eq!(message[18..34], relay.peer.octets());
        let options = Options::parse(&message[34..]).expect("our own envelope reads");
        assert_eq!(options.first(option::INTERFACE_ID), relay.options.first(option::INTERFACE_ID));
        message = options.first(option::RELAY_MESSAGE).expect("something is inside").to_vec();
    }
    assert_eq!(message[1..4], packet.xid);
    let options = Options::parse(&message[4..]).expect("our own answer reads");
    assert_eq!(options.first(option::CLIENT_ID), packet.options.first(option::CLIENT_ID));
    assert_eq!(options.first(option::SERVER_ID), Some(DUID.0.as_slice()));
    if answers_associations {
        let told: Vec<&[u8]> = options.all(option::IA_NA).map(|value| &value[..4]).collect();
        let asked: Vec<[u8; 4]> = packet.associations().map(|one| one.id.to_be_bytes()).collect();
        assert_eq!(told, asked, "each association hears of itself");
    }
}

const FROM: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe4c, 0x109);
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
const GIVEN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x100);

static DUID: LazyLock<Duid> = LazyLock::new(|| Duid(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 1]));

static LAN: LazyLock<Iface> = LazyLock::new(|| Iface {
    name: "lan0".into(),
    index: 3,
    mac: None,
    addrs: Vec::new(),
    addrs6: ["fe80::1/64", "2001:db8:1::1/64"].map(|net| net.parse().expect("an address")).into(),
});

static SUBNET: LazyLock<Subnet6> = LazyLock::new(|| Subnet6 {
    subnet: "2001:db8:1::/64".parse().expect("a network"),
    pool: GIVEN..=GIVEN,
    dns: vec![GIVEN],
    lease_time: Duration::from_secs(3600),
});
