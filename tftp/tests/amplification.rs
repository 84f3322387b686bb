//! The worst amplification of a forged read request: bytes to the forged address for each byte that
//! the forger sends.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::time::{Duration, Instant};

use tftp::{DEFAULT_BLOCK_SIZE, Input, Packet, Send, Sender, ServerLimits, Step, negotiate};

/// The shortest name that a file can have.
const NAME: &[u8] = b"a";
/// IPv4 and UDP headers.
const HEADERS: usize = 28;

#[derive(Debug, Default)]
struct Sent {
    packets: usize,
    /// The payload of UDP in bytes.
    bytes: usize,
    offers: usize,
}

impl Sent {
    /// Bytes on the wire out for bytes in.
    fn factor(&self, request: &[u8]) -> f64 {
        (self.bytes + self.packets * HEADERS) as f64 / (request.len() + HEADERS) as f64
    }
}

/// Every datagram that a request leads to when nobody acknowledges anything.
fn unanswered(request: &[u8], size: u64) -> Sent {
    let Packet::ReadRequest(read) = Packet::parse(request).unwrap() else { panic!() };
    let begun = Instant::now();
    let (mut sender, mut step) =
        Sender::new(negotiate(&read.options, &ServerLimits::default(), size), size, begun);
    let mut sent = Sent::default();
    loop {
        count(&mut sent, &sender, step);
        let Some(due) = sender.deadline() else { return sent };
        assert!(due - begun <= Duration::from_secs(10), "its place is free then");
        step = sender.handle(due, Input::Tick);
    }
}

fn count(sent: &mut Sent, sender: &Sender, step: Step) {
    match step.send {
        None => {}
        Some(Send::OptionAck) => {
            sent.packets += 1;
            sent.offers += 1;
            sent.bytes += sender.negotiated().option_ack().unwrap().len();
        }
        Some(Send::Blocks { first, count }) => {
            for block in first..first + u64::from(count) {
                sent.packets += 1;
                sent.bytes += 4 + usize::from(sender.offset_of(block).1);
            }
        }
        Some(Send::Error { .. }) => panic!("nobody is there to be told"),
    }
}

/// Requests for [`NAME`] with each set of these options.
fn requests(options: &[&[u8]]) -> Vec<Vec<u8>> {
    let sets = 0_u32..1 << options.len();
    let request = |set: u32| {
        let chosen = options.iter().enumerate().filter(|(n, _)| set & (1 << n) != 0);
        let chosen: Vec<u8> = chosen.flat_map(|(_, option)| option.iter().copied()).collect();
        [&[0, 1], NAME, b"\0octet\0", &chosen].concat()
    };
    sets.map(request).collect()
}

const SHORTEST: [&[u8]; 5] =
    [b"tsize\x000\0", b"blksize\x008\0", b"timeout\x001\0", b"windowsize\x001\0", b"msftwindow\x0031416\0"];
const LARGEST: [&[u8]; 5] = [
    b"tsize\x000\0",
    b"blksize\x0065464\0",
    b"timeout\x00255\0",
    b"windowsize\x0065535\0",
    b"msftwindow\x0031416\0",
];
/// Options that are unknown or not granted.
const REFUSED: [&[u8]; 3] = [b"blksize\x007\0", b"x\x001\0", b"windowsize\x000\0"];
const SIZES: [u64; 5] = [0, 511, 512, 1 << 20, u64::MAX];

#[test]
fn an_unproved_address_gets_three_option_acknowledgements_or_two_first_blocks() {
    for options in [&SHORTEST[..], &LARGEST, &REFUSED] {
        for request in requests(options) {
            for size in SIZES {
                let sent = unanswered(&request, size);
                let expected = if sent.offers > 0 { 3 } else { 2 };
                assert_eq!(sent.packets, expected, "{}", request.escape_ascii());
                let block = 4 + usize::from(DEFAULT_BLOCK_SIZE);
                assert!(sent.offers > 0 || sent.bytes <= 2 * block, "larger blocks are agreed upon first");
            }
        }
    }
}

#[test]
fn option_acknowledgements_are_amplified_less_than_fourfold() {
    let (mut worst, mut worst_one) = (0.0_f64, 0.0_f64);
    for request in [requests(&SHORTEST), requests(&LARGEST)].concat() {
        for size in SIZES {
            let sent = unanswered(&request, size);
            if sent.offers > 0 {
                worst = worst.max(sent.factor(&request));
                worst_one = worst_one.max((sent.bytes / sent.packets) as f64 / request.len() as f64);
            }
        }
    }
    // All three, on the wire; and one of them beside its request, as payload: only the size grows,
    // up to twenty digits.
    assert!(worst <= 3.8, "{worst}");
    assert!(worst_one <= 1.62, "{worst_one}");
}

#[test]
fn first_blocks_are_amplified_twice_what_rfc_1350_forces() {
    let shortest = requests(&[]).remove(0);
    let forced = (4 + usize::from(DEFAULT_BLOCK_SIZE) + HEADERS) as f64 / (shortest.len() + HEADERS) as f64;
    let sent = unanswered(&shortest, 1 << 20);
    assert!((sent.factor(&shortest) - 2.0 * forced).abs() < 1e-9);
    assert!(sent.factor(&shortest) <= 28.7, "{}", sent.factor(&shortest));
    let usual = [&b"\0\x01pxelinux.0\0octet\0"[..]].concat();
    assert!(unanswered(&usual, 1 << 20).factor(&usual) <= 23.2);
}
