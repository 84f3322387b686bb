use std::time::Duration;

use pxe_policy::Via;

use super::*;
use crate::outcome::Answered;
use crate::v6::testing::{
    INFORMATION_REQUEST, MAC, REQUEST, SOLICIT, association, boot, firmware, lan, multicast, options_of, own,
    own_duid,
};

fn subnet() -> Subnet6 {
    Subnet6 {
        subnet: "2001:db8:1::/64".parse().unwrap(),
        pool: "2001:db8:1::1000".parse().unwrap()..="2001:db8:1::1fff".parse().unwrap(),
        dns: vec!["2001:db8::53".parse().unwrap()],
        lease_time: Duration::from_secs(3600),
    }
}

/// Asks with firmware of this architecture; `answer` is given the question and the verdict.
fn reply_to(
    kind: u8,
    arch: u8,
    options: &[Vec<u8>],
    answer: impl FnOnce(Question<'_>, Own<'_>, (&BootRequest, &Verdict)) -> Answer,
) -> Answer {
    let (iface, duid) = (lan(), own_duid());
    let packet = firmware(kind, arch, options);
    let arrival = multicast(&iface);
    let request = crate::v6::intake::boot_request(&packet, &arrival, Some(MAC)).unwrap();
    let verdict = boot("a.efi", if arch == 16 { Via::Http } else { Via::Tftp });
    answer(Question { packet: &packet, arrival: &arrival, mac: Some(MAC) }, own(&duid), (&request, &verdict))
}

const GIVEN: &str = "2001:db8:1::1234";

#[test]
fn a_lease_has_an_address_its_times_and_the_boot_file() {
    for (kind, wire, decision) in
        [(MessageType::Advertise, 2, Answered::Offer), (MessageType::Reply, 7, Answered::Ack)]
    {
        let asked = if wire == 2 { SOLICIT } else { REQUEST };
        let options = [association(7, None), association(8, None)];
        let answer = reply_to(asked, 7, &options, |question, own, boot| {
            lease(question, kind, GIVEN.parse().unwrap(), &subnet(), own, Some(boot))
        });
        assert_eq!((answer.event.decision, answer.event.reason), (decision, Reason::Rule));
        assert_eq!(answer.event.address, Some(GIVEN.parse().unwrap()));
        let options = options_of(&answer.reply.unwrap().bytes, wire);
        assert_eq!(options.first(option::BOOT_FILE_URL), Some(&b"tftp://[2001:db8:1::1]/a.efi"[..]));
        assert_eq!(options.first(option::VENDOR_CLASS), None, "PXE would ask port 4011");
        assert_eq!(options.first(option::DNS).map(<[u8]>::len), Some(16));
        let all: Vec<&[u8]> = options.all(option::IA_NA).collect();
        let [first, second] = all.as_slice() else { panic!("{all:?}") };
        // Number, half of an hour, four fifths of it; the address, and an hour twice.
        assert_eq!(first[..12], [0, 0, 0, 7, 0, 0, 7, 8, 0, 0, 0xb, 0x40]);
        assert_eq!(first[12..16], [0, 5, 0, 24]);
        assert_eq!(first[16..32], GIVEN.parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(first[32..], [0, 0, 0xe, 0x10, 0, 0, 0xe, 0x10]);
        assert_eq!(second[..18], [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 0, 23, 0, 2], "no address");
    }
}

#[test]
fn http_boot_gets_its_class_back_and_the_url_is_never_last() {
    let answer = reply_to(REQUEST, 16, &[association(7, None)], |question, own, boot| {
        let subnet = Subnet6 { dns: Vec::new(), ..subnet() };
        lease(question, MessageType::Reply, GIVEN.parse().unwrap(), &subnet, own, Some(boot))
    });
    let bytes = answer.reply.unwrap().bytes;
    let options = options_of(&bytes, 7);
    assert_eq!(options.first(option::VENDOR_CLASS).map(|value| &value[6..]), Some(&b"HTTPClient"[..]));
    assert_eq!(bytes[bytes.len() - 6..], [0, 13, 0, 2, 0, 0], "a status comes behind it");
}

#[test]
fn who_asks_for_no_address_gets_the_rest() {
    let answer = reply_to(INFORMATION_REQUEST, 7, &[], |question, own, boot| {
        information(question, Some(&subnet()), own, Some(boot))
    });
    let options = options_of(&answer.reply.unwrap().bytes, 7);
    assert_eq!(options.first(option::IA_NA), None);
    assert_eq!(options.first(option::BOOT_FILE_URL), Some(&b"tftp://[2001:db8:1::1]/a.efi"[..]));
}

#[test]
fn a_renewal_that_nobody_knows_is_told_so_for_each_association() {
    let options = [association(7, Some(GIVEN)), association(8, None)];
    let answer = reply_to(5, 7, &options, |question, own, _| no_binding(question, own));
    let options = options_of(&answer.reply.unwrap().bytes, 7);
    let codes: Vec<&[u8]> = options.all(option::IA_NA).map(|value| &value[12..18]).collect();
    assert_eq!(codes, [[0, 13, 0, 16, 0, 3]; 2]);
}

#[test]
fn a_lease_without_a_boot_file_names_the_reason_over_ipv6_too() {
    let by_rule = Verdict { rule: Some("kiosks".into()), ..Verdict::silence(Reason::Rule) };
    let table = [
        (Verdict::silence(Reason::NoRule), Reason::NoRule),
        (Verdict::silence(Reason::NoBootFile), Reason::NoBootFile),
        (by_rule, Reason::Lease),
    ];
    for (verdict, reason) in table {
        let answer = reply_to(REQUEST, 7, &[association(7, None)], |question, own, (request, _)| {
            let boot = Some((request, &verdict));
            lease(question, MessageType::Reply, GIVEN.parse().unwrap(), &subnet(), own, boot)
        });
        assert_eq!((answer.event.decision, answer.event.reason), (Answered::Ack, reason));
        assert_eq!(answer.event.address, Some(GIVEN.parse().unwrap()));
    }
}
