//! Any datagrams and pauses into a transfer: bounded sends, one outcome, and silence ends it.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tftp::{Input, Limits, Packet, Send, Sender, negotiate};

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.split(|byte| *byte == 0xfe);
    let Some(Ok(Packet::ReadRequest(request))) = parts.next().map(Packet::parse) else { return };
    let (mut now, size) = (Instant::now(), 100_000);
    let (mut sender, _) = Sender::new(negotiate(&request.options, &Limits::default(), size), size, now);
    let mut outcomes = 0;
    for part in parts {
        let step = match Packet::parse(part) {
            Ok(packet) => sender.handle(now, Input::Packet(&packet)),
            Err(_) => {
                now += Duration::from_millis(part.len() as u64 * 100);
                sender.handle(now, Input::Tick)
            }
        };
        if let Some(Send::Blocks { count, .. }) = step.send {
            assert!(count <= 64);
        }
        outcomes += u32::from(step.finish.is_some());
    }
    while let Some(deadline) = sender.deadline() {
        now = now.max(deadline);
        outcomes += u32::from(sender.handle(now, Input::Tick).finish.is_some());
    }
    assert_eq!(outcomes, 1);
});
