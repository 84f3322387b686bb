//! The worst amplification of forged requests: bytes to the forged address for each byte that the
//! forger sends.

use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::time::Duration;

use netbootd_dhcp::Subnet;
use netbootd_dhcp::v4::boot_server::{self, Led};
use netbootd_dhcp::v4::intake::boot_request;
use netbootd_dhcp::v4::option::MessageType;
use netbootd_dhcp::v4::server::Terms;
use netbootd_dhcp::v4::testing::{BINL, SERVER, boot, broadcast, lan};
use netbootd_dhcp::v4::{Answer, Arrival, Packet, bsdp, proxy, server};
use pxe_policy::{Decision, Verdict as Judged, Via};

use super::session_limits::{Full, Place};
use super::*;

/// IPv4 and UDP headers.
const HEADERS: usize = 28;
const VICTIM: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 66);

/// The shortest packet that can be answered: no padding, and these options.
fn shortest(kind: u8, options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..3].copy_from_slice(&[1, 1, 6]);
    bytes[12..16].copy_from_slice(&VICTIM.octets());
    bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    bytes.extend([99, 130, 83, 99, 53, 1, kind]);
    for (code, value) in options {
        bytes.extend([*code, value.len() as u8]);
        bytes.extend(*value);
    }
    bytes
}

/// A boot file whose name is so long.
fn verdict(length: usize) -> Judged {
    boot(&"x".repeat(length), Via::Tftp)
}

/// Every reply to a packet that firmware sends, on either port, with or without an address server.
fn replies(bytes: &[u8], length: usize) -> Vec<usize> {
    let (iface, packet) = (lan(), Packet::parse(bytes).unwrap());
    let from = SocketAddrV4::new(VICTIM, 68);
    let (heard, asked) = (broadcast(&iface), Arrival::new(&iface, SERVER, from));
    let verdict = verdict(length);
    assert!(matches!(verdict.decision, Decision::Boot(_)));
    let subnet = Subnet {
        subnet: "10.77.0.0/24".parse().unwrap(),
        pool: Vec::new(),
        router: Some(SERVER),
        dns: vec![SERVER; 4],
        domain: Some("d".repeat(60)),
        lease_time: Duration::from_secs(3600),
        reservations: Vec::new(),
    };
    let terms = Terms { address: VICTIM, subnet: &subnet, name: Some("name"), lease_time: subnet.lease_time };
    let request = boot_request(&packet, &asked).ok();
    let boot = request.as_ref().map(|request| (request, &verdict));
    let on_4011 = match boot_server::answer(&packet, &asked, BINL, None, |_| verdict.clone()) {
        Led::Answered(answer) => *answer,
        Led::Forwarded(asked) => asked.answer,
    };
    let answers: [Answer; 6] = [
        proxy::answer(&packet, &heard, BINL, |_| verdict.clone()),
        on_4011,
        server::lease(&packet, &heard, MessageType::Offer, terms, BINL, boot),
        server::lease(&packet, &heard, MessageType::Ack, terms, BINL, boot),
        server::nak(&packet, &heard, Reason::WrongAddress),
        server::inform(&packet, &heard, &subnet),
    ];
    answers.into_iter().filter_map(|answer| answer.reply).map(|reply| reply.bytes.len()).collect()
}

fn factor(out: usize, request: &[u8]) -> f64 {
    (out + HEADERS) as f64 / (request.len() + HEADERS) as f64
}

/// The longest reply to a packet with these options, whatever the boot file is called.
fn longest(options: &[(u8, &[u8])]) -> (usize, f64) {
    let (mut longest, mut worst) = (0, 0.0_f64);
    for kind in [1, 3, 8] {
        let request = shortest(kind, options);
        for length in 1..1400 {
            for reply in replies(&request, length) {
                longest = longest.max(reply);
                worst = worst.max(factor(reply, &request));
            }
        }
    }
    (longest, worst)
}

#[test]
fn one_dhcp_packet_gets_one_reply_of_twice_its_size_or_five_times_when_it_asks_for_more() {
    let class: &[(u8, &[u8])] = &[(60, b"PXEClient"), (93, &[0, 7])];
    let (bytes, worst) = longest(class);
    assert!(bytes <= 548 && worst <= 2.03, "{bytes} {worst}");
    let (bytes, worst) = longest(&[class, &[(57, &[255, 255])]].concat());
    assert!((1000..=1400).contains(&bytes) && worst <= 4.95, "{bytes} {worst}");
    // A client that does not boot gets the network's settings at most.
    let (bytes, worst) = longest(&[]);
    assert!(bytes <= 400 && worst <= 1.5, "{bytes} {worst}");
}

#[test]
fn what_port_4011_says_again_over_ipv6_is_three_times_its_question_at_most() {
    use netbootd_dhcp::v6::answer::{BOOT_SERVER_PORT, SERVER_PORT, repeated_after};
    for question in 60..1500 {
        for reply in 4..=question {
            let times = 1 + repeated_after(BOOT_SERVER_PORT, question, reply).len();
            assert!(times * reply <= 3 * question, "{reply} bytes {times} times for {question}");
        }
        assert!(repeated_after(BOOT_SERVER_PORT, question, question + 1).is_empty());
        assert!(repeated_after(SERVER_PORT, question, question).is_empty());
    }
}

#[test]
fn a_macs_list_is_twenty_eight_times_its_question_at_most() {
    let request = shortest(8, &[(60, b"AAPLBSDPC/i386/x"), (43, &[1, 1, 1, 2, 2, 1, 1]), (57, &[32, 0])]);
    let (iface, packet) = (lan(), Packet::parse(&request).unwrap());
    let arrival = Arrival::new(&iface, SERVER, SocketAddrV4::new(VICTIM, 68));
    let mut longest = 0;
    for options in 0..40 {
        let reply = ::bsdp::Reply {
            kind: ::bsdp::ReplyKind::List,
            to: Some(SocketAddrV4::new(VICTIM, 68)),
            next_server: SERVER,
            server_name: "s".repeat(60),
            boot_file: String::new(),
            root_path: None,
            vendor_options: vec![vec![0; 255]; options],
            image: None,
        };
        let reply = bsdp::reply(&packet, &arrival, &reply);
        longest = reply.map_or(longest, |reply| longest.max(reply.bytes.len()));
    }
    assert!((7500..=8164).contains(&longest), "{longest}");
    // It leaves in six fragments, each with a header.
    assert!(factor(longest + 5 * 20, &request) <= 28.0, "{}", factor(longest + 5 * 20, &request));
}

#[test]
fn an_address_is_told_no_more_than_its_bucket_holds_however_often_it_is_asked_in_its_name() {
    let (start, settings) = (Instant::now(), Settings::default());
    let limits = Limits::new(start);
    let mut told = 0_u64;
    for millisecond in 0..3_600_000 {
        if limits.reply(&settings, VICTIM.into(), 8164, start + Duration::from_millis(millisecond)).is_ok() {
            told += 8164;
        }
    }
    let rate = settings.reply_bytes;
    let most = u64::from(rate.at_once) + 3600 * u64::from(rate.per_second);
    assert!(told <= most && told > most / 2, "{told}");
}

#[test]
fn first_blocks_that_nobody_acknowledges_are_fifty_six_kilobytes_a_second_at_most() {
    /// Two first blocks, on the wire; `tftp/tests/amplification.rs` has it that there are no more.
    const ANSWERED: usize = 2 * (516 + HEADERS);
    /// How long a transfer waits for its first acknowledgement.
    const HELD: Duration = Duration::from_secs(10);
    let (start, settings) = (Instant::now(), Settings::default());
    let limits = Limits::new(start);
    let mut held: VecDeque<(Instant, Place)> = VecDeque::new();
    let (mut answered, mut left_alone) = (0, 0);
    for microsecond in (0..60_000_000).step_by(100) {
        let now = start + Duration::from_micros(microsecond);
        while held.front().is_some_and(|(until, _)| *until <= now) {
            held.pop_front();
        }
        if limits.read_request(&settings, VICTIM.into(), now) != RateVerdict::Admitted {
            left_alone += 1;
            continue;
        }
        match limits.transfers.open(VICTIM.into(), &settings.transfers(16_384)) {
            Ok(place) => {
                answered += 1;
                held.push_back((now + HELD, place));
            }
            // Silence as well.
            Err(full) => assert_eq!(full, Full::Unproved),
        }
    }
    assert!(left_alone > 0 && answered <= 6 * settings.unproved_per_client, "{answered}");
    assert!(answered * ANSWERED / 60 <= 56_000, "{}", answered * ANSWERED / 60);
}
