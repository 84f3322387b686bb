use std::net::SocketAddrV4;
use std::time::Duration;

use pxe_policy::{ArchType, Deployed, Evidence, Purpose, Via};

use super::*;
use crate::Iface;
use crate::v4::boot_server::{self, Led};
use crate::v4::testing::{BINL, SERVER, boot, captured, lan, unhex};

/// As a distribution point named them (public log of engrit-illinois/Get-MacsFromSmsPxeLog); the
/// secret's bytes are invented.
const VARIABLES: &str = "024530140000000a000000100000000e66000000000000101112131415161718191a1b1c1d1e1f000000000000000000000000a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b301515c534d5354656d705c323032322e31312e31342e30332e33342e35382e303030312e7b35333931313431452d313038392d344138392d414333332d4441434138443944433537387d2e626f6f742e766172";
const BCD: &[u8] = b"\\SMSTemp\\2022.11.14.03.34.58.03.{5391141E-1089-4A89-AC33-DACA8D9DC578}.boot.bcd\0";

fn asked() -> Packet {
    captured("wdsmgfw-4011-request")
}

/// A responder's reply to a question.
fn reply(packet: &Packet, kind: MessageType, file: &str, options: &[(u8, &[u8])]) -> Vec<u8> {
    let reply = ReplyBuilder::new(packet, kind, Ipv4Addr::new(10, 77, 0, 6)).boot_file(file, false);
    options.iter().fold(reply, |reply, (code, value)| reply.option(*code, value)).finish().unwrap()
}

fn arrival(iface: &Iface) -> Arrival<'_> {
    Arrival::new(iface, SERVER, SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 112), 4011))
}

fn verdict() -> Verdict {
    let deployed = Deployed {
        id: "PS120083".into(),
        purpose: Purpose::Required,
        name: "PC0001".into(),
        ..Deployed::default()
    };
    Verdict {
        decision: Decision::Relay,
        reason: Reason::Required,
        deployment: Some(deployed),
        evidence: vec![Evidence::Taken { rule: "site".into() }],
        ..boot("x", Via::Tftp)
    }
}

fn forwarded(packet: &Packet, iface: &Iface) -> Forwarded {
    match boot_server::answer(packet, &arrival(iface), BINL, None, |_| verdict()) {
        Led::Forwarded(asked) => *asked,
        Led::Answered(answer) => panic!("{answer:?}"),
    }
}

#[test]
fn a_question_keeps_what_tells_the_machine_and_asks_to_be_answered_here() {
    let packet = asked();
    let question = Packet::parse(&ask(&packet, SERVER)).unwrap();
    assert_eq!((question.mac(), question.header.xid()), (packet.mac(), packet.header.xid()));
    for code in [option::ARCH, option::SYSTEM_UUID, option::WDS, option::VENDOR_CLASS, option::MESSAGE_TYPE] {
        assert_eq!(question.first(code), packet.first(code), "{code}");
    }
    assert_eq!(question.header.ciaddr(), SERVER);
    assert_eq!(question.first(option::SERVER_IDENTIFIER), None);
}

#[test]
fn what_the_responder_names_reaches_the_machine_from_here() {
    let (packet, iface) = (asked(), lan());
    let (variables, wds) = (unhex(VARIABLES), unhex("0b01020e0101ff"));
    let bytes = reply(
        &packet,
        MessageType::Ack,
        "smsboot\\x64\\wdsmgfw.efi",
        &[(option::VARIABLES_FILE, &variables), (option::BCD_PATH, BCD), (option::WDS, &wds)],
    );
    let told = read(&packet, &bytes).unwrap();
    assert!(told.has_secret());
    let own: Vec<String> = told.own_files().map(|path| path.as_str().to_owned()).collect();
    assert!(own[0].ends_with("boot.var") && own[1].ends_with("boot.bcd"), "{own:?}");
    let answer = answer(forwarded(&packet, &iface), &packet, &arrival(&iface), &told);
    let sent = Packet::parse_reply(&answer.reply.as_ref().unwrap().bytes).unwrap();
    assert_eq!(sent.message_type(), MessageType::Ack);
    assert_eq!((sent.header.siaddr(), sent.address(option::SERVER_IDENTIFIER)), (SERVER, Some(SERVER)));
    assert_eq!(sent.file(), Some(&b"smsboot\\x64\\wdsmgfw.efi"[..]));
    assert_eq!(sent.first(option::VARIABLES_FILE), Some(variables.as_slice()));
    assert_eq!(sent.first(option::BCD_PATH), Some(BCD));
    assert_eq!(sent.first(option::WDS), Some(wds.as_slice()));
    assert_eq!(sent.first(option::SYSTEM_UUID), packet.first(option::SYSTEM_UUID));
    assert_eq!(answer.event.reason, Reason::Required);
    let gives = |answer: Answer| answer.gives.map(|(deployed, _)| deployed.id);
    assert_eq!(gives(answer).as_deref(), Some("PS120083"), "the responder notes its first answer");
    let told = Told { file: Some(ServedPath::new(b"smsboot\\x64\\pxeboot.com").unwrap()), ..told };
    let answer = super::answer(forwarded(&packet, &iface), &packet, &arrival(&iface), &told);
    assert_eq!(gives(answer).as_deref(), Some("PS120083"));
    let poll = unhex("0201010302000a04020870050400000011ff");
    let bytes = reply(&packet, MessageType::Ack, "smsboot\\x64\\wdsmgfw.efi", &[(option::WDS, &poll)]);
    let told = read(&packet, &bytes).unwrap();
    let answer = super::answer(forwarded(&packet, &iface), &packet, &arrival(&iface), &told);
    assert_eq!(gives(answer), None, "nothing has begun while an operator has to approve");
}

#[test]
fn an_answer_that_nobody_should_follow_is_refused() {
    let packet = asked();
    let ack = |file: &str, options: &[(u8, &[u8])]| reply(&packet, MessageType::Ack, file, options);
    let mut other_xid = ack("a.com", &[]);
    other_xid[4] ^= 1;
    let mut other_mac = ack("a.com", &[]);
    other_mac[28] ^= 2;
    let long = [b'a'; 250];
    let table = [
        (other_xid, Reason::RelayOtherMachine),
        (other_mac, Reason::RelayOtherMachine),
        (reply(&packet, MessageType::Nak, "", &[]), Reason::RelayNothing),
        (ack("..\\..\\secret", &[]), Reason::RelayMalformed),
        (ack("a.com", &[(option::BCD_PATH, b"\\SMSTemp\\..\\..\\sam\0")]), Reason::RelayMalformed),
        (ack("a.com", &[(option::VARIABLES_FILE, b"\x01\x09../../sam")]), Reason::RelayMalformed),
        (ack("a.com", &[(option::VARIABLES_FILE, b"\x01\x51short")]), Reason::RelayMalformed),
        (ack("a.com", &[(option::WDS, &[6])]), Reason::RelayMalformed),
        (ack("a.com", &[(option::WDS, &[&[6, 255][..], &long].concat())]), Reason::RelayMalformed),
        (b"no packet".to_vec(), Reason::RelayMalformed),
    ];
    for (bytes, reason) in table {
        assert_eq!(read(&packet, &bytes).unwrap_err().reason(), reason);
    }
}

#[test]
fn nothing_to_boot_sends_the_machine_to_its_disk_and_says_so() {
    let (packet, iface) = (asked(), lan());
    let abort = unhex("020105061d4e6f206465706c6f796d656e7420666f72207468697320646576696365ff");
    let poll = unhex("0201010302000a04020870050400000011ff");
    let told = |file: &str, wds: Option<&[u8]>| {
        let options: Vec<(u8, &[u8])> = wds.map(|value| (option::WDS, value)).into_iter().collect();
        let told = read(&packet, &reply(&packet, MessageType::Ack, file, &options)).unwrap();
        answer(forwarded(&packet, &iface), &packet, &arrival(&iface), &told)
    };
    let table = [
        (told("", None), Answered::LocalBoot, Reason::RelayNothing),
        (told("", Some(&abort)), Answered::LocalBoot, Reason::RelayNothing),
        (told("smsboot\\x64\\abortpxe.com", None), Answered::LocalBoot, Reason::RelayNothing),
        (told("", Some(&poll)), Answered::Wait, Reason::Required),
    ];
    for (answer, decision, reason) in table {
        assert_eq!((answer.event.decision, answer.event.reason), (decision, reason));
        assert_eq!(answer.gives, None);
        // The boot program that asked shows why.
        let sent = Packet::parse_reply(&answer.reply.unwrap().bytes).unwrap();
        assert!(sent.first(option::WDS).is_some() || sent.file().is_some_and(|file| !file.is_empty()));
    }
}

#[test]
fn a_responder_of_no_use_is_told_of_on_the_screen() {
    let (packet, iface) = (asked(), lan());
    let to = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 6), 4011);
    let why = Unusable::NoAnswer { to, within: Duration::from_secs(3) };
    let answer = refused(forwarded(&packet, &iface), &packet, &arrival(&iface), why);
    assert_eq!((answer.event.decision, answer.event.reason), (Answered::LocalBoot, Reason::RelayNoAnswer));
    let explanation = answer.event.explanation();
    assert_eq!(explanation.as_deref(), Some("10.77.0.6:4011 did not answer within 3s"));
    let sent = Packet::parse_reply(&answer.reply.unwrap().bytes).unwrap();
    let options = WdsOptions::parse(sent.first(option::WDS).unwrap()).unwrap();
    assert_eq!(options.first(WdsTag::NEXT_ACTION), Some(&[5][..]));
    let words = options.first(WdsTag::MESSAGE).unwrap();
    assert_eq!(words, Reason::RelayNoAnswer.on_screen().as_bytes());
    assert_eq!(ArchType::X64_UEFI, answer.event.arch.unwrap());
}
