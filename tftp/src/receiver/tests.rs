use super::*;

fn data(block: u16, payload: &[u8]) -> Packet<'_> {
    Packet::Data { block, payload }
}

fn ack(block: u16) -> Option<Reply> {
    Some(Reply::Ack { block, next_window: None })
}

#[test]
fn lockstep_acknowledges_every_block_and_ends_with_a_short_one() {
    let now = Instant::now();
    let mut receiver = Receiver::new(None, now);
    let full = [7; 512];
    let got = receiver.handle(now, &data(1, &full));
    assert_eq!((got.deliver, got.send, got.finish), (Some(&full[..]), ack(1), None));
    assert_eq!(receiver.handle(now, &data(1, &full)).send, ack(1), "the acknowledgement was lost");
    let end = receiver.handle(now, &data(2, b"end"));
    assert_eq!(
        (end.deliver, end.send, end.finish),
        (Some(&b"end"[..]), ack(2), Some(ReceiverOutcome::Completed))
    );
    assert_eq!(receiver.handle(now, &data(3, b"")), step(None, None));
}

#[test]
fn a_window_is_acknowledged_at_its_end_and_a_gap_once() {
    let now = Instant::now();
    let mut receiver = Receiver::new(None, now);
    let options = Packet::OptionAck(vec![(b"blksize", b"8"), (b"windowsize", b"3"), (b"tsize", b"100")]);
    assert_eq!(receiver.handle(now, &options).send, ack(0));
    assert_eq!((receiver.block_size(), receiver.window_size(), receiver.size()), (8, 3, Some(100)));
    assert_eq!(receiver.handle(now, &data(1, &[0; 8])).send, None);
    assert_eq!(receiver.handle(now, &data(2, &[0; 8])).send, None);
    assert_eq!(receiver.handle(now, &data(3, &[0; 8])).send, ack(3));
    assert_eq!(receiver.handle(now, &data(5, &[0; 8])).send, ack(3));
    assert_eq!(receiver.handle(now, &data(6, &[0; 8])).send, None);
    assert_eq!(receiver.handle(now, &data(4, &[0; 8])).deliver, Some(&[0; 8][..]));
}

#[test]
fn refusals_and_nonsense_end_it() {
    let now = Instant::now();
    let error = Packet::Error { code: ErrorCode::FILE_NOT_FOUND, message: b"no" };
    let end = Receiver::new(None, now).handle(now, &error);
    assert_eq!(end.finish, Some(ReceiverOutcome::Refused { code: ErrorCode::FILE_NOT_FOUND }));
    for (name, value) in [("blksize", "7"), ("blksize", "x"), ("windowsize", "0"), ("windowsize", "70000")] {
        let options = Packet::OptionAck(vec![(name.as_bytes(), value.as_bytes())]);
        let end = Receiver::new(None, now).handle(now, &options);
        assert_eq!(end.finish, Some(ReceiverOutcome::BadOptions), "{name}={value}");
    }
}

#[test]
fn silence_repeats_the_request_and_then_gives_up() {
    let now = Instant::now();
    let mut receiver = Receiver::new(None, now);
    assert_eq!(receiver.tick(now), step(None, None));
    for _ in 0..MAX_TRIES {
        let due = receiver.deadline().unwrap();
        assert_eq!(receiver.tick(due).send, Some(Reply::Request));
    }
    let due = receiver.deadline().unwrap();
    assert_eq!(receiver.tick(due).finish, Some(ReceiverOutcome::TimedOut));
    assert_eq!(receiver.deadline(), None);
}
