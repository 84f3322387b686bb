use std::net::Ipv4Addr;

use pxe_policy::{ArchType, Boot, Via};

use super::*;
use crate::outcome::Answered;
use crate::v4::testing::{BINL, SERVER, boot, broadcast, captured, lan, vectors};

const BYPASS: BootService = BootService { style: OfferStyle::Bypass, ..BINL };

fn as_discover(id: &str) -> Packet {
    let bytes = crate::v4::testing::captured_bytes(id);
    let mut bytes = bytes;
    assert_eq!(&bytes[240..242], [53, 1]);
    bytes[242] = 1;
    Packet::parse(&bytes).unwrap()
}

fn offered(packet: &Packet, service: BootService, verdict: &Verdict) -> Packet {
    let iface = lan();
    let answer = answer(packet, &broadcast(&iface), service, |_| verdict.clone());
    assert_eq!(answer.event.decision, Answered::Offer, "{:?}", answer.event);
    Packet::parse_reply(&answer.reply.unwrap().bytes).unwrap()
}

#[test]
fn only_machines_that_want_to_boot_are_answered() {
    let iface = lan();
    for vector in vectors().iter().filter(|vector| vector.json["decoded"]["op"] == 1) {
        let packet = Packet::parse(&vector.bytes).unwrap();
        let answer = answer(&packet, &broadcast(&iface), BINL, |_| boot("x", Via::Tftp));
        let decoded = &vector.json["decoded"];
        let boots = decoded["arch"].is_array() && decoded["msg_type"] == 1;
        assert_eq!(answer.reply.is_some(), boots, "{}: {:?}", vector.id, answer.event);
        if let Some(is_netboot) = vector.json["expect"]["is_netboot"].as_bool() {
            assert_eq!(boots, is_netboot, "{}", vector.id);
        }
    }
}

#[test]
fn silence_names_its_reason() {
    let iface = lan();
    let table = [
        ("ovmf-x64-4", Reason::OtherServer),
        ("ipxe-bios-8", Reason::OtherServer),
        ("cifarm-plain-rebind", Reason::NotABootRequest),
        ("tcpdump-rfc5970-6", Reason::NotABootRequest),
        ("cifarm-uboot-riscv", Reason::Disabled),
        ("pixiecore-4", Reason::NotABootRequest),
    ];
    for (id, reason) in table {
        let answer = answer(&captured(id), &broadcast(&iface), BINL, |_| boot("x", Via::Tftp));
        assert_eq!((answer.event.decision, answer.event.reason), (Answered::Ignore, reason), "{id}");
        assert_eq!(answer.event.xid, Some(captured(id).header.xid()), "{id}");
    }
}

#[test]
fn a_proxy_tells_ipxe_alone_of_the_log_server() {
    let logs = BootService { log_server: true, ..BINL };
    for (id, service, told) in
        [("ipxe-bios-1", logs, true), ("ipxe-bios-1", BINL, false), ("aavmf-arm64-1", logs, false)]
    {
        let offer = offered(&captured(id), service, &boot("boot.ipxe", Via::Http));
        assert_eq!(offer.first(option::LOG_SERVER).is_some(), told, "{id}");
    }
}

#[test]
fn a_raspberry_pis_rom_is_offered_its_menu_and_its_file_at_once() {
    let mut bytes = crate::v4::testing::captured_bytes("ovmf-x64-4");
    bytes[242] = 1;
    bytes[28..34].copy_from_slice(&[0xb8, 0x27, 0xeb, 1, 2, 3]);
    let arch = bytes.windows(4).position(|part| part == [93, 2, 0, 7]).unwrap();
    bytes[arch + 3] = 0;
    let offer = offered(&Packet::parse(&bytes).unwrap(), BINL, &boot("bootcode.bin", Via::Tftp));
    let menu = offer.first(option::VENDOR_OPTIONS).unwrap();
    assert!(menu.windows(17).any(|text| text == b"Raspberry Pi Boot"), "{menu:02x?}");
    assert_eq!(offer.header.siaddr(), SERVER);
    // Any other BIOS machine is offered as before.
    bytes[28..31].copy_from_slice(&[0x52, 0x54, 0]);
    let offer = offered(&Packet::parse(&bytes).unwrap(), BINL, &boot("bootcode.bin", Via::Tftp));
    assert_eq!(offer.first(option::VENDOR_OPTIONS), None);
}

#[test]
fn a_binl_offer_to_firmware_names_this_server_and_no_file() {
    let packet = as_discover("ovmf-x64-4");
    let offer = offered(&packet, BINL, &boot("grubx64.efi", Via::Tftp));
    assert_eq!(offer.option_codes().collect::<Vec<_>>(), [53, 54, 60, 97]);
    assert_eq!(offer.header.siaddr(), SERVER);
    assert_eq!(offer.file(), None);
    assert_eq!(offer.header.yiaddr(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(offer.header.xid(), packet.header.xid());
    assert_eq!(offer.first(option::VENDOR_CLASS), Some(&b"PXEClient"[..]));
    assert_eq!(offer.first(option::SYSTEM_UUID), packet.first(option::SYSTEM_UUID));
}

#[test]
fn a_binl_offer_names_this_server_even_when_the_file_is_elsewhere() {
    let elsewhere = Boot {
        file: "x.0".into(),
        via: Via::Tftp,
        next_server: Some(Ipv4Addr::new(10, 0, 0, 9)),
        image: None,
        prompt: None,
        config: None,
    };
    let verdict = Verdict { decision: Decision::Boot(elsewhere), ..boot("x.0", Via::Tftp) };
    assert_eq!(offered(&as_discover("ovmf-x64-4"), BINL, &verdict).header.siaddr(), SERVER);
    assert_eq!(
        offered(&as_discover("ovmf-x64-4"), BYPASS, &verdict).header.siaddr(),
        Ipv4Addr::new(10, 0, 0, 9)
    );
}

#[test]
fn a_bypass_offer_is_what_firmware_was_seen_to_take() {
    let offer = offered(&as_discover("ovmf-x64-4"), BYPASS, &boot("big.bin", Via::Tftp));
    assert_eq!(offer.first(option::VENDOR_OPTIONS), Some(&[6, 1, 8, 255][..]));
    assert_eq!(offer.file(), Some(&b"big.bin"[..]));
    assert_eq!(offer.server_name(), Some(&b"10.77.0.2"[..]));
}

#[test]
fn http_boot_gets_a_url_in_the_offer_and_its_own_class_back() {
    let offer = offered(&captured("ovmf-http-1"), BINL, &boot("boot/x64.efi", Via::Http));
    assert_eq!(offer.first(option::VENDOR_CLASS), Some(&b"HTTPClient"[..]));
    assert_eq!(offer.file(), Some(&b"http://10.77.0.2/boot/x64.efi"[..]));
    assert_eq!(offer.first(option::BOOT_FILE), Some(&b"http://10.77.0.2/boot/x64.efi\0"[..]));
    assert_eq!(offer.first(option::VENDOR_OPTIONS), None);
}

#[test]
fn ipxe_gets_its_script_in_the_offer() {
    let offer = offered(&captured("ipxe-bios-1"), BINL, &boot("boot.ipxe", Via::Http));
    assert_eq!(offer.file(), Some(&b"http://10.77.0.2/boot.ipxe"[..]));
    assert_eq!(offer.first(option::VENDOR_CLASS), Some(&b"PXEClient"[..]));
}

#[test]
fn a_relayed_request_is_answered_for_its_segment_with_option_82_last() {
    let mut bytes = crate::v4::testing::captured_bytes("aavmf-arm64-1");
    let end = bytes.iter().rposition(|byte| *byte == option::END).unwrap();
    bytes.truncate(end);
    bytes.extend([82, 4, 1, 2, 0xab, 0xcd, 255]);
    bytes[3] = 1;
    bytes[24..28].copy_from_slice(&[10, 78, 0, 1]);
    let packet = Packet::parse(&bytes).unwrap();
    let iface = lan();
    let from = std::net::SocketAddrV4::new(Ipv4Addr::new(10, 78, 0, 1), 67);
    let arrival = Arrival::new(&iface, Ipv4Addr::new(10, 78, 0, 2), from);
    let mut seen = None;
    let answer = answer(&packet, &arrival, BINL, |request| {
        seen = Some(request.clone());
        boot("a.efi", Via::Tftp)
    });
    let seen = seen.unwrap();
    let relay = Ipv4Addr::new(10, 78, 0, 1).into();
    assert_eq!((seen.relay, seen.segment), (Some(relay), relay));
    assert_eq!(seen.archs, [ArchType::ARM64_UEFI]);
    let reply = answer.reply.unwrap();
    assert_eq!(reply.to, Destination::Relay(from));
    assert_eq!(reply.from, Ipv4Addr::new(10, 78, 0, 2));
    let offer = Packet::parse_reply(&reply.bytes).unwrap();
    assert_eq!(offer.option_codes().last(), Some(82));
    assert_eq!(offer.first(82), Some(&[1, 2, 0xab, 0xcd][..]));
    assert_eq!((offer.header.giaddr(), offer.header.hops()), (Ipv4Addr::new(10, 78, 0, 1), 1));
    assert_eq!(offer.header.flags(), packet.header.flags());
}

#[test]
fn a_long_file_name_goes_to_option_67_with_a_nul_and_too_long_a_one_stays_unsent() {
    let long = format!("{}.efi", "d/".repeat(70));
    let offer = offered(&as_discover("ovmf-x64-4"), BYPASS, &boot(&long, Via::Tftp));
    assert_eq!(offer.file(), None);
    assert_eq!(offer.first(option::BOOT_FILE), Some([long.as_bytes(), &[0]].concat().as_slice()));

    let iface = lan();
    let endless = "d/".repeat(1000);
    let answer =
        answer(&captured("aavmf-arm64-1"), &broadcast(&iface), BYPASS, |_| boot(&endless, Via::Tftp));
    assert_eq!((answer.reply, answer.event.reason), (None, Reason::AnswerTooLarge));
}

#[test]
fn every_offer_fits_what_any_client_takes() {
    for vector in vectors().iter().filter(|vector| vector.json["decoded"]["msg_type"] == 1) {
        let packet = Packet::parse(&vector.bytes);
        let iface = lan();
        let Ok(packet) = packet else { continue };
        let answer = answer(&packet, &broadcast(&iface), BYPASS, |_| boot("a/b/c.efi", Via::Tftp));
        if let Some(reply) = answer.reply {
            assert!((300..=548).contains(&reply.bytes.len()), "{}", vector.id);
        }
    }
}
