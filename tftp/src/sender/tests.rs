use proptest::prelude::*;

use super::*;
use crate::{RequestOptions, ServerLimits, negotiate};

const MS: Duration = Duration::from_millis(1);

fn ack(block: u16) -> Packet<'static> {
    Packet::Ack { block, next_window: None }
}

fn blocks(first: u64, count: u16) -> Step {
    Step { send: Some(Send::Blocks { first, count }), finish: None }
}

fn finish(outcome: Outcome) -> Step {
    Step { send: None, finish: Some(outcome) }
}

const NOTHING: Step = Step { send: None, finish: None };

/// A transfer past its option acknowledgement, with a round trip of 1 ms.
fn running(block_size: u16, window: u16, size: u64) -> (Sender, Step, Instant) {
    let now = Instant::now();
    let asked = RequestOptions::asking(Some(block_size), Some(window), None, true);
    let (mut sender, first) = Sender::new(negotiate(&asked, &ServerLimits::default(), size), size, now);
    assert_eq!(first.send, Some(Send::OptionAck));
    let now = now + MS;
    let step = sender.handle(now, Input::Packet(&ack(0)));
    (sender, step, now)
}

#[test]
fn without_options_the_first_block_comes_at_once() {
    let (mut sender, first) = Sender::new(
        negotiate(&RequestOptions::default(), &ServerLimits::default(), 600),
        600,
        Instant::now(),
    );
    assert_eq!(first, blocks(1, 1));
    assert_eq!((sender.offset_of(1), sender.offset_of(2)), ((0, 512), (512, 88)));
    assert_eq!(sender.handle(Instant::now(), Input::Packet(&ack(1))), blocks(2, 1));
    let end = sender.handle(Instant::now(), Input::Packet(&ack(2)));
    assert_eq!(end, finish(Outcome::Completed { last_ack: true }));
}

#[test]
fn the_last_block_is_short_or_empty_and_an_empty_file_has_one() {
    for (size, last, length) in [(0, 1, 0), (1, 1, 1), (511, 1, 511), (512, 2, 0), (513, 2, 1), (1024, 3, 0)]
    {
        let (sender, _, _) = running(512, 1, size);
        assert_eq!(sender.last_block, last, "{size}");
        assert_eq!(sender.offset_of(last).1, length, "{size}");
    }
}

#[test]
fn block_numbers_roll_over_in_files_of_any_size() {
    for (block_size, window, size) in
        [(512, 1, 40_000_000), (512, 64, 100_000_000), (65464, 16, 10_000_000_000)]
    {
        let (mut sender, mut step, now) = running(block_size, window, size);
        let mut expected = 1;
        let end = loop {
            match step {
                Step { send: Some(Send::Blocks { first, count }), finish: None } => {
                    assert_eq!(first, expected);
                    expected = first + u64::from(count);
                    step = sender.handle(now, Input::Packet(&ack((expected - 1) as u16)));
                }
                other => break other,
            }
        };
        assert_eq!(end, finish(Outcome::Completed { last_ack: true }));
        assert_eq!(expected - 1, size / u64::from(block_size) + 1);
        assert_eq!(sender.resends(), 0);
    }
}

#[test]
fn stale_and_duplicate_acknowledgements_send_nothing_in_lockstep() {
    let (mut sender, first, now) = running(512, 1, 10_000);
    assert_eq!(first, blocks(1, 1));
    assert_eq!(sender.handle(now, Input::Packet(&ack(1))), blocks(2, 1));
    let later = now + MS * 50;
    for block in [1, 0, 65535, 3, 30000] {
        assert_eq!(sender.handle(later, Input::Packet(&ack(block))), NOTHING, "{block}");
    }
    assert_eq!(sender.handle(later, Input::Packet(&ack(2))), blocks(3, 1));
    assert_eq!(sender.resends(), 0);
}

#[test]
fn a_gap_goes_back_to_the_lost_block_and_its_echo_does_not() {
    let (mut sender, first, now) = running(512, 8, 100_000);
    assert_eq!(first, blocks(1, 8));
    let now = now + MS * 5;
    assert_eq!(sender.handle(now, Input::Packet(&ack(3))), blocks(4, 8));
    assert_eq!(sender.resends(), 5);
    for _ in 0..4 {
        assert_eq!(sender.handle(now, Input::Packet(&ack(3))), NOTHING);
    }
    assert_eq!(sender.handle(now, Input::Packet(&ack(2))), NOTHING);
    assert_eq!(sender.handle(now + MS, Input::Packet(&ack(11))), blocks(12, 8));
}

#[test]
fn a_windows_first_block_lost_is_sent_again_once_in_a_round_trip() {
    let (mut sender, _, now) = running(512, 8, 100_000);
    assert_eq!(sender.handle(now + MS, Input::Packet(&ack(8))), blocks(9, 8));
    let soon = now + MS + MS / 2;
    assert_eq!(sender.handle(soon, Input::Packet(&ack(8))), NOTHING, "too soon to be about this window");
    let later = now + MS * 3;
    assert_eq!(sender.handle(later, Input::Packet(&ack(8))), blocks(9, 8));
    assert_eq!(sender.handle(later + MS * 20, Input::Packet(&ack(8))), NOTHING, "once for a window");
}

#[test]
fn an_early_tick_does_nothing_and_a_late_one_resends() {
    let (mut sender, _, now) = running(512, 4, 100_000);
    assert_eq!(sender.handle(now + MS * 20, Input::Tick), NOTHING);
    let due = sender.deadline().unwrap();
    assert_eq!(sender.handle(due, Input::Tick), blocks(1, 4));
    assert_eq!(sender.handle(due, Input::Tick), NOTHING, "the next wait has begun");
    assert_eq!(sender.resends(), 4);
}

#[test]
fn a_client_that_falls_silent_is_given_up_after_half_a_minute_and_told() {
    let (sends, last) = until_given_up(running(512, 4, 100_000).0, MAX_SILENCE + Duration::from_secs(8));
    assert_eq!(sends, 11);
    assert!(matches!(last.send, Some(Send::Error { .. })));
}

#[test]
fn an_address_that_never_answers_is_sent_little_and_no_error() {
    let begun = |asked: &RequestOptions| {
        Sender::new(negotiate(asked, &ServerLimits::default(), 100_000), 100_000, Instant::now()).0
    };
    let offered = begun(&RequestOptions::asking(Some(512), Some(4), None, true));
    assert_eq!(until_given_up(offered, MAX_UNPROVED_SILENCE), (2, finish(Outcome::TimedOut)));
    let plain = begun(&RequestOptions::default());
    assert_eq!(until_given_up(plain, MAX_UNPROVED_SILENCE), (1, finish(Outcome::TimedOut)));
}

#[test]
fn an_answer_is_taken_as_long_as_it_is_waited_for() {
    let (mut sender, _) = Sender::new(
        negotiate(&RequestOptions::default(), &ServerLimits::default(), 600),
        600,
        Instant::now(),
    );
    let begun = sender.sent_at;
    let due = sender.deadline().unwrap();
    assert_eq!(sender.handle(due, Input::Tick), blocks(1, 1));
    assert!(!sender.is_proved());
    let late = begun + MAX_UNPROVED_SILENCE - MS;
    assert_eq!(sender.handle(late, Input::Tick), NOTHING);
    assert_eq!(sender.handle(late, Input::Packet(&ack(1))), blocks(2, 1));
    assert!(sender.is_proved());
}

/// How often something is sent again before the client is given up, and the last step.
fn until_given_up(mut sender: Sender, patience: Duration) -> (u32, Step) {
    let now = sender.sent_at;
    let mut steps = 0;
    loop {
        let due = sender.deadline().unwrap();
        let step = sender.handle(due, Input::Tick);
        if let Some(outcome) = step.finish {
            assert_eq!(outcome, Outcome::TimedOut);
            assert!(due - now <= patience);
            assert_eq!(sender.deadline(), None);
            return (steps, step);
        }
        assert!(step.send.is_some());
        steps += 1;
    }
}

#[test]
fn a_window_that_lost_its_end_comes_in_smaller_bursts_until_it_comes_whole() {
    let (mut sender, step, now) = running(512, 64, 1_000_000);
    assert_eq!(step, blocks(1, 64));
    // The buffer on the way held 20.
    assert_eq!(sender.handle(now + MS, Input::Packet(&ack(20))), blocks(21, 32));
    assert_eq!(sender.handle(now + MS, Input::Tick), NOTHING, "the pause is not over");
    let due = sender.deadline().unwrap();
    assert_eq!(sender.handle(due, Input::Tick), blocks(53, 32));
    // A block of the second burst is lost: back to it, in the smallest bursts.
    assert_eq!(sender.handle(due + MS, Input::Packet(&ack(60))), blocks(61, 16));
    let mut now = due + MS;
    for window in 0..8 {
        let begin = 61 + window * 64;
        for burst in 1..4 {
            now = sender.deadline().unwrap();
            assert_eq!(sender.handle(now, Input::Tick), blocks(begin + burst * 16, 16));
        }
        let whole = begin + 63;
        let count = if window < 7 { 16 } else { 32 };
        assert_eq!(sender.handle(now, Input::Packet(&ack(whole as u16))), blocks(whole + 1, count));
    }
}

#[test]
fn a_lost_last_acknowledgement_is_no_failure() {
    let (mut sender, step, _) = running(512, 4, 1000);
    assert_eq!(step, blocks(1, 2));
    let outcome = loop {
        let due = sender.deadline().unwrap();
        if let Some(outcome) = sender.handle(due, Input::Tick).finish {
            break outcome;
        }
    };
    assert_eq!(outcome, Outcome::Completed { last_ack: false });
}

#[test]
fn asking_for_the_size_and_leaving_is_a_normal_end() {
    let start = |size_asked| {
        let asked = RequestOptions::asking(Some(1468), Some(4), None, size_asked);
        Sender::new(negotiate(&asked, &ServerLimits::default(), 9), 9, Instant::now()).0
    };
    let error = |code| Packet::Error { code, message: b"User aborted the transfer" };
    for code in [ErrorCode::OPTIONS_REFUSED, ErrorCode::UNDEFINED] {
        let step = start(true).handle(Instant::now(), Input::Packet(&error(code)));
        assert_eq!(step, finish(Outcome::Probed), "an error is never answered");
        let step = start(false).handle(Instant::now(), Input::Packet(&error(code)));
        assert_eq!(step, finish(Outcome::Aborted { code }));
    }
    let (mut sender, _, now) = running(512, 1, 10_000);
    let step = sender.handle(now, Input::Packet(&error(ErrorCode::UNDEFINED)));
    assert_eq!(step, finish(Outcome::Aborted { code: ErrorCode::UNDEFINED }));
}

#[test]
fn every_other_end_has_its_outcome_and_nothing_follows() {
    let table = [
        (Input::Unreachable, Outcome::ClientGone, false),
        (Input::ReadFailed, Outcome::ReadFailed, true),
        (Input::Stop, Outcome::Stopped, true),
    ];
    for (input, outcome, tells_the_client) in table {
        let (mut sender, _, now) = running(512, 1, 10_000);
        let step = sender.handle(now, input);
        assert_eq!(step.finish, Some(outcome));
        assert_eq!(matches!(step.send, Some(Send::Error { .. })), tells_the_client, "{outcome:?}");
        assert_eq!(sender.handle(now, Input::Packet(&ack(1))), NOTHING);
        assert_eq!(sender.handle(now + MS * 100_000, Input::Tick), NOTHING);
    }
}

#[test]
fn a_variable_window_follows_each_acknowledgement() {
    let now = Instant::now();
    let asked = RequestOptions::asking(Some(512), Some(4), None, false).with_variable_window();
    let (mut sender, _) = Sender::new(negotiate(&asked, &ServerLimits::default(), 1_000_000), 1_000_000, now);
    let resize = |block, window| Packet::Ack { block, next_window: Some(window) };
    assert_eq!(sender.handle(now, Input::Packet(&resize(0, 2))), blocks(1, 2));
    assert_eq!(sender.handle(now, Input::Packet(&resize(2, 9))), blocks(3, 9));
    assert_eq!(
        sender.handle(now, Input::Packet(&ack(11))),
        blocks(12, 9),
        "a plain acknowledgement keeps it"
    );
    assert_eq!(sender.handle(now, Input::Packet(&resize(20, 0))), blocks(21, 9), "so does a zero");
    assert_eq!(sender.handle(now, Input::Packet(&resize(29, 255))), blocks(30, 64), "the server's cap holds");

    let (mut plain, _, now) = running(512, 4, 100_000);
    assert_eq!(plain.handle(now, Input::Packet(&resize(4, 9))), blocks(5, 4), "not asked for, not followed");
}

#[derive(Debug, Clone)]
enum Blow {
    Ack(u16, Option<u8>),
    Error(u16),
    Data(u16),
    Pass(u64),
}

fn blow() -> impl Strategy<Value = Blow> {
    prop_oneof![
        6 => (0u16..80, proptest::option::of(any::<u8>())).prop_map(|(block, window)| Blow::Ack(block, window)),
        1 => any::<u16>().prop_map(|block| Blow::Ack(block, None)),
        1 => any::<u16>().prop_map(Blow::Data),
        3 => (0u64..9000).prop_map(Blow::Pass),
    ]
}

proptest! {
    #[test]
    fn any_inputs_stay_bounded_and_silence_then_ends_it_once(
        blows in proptest::collection::vec(blow(), 0..200),
        error in proptest::option::of(any::<u16>()),
        window in 1u16..70,
        size in 0u64..40_000,
    ) {
        let mut now = Instant::now();
        let asked = RequestOptions::asking(Some(512), Some(window), None, true).with_variable_window();
        let (mut sender, _) = Sender::new(negotiate(&asked, &ServerLimits::default(), size), size, now);
        let mut outcomes = 0;
        let mut check = |step: Step, sender: &Sender| {
            if let Some(Send::Blocks { first, count }) = step.send {
                prop_assert!(count <= 64 && first >= 1 && first + u64::from(count) - 1 <= sender.last_block);
            }
            outcomes += usize::from(step.finish.is_some());
            Ok(())
        };
        for blow in blows.into_iter().chain(error.map(Blow::Error)) {
            let step = match blow {
                Blow::Ack(block, next_window) => sender.handle(now, Input::Packet(&Packet::Ack { block, next_window })),
                Blow::Error(code) => sender.handle(now, Input::Packet(&Packet::Error { code: ErrorCode(code), message: b"" })),
                Blow::Data(block) => sender.handle(now, Input::Packet(&Packet::Data { block, payload: b"x" })),
                Blow::Pass(ms) => { now += Duration::from_millis(ms); sender.handle(now, Input::Tick) }
            };
            check(step, &sender)?;
        }
        let (mut tries, mut bursts) = (0, 0);
        while let Some(due) = sender.deadline() {
            now = now.max(due);
            let goes_on = matches!(sender.state, State::Sending { sent, end, .. } if sent < end);
            let step = sender.handle(now, Input::Tick);
            check(step, &sender)?;
            if goes_on {
                bursts += 1;
                // A window of 64 leaves in four bursts at the most.
                prop_assert!(bursts < 4);
            } else {
                (tries, bursts) = (tries + 1, 0);
                prop_assert!(tries < 20);
            }
        }
        prop_assert_eq!(outcomes, 1);
    }
}
