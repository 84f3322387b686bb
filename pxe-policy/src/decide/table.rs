//! The decision table: the specification, and the source of its part of `docs/policy.md`.

use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::{
    ArchType, BootAction, BootImage, Deployment, Entry, Identifier, ImageArch, LedgerChange, MacAddr, Match,
    Record, Rule, Said, Trouble, TroubleKind, explain,
};

const NOW: Seconds = 1_760_000_000;
const DAY: Seconds = 86_400;

/// One row. What is not said is the usual: a UEFI PC that ConfigMgr knows by GUID and address, boot images here, nothing given yet.
struct Row {
    what: &'static str,
    request: BootRequest,
    answers: Vec<Answer>,
    settings: Settings,
    rules: Rules,
    given: Vec<(&'static str, &'static str, Seconds)>,
    images: &'static [&'static str],
    approval: Approval,
    wants: (&'static str, Reason),
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
        segment: Ipv4Addr::new(10, 77, 0, 1),
        address: None,
        boot_program: false,
        iface: "lan0".into(),
        secs: 0,
    }
}

fn bios() -> BootRequest {
    BootRequest { archs: vec![ArchType::X86_BIOS], ..pc() }
}

fn record(key: &str, name: &str, deployments: Vec<Deployment>) -> Record {
    Record { key: key.into(), name: name.into(), deployments, ..Record::default() }
}

fn answer(said: Said) -> Answer {
    Answer { directory: "configmgr".into(), age: 0, stale: false, said: Ok(said) }
}

fn trouble(directory: &str, kind: TroubleKind, detail: &str) -> Answer {
    Answer { directory: directory.into(), age: 0, stale: false, said: Err(Trouble::new(kind, detail)) }
}

fn known(deployments: Vec<Deployment>) -> Answer {
    let record = record("16777219", "PC0001", deployments);
    answer(Said { by_uuid: vec![record.clone()], by_mac: vec![record], decides: true, ..Said::default() })
}

fn unknown(object: Option<Vec<Deployment>>) -> Answer {
    let unknown = object.map(|deployments| record("2046820353", "x64 Unknown Computer", deployments));
    answer(Said { unknown, decides: true, ..Said::default() })
}

fn deployment(id: &str, purpose: Purpose) -> Deployment {
    Deployment {
        id: id.into(),
        name: "Windows 11 Enterprise".into(),
        collection: "OSD".into(),
        purpose,
        for_pxe: true,
        hidden: false,
        boot_image: Some(BootImage { id: "PS100005".into(), arch: Some(ImageArch::X64) }),
        last_pxe: None,
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

const UEFI: &str = "PS100005/boot/x64/bootmgfw.efi";

#[allow(clippy::too_many_lines)] // a table
fn table() -> Vec<Row> {
    let menu = || menu_rule(Match::default());
    let old = |name: &str, created: &str| Record {
        created: Some(created.into()),
        ..record(name, name, vec![required("PS120083")])
    };
    let brake = Brake { boots: 2, within: Duration::from_secs(600) };
    vec![
        Row {
            answers: vec![known(vec![required("PS120083")])],
            ..row("Required, known by GUID and address", (UEFI, Reason::Required))
        },
        Row {
            answers: vec![known(vec![available("PS120084")])],
            ..row("Available, UEFI: no key, its menus are often broken", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![known(vec![available("PS120084")])],
            request: bios(),
            ..row("Available, BIOS: wants a key", ("PS100005/boot/x64/pxeboot.n12, asks", Reason::Available))
        },
        Row {
            answers: vec![known(vec![available("PS120084")])],
            settings: Settings { prompt: Prompt::All, ..Settings::default() },
            ..row(
                "Available, UEFI, keys wanted of all",
                ("PS100005/boot/x64/bootmgfw.efi, asks", Reason::Available),
            )
        },
        Row {
            answers: vec![known(vec![required("PS120083")])],
            request: bios(),
            ..row("Required, BIOS: no key", ("PS100005/boot/x64/pxeboot.n12", Reason::Required))
        },
        Row {
            answers: vec![known(vec![available("PS120099"), required("PS120083")])],
            ..row("Required goes before Available", (UEFI, Reason::Required))
        },
        Row {
            answers: vec![known(vec![available("PS120083"), available("ZZZ20001")])],
            ..row("of two alike the highest id", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![known(vec![
                Deployment {
                    boot_image: Some(BootImage { id: "PS100006".into(), arch: Some(ImageArch::X86) }),
                    ..available("ZZZ20001")
                },
                available("PS120083"),
            ])],
            request: BootRequest { archs: vec![ArchType::X86_BIOS], ..pc() },
            settings: Settings { prompt: Prompt::None, ..Settings::default() },
            ..row(
                "BIOS takes either image, the 64-bit one first",
                ("PS100005/boot/x64/pxeboot.n12", Reason::Available),
            )
        },
        Row {
            answers: vec![known(vec![required("PS120083")])],
            request: BootRequest { archs: vec![ArchType::IA32_UEFI], ..pc() },
            ..row("UEFI takes its own width only", ("disk", Reason::WrongArchitecture))
        },
        Row {
            answers: vec![known(vec![required("PS120083")])],
            given: vec![("configmgr/16777219", "PS120083", NOW - 60)],
            ..row("Required, given a minute ago: the same boot", (UEFI, Reason::Required))
        },
        Row {
            answers: vec![known(vec![required("PS120083")])],
            given: vec![("configmgr/16777219", "PS120083", NOW - DAY)],
            ..row("Required, given yesterday by this server", ("disk", Reason::AlreadyRun))
        },
        Row {
            answers: vec![known(vec![Deployment {
                last_pxe: Some("2025-02-03T10:41:07Z".into()),
                ..required("PS120083")
            }])],
            ..row("Required, given by another server of the site", ("disk", Reason::AlreadyRun))
        },
        Row {
            answers: vec![known(vec![required("PS120083"), available("PS120084")])],
            given: vec![("configmgr/16777219", "PS120083", NOW - DAY)],
            ..row("Required has run, Available is left", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![known(vec![required("PS120083")])],
            settings: Settings { brake: Some(brake), ..Settings::default() },
            given: vec![("configmgr/1", "PS120083", NOW - 90), ("configmgr/2", "PS120083", NOW - 80)],
            ..row("the third Required within ten minutes, with a brake at two", ("wait", Reason::Brake))
        },
        Row {
            answers: vec![Answer { stale: true, age: 300, ..known(vec![required("PS120083")]) }],
            ..row("Required, by an old answer of a site that is down", ("disk", Reason::StaleAnswer))
        },
        Row {
            answers: vec![Answer { stale: true, age: 300, ..known(vec![available("PS120084")]) }],
            ..row("Available, by an old answer of a site that is down", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![trouble("configmgr", TroubleKind::Timeout, "no answer within 800 ms")],
            rules: menu(),
            ..row("the site is down and nothing is known of the machine", ("silence", Reason::DirectoryDown))
        },
        row("known, nothing deployed", ("disk", Reason::NoDeployment)),
        Row {
            answers: vec![known(vec![Deployment { for_pxe: false, ..required("PS120087") }])],
            ..row("deployed, but not to media and PXE", ("disk", Reason::NoDeployment))
        },
        Row {
            answers: vec![known(vec![Deployment { hidden: true, ..available("PS120085") }])],
            ..row("hidden", ("disk", Reason::NoDeployment))
        },
        Row {
            answers: vec![known(vec![Deployment { hidden: true, ..available("PS120085") }])],
            settings: Settings { hidden_deployments: vec!["PS120085".into()], ..Settings::default() },
            ..row("hidden, and named by policy.hidden-deployments", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![known(vec![Deployment { boot_image: None, ..required("PS120088") }])],
            ..row("the task sequence has no boot image", ("disk", Reason::NoDeployment))
        },
        Row {
            answers: vec![known(vec![required("PS120083")])],
            images: &[],
            ..row("the boot image is not on this server", ("disk", Reason::BootImageMissing))
        },
        Row {
            answers: vec![answer(Said {
                by_uuid: vec![record("16777219", "PC0001", vec![required("PS120083")])],
                by_mac: vec![record("16777402", "PC0099", vec![])],
                decides: true,
                ..Said::default()
            })],
            ..row(
                "GUID and address find different records: the GUID counts, and it is told",
                (UEFI, Reason::Required),
            )
        },
        Row {
            request: BootRequest { uuid: None, ..pc() },
            answers: vec![answer(Said {
                by_mac: vec![record("16777219", "PC0001", vec![available("PS120084")])],
                decides: true,
                ..Said::default()
            })],
            ..row("banned or missing GUID: the address alone", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![answer(Said {
                by_mac: vec![record("16777219", "PC0001", vec![available("PS120084")])],
                left_out: pc().uuid.map(Identifier::Guid).into_iter().collect(),
                decides: true,
                ..Said::default()
            })],
            ..row("the site lists the GUID as a duplicate", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![answer(Said {
                by_mac: vec![old("PC-OLD", "2019-01-01"), old("PC-NEW", "2025-01-01")],
                decides: true,
                ..Said::default()
            })],
            ..row("two records for one address, Required", ("disk", Reason::AmbiguousRecord))
        },
        Row {
            answers: vec![answer(Said {
                by_uuid: vec![Record { retired: true, ..record("1", "PC-GONE", vec![required("PS120083")]) }],
                by_mac: vec![record("2", "PC0001", vec![available("PS120084")])],
                decides: true,
                ..Said::default()
            })],
            ..row("obsolete records take no part", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![unknown(Some(vec![available("PS120084")]))],
            ..row("unknown, and deployed to the unknown computers", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![unknown(Some(vec![required("PS120083")]))],
            given: vec![("configmgr/00:15:5d:00:19:ca", "PS120083", NOW - DAY)],
            ..row("unknown, Required, given yesterday", ("disk", Reason::AlreadyRun))
        },
        Row {
            answers: vec![unknown(Some(vec![]))],
            ..row("unknown, nothing deployed to the unknown", ("disk", Reason::NoDeployment))
        },
        Row {
            answers: vec![unknown(None)],
            ..row("unknown, and the site does not serve such", ("silence", Reason::UnknownMachine))
        },
        Row {
            answers: vec![unknown(None)],
            rules: menu(),
            ..row("unknown, a rule is left", ("menu.efi", Reason::Rule))
        },
        Row {
            answers: vec![unknown(None)],
            rules: menu(),
            settings: Settings { unknown: UnknownMachines::Refuse, ..Settings::default() },
            ..row("unknown, and unknown machines are refused", ("disk", Reason::UnknownMachine))
        },
        Row {
            answers: vec![unknown(None)],
            rules: menu(),
            settings: Settings { unknown: UnknownMachines::Approve, ..Settings::default() },
            ..row("unknown, and an operator has to approve", ("wait", Reason::Pending))
        },
        Row {
            answers: vec![unknown(None)],
            rules: menu(),
            settings: Settings { unknown: UnknownMachines::Approve, ..Settings::default() },
            approval: Approval::Approved,
            ..row("unknown, and approved by an operator", ("menu.efi", Reason::Rule))
        },
        Row {
            answers: vec![unknown(None)],
            rules: menu(),
            settings: Settings { unknown: UnknownMachines::Approve, ..Settings::default() },
            approval: Approval::Rejected,
            ..row("unknown, and rejected by an operator", ("disk", Reason::Rejected))
        },
        Row {
            answers: vec![known(vec![available("PS120084")])],
            request: bios(),
            settings: Settings { boot_program: true, ..Settings::default() },
            ..row(
                "Available, BIOS, by the boot program that asks for the key itself",
                ("PS100005/boot/x64/wdsnbp.com", Reason::Available),
            )
        },
        Row {
            answers: vec![known(vec![available("PS120084")])],
            request: BootRequest { boot_program: true, ..bios() },
            settings: Settings { boot_program: true, ..Settings::default() },
            ..row(
                "the boot program asks once more",
                ("PS100005/boot/x64/pxeboot.n12, asks", Reason::Available),
            )
        },
        Row {
            answers: vec![answer(Said {
                by_mac: vec![record("16777555", "Unknown", vec![])],
                decides: true,
                ..Said::default()
            })],
            ..row("a leftover record called Unknown", ("disk", Reason::NoDeployment))
        },
        Row {
            answers: vec![Answer {
                directory: "devices".into(),
                ..answer(Said {
                    by_mac: vec![Record {
                        boot: Some(BootAction {
                            file: vec!["linux/grubx64.efi".into()],
                            ..BootAction::default()
                        }),
                        ..record("line 3", "kiosk-7", vec![])
                    }],
                    ..Said::default()
                })
            }],
            images: &["linux"],
            ..row("a record of the device file names a boot file", ("linux/grubx64.efi", Reason::Record))
        },
        Row {
            answers: vec![Answer {
                directory: "ad".into(),
                ..answer(Said { by_uuid: vec![record("CN=PC0001", "PC0001", vec![])], ..Said::default() })
            }],
            rules: menu_rule(Match { known: Some(true), ..Match::default() }),
            ..row("prestaged, and a rule for known machines", ("menu.efi", Reason::Rule))
        },
        Row {
            answers: vec![
                trouble("ad", TroubleKind::CertificateExpired, "expired 3 days ago"),
                known(vec![required("PS120083")]),
            ],
            ..row("one directory is down, another knows the machine", (UEFI, Reason::Required))
        },
        Row {
            answers: vec![known(vec![required("PS120083")])],
            rules: Rules(vec![
                Rule {
                    name: "kiosk".into(),
                    matches: Match { mac: vec![pc().mac], ..Match::default() },
                    action: Action::LocalBoot,
                },
                Rule { name: "site".into(), matches: Match::default(), action: Action::Directories },
            ]),
            ..row("a rule before the directories", ("disk", Reason::Rule))
        },
        Row {
            settings: Settings { response_delay: 4, ..Settings::default() },
            ..row(
                "the client has not waited as long as policy.response-delay",
                ("silence", Reason::ResponseDelay),
            )
        },
        Row {
            request: bios(),
            settings: Settings {
                abort_files: vec!["PS100005/boot/x64/abortpxe.com".into()],
                ..Settings::default()
            },
            ..row(
                "to the disk at once, by a program (BIOS)",
                ("PS100005/boot/x64/abortpxe.com", Reason::NoDeployment),
            )
        },
        Row {
            request: BootRequest { class: Class::Http, archs: vec![ArchType::X64_UEFI_HTTP], ..pc() },
            answers: vec![known(vec![available("PS120084")])],
            ..row("Available, UEFI HTTP boot", (UEFI, Reason::Available))
        },
        Row {
            request: BootRequest { class: Class::Http, archs: vec![ArchType::X64_UEFI_HTTP], ..pc() },
            answers: vec![known(vec![available("PS120084")])],
            settings: Settings { prompt: Prompt::All, ..Settings::default() },
            ..row("Available, UEFI HTTP boot, keys wanted of all: it has no menu", ("disk", Reason::NoMenu))
        },
    ]
}

fn verdict_of(row: &Row) -> Verdict {
    let mut ledger = Ledger::default();
    for (machine, deployment, at) in &row.given {
        ledger.apply(LedgerChange::Give(Entry {
            machine: (*machine).into(),
            deployment: (*deployment).into(),
            mac: row.request.mac,
            name: "PC".into(),
            at: *at,
        }));
    }
    let here = |image: &str| row.images.contains(&image);
    let site = Site {
        rules: &row.rules,
        settings: &row.settings,
        answers: &row.answers,
        ledger: &ledger,
        approval: row.approval,
        now: NOW,
        available: &|path| path == "menu.efi" || path.split('/').next().is_some_and(here),
        image_folder: &str::to_owned,
    };
    decide(&row.request, &site)
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
            Decision::Images => "images".into(),
            Decision::Ignore => "silence".into(),
        };
        assert_eq!((got.as_str(), verdict.reason), row.wants, "{}: {:?}", row.what, verdict.evidence);
    }
}

#[test]
fn every_reason_of_the_directories_has_a_row() {
    let rows: Vec<Reason> = table().iter().map(|row| row.wants.1).collect();
    let first = Reason::ALL.iter().position(|reason| *reason == Reason::Record).unwrap();
    for reason in Reason::ALL.iter().skip(first).filter(|reason| **reason != Reason::LedgerNotSaved) {
        assert!(rows.contains(reason), "{reason}");
    }
}

/// What stands behind the mark in `docs/policy.md`; `UPDATE_GOLDEN=1` writes it anew.
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, generated) = page.split_once(MARK).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{head}{MARK}{text}")).unwrap();
    } else {
        assert!(
            generated == text,
            "docs/policy.md is not what the table says; UPDATE_GOLDEN=1 writes it anew"
        );
    }
}

const MARK: &str = "<!-- What follows is written by the tests of pxe-policy. -->\n\n";
