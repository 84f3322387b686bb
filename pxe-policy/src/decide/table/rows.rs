//! The rows of the decision table that are about deployments, records and rules.

use std::time::Duration;

use super::*;
use crate::Brake;

#[allow(clippy::too_many_lines)] // a table
pub(super) fn table() -> Vec<Row> {
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
            given: vec![given(NOW - 60)],
            ..row("Required, given a minute ago: the same boot", (UEFI, Reason::Required))
        },
        Row {
            answers: vec![known(vec![required("PS120083")])],
            given: vec![given(NOW - DAY)],
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
            given: vec![given(NOW - DAY)],
            ..row("Required has run, Available is left", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![known(vec![required("PS120083")])],
            settings: Settings { brake: Some(brake), ..Settings::default() },
            given: vec![given_to(1, NOW - 90), given_to(2, NOW - 80)],
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
            answers: vec![answer(DirectoryAnswer {
                by_uuid: vec![record("16777219", "PC0001", vec![required("PS120083")])],
                by_mac: vec![record("16777402", "PC0099", vec![])],
                decides: true,
                ..DirectoryAnswer::default()
            })],
            ..row(
                "GUID and address find different records: the GUID counts, and the log shows it",
                (UEFI, Reason::Required),
            )
        },
        Row {
            request: BootRequest { uuid: None, ..pc() },
            answers: vec![answer(DirectoryAnswer {
                by_mac: vec![record("16777219", "PC0001", vec![available("PS120084")])],
                decides: true,
                ..DirectoryAnswer::default()
            })],
            ..row("banned or missing GUID: the address alone", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![answer(DirectoryAnswer {
                by_mac: vec![record("16777219", "PC0001", vec![available("PS120084")])],
                left_out: pc().uuid.map(Identifier::Guid).into_iter().collect(),
                decides: true,
                ..DirectoryAnswer::default()
            })],
            ..row("the site lists the GUID as a duplicate", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![answer(DirectoryAnswer {
                by_mac: vec![old("PC-OLD", "2019-01-01"), old("PC-NEW", "2025-01-01")],
                decides: true,
                ..DirectoryAnswer::default()
            })],
            ..row("two records for one address, Required", ("disk", Reason::AmbiguousRecord))
        },
        Row {
            answers: vec![answer(DirectoryAnswer {
                by_uuid: vec![Record { retired: true, ..record("1", "PC-GONE", vec![required("PS120083")]) }],
                by_mac: vec![record("2", "PC0001", vec![available("PS120084")])],
                decides: true,
                ..DirectoryAnswer::default()
            })],
            ..row("obsolete records take no part", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![unknown(Some(vec![available("PS120084")]))],
            ..row("unknown, and deployed to the unknown computers", (UEFI, Reason::Available))
        },
        Row {
            answers: vec![unknown(Some(vec![required("PS120083")]))],
            given: vec![Given { record: None, ..given(NOW - DAY) }],
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
            answers: vec![answer(DirectoryAnswer {
                by_mac: vec![record("16777555", "Unknown", vec![])],
                decides: true,
                ..DirectoryAnswer::default()
            })],
            ..row("a leftover record called Unknown", ("disk", Reason::NoDeployment))
        },
        Row {
            answers: vec![Answer {
                directory: "devices".into(),
                ..answer(DirectoryAnswer {
                    by_mac: vec![Record {
                        boot: Some(BootAction {
                            file: vec!["linux/grubx64.efi".into()],
                            ..BootAction::default()
                        }),
                        ..record("line 3", "kiosk-7", vec![])
                    }],
                    ..DirectoryAnswer::default()
                })
            }],
            images: &["linux"],
            ..row("a record of the device file names a boot file", ("linux/grubx64.efi", Reason::Record))
        },
        Row {
            answers: vec![Answer {
                directory: "ad".into(),
                ..answer(DirectoryAnswer {
                    by_uuid: vec![record("CN=PC0001", "PC0001", vec![])],
                    ..DirectoryAnswer::default()
                })
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
                    matches: Match { mac: vec![pc().mac.into()], ..Match::default() },
                    action: Action::LocalBoot,
                },
                Rule { name: "site".into(), matches: Match::default(), action: Action::Directories },
            ]),
            ..row("a rule before the directories", ("disk", Reason::Rule))
        },
    ]
}
