use pxe_policy::Via;

use super::*;
use crate::outcome::Answered;
use crate::v6::testing::{
    INFORMATION_REQUEST, MAC, REQUEST, SOLICIT, association, boot, client_id, firmware, lan, message,
    multicast, opt, options_of, own, own_duid, relayed,
};

fn asked(packet: &Packet, port: u16, verdict: Verdict) -> Answer {
    let (iface, duid) = (lan(), own_duid());
    let arrival = Arrival { port, ..multicast(&iface) };
    answer(packet, &arrival, Some(MAC), own(&duid), |_| verdict)
}

fn ours() -> Vec<u8> {
    opt(option::SERVER_ID, &own_duid().0)
}

#[test]
fn a_solicit_gets_a_class_and_no_address_and_the_url_unless_pxe_comes_back_for_it() {
    let table = [
        (7, Via::Tftp, "tftp://[2001:db8:1::1]/a.efi", &b"PXEClient"[..], false),
        (16, Via::Http, "http://[2001:db8:1::1]/a.efi", b"HTTPClient", true),
    ];
    for (arch, via, url, class, at_once) in table {
        let packet = firmware(SOLICIT, arch, &[association(1, None)]);
        let answer = asked(&packet, 547, boot("a.efi", via));
        assert_eq!((answer.event.decision, answer.event.boot_file.as_deref()), (Answered::Offer, Some(url)));
        let reply = answer.reply.unwrap();
        assert_eq!(reply.to.to_string(), "[fe80::5054:ff:fe4c:109%3]:546");
        let options = options_of(&reply.bytes, 2);
        assert_eq!(options.first(option::BOOT_FILE_URL), at_once.then_some(url.as_bytes()));
        assert_eq!(options.first(option::VENDOR_CLASS).map(|value| &value[6..]), Some(class));
        assert_eq!(options.first(option::VENDOR_CLASS).map(|value| &value[..4]), Some(&[0, 0, 1, 0x57][..]));
        assert_eq!(options.first(option::SERVER_ID), Some(own_duid().0.as_slice()));
        assert_eq!(options.first(option::CLIENT_ID), packet.options.first(option::CLIENT_ID));
        assert_eq!((options.first(option::IA_NA), options.first(option::STATUS_CODE)), (None, None));
    }
}

#[test]
fn the_question_on_port_4011_is_answered_to_where_it_came_from() {
    let packet = firmware(REQUEST, 7, &[ours()]);
    let reply = asked(&packet, 4011, boot("a.efi", Via::Tftp)).reply.unwrap();
    assert_eq!(reply.to.port(), 546, "the port it spoke from");
    let options = options_of(&reply.bytes, 7);
    assert_eq!(options.first(option::BOOT_FILE_URL), Some(&b"tftp://[2001:db8:1::1]/a.efi"[..]));
}

#[test]
fn only_an_answer_that_ends_the_exchange_gives_a_deployment_away() {
    let deployed = pxe_policy::Deployed {
        id: "PS100001".into(),
        purpose: pxe_policy::Purpose::Required,
        name: "pc".into(),
        ..pxe_policy::Deployed::default()
    };
    let table = [
        (SOLICIT, 7, 547, vec![], false),
        (SOLICIT, 16, 547, vec![], true),
        (REQUEST, 7, 4011, vec![ours()], true),
        (INFORMATION_REQUEST, 7, 547, vec![], true),
    ];
    for (kind, arch, port, more, gives) in table {
        let via = if arch == 16 { Via::Http } else { Via::Tftp };
        let verdict = Verdict { deployment: Some(deployed.clone()), ..boot("a.efi", via) };
        let answer = asked(&firmware(kind, arch, &more), port, verdict);
        assert_eq!(answer.gives.is_some(), gives, "{kind} {arch} {port}");
    }
}

#[test]
fn a_client_that_did_not_ask_to_boot_or_asks_another_server_gets_no_answer() {
    let other = opt(option::SERVER_ID, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 9]);
    let plain = Packet::parse(&message(SOLICIT, &[client_id(), association(1, None)])).unwrap();
    let table = [
        (plain, Reason::NotABootRequest),
        (firmware(REQUEST, 7, std::slice::from_ref(&other)), Reason::OtherServer),
        (firmware(REQUEST, 7, &[]), Reason::OtherServer),
        (firmware(INFORMATION_REQUEST, 7, &[other]), Reason::OtherServer),
        (firmware(4, 7, &[]), Reason::NotForABootServer),
        (firmware(5, 7, &[ours()]), Reason::NotForABootServer),
        (firmware(8, 7, &[ours()]), Reason::NotForABootServer),
    ];
    for (packet, reason) in table {
        let answer = asked(&packet, 547, boot("a.efi", Via::Tftp));
        assert_eq!((answer.reply, answer.event.reason), (None, reason), "{packet:?}");
    }
}

#[test]
fn what_cannot_be_had_over_ipv6_is_silence_with_its_reason() {
    let long = boot(&format!("http://[::1]/{}", "a".repeat(1200)), Via::Tftp);
    let answer = asked(&firmware(SOLICIT, 16, &[]), 547, long);
    assert_eq!((answer.reply, answer.event.reason), (None, Reason::AnswerTooLarge));
    let none = Verdict { decision: Decision::LocalBoot, ..Verdict::silence(Reason::NoMenu) };
    let answer = asked(&firmware(SOLICIT, 7, &[]), 547, none);
    assert_eq!((answer.reply, answer.event.reason), (None, Reason::NoMenu));
}

#[test]
fn a_relayed_question_is_answered_in_the_same_envelopes() {
    let inside =
        message(SOLICIT, &[client_id(), opt(option::ARCH, &[0, 7]), opt(option::ELAPSED_TIME, &[0, 0])]);
    let near = relayed("2001:db8:9::1", "fe80::5", &[opt(option::INTERFACE_ID, b"port 7")], &inside);
    let mut far = relayed("::", "2001:db8:8::1", &[], &near);
    far[1] = 1;
    let reply = asked(&Packet::parse(&far).unwrap(), 547, boot("a.efi", Via::Tftp)).reply.unwrap();
    assert_eq!(reply.to.port(), 547);
    let unwrap = |bytes: &[u8], like: &[u8]| {
        assert_eq!((bytes[0], &bytes[1..34]), (13, &like[1..34]));
        crate::v6::guard::Options::parse(&bytes[34..]).unwrap()
    };
    let outer = unwrap(&reply.bytes, &far);
    assert_eq!(outer.first(option::INTERFACE_ID), None);
    let inner = unwrap(outer.first(option::RELAY_MESSAGE).unwrap(), &near);
    assert_eq!(inner.first(option::INTERFACE_ID), Some(&b"port 7"[..]));
    let options = options_of(inner.first(option::RELAY_MESSAGE).unwrap(), 2);
    assert_eq!(options.first(option::BOOT_FILE_URL), Some(&b"tftp://[2001:db8:1::1]/a.efi"[..]));
}
