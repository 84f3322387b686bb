use std::net::SocketAddrV4;
use std::time::Duration;

use pxe_policy::Via;

use super::*;
use crate::outcome::Answered;
use crate::v4::intake::boot_request;
use crate::v4::testing::{BINL, SERVER, boot, broadcast, captured, lan};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

fn subnet() -> Subnet {
    Subnet {
        subnet: "10.77.0.0/24".parse().unwrap(),
        pool: Vec::new(),
        router: Some(Ipv4Addr::new(10, 77, 0, 254)),
        dns: vec![Ipv4Addr::new(10, 77, 0, 3), Ipv4Addr::new(10, 77, 0, 4)],
        domain: Some("lab.test".into()),
        lease_time: Duration::from_secs(3600),
        reservations: Vec::new(),
    }
}

fn offered(id: &str, file: Option<(&str, Via)>, style: OfferStyle) -> (Answer, Packet) {
    offered_by(BootService { style, ..BINL }, id, file)
}

fn offered_by(service: BootService, id: &str, file: Option<(&str, Via)>) -> (Answer, Packet) {
    let (iface, packet, subnet) = (lan(), captured(id), subnet());
    let arrival = broadcast(&iface);
    let request = boot_request(&packet, &arrival).ok();
    let verdict = file.map(|(file, via)| boot(file, via));
    let terms =
        Terms { address: ADDRESS, subnet: &subnet, name: Some("pc-1"), lease_time: subnet.lease_time };
    let boot = request.as_ref().zip(verdict.as_ref());
    let answer = lease(&packet, &arrival, MessageType::Offer, terms, service, boot);
    let reply = Packet::parse_reply(&answer.reply.as_ref().unwrap().bytes).unwrap();
    (answer, reply)
}

#[test]
fn a_lease_says_everything_that_a_host_needs() {
    let (answer, reply) = offered("cifarm-uboot-riscv", None, OfferStyle::Binl);
    assert_eq!((answer.event.decision, answer.event.reason), (Answered::Offer, Reason::Lease));
    assert_eq!(answer.event.address, Some(ADDRESS.into()));
    assert_eq!(reply.header.yiaddr(), ADDRESS);
    let expected: [(u8, &[u8]); 9] = [
        (option::SERVER_IDENTIFIER, &[10, 77, 0, 2]),
        (option::LEASE_TIME, &3600_u32.to_be_bytes()),
        (option::RENEWAL_TIME, &1800_u32.to_be_bytes()),
        (option::REBINDING_TIME, &3150_u32.to_be_bytes()),
        (option::SUBNET_MASK, &[255, 255, 255, 0]),
        (option::ROUTER, &[10, 77, 0, 254]),
        (option::DNS, &[10, 77, 0, 3, 10, 77, 0, 4]),
        (option::DOMAIN_NAME, b"lab.test"),
        (option::HOST_NAME, b"pc-1"),
    ];
    for (code, value) in expected {
        assert_eq!(reply.first(code), Some(value), "option {code}");
    }
    assert_eq!((reply.file(), reply.first(option::VENDOR_CLASS)), (None, None));
}

#[test]
fn firmware_gets_its_boot_file_with_the_lease_and_no_option_60() {
    let (answer, reply) = offered("aavmf-arm64-1", Some(("a.efi", Via::Tftp)), OfferStyle::Binl);
    assert_eq!((reply.file(), reply.header.siaddr()), (Some(&b"a.efi"[..]), SERVER));
    assert_eq!(reply.first(option::VENDOR_CLASS), None);
    assert_eq!(answer.event.rule.as_deref(), Some("test"));
    let (_, reply) = offered("aavmf-arm64-1", Some(("a.efi", Via::Tftp)), OfferStyle::Bypass);
    assert_eq!(reply.first(option::VENDOR_CLASS), Some(&b"PXEClient"[..]));
    assert_eq!(reply.first(option::VENDOR_OPTIONS), Some(&[6, 1, 8, 255][..]));
}

#[test]
fn http_boot_gets_its_class_and_a_url_with_the_lease() {
    let (_, reply) = offered("ovmf-http-1", Some(("a.efi", Via::Http)), OfferStyle::Binl);
    assert_eq!(reply.first(option::VENDOR_CLASS), Some(&b"HTTPClient"[..]));
    assert_eq!(reply.file(), Some(&b"http://10.77.0.2/a.efi"[..]));
}

#[test]
fn ipxe_gets_its_lease_at_its_hardware_address() {
    let (answer, _) = offered("ipxe-bios-1", Some(("boot.ipxe", Via::Http)), OfferStyle::Binl);
    let to = SocketAddrV4::new(ADDRESS, 68);
    let mac = captured("ipxe-bios-1").mac();
    assert_eq!(answer.reply.unwrap().to, Destination::Direct { mac, to });
}

#[test]
fn ipxe_and_those_that_ask_for_it_learn_the_log_server_where_this_server_is_one() {
    let script = Some(("boot.ipxe", Via::Http));
    let logs = BootService { log_server: true, ..BINL };
    let log_server =
        |service, id, file| offered_by(service, id, file).1.first(option::LOG_SERVER).map(<[u8]>::to_vec);
    assert_eq!(log_server(logs, "ipxe-bios-1", script), Some(SERVER.octets().to_vec()));
    assert_eq!(log_server(BINL, "ipxe-bios-1", script), None);
    assert!(!captured("aavmf-arm64-1").asks_for(option::LOG_SERVER));
    assert_eq!(log_server(logs, "aavmf-arm64-1", Some(("a.efi", Via::Tftp))), None);
}

#[test]
fn a_nak_gives_nothing_and_goes_to_everybody() {
    let iface = lan();
    let answer = nak(&captured("ovmf-x64-4"), &broadcast(&iface), Reason::WrongAddress);
    let reply = answer.reply.unwrap();
    let packet = Packet::parse_reply(&reply.bytes).unwrap();
    assert_eq!(packet.message_type(), MessageType::Nak);
    assert_eq!(packet.header.yiaddr(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(packet.first(option::LEASE_TIME), None);
    assert_eq!(answer.event.decision, Answered::Nak);
    assert!(matches!(reply.to, Destination::Broadcast(_)));
}

#[test]
fn an_inform_gets_the_network_without_a_lease() {
    let (iface, subnet) = (lan(), subnet());
    let mut packet = captured("cifarm-plain-rebind");
    packet.header.set_ciaddr([10, 77, 0, 33]);
    let reply = inform(&packet, &broadcast(&iface), &subnet).reply.unwrap();
    assert_eq!(reply.to, Destination::Unicast(SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 33), 68)));
    let reply = Packet::parse_reply(&reply.bytes).unwrap();
    assert_eq!((reply.header.yiaddr(), reply.first(option::LEASE_TIME)), (Ipv4Addr::UNSPECIFIED, None));
    assert_eq!(reply.first(option::SUBNET_MASK), Some(&[255, 255, 255, 0][..]));
}

fn leased(id: &str, verdict: Verdict) -> (Answer, Packet) {
    let (iface, packet, subnet) = (lan(), captured(id), subnet());
    let arrival = broadcast(&iface);
    let request = boot_request(&packet, &arrival).unwrap();
    let terms = Terms { address: ADDRESS, subnet: &subnet, name: None, lease_time: subnet.lease_time };
    let answer = lease(&packet, &arrival, MessageType::Ack, terms, BINL, Some((&request, &verdict)));
    let reply = Packet::parse_reply(&answer.reply.as_ref().unwrap().bytes).unwrap();
    (answer, reply)
}

#[test]
fn a_lease_without_a_boot_file_names_the_reason() {
    for reason in [Reason::NoRule, Reason::NoBootFile, Reason::UnknownMachine, Reason::Pending] {
        let (answer, reply) = leased("ovmf-x64-4", Verdict::silence(reason));
        assert_eq!((answer.event.decision, answer.event.reason), (Answered::Ack, reason));
        assert_eq!((answer.event.address, reply.header.yiaddr()), (Some(ADDRESS.into()), ADDRESS));
        assert_eq!((reply.file(), reply.header.siaddr()), (None, Ipv4Addr::UNSPECIFIED));
    }
    let by_rule = Verdict { rule: Some("kiosks".into()), ..Verdict::silence(Reason::Rule) };
    let (answer, _) = leased("ovmf-x64-4", by_rule);
    assert_eq!((answer.event.reason, answer.event.rule.as_deref()), (Reason::Lease, Some("kiosks")));
}

#[test]
fn uboot_is_named_its_server_even_without_a_boot_file() {
    let (_, reply) = leased("cifarm-uboot-riscv", boot("grubaa64.efi", Via::Tftp));
    assert_eq!((reply.file(), reply.header.siaddr()), (Some(&b"grubaa64.efi"[..]), SERVER));
    assert_eq!((reply.first(option::VENDOR_CLASS), reply.first(option::VENDOR_OPTIONS)), (None, None));
    let (answer, reply) = leased("cifarm-uboot-riscv", Verdict::silence(Reason::NoRule));
    assert_eq!((reply.file(), reply.header.siaddr()), (None, SERVER));
    assert_eq!(answer.event.reason, Reason::NoRule);
    let by_rule = Verdict { rule: Some("kiosks".into()), ..Verdict::silence(Reason::Rule) };
    let (_, reply) = leased("cifarm-uboot-riscv", by_rule);
    assert_eq!(reply.header.siaddr(), Ipv4Addr::UNSPECIFIED, "the operator wants it to boot nothing");
}
