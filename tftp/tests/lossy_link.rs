//! Sender against receiver over a link that loses, repeats and reorders, on a virtual clock.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tftp::{
    Input, Outcome, Packet, Receiver, ReceiverOutcome, Reply, RequestOptions, Send, Sender, ServerLimits,
    Step, negotiate,
};

/// A small generator of our own (xorshift64*): the same seed gives the same link.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn one_in(&mut self, n: u64) -> bool {
        n > 0 && (self.roll() >> 33).is_multiple_of(n)
    }
}

/// Datagrams under way, by the time they arrive.
struct Link {
    dice: Dice,
    lose_one_in: u64,
    repeat_one_in: u64,
    jitter_us: u64,
    flying: BTreeMap<(Instant, u64), (Side, Vec<u8>)>,
    count: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Server,
    Client,
}

impl Link {
    fn send(&mut self, now: Instant, to: Side, bytes: &[u8]) {
        let copies = if self.dice.one_in(self.lose_one_in) {
            0
        } else if self.dice.one_in(self.repeat_one_in) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = 500 + self.dice.roll() % (self.jitter_us + 1);
            self.count += 1;
            self.flying.insert((now + Duration::from_micros(delay), self.count), (to, bytes.to_vec()));
        }
    }
}

struct Case {
    seed: u64,
    size: usize,
    block_size: u16,
    window: u16,
    variable: bool,
    lose_one_in: u64,
    repeat_one_in: u64,
    jitter_us: u64,
}

/// Runs one transfer; gives what arrived and how both sides ended.
fn run(case: &Case) -> (Vec<u8>, Vec<u8>, Option<Outcome>, Option<ReceiverOutcome>) {
    let mut dice = Dice(case.seed * 2 + 1);
    let file: Vec<u8> = (0..case.size).map(|_| dice.roll() as u8).collect();
    let mut options = RequestOptions::asking(Some(case.block_size), Some(case.window), None, true);
    if case.variable {
        options = options.with_variable_window();
    }
    let (lose_one_in, repeat_one_in, jitter_us) = (case.lose_one_in, case.repeat_one_in, case.jitter_us);
    let mut link = Link { dice, lose_one_in, repeat_one_in, jitter_us, flying: BTreeMap::new(), count: 0 };

    let mut now = Instant::now();
    let size = file.len() as u64;
    let (mut sender, first) = Sender::new(negotiate(&options, &ServerLimits::default(), size), size, now);
    let mut receiver = Receiver::new(case.variable.then_some(case.window as u8), now);
    let (mut arrived, mut sent_outcome, mut received_outcome) = (Vec::new(), None, None);

    perform(&mut link, now, &file, &sender, first, &mut sent_outcome);
    for _ in 0..2_000_000 {
        let next_datagram = link.flying.first_key_value().map(|((at, _), _)| *at);
        let Some(next) = [next_datagram, sender.deadline(), receiver.deadline()].into_iter().flatten().min()
        else {
            break;
        };
        now = now.max(next);
        if next_datagram.is_some_and(|at| at <= now) {
            let Some((_, (to, bytes))) = link.flying.pop_first() else { break };
            let packet = Packet::parse(&bytes).unwrap();
            if to == Side::Server {
                let step = sender.handle(now, Input::Packet(&packet));
                perform(&mut link, now, &file, &sender, step, &mut sent_outcome);
                continue;
            }
            let step = receiver.handle(now, &packet);
            arrived.extend(step.deliver.unwrap_or_default());
            received_outcome = received_outcome.or(step.finish);
            reply(&mut link, now, step.send);
        } else {
            let step = sender.handle(now, Input::Tick);
            perform(&mut link, now, &file, &sender, step, &mut sent_outcome);
            let step = receiver.tick(now);
            received_outcome = received_outcome.or(step.finish);
            reply(&mut link, now, step.send);
        }
    }
    (file, arrived, sent_outcome, received_outcome)
}

fn perform(
    link: &mut Link,
    now: Instant,
    file: &[u8],
    sender: &Sender,
    step: Step,
    outcome: &mut Option<Outcome>,
) {
    if let Some(finish) = step.finish {
        assert_eq!(outcome.replace(finish), None, "one outcome only");
    }
    match step.send {
        Some(Send::OptionAck) => link.send(now, Side::Client, &sender.negotiated().option_ack().unwrap()),
        Some(Send::Blocks { first, count }) => {
            for block in first..first + u64::from(count) {
                let (offset, length) = sender.offset_of(block);
                let payload = &file[offset as usize..][..usize::from(length)];
                let bytes = Packet::Data { block: block as u16, payload }.emit().unwrap();
                link.send(now, Side::Client, &bytes);
            }
        }
        Some(Send::Error { .. }) | None => {}
    }
}

fn reply(link: &mut Link, now: Instant, reply: Option<Reply>) {
    if let Some(Reply::Ack { block, next_window }) = reply {
        link.send(now, Side::Server, &Packet::Ack { block, next_window }.emit().unwrap());
    }
}

#[test]
fn every_transfer_over_a_bad_link_completes_with_the_same_bytes() {
    for seed in 1..=60 {
        for (block_size, window) in [(512, 1), (1468, 4), (1428, 16), (512, 64), (8, 64)] {
            let case = Case {
                seed: seed * 1000 + u64::from(window),
                size: usize::from(block_size) * 100 + (seed as usize * 7) % usize::from(block_size),
                block_size,
                window,
                variable: seed % 3 == 0,
                lose_one_in: 20,
                repeat_one_in: 25,
                jitter_us: if seed % 2 == 0 { 0 } else { 2000 },
            };
            let (file, arrived, sent, received) = run(&case);
            assert_eq!(received, Some(ReceiverOutcome::Completed), "seed {seed} window {window}");
            assert!(
                arrived == file,
                "seed {seed} window {window}: {} of {} bytes",
                arrived.len(),
                file.len()
            );
            assert!(matches!(sent, Some(Outcome::Completed { .. })), "seed {seed} window {window}: {sent:?}");
        }
    }
}

#[test]
fn block_numbers_roll_over_on_a_bad_link_too() {
    let case = Case {
        seed: 5,
        size: 8 * 70_000,
        block_size: 8,
        window: 32,
        variable: false,
        lose_one_in: 500,
        repeat_one_in: 500,
        jitter_us: 100,
    };
    let (file, arrived, sent, received) = run(&case);
    assert_eq!(received, Some(ReceiverOutcome::Completed));
    assert!(matches!(sent, Some(Outcome::Completed { .. })));
    assert!(arrived == file);
}

#[test]
fn a_good_link_repeats_nothing() {
    let case = Case {
        seed: 9,
        size: 1_000_000,
        block_size: 1468,
        window: 16,
        variable: false,
        lose_one_in: 0,
        repeat_one_in: 0,
        jitter_us: 0,
    };
    let (file, arrived, sent, _) = run(&case);
    assert!(arrived == file);
    assert_eq!(sent, Some(Outcome::Completed { last_ack: true }));
}
