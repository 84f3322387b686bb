//! TFTP's datagrams, and each side of a transfer against a hostile other side.

use std::time::{Duration, Instant};

use tftp::{
    Input, Packet, Receiver, ReceiverOutcome, RequestOptions, Send, Sender, ServerLimits, Step, negotiate,
    netascii,
};

use crate::split::{Numbers, counted};

/// Any datagram, and any file as text.
pub fn tftp_packet(bytes: &[u8]) {
    if let Ok(packet) = Packet::parse(bytes) {
        match &packet {
            Packet::ReadRequest(request) | Packet::WriteRequest(request) => {
                let Some(mode) = request.mode else { return };
                let written = Packet::read_request(request.filename, mode, &request.options);
                if let Some(written) = written {
                    assert_eq!(Packet::parse(&written), Ok(Packet::ReadRequest(request.clone())));
                }
                negotiated(&request.options);
            }
            _ => {
                let written = packet.emit().expect("no request");
                assert_eq!(Packet::parse(&written), Ok(packet));
            }
        }
    }
    assert_eq!(netascii::decode(&netascii::encode(bytes)), bytes);
}

/// The granted options are within the limits and within the request, and read as they were granted.
fn negotiated(asked: &RequestOptions) {
    let limits = ServerLimits { max_block_size: 1468, max_window_size: 16, variable_window: true };
    let negotiated = negotiate(asked, &limits, 1 << 40);
    assert!((8..=1468).contains(&negotiated.block_size));
    assert!((1..=16).contains(&negotiated.window_size));
    let Some(written) = negotiated.option_ack() else { return };
    let Ok(Packet::OptionAck(read)) = Packet::parse(&written) else { panic!("our own answer reads") };
    let told: Vec<(&[u8], String)> =
        negotiated.granted.iter().map(|(name, value)| (name.as_bytes(), value.to_string())).collect();
    assert_eq!(read, told.iter().map(|(name, value)| (*name, value.as_bytes())).collect::<Vec<_>>());
}

/// A sender and whatever comes from its client: the first value is the request, each other one a
/// datagram, a pause or an event.
///
/// It sends what is in the file and no more than a window at a time, it ends once, and silence ends
/// it.
pub fn tftp_sender(bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first_chunk::<2>() else { return };
    // A file without a byte, and files beyond the block numbers of 16 bits.
    let size = u64::from(u16::from_be_bytes(*size)) * 37;
    let values = counted(rest);
    let Some((request, values)) = values.split_first() else { return };
    let Ok(Packet::ReadRequest(request)) = Packet::parse(request) else { return };
    let mut now = Instant::now();
    let (sender, first) = Sender::new(negotiate(&request.options, &ServerLimits::default(), size), size, now);
    let mut watched = Watched { sender, size, outcomes: 0, sent: 0, last: 0 };
    watched.check(first);
    for value in &values[..values.len().min(MAX_VALUES)] {
        if let [0xf4, windows] = value {
            watched.goes_well(&mut now, *windows);
            continue;
        }
        let packet = Packet::parse(value);
        let input = match (&packet, value.first()) {
            (Ok(packet), _) => Input::Packet(packet),
            (Err(_), Some(0xf1)) => Input::Unreachable,
            (Err(_), Some(0xf2)) => Input::ReadFailed,
            (Err(_), Some(0xf3)) => Input::Stop,
            (Err(_), _) => {
                now += Duration::from_millis(value.iter().map(|byte| u64::from(*byte)).sum());
                Input::Tick
            }
        };
        watched.handle(now, input);
    }
    // Bursts of a window, resends within the time that is waited for a silent client.
    for _ in 0..1_000 {
        let Some(deadline) = watched.sender.deadline() else { break };
        now = now.max(deadline);
        watched.handle(now, Input::Tick);
    }
    assert_eq!((watched.sender.deadline(), watched.outcomes), (None, 1), "silence ends it");
    if values.is_empty() {
        let window = u64::from(watched.sender.negotiated().window_size);
        assert!(watched.sent <= 7 * window, "an address that never answers gets no more");
    }
    assert_eq!(watched.sender.handle(now, Input::Tick), Step::default(), "the end is the end");
}

struct Watched {
    sender: Sender,
    size: u64,
    outcomes: u32,
    sent: u64,
    /// The block that left last.
    last: u64,
}

impl Watched {
    fn handle(&mut self, now: Instant, input: Input<'_>) {
        let step = self.sender.handle(now, input);
        self.check(step);
    }

    /// Eight windows, for each that is asked for, come and are acknowledged: block numbers of 16
    /// bits are soon used up.
    fn goes_well(&mut self, now: &mut Instant, windows: u8) {
        for _ in 0..u32::from(windows) * 8 {
            *now += Duration::from_millis(1);
            let before = self.sender.acknowledged_bytes();
            let ack = Packet::Ack { block: self.last as u16, next_window: None };
            self.handle(*now, Input::Packet(&ack));
            if self.sender.deadline().is_none() {
                break;
            }
            assert!(self.sender.acknowledged_bytes() >= before, "what was acknowledged stays so");
        }
    }

    fn check(&mut self, step: Step) {
        self.outcomes += u32::from(step.finish.is_some());
        let Some(Send::Blocks { first, count }) = step.send else { return };
        self.sent += u64::from(count);
        self.last = first + u64::from(count) - 1;
        let window = u64::from(self.sender.negotiated().max_window_size);
        assert!((1..=window).contains(&u64::from(count)), "{count} blocks of {window}");
        let (offset, length) = self.sender.offset_of(self.last);
        assert!(first > 0 && offset + u64::from(length) <= self.size, "block {first} is of the file");
        assert!(self.sender.acknowledged_bytes() <= self.size);
    }
}

/// A receiver and whatever comes from its server: each value a datagram or a pause.
///
/// It delivers what came and no more, acknowledges only what it has, ends once, and silence ends
/// it.
pub fn tftp_receiver(bytes: &[u8]) {
    let mut numbers = Numbers(bytes);
    let window = numbers.next();
    let mut now = Instant::now();
    let mut receiver = Receiver::new((window > 0).then_some(window), now);
    let (mut outcomes, mut delivered, mut came, mut completed) = (0, 0, 0, false);
    for value in counted(numbers.0) {
        let step = match Packet::parse(value) {
            Ok(packet) => {
                if let Packet::Data { payload, .. } = packet {
                    came += payload.len();
                }
                receiver.handle(now, &packet)
            }
            Err(_) => {
                now += Duration::from_millis(value.iter().map(|byte| u64::from(*byte)).sum());
                receiver.tick(now)
            }
        };
        assert!(!completed || step.deliver.is_none(), "nothing comes after the end");
        delivered += step.deliver.unwrap_or_default().len();
        outcomes += u32::from(step.finish.is_some());
        completed |= step.finish == Some(ReceiverOutcome::Completed);
    }
    assert!(delivered <= came);
    for _ in 0..100 {
        let Some(deadline) = receiver.deadline() else { break };
        now = now.max(deadline);
        outcomes += u32::from(receiver.tick(now).finish.is_some());
    }
    assert_eq!((receiver.deadline(), outcomes), (None, 1), "silence ends it");
}

/// One run stays short however many windows it has.
const MAX_VALUES: usize = 64;
