use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn hop(n: u32) -> Hop {
    Hop { to: Ipv4Addr::from(n).into(), ifindex: 2 }
}

fn silent(_: Hop) -> State {
    State::Unresolved
}

#[test]
fn a_hop_that_does_not_answer_is_sent_a_few_datagrams_and_then_nothing_for_a_while() {
    let (mut table, start) = (Table::default(), Instant::now());
    let sent = |table: &mut Table, from: Duration, to: Duration| {
        let mut at = from;
        let mut sent = 0;
        while at < to {
            sent += u32::from(table.admit(hop(1), start + at, silent).is_ok());
            at += Duration::from_millis(1);
        }
        sent
    };
    assert_eq!(sent(&mut table, Duration::ZERO, TRIAL + SILENT_FOR), MAX_WAITING);
    assert_eq!(sent(&mut table, TRIAL + SILENT_FOR, 2 * (TRIAL + SILENT_FOR)), MAX_WAITING);
}

#[test]
fn a_hop_that_answers_is_sent_everything_and_asked_for_once_a_second() {
    let (mut table, start) = (Table::default(), Instant::now());
    let looks = std::cell::Cell::new(0);
    for n in 0..5000 {
        let look = |_: Hop| {
            looks.set(looks.get() + 1);
            if n < 2 { State::Unresolved } else { State::Resolved }
        };
        let admitted = table.admit(hop(1), start + Duration::from_millis(n), look);
        assert_eq!(admitted, Ok(if n < 2 { Admitted::Trial } else { Admitted::Known }));
    }
    assert!(looks.get() <= 8, "{}", looks.get());
    assert_eq!(table.trials(), 0);
}

#[test]
fn a_silent_hop_is_served_as_soon_as_the_kernel_hears_of_it() {
    let (mut table, start) = (Table::default(), Instant::now());
    assert_eq!(table.admit(hop(1), start, silent), Ok(Admitted::Trial));
    assert_eq!(table.admit(hop(1), start + TRIAL, silent), Err(Refused::Unresolved));
    let there = |_: Hop| State::Resolved;
    assert_eq!(table.admit(hop(1), start + TRIAL + LOOK_AGAIN, there), Ok(Admitted::Known));
}

#[test]
fn hops_that_do_not_answer_leave_those_alone_that_do() {
    let (mut table, start) = (Table::default(), Instant::now());
    let look = |hop: Hop| if hop.to == Ipv4Addr::from(0) { State::Resolved } else { State::Unresolved };
    for n in 1..5000 {
        let at = start + Duration::from_micros(n.into());
        let admitted = table.admit(hop(n), at, look);
        assert_eq!(admitted.is_ok(), n as usize <= MAX_TRIALS, "{n}: {admitted:?}");
        assert_eq!(table.admit(hop(0), at, look), Ok(Admitted::Known));
    }
    // Machines that were new together have answered a moment later, and make room for more.
    let later = start + SWEEP_EVERY * 2;
    let there = |hop: Hop| if hop.to < Ipv4Addr::from(5000) { State::Resolved } else { State::Unresolved };
    assert_eq!(table.admit(hop(6000), later, there), Ok(Admitted::Trial));
    assert_eq!(table.trials(), 1);
}

#[test]
fn a_kernel_that_cannot_tell_holds_nothing_up() {
    let mut table = Table::default();
    for n in 0..1000 {
        assert_eq!(table.admit(hop(n), Instant::now(), |_| State::Unknown), Ok(Admitted::Known));
    }
}

proptest! {
    #[test]
    fn any_sequence_stays_within_the_bounds(
        steps in proptest::collection::vec((0u32..400, 0u64..2000, 0u8..3), 1..2000)
    ) {
        let (mut table, mut now) = (Table::default(), Instant::now());
        let mut waiting: HashMap<Hop, Vec<Instant>> = HashMap::new();
        for (n, millis, state) in steps {
            now += Duration::from_millis(millis / 100);
            let state = [State::Resolved, State::Unresolved, State::Unknown][usize::from(state)];
            let admitted = table.admit(hop(n), now, |_| state);
            if state == State::Resolved {
                waiting.remove(&hop(n));
            }
            if admitted == Ok(Admitted::Trial) {
                let sent = waiting.entry(hop(n)).or_default();
                sent.retain(|at| now.duration_since(*at) < TRIAL);
                sent.push(now);
                prop_assert!(sent.len() <= MAX_WAITING as usize);
            }
            prop_assert!(table.trials() <= MAX_TRIALS && table.hops.len() <= MAX_HOPS.get());
        }
    }
}
