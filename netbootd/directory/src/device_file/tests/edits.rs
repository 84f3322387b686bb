//! Whatever is done to a device file: a machine whose own row stays as it was gets what it got
//! before.

use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;
use pxe_policy::{
    Answer, BootRequest, Claimed, Class, Decision, Ledger, LedgerChange, MacAddr, Purpose, Reason, Rules,
    Seconds, Settings, Site, decide,
};

use super::*;

/// One machine's row, told by its number.
#[derive(Debug, Clone)]
struct Line {
    number: u8,
    by_guid: bool,
    deployment: bool,
    purpose: &'static str,
    run: &'static str,
}

/// How the file is written.
#[derive(Debug, Clone)]
struct Style {
    /// The columns, in this order.
    columns: Vec<&'static str>,
    quoted: bool,
    blanks: bool,
    crlf: bool,
    remarks: bool,
    mark: bool,
}

const COLUMNS: [&str; 8] = ["name", "mac", "uuid", "image", "deployment", "purpose", "run", "owner"];
const SAME_BOOT: Seconds = 120;

impl Line {
    fn value(&self, column: &str) -> String {
        let number = self.number;
        match column {
            "name" => format!("pc-{number}"),
            "mac" if !self.by_guid => mac(number).to_string(),
            "uuid" if self.by_guid => guid(number),
            "image" => "winpe".into(),
            "deployment" if self.deployment => "reimage".into(),
            "purpose" => self.purpose.into(),
            "run" => self.run.into(),
            "owner" => "Anna, room 7".into(),
            _ => String::new(),
        }
    }
}

fn mac(number: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, number])
}

fn guid(number: u8) -> String {
    format!("4c4c4544-0057-5810-804a-c3c04f4637{number:02x}")
}

fn written(lines: &[Line], style: &Style) -> Vec<u8> {
    let end = if style.crlf { "\r\n" } else { "\n" };
    let blank = if style.blanks { " " } else { "" };
    let cell = |text: String| match style.quoted || text.contains(',') {
        true => format!("\"{text}\""),
        false => format!("{blank}{text}{blank}"),
    };
    let mut text = String::from(if style.mark { "\u{feff}" } else { "" });
    let heads = style.columns.iter().map(|column| match style.blanks {
        true => column.to_uppercase(),
        false => (*column).to_owned(),
    });
    text += &heads.map(cell).collect::<Vec<_>>().join(",");
    text += end;
    for line in lines {
        if style.remarks {
            text += &format!("# the next one{end}{end}");
        }
        let cells = style.columns.iter().map(|column| cell(line.value(column)));
        text += &cells.collect::<Vec<_>>().join(",");
        text += end;
    }
    text.into_bytes()
}

/// The decision for a machine by a file and the ledger; `gives` notes it in the ledger.
fn got(file: &[u8], number: u8, ledger: &mut Ledger, now: Seconds, gives: bool) -> (Decision, Reason) {
    let (table, bad) = from_csv(file).unwrap();
    assert_eq!(bad.iter().filter(|bad| !bad.kept).count(), 0, "{bad:?}");
    let request = BootRequest {
        mac: mac(number),
        uuid: guid(number).parse().ok(),
        archs: vec![ArchType::X64_UEFI],
        class: Class::Pxe,
        relay: None,
        segment: Ipv4Addr::LOCALHOST.into(),
        address: None,
        boot_program: false,
        iface: "lan0".into(),
        secs: 0,
        item: None,
        tags: Vec::new(),
    };
    let said = Ok(table.ask(&Identity::from_request(&request)));
    let settings = Settings { same_boot: Duration::from_secs(SAME_BOOT), ..Settings::default() };
    let (rules, answers) =
        (Rules::default(), &[Answer { directory: "devices".into(), age: 0, stale: false, said }]);
    let site = Site { answers, now, ..Site::new(&rules, &settings, ledger) };
    let verdict = decide(&request, &site);
    let claim = verdict.deployment.filter(|deployed| gives && deployed.purpose == Purpose::Required);
    if let Some(claim) = claim
        && let Ok(Claimed::Made(entry)) =
            ledger.claim(&claim, request.mac, now, Duration::from_secs(SAME_BOOT), None)
    {
        ledger.apply(LedgerChange::Give(entry));
    }
    for entry in verdict.learned {
        ledger.apply(LedgerChange::Amend(entry));
    }
    (verdict.decision, verdict.reason)
}

fn line() -> impl Strategy<Value = Line> {
    let purposes = prop_oneof![Just(""), Just("required"), Just("Available")];
    let runs = prop_oneof![3 => Just(""), 1 => Just("spring")];
    (any::<bool>(), any::<bool>(), purposes, runs).prop_map(|(by_guid, deployment, purpose, run)| Line {
        number: 0,
        by_guid,
        deployment,
        purpose,
        run,
    })
}

fn style() -> impl Strategy<Value = Style> {
    let columns = Just(COLUMNS.to_vec()).prop_shuffle();
    (columns, any::<[bool; 5]>()).prop_map(|(columns, [quoted, blanks, crlf, remarks, mark])| Style {
        columns,
        quoted,
        blanks,
        crlf,
        remarks,
        mark,
    })
}

fn numbered(lines: Vec<Line>) -> Vec<Line> {
    (1..).zip(lines).map(|(number, line)| Line { number, ..line }).collect()
}

proptest! {
    #[test]
    fn an_edit_that_leaves_a_row_as_it_was_leaves_its_machines_answer(
        lines in prop::collection::vec(line(), 1..8).prop_map(numbered),
        styles in (style(), style()),
        given in any::<u8>(),
        kept in any::<u8>(),
        order in any::<prop::sample::Index>(),
    ) {
        let is = |bits: u8, line: &Line| bits & (1 << line.number) != 0;
        let before = written(&lines, &styles.0);
        let mut ledger = Ledger::default();
        for line in lines.iter().filter(|line| is(given, line)) {
            got(&before, line.number, &mut ledger, 1000, true);
        }
        // Rows go, others come, and all are sorted in another way.
        let mut edited: Vec<Line> = lines.iter().filter(|line| is(kept, line)).cloned().collect();
        let new = lines.iter().map(|line| Line { number: line.number + 100, ..line.clone() });
        edited.extend(new);
        let middle = order.index(edited.len());
        edited.rotate_left(middle);
        let after = written(&edited, &styles.1);
        for line in lines.iter().filter(|line| is(kept, line)) {
            // In the same boot and in the next one.
            for now in [1001, 1000 + SAME_BOOT + 1] {
                let first = got(&before, line.number, &mut ledger.clone(), now, false);
                let second = got(&after, line.number, &mut ledger.clone(), now, false);
                prop_assert_eq!(&first, &second, "{:?}", line);
                let required = line.purpose == "required" || line.purpose.is_empty() && line.deployment;
                if required && now > 1001 {
                    let wanted = if is(given, line) { Reason::AlreadyRun } else { Reason::Required };
                    prop_assert_eq!(second.1, wanted, "{:?}", line);
                }
            }
        }
        // A machine that is new gets its own, whatever the others were given.
        for line in &lines {
            let (_, reason) = got(&after, line.number + 100, &mut ledger, 9000, false);
            prop_assert_ne!(reason, Reason::AlreadyRun, "{:?}", line);
        }
    }
}
