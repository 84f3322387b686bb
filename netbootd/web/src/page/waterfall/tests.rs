use super::*;

fn step(second: f64, proto: &str, what: &str, file: Option<&str>) -> Step {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs_f64(1000.0 + second);
    let at = netbootd_telemetry::view::rfc3339(at);
    let json =
        serde_json::json!({ "at": at, "proto": proto, "what": what, "asked": "x64-uefi pxe", "file": file });
    serde_json::from_value(json).unwrap()
}

fn done(second: f64, proto: &str, file: &str, seconds: f64, bytes: u64) -> Step {
    Step { seconds: Some(seconds), bytes: Some(bytes), ..step(second, proto, "completed", Some(file)) }
}

fn slow_boot() -> Vec<Step> {
    vec![
        step(0.0, "dhcp", "offer", Some("ipxe.efi")),
        step(17.43, "dhcp", "offer", Some("ipxe.efi")),
        step(17.45, "dhcp", "ack", Some("ipxe.efi")),
        step(17.5, "tftp", "transfer", Some("ipxe.efi")),
        Step { seconds: Some(0.01), bytes: Some(0), ..step(17.51, "tftp", "probed", Some("ipxe.efi")) },
        step(17.52, "tftp", "transfer", Some("ipxe.efi")),
        done(17.54, "tftp", "ipxe.efi", 0.02, 850_000),
        step(17.7, "http", "transfer", Some("boot.ipxe")),
        done(17.7, "http", "boot.ipxe", 0.0, 145),
        step(17.8, "http", "transfer", Some("vmlinuz")),
        done(17.9, "http", "vmlinuz", 0.1, 8_600_000),
    ]
}

fn names(fall: &Fall) -> Vec<(&'static str, Vec<&str>)> {
    fall.groups
        .iter()
        .map(|group| (group.word, group.lines.iter().map(|line| line.name.as_str()).collect()))
        .collect()
}

#[test]
fn questions_and_answers_are_one_row_and_a_silence_is_one() {
    let fall = fall(&slow_boot(), None, 2000.0, false, &|_| None);
    assert_eq!(
        names(&fall),
        [
            ("Firmware", vec!["DHCP discover", "∿ silence", "DHCP discover, request"]),
            ("Boot program", vec!["TFTP ipxe.efi"]),
            ("Second stage", vec!["HTTP boot.ipxe"]),
            ("System", vec!["HTTP vmlinuz"]),
        ]
    );
    let firmware = &fall.groups[0];
    assert_eq!(firmware.lines[1].took, "17.4 s");
    assert!(firmware.lines[2].sub.starts_with("offer, ack"), "{}", firmware.lines[2].sub);
    assert!((4..=8).contains(&fall.ticks.len()), "{:?}", fall.ticks);
}

#[test]
fn a_folded_silence_leaves_room_and_the_true_scale_does_not() {
    let width = |is_true| {
        let fall = fall(&slow_boot(), None, 2000.0, is_true, &|_| None);
        (fall.groups[0].lines[1].bars[0].width, fall.groups[3].lines[0].bars[0].width)
    };
    let ((folded, kernel), (whole, squeezed)) = (width(false), width(true));
    assert!(folded < 15.0 && kernel > 15.0, "{folded} {kernel}");
    assert!(whole > 90.0 && squeezed < 1.0, "{whole} {squeezed}");
}

#[test]
fn files_looked_for_in_vain_fold_and_what_is_missed_does_not() {
    let mut steps =
        vec![step(0.0, "proxy", "offer", Some("pxelinux.0")), done(1.0, "tftp", "pxelinux.0", 0.1, 42_000)];
    for n in 0..14 {
        steps.push(step(
            1.1 + f64::from(n) / 100.0,
            "tftp",
            "not-found",
            Some(&format!("pxelinux.cfg/0A4D{n:02}")),
        ));
    }
    steps.push(step(2.0, "tftp", "not-found", Some("vmlinuz")));
    let fall = fall(&steps, None, 1002.0, false, &|_| None);
    let lines: Vec<&LineView> = fall.groups.iter().flat_map(|group| &group.lines).collect();
    assert!(lines.iter().any(|line| line.sub == "14 looked for, not there" && line.many.len() == 14));
    assert_eq!((lines.last().unwrap().name.as_str(), lines.last().unwrap().tint), ("TFTP vmlinuz", "bad"));
}

#[test]
fn what_is_awaited_grows_until_it_comes() {
    let next = Next { what: "a request for the boot file".to_owned(), overdue: true };
    let steps = [step(0.0, "dhcp", "offer", None), step(0.1, "dhcp", "ack", Some("a.efi"))];
    let fall = fall(&steps, Some(&next), 1009.2, false, &|_| None);
    let last = fall.groups.last().unwrap().lines.last().unwrap();
    assert_eq!((last.name.as_str(), last.took.as_str()), ("next", "now +9 s"));
    assert!(last.bars[0].look.contains("late"));
}

#[test]
fn two_boots_part_where_they_first_differ() {
    let mut other = slow_boot();
    other.truncate(8);
    other[7] = step(17.7, "http", "not-found", Some("boot.ipxe"));
    let (one, other) =
        (fall(&slow_boot(), None, 2000.0, false, &|_| None), fall(&other, None, 2000.0, false, &|_| None));
    let words = parting(&one, &other);
    assert!(
        words.contains("HTTP boot.ipxe (complete)") && words.contains("HTTP boot.ipxe (not there)"),
        "{words}"
    );
    assert_eq!(parting(&one, &one), "Both boots took the same steps.");
}

#[test]
fn a_bar_is_hatched_until_the_first_byte() {
    let looks = |steps: &[Step]| -> Vec<String> {
        let fall = fall(steps, None, 2000.0, false, &|_| None);
        fall.groups[0].lines[0].bars.iter().map(|bar| bar.look.clone()).collect()
    };
    let transfer = step(1.5, "tftp", "transfer", Some("ipxe.efi"));
    let asked_a_second_before = done(2.0, "tftp", "ipxe.efi", 1.5, 850_000);
    assert_eq!(looks(&[transfer.clone(), asked_a_second_before]), ["bar-wait", "bar-tftp"]);
    assert_eq!(looks(&[transfer.clone(), done(2.0, "tftp", "ipxe.efi", 0.501, 850_000)]), ["bar-tftp"]);
    let nothing_came =
        Step { seconds: Some(3.0), bytes: Some(0), ..step(4.5, "tftp", "timed-out", Some("ipxe.efi")) };
    assert_eq!(looks(&[transfer, nothing_came]), ["bar-wait", "bar-broken"]);
}

#[test]
fn firmware_that_asks_again_begins_another_boot() {
    let mut steps = slow_boot();
    steps.extend(slow_boot().into_iter().map(|mut step| {
        step.at = step.at.replace("00:16", "00:18").replace("00:17", "00:19");
        step
    }));
    let boots = boots(steps);
    assert_eq!(boots.iter().map(|boot| boot.steps.len()).collect::<Vec<_>>(), [11, 11]);
    assert_eq!((boots[0].gets(), boots[0].key()), (Some("ipxe.efi"), 1_000_000));
}

proptest::proptest! {
    /// Whatever the history holds, bars stay on the axis.
    #[test]
    fn bars_stay_on_the_axis(times in proptest::collection::vec((0.0..10_000.0_f64, 0_usize..6, 0.0..30.0_f64), 0..48), is_true: bool) {
        let whats = [("dhcp", "offer"), ("dhcp", "ack"), ("tftp", "transfer"), ("tftp", "completed"), ("http", "not-found"), ("report", "up")];
        let steps: Vec<Step> = times.into_iter().map(|(second, n, seconds)| {
            let (proto, what) = whats[n];
            Step { seconds: (what == "completed").then_some(seconds), bytes: Some(5), ..step(second, proto, what, Some("x")) }
        }).collect();
        let fall = fall(&steps, Some(&Next { what: String::new(), overdue: false }), 12_000.0, is_true, &|_| None);
        for bar in fall.groups.iter().flat_map(|group| &group.lines).flat_map(|line| &line.bars) {
            assert!(bar.x >= 0.0 && bar.x + bar.width <= 100.1, "{bar:?}");
        }
        assert!(fall.ticks.len() <= 8);
    }
}
