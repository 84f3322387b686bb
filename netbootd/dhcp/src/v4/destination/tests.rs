use super::*;
use crate::v4::testing::{broadcast, captured, lan};

fn unicast(addr: [u8; 4], port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(addr), port)
}

#[test]
fn a_relay_gets_the_reply_on_the_server_port_whatever_else_is_set() {
    let mut packet = captured("tcpdump-relay-11");
    packet.header.set_ciaddr([10, 50, 0, 7]);
    let relay = Destination::Relay(unicast([10, 50, 1, 1], 67));
    assert_eq!(Destination::of_reply(&packet, Some(Ipv4Addr::new(10, 50, 0, 7))), relay);
    assert_eq!(Destination::of_nak(&packet), relay);
}

#[test]
fn a_client_that_asks_for_broadcast_gets_it() {
    let packet = captured("aavmf-arm64-1");
    let everybody = Destination::Broadcast(unicast([255, 255, 255, 255], 68));
    assert_eq!(Destination::of_reply(&packet, Some(Ipv4Addr::new(10, 77, 0, 9))), everybody);
    assert_eq!(Destination::of_reply(&packet, None), everybody);
    assert_eq!(Destination::of_nak(&packet), everybody);
}

#[test]
fn ipxe_gets_its_lease_at_its_hardware_address_and_a_proxy_offer_by_broadcast() {
    let packet = captured("ipxe-bios-1");
    let given = Ipv4Addr::new(10, 77, 0, 112);
    let direct = Destination::Direct { mac: packet.mac(), to: unicast([10, 77, 0, 112], 68) };
    assert_eq!(Destination::of_reply(&packet, Some(given)), direct);
    assert_eq!(
        Destination::of_reply(&packet, None),
        Destination::Broadcast(unicast([255, 255, 255, 255], 68))
    );
}

#[test]
fn a_client_that_has_an_address_is_answered_there() {
    let mut packet = captured("ipxe-bios-1");
    packet.header.set_ciaddr([10, 77, 0, 112]);
    let there = Destination::Unicast(unicast([10, 77, 0, 112], 68));
    assert_eq!(Destination::of_reply(&packet, Some(Ipv4Addr::new(10, 77, 0, 112))), there);
}

#[test]
fn a_boot_server_answers_the_port_that_asked() {
    let iface = lan();
    let packet = captured("ipxe-bios-10");
    for port in [68, 4011] {
        let from = unicast([10, 77, 0, 112], port);
        let arrival = Arrival::new(&iface, Ipv4Addr::new(10, 77, 0, 2), from);
        assert_eq!(Destination::of_boot_server_reply(&packet, &arrival), Destination::Unicast(from));
    }
    let nowhere = Destination::of_boot_server_reply(&packet, &broadcast(&iface));
    assert_eq!(nowhere, Destination::Broadcast(unicast([255, 255, 255, 255], 68)));
}
