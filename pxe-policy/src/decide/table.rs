//! The decision table: the specification, and the source of its part of `docs/decisions.md`.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;

mod assigned;
mod clients;
mod given;
mod macs;
mod rows;

use super::*;
use crate::Purpose;
use crate::{
    ArchType, BootAction, BootImage, Deployment, DirectoryAnswer, Identifier, ImageArch, ImageOffer, Key,
    LedgerChange, MacAddr, Match, Record, Rule, SystemUuid, Trouble, TroubleKind, explain,
};

const NOW: Seconds = 1_760_000_000;
const DAY: Seconds = 86_400;

/// One row. The defaults are the usual case: a UEFI PC that ConfigMgr knows by GUID and address,
/// boot images here, nothing given yet.
struct Row {
    what: &'static str,
    request: BootRequest,
    answers: Vec<Answer>,
    settings: Settings,
    rules: Rules,
    given: Vec<Given>,
    images: &'static [&'static str],
    approval: Approval,
    assigned: Option<Assignment>,
    menu: bool,
    wants: (&'static str, Reason),
}

/// An entry of the ledger; the usual one is of this machine and its record.
#[derive(Clone)]
struct Given {
    mac: MacAddr,
    guid: Option<SystemUuid>,
    record: Option<&'static str>,
    deployment: &'static str,
    at: Seconds,
    /// Whether the site remembered it.
    noted: bool,
}

fn given(at: Seconds) -> Given {
    let BootRequest { mac, uuid: guid, .. } = pc();
    Given { mac, guid, record: Some("configmgr/16777219"), deployment: "PS120083", at, noted: false }
}

/// To another machine, which has this number.
fn given_to(number: u8, at: Seconds) -> Given {
    Given { mac: MacAddr([2, 0, 0, 0, 0, number]), guid: None, record: None, ..given(at) }
}

/// Every row of the table, in printed order.
fn table() -> Vec<Row> {
    let rows = rows::table().into_iter().chain(clients::table()).chain(given::table()).chain(macs::table());
    rows.chain(assigned::table()).collect()
}

fn row(what: &'static str, wants: (&'static str, Reason)) -> Row {
    Row {
        what,
        request: pc(),
        answers: vec![known(vec![])],
        settings: Settings::default(),
        rules: Rules::default(),
        given: Vec::new(),
        images: &["PS100005", "PS100006"],
        approval: Approval::Pending,
        assigned: None,
        menu: false,
        wants,
    }
}

fn pc() -> BootRequest {
    BootRequest {
        mac: MacAddr([0x00, 0x15, 0x5d, 0x00, 0x19, 0xca]),
        uuid: "4C4C4544-0057-5810-804A-C3C04F463732".parse().ok(),
        archs: vec![ArchType::X64_UEFI],
        class: Class::Pxe,
        relay: None,
        segment: Ipv4Addr::new(10, 77, 0, 1).into(),
        address: None,
        boot_program: false,
        iface: "lan0".into(),
        secs: 0,
        item: None,
        tags: Vec::new(),
    }
}

fn bios() -> BootRequest {
    BootRequest { archs: vec![ArchType::X86_BIOS], ..pc() }
}

fn record(key: &str, name: &str, deployments: Vec<Deployment>) -> Record {
    Record { key: key.into(), name: name.into(), deployments, ..Record::default() }
}

fn answer(said: DirectoryAnswer) -> Answer {
    Answer { directory: "configmgr".into(), age: 0, stale: false, said: Ok(said) }
}

fn trouble(directory: &str, kind: TroubleKind, detail: &str) -> Answer {
    let trouble = Trouble::new(kind, std::io::Error::other(detail.to_owned()));
    Answer { directory: directory.into(), age: 0, stale: false, said: Err(trouble) }
}

fn known(deployments: Vec<Deployment>) -> Answer {
    let record = record("16777219", "PC0001", deployments);
    answer(DirectoryAnswer {
        by_uuid: vec![record.clone()],
        by_mac: vec![record],
        decides: true,
        ..DirectoryAnswer::default()
    })
}

fn unknown(object: Option<Vec<Deployment>>) -> Answer {
    let unknown = object.map(|deployments| record("2046820353", "x64 Unknown Computer", deployments));
    answer(DirectoryAnswer { unknown, decides: true, ..DirectoryAnswer::default() })
}

fn deployment(id: &str, purpose: Purpose) -> Deployment {
    Deployment {
        id: id.into(),
        name: "Windows 11 Enterprise".into(),
        collection: "OSD".into(),
        purpose,
        for_pxe: true,
        boot_image: Some(BootImage { id: "PS100005".into(), arch: Some(ImageArch::X64) }),
        ..Deployment::default()
    }
}

fn required(id: &str) -> Deployment {
    deployment(id, Purpose::Required)
}

fn available(id: &str) -> Deployment {
    deployment(id, Purpose::Available)
}

fn menu_rule(matches: Match) -> Rules {
    let action = Action::Boot(BootAction { file: vec!["menu.efi".into()], ..BootAction::default() });
    Rules(vec![Rule { name: "menu".into(), matches, action }])
}

fn mac() -> BootRequest {
    BootRequest { uuid: None, archs: Vec::new(), class: Class::Bsdp, ..pc() }
}

fn images(words: &[&str], default: Option<&str>) -> ImageOffer {
    let default = default.map(|default| default.parse().unwrap());
    ImageOffer { default, ..ImageOffer::of_words(words.iter().copied()).unwrap() }
}

fn image_rule(offer: ImageOffer) -> Rules {
    let action = Action::Boot(BootAction { images: Some(offer), ..BootAction::default() });
    Rules(vec![Rule { name: "lab".into(), matches: Match::default(), action }])
}

fn bare_rule(action: Action) -> Rules {
    Rules(vec![Rule { name: "rest".into(), matches: Match::default(), action }])
}

/// The site, which is not asked about Macs.
fn skipped() -> Answer {
    answer(DirectoryAnswer { skipped: true, ..DirectoryAnswer::default() })
}

fn refer_rule() -> Rules {
    let boot = BootAction {
        file: vec!["menu.efi".into()],
        refer: Some(Ipv4Addr::new(10, 77, 0, 9)),
        ..BootAction::default()
    };
    Rules(vec![Rule { name: "branch".into(), matches: Match::default(), action: Action::Boot(boot) }])
}

const UEFI: &str = "PS100005/boot/x64/bootmgfw.efi";

fn verdict_of(row: &Row) -> Verdict {
    let mut ledger = Ledger::default();
    for given in row.given.iter().cloned() {
        let Given { mac, guid, record, deployment, at, noted } = given;
        let machine = guid.map_or_else(|| mac.to_string(), |guid| guid.to_string());
        ledger.apply(LedgerChange::Give(Entry {
            key: Key { machine, deployment: deployment.into(), run: run_of(record) },
            guid,
            mac,
            record: record.map(str::to_owned),
            name: "PC".into(),
            at,
            stage: Stage::Firmware,
            stage_at: at,
            noted: noted.then_some(at),
        }));
    }
    let here = |image: &str| row.images.contains(&image);
    let site = Site {
        rules: &row.rules,
        settings: &row.settings,
        answers: &row.answers,
        ledger: &ledger,
        assigned: row.assigned.as_ref(),
        menu: row.menu,
        firmware_menu: None,
        approval: row.approval,
        now: NOW,
        available: &|path| {
            ["menu.efi", "ipxe.efi"].contains(&path) || path.split('/').next().is_some_and(here)
        },
        image_folder: &str::to_owned,
        kernel_of: &|_| None,
        trust: &MachineTrust::default(),
        signers: &|_| None,
    };
    decide(&row.request, &site)
}

/// The run of a boot that an operator wanted once: its number.
fn run_of(record: Option<&str>) -> String {
    let number = record.and_then(|record| record.strip_prefix("boot-next/"));
    number.unwrap_or_default().to_owned()
}

#[test]
fn every_row_is_decided_as_it_says() {
    for row in table() {
        let verdict = verdict_of(&row);
        let got = match &verdict.decision {
            Decision::Boot(boot) if boot.prompt.is_some() => format!("{}, asks", boot.file),
            Decision::Boot(boot) => boot.file.clone(),
            Decision::LocalBoot => "disk".into(),
            Decision::Wait => "wait".into(),
            Decision::Relay => "responder".into(),
            Decision::Refer(server) => format!("server {server}"),
            Decision::Images(offer) => offer.to_string(),
            Decision::Ignore => "silence".into(),
        };
        assert_eq!((got.as_str(), verdict.reason), row.wants, "{}: {:?}", row.what, verdict.evidence);
    }
}

#[test]
fn every_reason_of_the_directories_has_a_row() {
    let rows: Vec<Reason> = table().iter().map(|row| row.wants.1).collect();
    let first = Reason::ALL.iter().position(|reason| *reason == Reason::Record).unwrap();
    // Reasons that come of sending an answer, or of a limit, rather than of the decision.
    let other = |reason: &Reason| {
        reason.as_str().starts_with("relay-")
            || [Reason::LedgerNotSaved, Reason::SharedStateAway].contains(reason)
            || Reason::LIMITS.contains(reason)
    };
    for reason in Reason::ALL.iter().skip(first).filter(|reason| !other(reason)) {
        assert!(rows.contains(reason), "{reason}");
    }
}

/// The table behind the mark in `docs/decisions.md`; `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_documentation_shows_the_table() {
    let mut text = String::from("| case | gets | reason |\n| --- | --- | --- |\n");
    for row in table() {
        writeln!(text, "| {} | {} | `{}` |", row.what, row.wants.0, row.wants.1).unwrap();
    }
    text.push_str("\n## What `netbootd explain` says in each case\n");
    for row in table() {
        let words = explain(&row.request, &verdict_of(&row));
        let indented: Vec<String> = words.lines().map(|line| format!("    {line}")).collect();
        write!(text, "\n**{}**\n\n{}\n", row.what, indented.join("\n")).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/decisions.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, generated) = page.split_once(MARK).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{head}{MARK}{text}")).unwrap();
    } else {
        assert!(
            generated == text,
            "docs/decisions.md is not what the table says; UPDATE_GOLDEN=1 writes it anew"
        );
    }
}

const MARK: &str = "<!-- What follows is written by the tests of pxe-policy. -->\n\n";
