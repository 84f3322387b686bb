use std::net::Ipv4Addr;

use super::*;
use crate::{
    ArchType, BootAction, BootImage, Deployment, DirectoryAnswer, FirmwareMenu, LOADER_SCRIPT, MacAddr,
    Match, MenuImage, Purpose, Record, Rule, SystemUuid, item_of,
};

fn request(class: Class, arch: ArchType) -> BootRequest {
    BootRequest {
        mac: MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
        uuid: SystemUuid::from_option(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        archs: vec![arch],
        class,
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

/// By the rules alone.
fn decided(request: &BootRequest, rules: &Rules, available: &dyn Fn(&str) -> bool) -> Verdict {
    let site = Site {
        rules,
        settings: &Settings::default(),
        answers: &[],
        ledger: &Ledger::default(),
        assigned: None,
        menu: false,
        firmware_menu: None,
        approval: Approval::default(),
        now: 0,
        available,
        image_folder: &str::to_owned,
        kernel_of: &|_| None,
        trust: &MachineTrust::default(),
        signers: &|_| None,
    };
    decide(request, &site)
}

fn boot(name: &str, matches: Match, files: &[&str]) -> Rule {
    let file = files.iter().map(|file| (*file).to_owned()).collect();
    Rule { name: name.into(), matches, action: Action::Boot(BootAction { file, ..BootAction::default() }) }
}

fn file_of(verdict: &Verdict) -> Option<&str> {
    match &verdict.decision {
        Decision::Boot(boot) => Some(&boot.file),
        _ => None,
    }
}

/// A device file names an image, and the image's folders say what it is for.
#[test]
fn an_image_with_boot_files_of_another_architecture_alone_is_not_missing() {
    let boot_image = Some(BootImage { id: "pe".into(), arch: None });
    let purpose = Purpose::Available;
    let deployment =
        Deployment { id: "now".into(), purpose, for_pxe: true, boot_image, ..Deployment::default() };
    let record = Record { name: "pc-1".into(), deployments: vec![deployment], ..Record::default() };
    let said = DirectoryAnswer { by_mac: vec![record], decides: true, ..DirectoryAnswer::default() };
    let answers = [Answer { directory: "devices".into(), age: 0, stale: false, said: Ok(said) }];
    let reason = |folder: &str| {
        let site = Site {
            rules: &Rules::default(),
            settings: &Settings::default(),
            answers: &answers,
            ledger: &Ledger::default(),
            assigned: None,
            menu: false,
            firmware_menu: None,
            approval: Approval::default(),
            now: 0,
            available: &|path| path.starts_with(folder),
            image_folder: &str::to_owned,
            kernel_of: &|_| None,
            trust: &MachineTrust::default(),
            signers: &|_| None,
        };
        decide(&request(Class::Pxe, ArchType::X64_UEFI), &site).reason
    };
    assert_eq!(reason("pe/boot/x86/"), Reason::WrongArchitecture);
    assert_eq!(reason("pe/EFI/BOOT/BOOTAA64.EFI"), Reason::WrongArchitecture);
    assert_eq!(reason("pe/boot/x64/"), Reason::Available);
    assert_eq!(reason("other/"), Reason::BootImageMissing);
}

#[test]
fn the_first_rule_that_fits_wins() {
    let rules = Rules(vec![
        boot("bios", Match { arch: vec![ArchType::X86_BIOS], ..Match::default() }, &["pxelinux.0"]),
        boot("uefi", Match { arch: vec![ArchType::X64_UEFI], ..Match::default() }, &["grubx64.efi"]),
        boot("rest", Match::default(), &["other"]),
    ]);
    for (arch, file) in [(0, "pxelinux.0"), (7, "grubx64.efi"), (9, "grubx64.efi"), (11, "other")] {
        let verdict = decided(&request(Class::Pxe, ArchType(arch)), &rules, &|_| true);
        assert_eq!(file_of(&verdict), Some(file), "{arch}");
        assert_eq!(verdict.reason, Reason::Rule);
    }
}

#[test]
fn every_kind_of_match_can_tell_machines_apart() {
    let hit = request(Class::Pxe, ArchType::X64_UEFI);
    let relayed = BootRequest {
        relay: Some(Ipv4Addr::new(10, 9, 0, 1).into()),
        segment: Ipv4Addr::new(10, 9, 0, 1).into(),
        ..hit.clone()
    };
    let table: [(&str, Match, bool, bool); 9] = [
        ("mac", Match { mac: vec![hit.mac.into()], ..Match::default() }, true, true),
        ("other mac", Match { mac: vec![MacAddr([1; 6]).into()], ..Match::default() }, false, false),
        ("uuid", Match { uuid: vec![hit.uuid.unwrap()], ..Match::default() }, true, true),
        ("class", Match { class: vec![Class::Http, Class::Pxe], ..Match::default() }, true, true),
        ("other class", Match { class: vec![Class::Ipxe], ..Match::default() }, false, false),
        ("subnet", Match { subnet: vec!["10.9.0.0/16".parse().unwrap()], ..Match::default() }, false, true),
        ("relay", Match { relay: vec![Ipv4Addr::new(10, 9, 0, 1).into()], ..Match::default() }, false, true),
        ("iface", Match { iface: vec!["lan0".into()], ..Match::default() }, true, true),
        (
            "all must hold",
            Match { iface: vec!["lan0".into()], class: vec![Class::Http], ..Match::default() },
            false,
            false,
        ),
    ];
    for (what, matches, direct, through_relay) in table {
        assert_eq!(matches.fits(&hit), direct, "{what}");
        assert_eq!(matches.fits(&relayed), through_relay, "{what}");
    }
    let no_uuid = BootRequest { uuid: None, ..hit.clone() };
    assert!(!Match { uuid: vec![hit.uuid.unwrap()], ..Match::default() }.fits(&no_uuid));
}

#[test]
fn a_client_that_runs_ipxe_gets_the_script_and_never_ipxe_again() {
    let rules = Rules(vec![boot("chain", Match::default(), &["ipxe.efi", "boot.ipxe"])]);
    let firmware = decided(&request(Class::Pxe, ArchType::X64_UEFI), &rules, &|_| true);
    assert_eq!(file_of(&firmware), Some("ipxe.efi"));
    let ipxe = decided(&request(Class::Ipxe, ArchType::X64_UEFI), &rules, &|_| true);
    assert_eq!(file_of(&ipxe), Some("boot.ipxe"));
    assert!(matches!(&ipxe.decision, Decision::Boot(boot) if boot.via == Via::Http));

    let only_ipxe = Rules(vec![boot("chain", Match::default(), &["undionly.kpxe"])]);
    let verdict = decided(&request(Class::Ipxe, ArchType::X86_BIOS), &only_ipxe, &|_| true);
    assert_eq!(verdict.decision, Decision::Ignore);
    assert_eq!(verdict.reason, Reason::NoBootFile);
    assert_eq!(verdict.evidence, [Evidence::IpxeAgain { rule: "chain".into() }]);
}

#[test]
fn a_rule_whose_files_are_missing_is_passed_over_with_evidence() {
    let rules = Rules(vec![
        boot("first", Match::default(), &["a.efi", "b.efi"]),
        boot("second", Match::default(), &["c.efi"]),
    ]);
    let verdict = decided(&request(Class::Pxe, ArchType::X64_UEFI), &rules, &|path| path == "c.efi");
    assert_eq!(file_of(&verdict), Some("c.efi"));
    assert_eq!(
        verdict.evidence,
        [
            Evidence::FilesMissing { rule: "first".into(), files: vec!["a.efi".into(), "b.efi".into()] },
            Evidence::Taken { rule: "second".into() }
        ]
    );
    let nothing = decided(&request(Class::Pxe, ArchType::X64_UEFI), &rules, &|_| false);
    assert_eq!((nothing.decision, nothing.reason), (Decision::Ignore, Reason::NoBootFile));
}

#[test]
fn urls_and_files_of_other_servers_are_not_looked_for_here() {
    let url = Rules(vec![boot("url", Match::default(), &["http://10.0.0.9/x.efi"])]);
    let verdict = decided(&request(Class::Http, ArchType::X64_UEFI_HTTP), &url, &|_| false);
    assert_eq!(file_of(&verdict), Some("http://10.0.0.9/x.efi"));

    let action = BootAction {
        file: vec!["x.0".into()],
        next_server: Some(Ipv4Addr::new(10, 0, 0, 9)),
        ..BootAction::default()
    };
    let elsewhere =
        Rules(vec![Rule { name: "n".into(), matches: Match::default(), action: Action::Boot(action) }]);
    let verdict = decided(&request(Class::Pxe, ArchType::X86_BIOS), &elsewhere, &|_| false);
    assert_eq!(file_of(&verdict), Some("x.0"));
}

#[test]
fn silence_has_a_reason_too() {
    let none = decided(&request(Class::Pxe, ArchType::X64_UEFI), &Rules::default(), &|_| true);
    assert_eq!((none.decision, none.reason), (Decision::Ignore, Reason::NoRule));
    let local =
        Rules(vec![Rule { name: "disk".into(), matches: Match::default(), action: Action::LocalBoot }]);
    let verdict = decided(&request(Class::Pxe, ArchType::X64_UEFI), &local, &|_| true);
    assert_eq!((verdict.decision, verdict.reason), (Decision::LocalBoot, Reason::Rule));
}

#[test]
fn reasons_have_distinct_kebab_case_names() {
    let mut names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Reason::ALL.len());
}

#[test]
fn a_boundary_holds_the_clients_address_or_its_segment() {
    let boundary = Match { boundary: vec!["10.77.0.100-10.77.0.199".parse().unwrap()], ..Match::default() };
    let asking = request(Class::Pxe, ArchType::X64_UEFI);
    assert!(!boundary.fits(&asking));
    assert!(
        boundary.fits(&BootRequest { address: Some(Ipv4Addr::new(10, 77, 0, 150).into()), ..asking.clone() })
    );
    let own = Match { boundary: vec!["10.77.0.0/24".parse().unwrap()], ..Match::default() };
    assert!(own.fits(&asking));
}

#[test]
fn a_rule_with_an_image_alone_leads_each_machine_to_its_kernel() {
    let boot = BootAction { image: Some("debian-12".into()), ..BootAction::default() };
    assert!(boot.is_image() && !boot.is_for_macs());
    let rule = Rule { name: "install".into(), matches: Match::default(), action: Action::Boot(boot) };
    let (rules, settings, ledger) = (Rules(vec![rule]), Settings::default(), Ledger::default());
    let kernel =
        KernelBoot { kernel: "debian-12/linux".into(), folder: "debian-12".into(), ..KernelBoot::default() };
    let kernel_of = |image: &str| (image == "debian-12").then(|| kernel.clone());
    let available = |path: &str| matches!(path, "undionly.kpxe" | "ipxe.efi");
    let site = Site { kernel_of: &kernel_of, available: &available, ..Site::new(&rules, &settings, &ledger) };
    let asks = |arch, class| BootRequest::asking(MacAddr([2; 6]), None, arch, class);
    for (arch, class, file) in [
        (ArchType::X86_BIOS, Class::Ipxe, LOADER_SCRIPT),
        (ArchType::X86_BIOS, Class::Pxe, "undionly.kpxe"),
        (ArchType::X64_UEFI, Class::Pxe, "ipxe.efi"),
        (ArchType::X64_UEFI, Class::Http, "ipxe.efi"),
    ] {
        let Decision::Boot(boot) = decide(&asks(arch, class), &site).decision else {
            panic!("{arch} {class}")
        };
        assert_eq!((boot.file.as_str(), boot.config), (file, Some(LoaderConfig::Kernel(kernel.clone()))));
    }
    let verdict = decide(&asks(ArchType::ARM64_UEFI, Class::Pxe), &site);
    assert!(!matches!(verdict.decision, Decision::Boot(_)), "no boot loader for it is here");
}

/// The verdict of a site whose firmware menu has two images.
fn by_firmware_menu(request: &BootRequest, here: &[&str]) -> Verdict {
    let image = |name: &str| MenuImage { name: name.into(), title: name.to_uppercase(), is_default: false };
    let images = |_: &ImageOffer| vec![image("debian"), image("winpe")];
    let source = MenuSource { seconds: 10, title: "Boot menu", images: &images };
    let kernel = |folder: &str| {
        (folder == "debian").then(|| KernelBoot { kernel: "debian/linux".into(), ..KernelBoot::default() })
    };
    let (rules, settings, ledger) = (Rules::default(), Settings::default(), Ledger::default());
    let site = Site {
        menu: true,
        firmware_menu: Some(source),
        available: &|path| here.contains(&path),
        kernel_of: &kernel,
        ..Site::new(&rules, &settings, &ledger)
    };
    decide(request, &site)
}

const HERE: [&str; 2] = ["ipxe.efi", "winpe/boot/x64/bootmgfw.efi"];

#[test]
fn firmware_shows_the_menu_itself_and_what_is_chosen_there_starts_at_once() {
    let firmware = request(Class::Pxe, ArchType::X64_UEFI);
    let verdict = by_firmware_menu(&firmware, &HERE);
    let Decision::Boot(boot) = &verdict.decision else { panic!("{verdict:?}") };
    let menu = boot.prompt.as_ref().unwrap();
    let lines: Vec<&str> = menu.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!((boot.file.as_str(), lines), ("ipxe.efi", vec!["Boot from disk", "DEBIAN", "WINPE"]));

    let chosen = |class, item| {
        let asked = BootRequest { item: Some(item), ..request(class, ArchType::X64_UEFI) };
        match by_firmware_menu(&asked, &HERE).decision {
            Decision::Boot(boot) => (boot.file, boot.image, boot.config, boot.prompt),
            other => panic!("{other:?}"),
        }
    };
    let [debian, winpe] = ["debian", "winpe"].map(item_of);
    let (file, image, config, prompt) = chosen(Class::Pxe, debian);
    assert_eq!((file.as_str(), image.as_deref(), prompt), ("ipxe.efi", Some("debian"), None));
    assert!(matches!(config, Some(LoaderConfig::Kernel(_))));
    // iPXE, which the choice has started, goes on with it.
    assert_eq!(chosen(Class::Ipxe, debian).0, LOADER_SCRIPT);
    assert_eq!(chosen(Class::Pxe, winpe).0, "winpe/boot/x64/bootmgfw.efi");
    for item in [FirmwareMenu::WHOLE_MENU, 7] {
        let (file, _, config, prompt) = chosen(Class::Pxe, item);
        assert_eq!((file.as_str(), prompt), ("ipxe.efi", None));
        assert!(matches!(config, Some(LoaderConfig::Menu(_))), "{item:#x}");
    }
}

#[test]
fn only_pxe_firmware_over_ipv4_gets_a_menu_of_its_own() {
    let prompt = |request: &BootRequest| match by_firmware_menu(request, &HERE).decision {
        Decision::Boot(boot) => boot.prompt,
        _ => None,
    };
    let firmware = request(Class::Pxe, ArchType::X64_UEFI);
    let program = BootRequest { boot_program: true, ..firmware.clone() };
    let over_ipv6 = BootRequest { segment: std::net::Ipv6Addr::LOCALHOST.into(), ..firmware };
    let [http, ipxe] = [Class::Http, Class::Ipxe].map(|class| request(class, ArchType::X64_UEFI));
    for other in [program, over_ipv6, http, ipxe] {
        assert_eq!(prompt(&other), None, "{other:?}");
    }
    // Without a boot loader and without a default there is nothing to give firmware that shows no
    // menu.
    let firmware = request(Class::Pxe, ArchType::X64_UEFI);
    assert!(matches!(by_firmware_menu(&firmware, &HERE[1..]).decision, Decision::Ignore));
}
