//! The rows of the decision table that are about how a client asks, and about other servers.

use super::*;

#[allow(clippy::too_many_lines)] // a table
pub(super) fn table() -> Vec<Row> {
    vec![
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
        Row {
            answers: vec![known(vec![required("PS120083")])],
            settings: Settings { relay: true, ..Settings::default() },
            images: &[],
            ..row("Required, left to the distribution point's responder", ("responder", Reason::Required))
        },
        Row {
            answers: vec![known(vec![available("PS120084")])],
            request: bios(),
            settings: Settings { relay: true, ..Settings::default() },
            ..row(
                "Available, left to the responder: its own programs ask for the key",
                ("responder", Reason::Available),
            )
        },
        Row {
            answers: vec![known(vec![required("PS120083")])],
            settings: Settings { relay: true, ..Settings::default() },
            given: vec![given(NOW - DAY)],
            ..row("Required has run: not forwarded again", ("disk", Reason::AlreadyRun))
        },
        Row {
            request: BootRequest { class: Class::Http, archs: vec![ArchType::X64_UEFI_HTTP], ..pc() },
            answers: vec![known(vec![required("PS120083")])],
            settings: Settings { relay: true, ..Settings::default() },
            ..row("UEFI HTTP boot cannot be forwarded", ("disk", Reason::PxeOnly))
        },
        Row {
            answers: Vec::new(),
            rules: Rules(vec![Rule {
                name: "site".into(),
                matches: Match::default(),
                action: Action::Relay,
            }]),
            ..row("a rule forwards", ("responder", Reason::Rule))
        },
        Row {
            answers: Vec::new(),
            rules: refer_rule(),
            ..row("a rule refers: the boot program first", ("menu.efi", Reason::Rule))
        },
        Row {
            request: BootRequest { boot_program: true, ..pc() },
            answers: Vec::new(),
            rules: refer_rule(),
            ..row("a rule refers: then the other server", ("server 10.77.0.9", Reason::Rule))
        },
        Row {
            request: BootRequest { class: Class::Ipxe, ..pc() },
            answers: vec![known(vec![required("PS120083")])],
            ..row("Required, asked for by iPXE", ("PS100005/wimboot.ipxe", Reason::Required))
        },
        Row {
            request: over_ipv6(pc()),
            answers: vec![known(vec![available("PS120084")])],
            settings: Settings { prompt: Prompt::All, ..Settings::default() },
            ..row("Available, over IPv6, keys wanted of all: it has no menu", ("disk", Reason::NoMenu))
        },
        Row {
            request: over_ipv6(pc()),
            answers: Vec::new(),
            rules: bare_rule(Action::Relay),
            ..row("a rule forwards, over IPv6", ("disk", Reason::RelayElsewhere))
        },
        Row {
            request: over_ipv6(pc()),
            answers: Vec::new(),
            rules: bare_rule(Action::Boot(BootAction {
                file: vec!["menu.efi".into()],
                next_server: Some(Ipv4Addr::new(10, 77, 0, 9)),
                ..BootAction::default()
            })),
            ..row("a rule names a server of IPv4, over IPv6", ("silence", Reason::NoBootFile))
        },
    ]
}

fn over_ipv6(request: BootRequest) -> BootRequest {
    BootRequest { segment: std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(), ..request }
}
