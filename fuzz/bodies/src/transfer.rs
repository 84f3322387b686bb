//! Sender against receiver, on a virtual clock, over a link that does what the bytes say.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tftp::{
    Input, Outcome, Packet, ReceiveStep, Receiver, ReceiverOutcome, Reply, RequestOptions, Send, Sender,
    ServerLimits, Step, negotiate,
};

use crate::split::Numbers;

/// Six bytes say what is asked for and how long the file is; each further one is what the link does
/// next. Then the link is a good one.
///
/// The bytes that arrive are always the beginning of the file, both sides end once, and a side that
/// reports a complete file has all of it.
pub fn tftp_transfer(bytes: &[u8]) {
    let mut script = Numbers(bytes);
    let block_size = 8 + u16::from(script.next());
    let window = 1 + u16::from(script.next() % 40);
    let variable = script.next();
    let asked = RequestOptions::asking(Some(block_size), Some(window), Some(1 + script.next() % 8), true);
    let asked = if variable > 0 { asked.with_variable_window() } else { asked };
    let size = usize::from(script.next_u16() % 700);
    let is_good = script.0.iter().all(|act| Act::from_number(*act) == Act::Deliver);

    let now = Instant::now();
    let file = &FILE[..size];
    let size = size as u64;
    let (sender, first) = Sender::new(negotiate(&asked, &ServerLimits::default(), size), size, now);
    let receiver = Receiver::new((variable > 0).then_some(variable), now);
    let mut world = World {
        now,
        file,
        sender,
        receiver,
        arrived: 0,
        outcomes: (None, None),
        flying: VecDeque::new(),
        landed: None,
    };
    world.sent(first);
    let mut steps = 0;
    while world.goes_on() {
        steps += 1;
        assert!(steps < MAX_STEPS, "it ends");
        world.act(Act::from_number(script.next()));
    }
    let whole = world.arrived == file.len();
    let (sent, received) = world.outcomes;
    assert!(sent.is_some() && received.is_some(), "both have an outcome: {sent:?} {received:?}");
    assert!(received != Some(ReceiverOutcome::Completed) || whole, "what was received is the whole file");
    assert!(sent != Some(Outcome::Completed { last_ack: true }) || whole, "what was acknowledged has come");
    if is_good {
        assert_eq!(sent, Some(Outcome::Completed { last_ack: true }));
        assert_eq!(received, Some(ReceiverOutcome::Completed));
    }
}

/// The fate of the next datagram on the link.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Deliver,
    Lose,
    /// It comes now, and once more later.
    Repeat,
    /// It comes after the others.
    Delay,
    /// Nothing comes until somebody has waited long enough.
    Wait,
    /// The last datagram comes again.
    Again,
}

impl Act {
    fn from_number(number: u8) -> Self {
        match number & 7 {
            1 => Act::Lose,
            2 => Act::Repeat,
            3 => Act::Delay,
            4 => Act::Wait,
            5 => Act::Again,
            _ => Act::Deliver,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Server,
    Client,
}

struct World<'a> {
    now: Instant,
    file: &'a [u8],
    sender: Sender,
    receiver: Receiver,
    /// Bytes that the receiver has.
    arrived: usize,
    outcomes: (Option<Outcome>, Option<ReceiverOutcome>),
    flying: VecDeque<(Side, Vec<u8>)>,
    landed: Option<(Side, Vec<u8>)>,
}

impl World<'_> {
    fn goes_on(&self) -> bool {
        self.sender.deadline().is_some() || self.receiver.deadline().is_some()
    }

    fn act(&mut self, act: Act) {
        let next = match act {
            Act::Wait => None,
            Act::Again => self.landed.clone(),
            _ => self.flying.pop_front(),
        };
        match (act, next) {
            (_, None) => self.wait(),
            (Act::Lose, Some(_)) => {}
            (Act::Delay, Some(datagram)) => self.flying.push_back(datagram),
            (act, Some(datagram)) => {
                self.land(&datagram);
                if act == Act::Repeat && self.flying.len() < MAX_FLYING {
                    self.flying.push_back(datagram.clone());
                }
                self.landed = Some(datagram);
            }
        }
    }

    fn wait(&mut self) {
        let deadlines = [self.sender.deadline(), self.receiver.deadline()];
        let Some(next) = deadlines.into_iter().flatten().min() else { return };
        self.now = self.now.max(next);
        let step = self.sender.handle(self.now, Input::Tick);
        self.sent(step);
        let step = self.receiver.tick(self.now);
        self.received(step);
    }

    fn land(&mut self, (to, bytes): &(Side, Vec<u8>)) {
        self.now += Duration::from_micros(300);
        let packet = Packet::parse(bytes).expect("our own datagram reads");
        if *to == Side::Server {
            let step = self.sender.handle(self.now, Input::Packet(&packet));
            self.sent(step);
        } else {
            let step = self.receiver.handle(self.now, &packet);
            self.received(step);
        }
    }

    fn sent(&mut self, step: Step) {
        if let Some(outcome) = step.finish {
            assert_eq!(self.outcomes.0.replace(outcome), None, "one outcome only");
        }
        match step.send {
            Some(Send::OptionAck) => {
                let bytes = self.sender.negotiated().option_ack().expect("options were granted");
                self.fly(Side::Client, bytes);
            }
            Some(Send::Blocks { first, count }) => {
                for block in first..first + u64::from(count) {
                    let (offset, length) = self.sender.offset_of(block);
                    let payload = &self.file[offset as usize..][..usize::from(length)];
                    let packet = Packet::Data { block: block as u16, payload };
                    self.fly(Side::Client, packet.emit().expect("no request"));
                }
            }
            Some(Send::Error { code, message }) => {
                let packet = Packet::Error { code, message: message.as_bytes() };
                self.fly(Side::Client, packet.emit().expect("no request"));
            }
            None => {}
        }
    }

    fn received(&mut self, step: ReceiveStep<'_>) {
        let delivered = step.deliver.unwrap_or_default();
        let expected = self.file.get(self.arrived..self.arrived + delivered.len());
        assert_eq!(Some(delivered), expected, "it is the file from its beginning");
        self.arrived += delivered.len();
        if let Some(outcome) = step.finish {
            assert_eq!(self.outcomes.1.replace(outcome), None, "one outcome only");
        }
        if let Some(Reply::Ack { block, next_window }) = step.send {
            let packet = Packet::Ack { block, next_window };
            self.fly(Side::Server, packet.emit().expect("no request"));
        }
    }

    /// A link that is full loses what comes.
    fn fly(&mut self, to: Side, bytes: Vec<u8>) {
        if self.flying.len() < MAX_FLYING {
            self.flying.push_back((to, bytes));
        }
    }
}

/// More than two windows.
const MAX_FLYING: usize = 200;
/// The longest file in the smallest blocks, with every block sent often.
const MAX_STEPS: usize = 200_000;

/// No stretch of it is like another one.
static FILE: [u8; 700] = {
    let mut file = [0; 700];
    let mut at = 0;
    while at < file.len() {
        file[at] = (at * at / 7 + at / 256) as u8;
        at += 1;
    }
    file
};
