use std::time::Duration;

use super::*;
use crate::event::testing::{completed, decided, offer, refused, reported, started, step};
use crate::event::{Answered, Decided, Proto};

fn mac(n: usize) -> MacAddr {
    let [a, b, c, d] = u32::try_from(n).unwrap().to_be_bytes();
    MacAddr([2, 0, a, b, c, d])
}

#[test]
fn a_machines_steps_are_kept_and_the_oldest_leave_first() {
    let timelines = Timelines::default();
    for n in 0..MAX_STEPS as u64 + 2 {
        timelines.record(&step(n, offer(mac(1))));
    }
    let timeline = timelines.get(mac(1)).unwrap();
    assert_eq!(timeline.steps.len(), MAX_STEPS);
    assert_eq!(timeline.steps[0].at, SystemTime::UNIX_EPOCH + Duration::from_secs(2));
    let max = MAX_MACHINES.get();
    for n in 2..=max + 1 {
        timelines.record(&step(100, offer(mac(n))));
    }
    assert_eq!(timelines.size(), (max, 0));
    assert!(timelines.get(mac(1)).is_none(), "it was not heard of for longest");
    let newest = timelines.newest(2, |_, _| true);
    assert_eq!(newest.iter().map(|(mac, _)| *mac).collect::<Vec<_>>(), [mac(max + 1), mac(max)]);
}

/// A flood of made-up hardware addresses.
#[test]
fn machines_that_only_ask_push_out_none_that_fetched_a_file() {
    let timelines = Timelines::default();
    for n in 1..=3 {
        timelines.record(&step(1, offer(mac(n))));
        timelines.record(&step(2, started(n as u64, mac(n), "ipxe.efi")));
        timelines.record(&step(3, completed(n as u64, mac(n), "ipxe.efi")));
    }
    for n in 1..=100_000 {
        timelines.record(&step(4, offer(mac(1_000_000 + n))));
        if n == 50_000 {
            timelines.record(&step(5, refused(mac(2), "initrd.img")));
        }
    }
    assert_eq!(timelines.size().0, MAX_MACHINES.get());
    assert_eq!((1..=3).map(|n| timelines.get(mac(n)).unwrap().steps.len()).collect::<Vec<_>>(), [3, 4, 3]);
    let order = timelines.newest(MAX_MACHINES.get(), |_, _| true);
    assert!(order.windows(2).all(|pair| pair[0].1.changed > pair[1].1.changed), "the newest change first");
    let (last, changed) = timelines.changed_since(0);
    assert_eq!((last, changed.len()), (100_010, MAX_MACHINES.get()));
    // Where all places are of machines that fetched, new ones still have some.
    for n in 1..=MAX_MACHINES.get() {
        timelines.record(&step(6, offer(mac(n))));
        timelines.record(&step(6, completed(n as u64, mac(n), "ipxe.efi")));
    }
    timelines.record(&step(7, offer(mac(2_000_001))));
    timelines.record(&step(7, offer(mac(2_000_002))));
    assert!(timelines.get(mac(2_000_001)).is_some() && timelines.size().0 <= MAX_MACHINES.get());
}

#[test]
fn a_question_of_a_probe_is_no_boot_that_could_have_gone_wrong() {
    let found = |probe| {
        let timelines = Timelines::default();
        let event = decided(mac(1), Proto::Proxy, Answered::Offer, Reason::Rule);
        timelines.record(&step(1, Event::Decided(Decided { probe, boot_file: Some("b".into()), ..event })));
        assert_eq!(timelines.get(mac(1)).unwrap().steps.len(), 1, "it is shown");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        timelines.diagnose(mac(1), Patience::default(), now).finding.is_some()
    };
    assert_eq!((found(false), found(true)), (true, false));
}

#[test]
fn hosts_that_only_want_an_address_of_another_server_are_no_machines() {
    let timelines = Timelines::default();
    let plain = |n| Event::Decided(decided(mac(n), Proto::Proxy, Answered::Ignore, Reason::NotABootRequest));
    assert_eq!(timelines.record(&step(1, plain(1))), None);
    assert_eq!(timelines.size().0, 0);
    timelines.record(&step(1, offer(mac(2))));
    assert_eq!(
        timelines.record(&step(2, plain(2))),
        Some(mac(2)),
        "the system of a machine that booted here"
    );
    assert_eq!((timelines.size().0, timelines.get(mac(2)).unwrap().steps.len()), (1, 2));
}

#[test]
fn what_a_machine_says_pushes_out_no_more_than_other_reports() {
    let timelines = Timelines::default();
    timelines.record(&step(1, offer(mac(1))));
    timelines.record(&step(1, completed(1, mac(1), "boot.efi")));
    for second in 2..500 {
        timelines.record(&step(second, reported(mac(1), "state=note&text=x")));
    }
    let timeline = timelines.get(mac(1)).unwrap();
    assert_eq!((timeline.steps.len(), timeline.number), (MAX_STEPS, 1));
    assert!(matches!(timeline.steps[0].event, Event::Decided(_)));
    assert!(matches!(timeline.steps[1].event, Event::TransferFinished(_)));
    for second in 500..530 {
        timelines.record(&step(second, refused(mac(1), "grub.cfg")));
    }
    let timeline = timelines.get(mac(1)).unwrap();
    let reports = timeline.steps.iter().filter(|step| matches!(step.event, Event::Reported(_))).count();
    assert_eq!((reports, timeline.steps.len()), (MAX_REPORTS, MAX_STEPS));
}

#[test]
fn each_boot_has_a_number_by_which_its_machine_is_found() {
    let timelines = Timelines::default();
    timelines.record(&step(1, offer(mac(1))));
    timelines.record(&step(1, offer(mac(2))));
    timelines.record(&step(2, completed(1, mac(1), "boot.efi")));
    timelines.record(&step(60, offer(mac(1))));
    assert_eq!((timelines.boot_number(mac(1)), timelines.boot_number(mac(2))), (3, 2));
    assert_eq!((timelines.with_number(3), timelines.with_number(1)), (Some(mac(1)), None));
    let Event::Reported(failed) = reported(mac(1), "by=ipxe&state=failed&step=kernel&error=4c0a6035") else {
        panic!("it is a report");
    };
    let (number, diagnosis) = timelines.diagnose_after(mac(1), &failed, Patience::default());
    assert_eq!((number, diagnosis.finding.unwrap().cause.as_str()), (3, "script-server-away"));
    assert!(timelines.get(mac(1)).unwrap().machine.boot().unwrap().failed.is_none(), "it is only looked at");
}

#[test]
fn a_transfer_is_under_way_from_its_start_to_its_end() {
    let timelines = Timelines::default();
    timelines.record(&step(1, started(7, mac(1), "boot.efi")));
    timelines.record(&step(2, Event::TransferProgress { id: TransferId(7), bytes: 500 }));
    let under_way = timelines.transfers();
    assert_eq!((under_way[0].0, under_way[0].1.bytes), (TransferId(7), 500));
    timelines.record(&step(3, completed(7, mac(1), "boot.efi")));
    timelines.record(&step(4, refused(mac(1), "grub.cfg")));
    assert!(timelines.transfers().is_empty());
    assert_eq!(timelines.get(mac(1)).unwrap().steps.len(), 3, "progress is no step");
}
