//! Rows of machines that were given something before.

use super::*;

pub(super) fn table() -> Vec<Row> {
    let noted = || {
        let last_pxe = Some("2025-10-09T08:53:00Z".into());
        vec![known(vec![Deployment { last_pxe, ..required("PS120083") }])]
    };
    let relay = || Settings { relay: true, ..Settings::default() };
    let program = || BootRequest { boot_program: true, ..bios() };
    vec![
        Row {
            answers: vec![known(vec![required("PS120083")])],
            given: vec![Given { noted: true, ..given(NOW - DAY) }],
            ..row("Required, given yesterday, and cleared at the site since", (UEFI, Reason::Required))
        },
        Row {
            answers: vec![Answer { stale: true, age: 300, ..known(vec![required("PS120083")]) }],
            given: vec![Given { noted: true, ..given(NOW - DAY) }],
            ..row(
                "Required, given yesterday, cleared at a site that is down now",
                ("disk", Reason::StaleAnswer),
            )
        },
        Row {
            answers: noted(),
            request: program(),
            settings: relay(),
            given: vec![Given { noted: true, ..given(NOW - 600) }],
            images: &[],
            ..row(
                "the site notes the first answer, and the boot program asks ten minutes later: the same boot",
                ("responder", Reason::Required),
            )
        },
        Row {
            answers: vec![Answer { stale: true, age: 70, ..known(vec![required("PS120083")]) }],
            request: program(),
            settings: relay(),
            given: vec![Given { noted: true, ..given(NOW - 60) }],
            images: &[],
            ..row(
                "the site goes down between the firmware's question and the boot program's",
                ("responder", Reason::Required),
            )
        },
        Row {
            answers: noted(),
            settings: relay(),
            given: vec![Given { noted: true, ..given(NOW - 600) }],
            images: &[],
            ..row(
                "the site notes the first answer, and the firmware asks ten minutes later: another boot",
                ("disk", Reason::AlreadyRun),
            )
        },
        Row {
            answers: vec![unknown(Some(vec![required("PS120083")]))],
            given: vec![Given {
                guid: "4C4C4544-0042-3510-8053-B3C04F463732".parse().ok(),
                record: None,
                ..given(NOW - DAY)
            }],
            ..row("unknown, Required, given to another machine at the same dock", (UEFI, Reason::Required))
        },
        Row {
            answers: vec![device(Deployment { run: "spring".into(), ..required("reimage") })],
            given: vec![Given { deployment: "reimage", record: None, ..given(NOW - DAY) }],
            ..row("a device asks for another run", (UEFI, Reason::Required))
        },
        Row {
            answers: vec![device(required("reimage"))],
            given: vec![Given { deployment: "reimage", record: None, ..given(NOW - DAY) }],
            ..row("a device, given yesterday, whatever line it stands in", ("disk", Reason::AlreadyRun))
        },
        Row {
            answers: vec![device(Deployment {
                boot_image: None,
                file: Some("menu.efi".into()),
                ..required("menu.efi")
            })],
            ..row("a device whose deployment names a boot file", ("menu.efi", Reason::Required))
        },
    ]
}

fn device(deployment: Deployment) -> Answer {
    let deployment = Deployment { collection: "the device file".into(), ..deployment };
    let record = record("line 7", "kiosk-7", vec![deployment]);
    let said = DirectoryAnswer { by_mac: vec![record], ..DirectoryAnswer::default() };
    Answer { directory: "devices".into(), ..answer(said) }
}
