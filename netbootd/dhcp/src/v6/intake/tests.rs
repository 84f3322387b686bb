use super::*;
use crate::v6::testing::{
    INFORMATION_REQUEST, MAC, SOLICIT, client_id, firmware, lan, message, multicast, opt, relayed,
    vendor_class,
};

fn class(options: &[Vec<u8>]) -> Option<Class> {
    class_of(&Packet::parse(&message(INFORMATION_REQUEST, options)).unwrap())
}

fn user_class(text: &str) -> Vec<u8> {
    opt(option::USER_CLASS, &[&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat())
}

#[test]
fn firmware_says_who_it_is_by_its_class_or_its_architecture() {
    let arch = |number: u8| opt(option::ARCH, &[0, number]);
    assert_eq!(class(&[]), None);
    assert_eq!(class(&[vendor_class("docsis3.0")]), None);
    assert_eq!(class(&[user_class("iPXE")]), None);
    assert_eq!(class(&[vendor_class("PXEClient:Arch:00007:UNDI:003001")]), Some(Class::Pxe));
    assert_eq!(class(&[vendor_class("HTTPClient:Arch:00016:UNDI:003001"), arch(7)]), Some(Class::Http));
    assert_eq!(class(&[arch(7)]), Some(Class::Pxe));
    assert_eq!(class(&[arch(16)]), Some(Class::Http));
    assert_eq!(class(&[arch(7), user_class("iPXE")]), Some(Class::Ipxe));
    assert_eq!(class(&[opt(option::VENDOR_CLASS, &[0, 0, 1]), opt(option::ARCH, &[0])]), None);
}

#[test]
fn a_solicit_says_what_a_discover_says() {
    let iface = lan();
    let packet = firmware(SOLICIT, 7, &[opt(option::ELAPSED_TIME, &[2, 0])]);
    let arrival = multicast(&iface);
    let mac = mac_seen(&packet, *arrival.from.ip());
    assert_eq!(mac, Some(MAC));
    let request = boot_request(&packet, &arrival, mac).unwrap();
    assert_eq!(request.uuid.unwrap().to_string(), "4c4c4544-0042-3510-8053-5254004c0109");
    assert_eq!((request.archs.as_slice(), request.class), (&[ArchType(7)][..], Class::Pxe));
    assert_eq!((request.relay, request.segment), (None, "2001:db8:1::1".parse().unwrap()));
    assert_eq!((request.secs, request.address), (5, None));
    assert_eq!(boot_request(&packet, &arrival, None), Err(Reason::NoHardwareAddress));
}

#[test]
fn ipxe_writes_its_uuid_in_the_order_of_the_network() {
    let iface = lan();
    let packet = firmware(SOLICIT, 7, &[user_class("iPXE")]);
    let request = boot_request(&packet, &multicast(&iface), Some(MAC)).unwrap();
    assert_eq!(request.uuid.unwrap().to_string(), "44454c4c-4200-1035-8053-5254004c0109");
}

#[test]
fn a_relay_tells_the_link_and_the_hardware_address() {
    let iface = lan();
    let inside = message(SOLICIT, &[client_id(), opt(option::ARCH, &[0, 7])]);
    let seen = opt(option::CLIENT_LINK_LAYER, &[0, 1, 2, 0, 0, 0, 0, 7]);
    let table = [
        (vec![seen], "fe80::5054:ff:fe4c:109", Some(MacAddr([2, 0, 0, 0, 0, 7]))),
        (vec![], "fe80::5054:ff:fe4c:109", Some(MAC)),
        (vec![opt(option::CLIENT_LINK_LAYER, &[0, 6, 1])], "fe80::1", None),
    ];
    for (options, peer, mac) in table {
        let bytes = relayed("2001:db8:9::1", peer, &options, &inside);
        let packet = Packet::parse(&relayed("::", "2001:db8:8::1", &[], &bytes)).unwrap();
        let arrival = multicast(&iface);
        assert_eq!(mac_seen(&packet, *arrival.from.ip()), mac);
        let request = boot_request(&packet, &arrival, Some(MAC)).unwrap();
        let link = "2001:db8:9::1".parse().unwrap();
        assert_eq!((request.relay, request.segment), (Some(link), link));
    }
}

#[test]
fn a_client_is_told_the_address_it_asked_or_one_of_its_own_link() {
    let iface = lan();
    let packet = firmware(SOLICIT, 7, &[]);
    let asked = |to: &str| Arrival { to: to.parse().unwrap(), ..multicast(&iface) };
    let told = |arrival: Arrival<'_>, packet: &Packet| arrival.local(packet).unwrap().to_string();
    assert_eq!(told(asked("ff02::1:2"), &packet), "2001:db8:1::1");
    assert_eq!(told(asked("2001:db8:2::1"), &packet), "2001:db8:2::1");
    assert_eq!(told(asked("fe80::1"), &packet), "2001:db8:1::1");
    let inside = message(SOLICIT, &[client_id()]);
    let relayed = Packet::parse(&relayed("2001:db8:2::9", "fe80::1", &[], &inside)).unwrap();
    assert_eq!(told(asked("ff05::1:3"), &relayed), "2001:db8:2::1");
}
