//! The rows of the decision table that are about Macs.

use super::*;

/// A Mac that the site is asked about, unless a row says otherwise.
#[allow(clippy::too_many_lines)] // a table
pub(super) fn table() -> Vec<Row> {
    let row = |what, wants| Row { request: mac(), answers: Vec::new(), ..row(what, wants) };
    let device = |boot: BootAction| Answer {
        directory: "devices".into(),
        ..answer(DirectoryAnswer {
            by_mac: vec![Record { boot: Some(boot), ..record("lab-7", "lab-7", vec![]) }],
            ..DirectoryAnswer::default()
        })
    };
    let offers = |offer| BootAction { images: Some(offer), ..BootAction::default() };
    let unknown_is = |unknown| Settings { unknown, ..Settings::default() };
    vec![
        row("a Mac that no rule or directory names", ("every image", Reason::NoRule)),
        Row {
            rules: menu_rule(Match { arch: vec![ArchType::X64_UEFI], ..Match::default() }),
            ..row("a Mac, and rules for PCs only", ("every image", Reason::NoRule))
        },
        Row {
            rules: bare_rule(Action::Ignore),
            ..row("a Mac, and the rest is ignored", ("silence", Reason::Rule))
        },
        Row {
            rules: bare_rule(Action::LocalBoot),
            ..row("a Mac, and the rest goes to its disk", ("disk", Reason::Rule))
        },
        Row {
            rules: menu_rule(Match::default()),
            ..row("a Mac, and a rule boots everything", ("every image", Reason::Rule))
        },
        Row {
            rules: image_rule(images(&["Sierra Install", "label:lab"], Some("Sierra Install"))),
            ..row(
                "a Mac, and a rule names images",
                ("Sierra Install, label:lab, by default Sierra Install", Reason::Rule),
            )
        },
        Row {
            rules: image_rule(images(&["none"], None)),
            ..row("a Mac, and a rule offers it none", ("no image", Reason::Rule))
        },
        Row {
            request: pc(),
            rules: image_rule(images(&["Sierra Install"], None)),
            ..row("a PC, and a rule names images for Macs", ("silence", Reason::NoRule))
        },
        Row {
            rules: bare_rule(Action::Relay),
            ..row(
                "a Mac, and the rest is forwarded: the responder serves no Macs",
                ("every image", Reason::NoRule),
            )
        },
        Row {
            answers: vec![device(offers(images(&["Sierra Install"], None)))],
            rules: bare_rule(Action::Ignore),
            ..row("a Mac with an image in the device file", ("Sierra Install", Reason::Record))
        },
        Row {
            answers: vec![device(BootAction { file: vec!["menu.efi".into()], ..BootAction::default() })],
            ..row("a Mac with a boot file in the device file", ("every image", Reason::Record))
        },
        Row {
            answers: vec![skipped()],
            ..row("a Mac, and the site is not asked about Macs", ("every image", Reason::NoRule))
        },
        Row {
            answers: vec![skipped()],
            settings: unknown_is(UnknownMachines::Refuse),
            ..row(
                "a Mac that no directory knows, and unknown machines are refused",
                ("disk", Reason::UnknownMachine),
            )
        },
        Row {
            answers: vec![skipped()],
            settings: unknown_is(UnknownMachines::Approve),
            ..row(
                "a Mac that no directory knows, and an operator has to approve it",
                ("wait", Reason::Pending),
            )
        },
        Row {
            answers: vec![skipped()],
            settings: unknown_is(UnknownMachines::Approve),
            approval: Approval::Approved,
            ..row("a Mac that an operator has approved", ("every image", Reason::NoRule))
        },
        Row {
            answers: vec![skipped()],
            settings: unknown_is(UnknownMachines::Approve),
            approval: Approval::Rejected,
            ..row("a Mac that an operator has rejected", ("disk", Reason::Rejected))
        },
        Row {
            answers: vec![known(vec![required("PS120090")])],
            ..row("a Mac with a deployment, which its user starts", ("every image", Reason::Available))
        },
        Row {
            answers: vec![known(vec![])],
            ..row("a Mac that the site knows, nothing deployed", ("disk", Reason::NoDeployment))
        },
        Row {
            answers: vec![unknown(Some(vec![available("PS120091")]))],
            ..row(
                "a Mac that the site does not know, and a deployment for unknown Macs",
                ("every image", Reason::Available),
            )
        },
        Row {
            answers: vec![unknown(Some(vec![]))],
            ..row(
                "a Mac that the site does not know, and none for unknown Macs",
                ("disk", Reason::NoDeployment),
            )
        },
        Row {
            answers: vec![unknown(None)],
            ..row(
                "a Mac that the site does not know, without a collection for such Macs",
                ("silence", Reason::UnknownMachine),
            )
        },
        Row {
            answers: vec![unknown(None)],
            rules: image_rule(images(&["Rescue"], None)),
            ..row("a Mac that the site does not know, and a rule behind", ("Rescue", Reason::Rule))
        },
        Row {
            answers: vec![trouble("configmgr", TroubleKind::Timeout, "no answer within 800 ms")],
            ..row("a Mac, and the site is down", ("silence", Reason::DirectoryDown))
        },
        Row {
            settings: Settings { response_delay: 4, ..Settings::default() },
            ..row(
                "a Mac that has not waited as long as policy.response-delay",
                ("silence", Reason::ResponseDelay),
            )
        },
    ]
}
