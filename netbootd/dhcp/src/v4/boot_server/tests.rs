use std::net::{Ipv4Addr, SocketAddrV4};

use pxe_policy::{ArchType, Via};

use super::*;
use crate::outcome::Answered;
use crate::v4::option;
use crate::v4::testing::{BINL, SERVER, boot, broadcast, captured, captured_bytes, lan};

fn asked_from(port: u16, packet: &Packet, known: Option<&BootRequest>) -> Answer {
    let iface = lan();
    let from = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 112), port);
    let arrival = Arrival::new(&iface, SERVER, from);
    answered(answer(packet, &arrival, BINL, known, |_| boot("pxelinux.0", Via::Tftp)))
}

fn answered(led: Led) -> Answer {
    match led {
        Led::Answered(answer) => *answer,
        Led::Forwarded(asked) => panic!("{asked:?}"),
    }
}

#[test]
fn ipxe_choosing_a_menu_item_gets_what_dnsmasq_was_seen_to_answer() {
    let seen = Packet::parse_reply(&captured_bytes("dnsmasq-proxy-bios-11")).unwrap();
    let answer = asked_from(68, &captured("ipxe-bios-10"), None);
    let reply = answer.reply.unwrap();
    assert_eq!(reply.to, Destination::Unicast(SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 112), 68)));
    let ours = Packet::parse_reply(&reply.bytes).unwrap();
    assert!(ours.option_codes().filter(|code| *code != option::TFTP_SERVER_NAME).eq(seen.option_codes()));
    for code in seen.option_codes() {
        assert_eq!(ours.first(code), seen.first(code), "option {code}");
    }
    assert_eq!(ours.file(), seen.file());
    assert_eq!(ours.header.siaddr(), seen.header.siaddr());
    assert_eq!(ours.header.xid(), seen.header.xid());
    assert_eq!(answer.event.class, Some(Class::Ipxe));
}

#[test]
fn uefi_firmware_gets_what_dnsmasq_was_seen_to_answer() {
    let seen = Packet::parse_reply(&captured_bytes("dnsmasq-proxy-efi-7")).unwrap();
    let mut packet = captured("ovmf-x64-4");
    packet.header.set_ciaddr([10, 77, 0, 111]);
    let answer = asked_from(4011, &packet, None);
    let ours = Packet::parse_reply(&answer.reply.unwrap().bytes).unwrap();
    assert!(ours.option_codes().filter(|code| *code != option::TFTP_SERVER_NAME).eq(seen.option_codes()));
    assert_eq!(ours.header.siaddr(), seen.header.siaddr());
    assert_eq!(ours.server_name(), seen.server_name());
    assert_eq!(ours.header.ciaddr(), seen.header.ciaddr());
    assert_eq!(ours.first(option::TFTP_SERVER_NAME), Some(&b"10.77.0.2"[..]));
    assert_eq!(answer.event.boot_file.as_deref(), Some("pxelinux.0"));
}

#[test]
fn wdsmgfw_is_answered_and_told_apart_by_its_hardware_address() {
    let answer = asked_from(68, &captured("wdsmgfw-4011-request"), None);
    assert_eq!(answer.event.decision, Answered::Ack);
    assert_eq!(answer.event.mac, Some(captured("wdsmgfw-4011-request").mac()));
    assert_eq!(answer.event.arch, Some(ArchType::X64_UEFI));
}

#[test]
fn a_bare_request_is_answered_from_what_the_machine_said_before() {
    let bytes = captured_bytes("ipxe-bios-10");
    let at = bytes.windows(4).position(|four| four == [93, 2, 0, 0]).unwrap();
    let bare = [&bytes[..at], &bytes[at + 4..]].concat();
    let packet = Packet::parse(&bare).unwrap();
    let answer = asked_from(68, &packet, None);
    assert_eq!((answer.reply, answer.event.reason), (None, Reason::NoArchitecture));

    let iface = lan();
    let known = boot_request(&captured("ipxe-bios-1"), &broadcast(&iface)).unwrap();
    let answer = asked_from(68, &packet, Some(&known));
    assert_eq!(answer.event.decision, Answered::Ack);
    assert_eq!(answer.event.arch, Some(ArchType::X86_BIOS));
}

#[test]
fn machines_that_do_not_boot_are_left_alone() {
    let answer = asked_from(68, &captured("pixiecore-4"), None);
    assert_eq!((answer.reply, answer.event.reason), (None, Reason::NotABootRequest));
}

#[test]
fn a_boot_program_is_answered_in_its_own_words_even_when_it_gets_nothing() {
    let packet = captured("wdsmgfw-4011-request");
    let iface = lan();
    let arrival = Arrival::new(&iface, SERVER, SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 112), 4011));
    let decided = |verdict: Verdict| answered(answer(&packet, &arrival, BINL, None, move |_| verdict));
    let refused = Verdict { decision: Decision::LocalBoot, ..Verdict::silence(Reason::NoDeployment) };
    let told = decided(refused);
    assert_eq!((told.event.decision, told.event.reason), (Answered::LocalBoot, Reason::NoDeployment));
    let reply = Packet::parse_reply(&told.reply.unwrap().bytes).unwrap();
    let words = reply.first(option::WDS).unwrap();
    assert!(words.starts_with(&[2, 1, 5, 6]) && words.windows(13).any(|part| part == b"No deployment"));
    let boots = Packet::parse_reply(&decided(boot("a", Via::Tftp)).reply.unwrap().bytes).unwrap();
    assert_eq!(boots.first(option::WDS).unwrap(), [11, 1, 2, 14, 1, 1, 255]);
}
