//! Boots told step by step, with what is found at the end; each that fails has a twin that goes on.
//!
//! These build steps by hand and prove the rules alone. The packets that provoke the same findings
//! in a running daemon are in `tests/boots`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pxe_policy::{ArchType, Class, Evidence, MacAddr, Reason, Trouble, TroubleKind};

use crate::step::{
    Answered, Decided, FileRefused, LeaseTaken, OtherReply, OtherServer, Program, Proto, Refusal, Step,
    Substitute, Substitution, TransferFinished, TransferId, TransferOutcome, TransferStalled,
    TransferStarted,
};
use crate::{Cause, Configuration, Diagnosis, Fleet, Machine, Patience, diagnose, observe, port_blocks};

const PC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 77, 0, 50)), 2070);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const SIGNED: Option<Program> =
    Some(Program { arch: Some(ArchType::X64_UEFI), signed: true, is_pe: true, signers: None });
const UNSIGNED: Option<Program> =
    Some(Program { arch: Some(ArchType::X64_UEFI), signed: false, is_pe: true, signers: None });

mod documentation;
mod field;
mod forged;
mod healthy;
mod network;
mod reports;
mod rows;
mod scripts;
mod site;
mod stories;
mod transfers;

use site::Site;

#[test]
fn a_request_to_the_dhcp_server_is_evidence_and_hides_no_silence() {
    let mut site = Site::new();
    site.offered(Class::Pxe, "boot.efi").wait(3.7).takes_from(ROUTER).finds_nothing();
    site.wait(9.0).finds(Cause::NoBootServerRequest);
    site.named("boot.efi").finds_nothing().fetches("boot.efi", UNSIGNED).finds_nothing();
}

#[test]
fn without_an_address_port_4011_is_not_the_cause() {
    let mut site = Site::new();
    for _ in 0..3 {
        site.offered(Class::Pxe, "boot.efi").wait(4.0);
    }
    site.wait(8.0).finds(Cause::NoAddress);
    site.takes_from(ROUTER).named("boot.efi").fetches("boot.efi", None).finds_nothing();
}

#[test]
fn shim_that_asks_for_nonsense_is_named_at_once() {
    let mut site = Site::new();
    site.firmware("grub/shimx64.efi").fetches("grub/shimx64.efi", SIGNED);
    site.misses("grub/revocations.efi").finds_nothing();
    site.misses("grub/\\x01Onboard").finds(Cause::ShimSecondStage);
    let mut twin = Site::new();
    twin.firmware("grub/shimx64.efi").fetches("grub/shimx64.efi", SIGNED).misses("grub/revocations.efi");
    twin.fetches("grub/grubx64.efi", SIGNED)
        .misses("grub/x86_64-efi/command.lst")
        .fetches("grub/grub.cfg", None);
    twin.fetches("vmlinuz", SIGNED).fetches("initrd.img", None).wait(30.0).finds_nothing();
}

#[test]
fn a_url_asked_for_by_tftp_is_named_with_the_server_that_said_it() {
    let mut site = Site::new();
    site.offered(Class::Pxe, "boot.efi").other(Some("http://10.0.0.9/boot.efi"), None, false);
    site.takes_from(ROUTER).misses("http://10.0.0.9/boot.efi").finds(Cause::UrlOverTftp);
}

#[test]
fn an_efi_program_on_bios_is_the_wrong_program() {
    let mut site = Site::new();
    site.arch = ArchType::X86_BIOS;
    site.firmware("ipxe.efi").starts("ipxe.efi", UNSIGNED);
    site.ends("ipxe.efi", TransferOutcome::Aborted, 200_000, true).finds(Cause::WrongProgram);
    let mut site = Site::new();
    site.arch = ArchType::X86_BIOS;
    site.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).finds(Cause::WrongProgram);
    let mut site = Site::new();
    site.firmware("bootia32.efi");
    site.fetches(
        "bootia32.efi",
        Some(Program { arch: Some(ArchType::IA32_UEFI), signed: true, is_pe: true, signers: None }),
    );
    site.finds(Cause::WrongProgram);
    // HTTP boot numbers the same processor otherwise.
    let mut twin = Site::new();
    twin.arch = ArchType::X64_UEFI_HTTP;
    twin.offered(Class::Http, "http://10.77.0.1/a.efi").fetches("/a.efi", SIGNED).wait(60.0).finds_nothing();
}

#[test]
fn a_router_that_names_itself_as_next_server_is_named() {
    let mut site = Site::new();
    site.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(3.0).offered(Class::Ipxe, "boot.ipxe");
    site.other(None, Some("10.77.0.2"), false).takes_from(ROUTER).other(None, Some("10.77.0.2"), true);
    site.wait(9.0).finds_nothing().wait(17.0).finds(Cause::NextServerOverwritten);
    let mut twin = Site::new();
    twin.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(3.0).offered(Class::Ipxe, "boot.ipxe");
    twin.other(None, Some("10.77.0.2"), true)
        .fetches("boot.ipxe", None)
        .fetches("vmlinuz", None)
        .finds_nothing();
}

#[test]
fn a_raspberry_pi_that_repeats_itself_is_known_by_its_address() {
    let mut site = Site::new();
    site.mac = MacAddr([0xb8, 0x27, 0xeb, 1, 2, 3]);
    site.arch = ArchType::X86_BIOS;
    for _ in 0..3 {
        site.offered(Class::Pxe, "bootcode.bin").wait(4.0).finds_nothing();
    }
    site.offered(Class::Pxe, "bootcode.bin");
    site.finds(Cause::RaspberryPi);
}

#[test]
fn a_port_that_blocks_after_the_link_was_reset_is_named_when_ipxe_stays_silent() {
    let mut site = Site::new();
    site.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(10.0).finds_nothing();
    site.wait(12.0).finds(Cause::PortBlocked);
    site.wait(20.0).offered(Class::Ipxe, "boot.ipxe").finds(Cause::PortBlocked);
    site.takes_from(ROUTER).fetches("boot.ipxe", None).fetches("vmlinuz", None).finds_nothing();
}

#[test]
fn a_signed_program_that_firmware_refuses_is_not_called_unsigned() {
    for (program, cause) in [(SIGNED, Cause::SignerNotTrusted), (UNSIGNED, Cause::ProgramRefused)] {
        let mut site = Site::new();
        site.on(2)
            .firmware("bootmgfw.efi")
            .fetches("bootmgfw.efi", program.clone())
            .misses("Boot/Fonts/x.ttf");
        site.on(1).firmware("bootmgfw.efi").fetches("bootmgfw.efi", program.clone()).wait(1.5);
        site.offered(Class::Pxe, "bootmgfw.efi").finds(cause);
        assert!(site.diagnosis().finding.unwrap().seen.contains(&crate::Seen::OthersWentOn(1)));
        // It goes on: the finding is over.
        site.takes_from(ROUTER)
            .named("bootmgfw.efi")
            .fetches("bootmgfw.efi", program)
            .fetches("Boot/BCD", None);
        site.finds_nothing();
    }
}

#[test]
fn an_http_client_without_dns_does_not_find_a_name() {
    let mut site = Site::new();
    site.offered(Class::Http, "http://boot.example/a.efi").other(None, None, true).takes_from(ROUTER);
    site.wait(9.0).finds(Cause::NameNotResolved);
    let mut site = Site::new();
    site.offered(Class::Http, "http://10.77.0.1/a.efi")
        .takes_from(ROUTER)
        .wait(9.0)
        .finds(Cause::NoHttpRequest);
}

#[test]
fn a_block_that_is_too_large_is_told_from_closed_ports() {
    for (proved, cause) in [(true, Cause::MtuTooSmall), (false, Cause::TftpOpenTimeout)] {
        let mut site = Site::new();
        site.firmware("boot.efi").starts("boot.efi", None).wait(4.0);
        let stalled = TransferStalled { id: TransferId(1), bytes: 0, proved, resends: 3, small_mtu: None };
        site.step(Step::TransferStalled(&stalled)).finds(cause);
        site.wait(20.0).ends("boot.efi", TransferOutcome::TimedOut, 0, proved).finds(cause);
        site.fetches("boot.efi", None).finds_nothing();
    }
    let mut site = Site::new();
    site.firmware("boot.efi").starts("boot.efi", None).ends(
        "boot.efi",
        TransferOutcome::TimedOut,
        5000,
        true,
    );
    site.finds(Cause::TftpReadTimeout);
    let mut probe = Site::new();
    probe.firmware("boot.efi").starts("boot.efi", None).ends("boot.efi", TransferOutcome::Probed, 0, true);
    probe.finds_nothing();
}

#[test]
fn a_missing_initrd_is_remembered_over_the_restart() {
    let mut site = Site::new();
    site.firmware("pxelinux.0")
        .fetches("pxelinux.0", None)
        .misses("pxelinux.cfg/0A")
        .fetches("pxelinux.cfg/default", None);
    site.fetches("vmlinuz", None).misses("initrd.img").finds_nothing().wait(9.0).finds(Cause::FileNotFound);
    assert_eq!(site.diagnosis().finding.unwrap().headline(), "initrd.img is not there.");
    site.wait(30.0).offered(Class::Pxe, "pxelinux.0").finds(Cause::FileNotFound);
    site.takes_from(ROUTER)
        .named("pxelinux.0")
        .fetches("pxelinux.0", None)
        .fetches("pxelinux.cfg/default", None);
    site.fetches("vmlinuz", None).fetches("initrd.img", None).wait(20.0).finds_nothing();
}

#[test]
fn a_search_without_an_end_is_one_missing_file_and_optional_files_are_none() {
    let mut site = Site::new();
    site.firmware("pxelinux.0").fetches("pxelinux.0", None).fetches("ldlinux.c32", None);
    for name in ["01-52-54-00-00-00-01", "0A4D0132", "0A4D013", "default"] {
        site.misses(&format!("pxelinux.cfg/{name}"));
    }
    site.wait(9.0).finds(Cause::FileNotFound);
    let mut twin = Site::new();
    twin.firmware("grubx64.efi").fetches("grubx64.efi", SIGNED).misses("grub/x86_64-efi/fs.lst");
    twin.fetches("grub/grub.cfg", None)
        .misses("grub/unicode.pf2")
        .misses("grub/locale/de.mo")
        .wait(60.0)
        .finds_nothing();
}

#[test]
fn four_machines_with_one_guid_share_it() {
    let guid = "4C4C4544-0042-3510-8053-5254004C0101".parse().unwrap();
    let mut site = Site::new();
    for n in 1..=4 {
        site.on(n);
        let decided = site.decided(Proto::Proxy, Some(Class::Pxe), Answered::Offer, Reason::Rule);
        site.step(Step::Decided(&Decided { uuid: Some(guid), boot_file: Some("b".into()), ..decided }));
        site.takes_from(ROUTER).named("b").fetches("b", SIGNED);
        if n == 2 {
            site.finds_nothing();
        }
    }
    site.finds(Cause::SharedGuid);
}

#[test]
fn behind_a_relay_a_missing_question_is_a_missing_route() {
    let mut site = Site::new();
    let decided = site.decided(Proto::Proxy, Some(Class::Pxe), Answered::Offer, Reason::Rule);
    let relay = IpAddr::from([10, 9, 0, 1]);
    site.step(Step::Decided(&Decided { relay: Some(relay), boot_file: Some("b".into()), ..decided }));
    site.takes_from(ROUTER).wait(9.0).finds(Cause::NoBootServerRequest);
    assert!(site.diagnosis().finding.unwrap().seen.contains(&crate::Seen::Relay(relay)));
}

#[test]
fn naks_in_a_row_are_a_cause_and_one_is_none() {
    let mut site = Site::new();
    let nak = site.decided(Proto::Dhcp, Some(Class::Pxe), Answered::Nak, Reason::WrongAddress);
    site.step(Step::Decided(&nak)).finds_nothing();
    site.step(Step::Decided(&nak)).step(Step::Decided(&nak)).finds(Cause::RepeatedNak);
}

#[test]
fn a_slow_machine_is_named_while_it_fetches_and_after() {
    let mut site = Site::new();
    for n in 2..=6 {
        site.on(n).firmware("b.efi").starts("big.wim", None).wait(1.0);
        site.ends("big.wim", TransferOutcome::Completed, 100_000_000, true);
    }
    site.on(1).firmware("b.efi").starts("big.wim", None).wait(20.0);
    let id = TransferId(site.transfers);
    site.step(Step::TransferProgress { id, bytes: 20_000_000 }).finds(Cause::SlowTransfer);
    assert_eq!(Cause::SlowTransfer.severity(), crate::Severity::Warning);
    site.on(2).finds_nothing();
}

#[test]
fn a_signer_that_is_refused_for_the_third_time_is_no_mere_loop() {
    let mut site = Site::new();
    for _ in 0..3 {
        site.firmware("bootmgfw.efi").fetches("bootmgfw.efi", SIGNED).wait(2.0);
    }
    site.finds(Cause::SignerNotTrusted);
    assert_eq!(site.diagnosis().also.unwrap().cause, Cause::BootLoop);
}

#[test]
fn windows_pe_that_restarts_is_no_lack_of_files() {
    let boot = |site: &mut Site, variables: bool| {
        site.firmware("bootmgfw.efi").fetches("bootmgfw.efi", SIGNED).fetches("Boot/BCD", None);
        if variables {
            site.fetches("SMSTemp/1.boot.var", None);
        }
        site.fetches("boot.sdi", None).fetches("boot.wim", None).wait(120.0);
    };
    let mut site = Site::new();
    for _ in 0..2 {
        boot(&mut site, false);
    }
    site.finds_nothing();
    boot(&mut site, false);
    site.finds(Cause::WinPeRestarts);
    // Its disk is the end of it.
    site.silenced(Reason::AlreadyRun, Vec::new()).finds(Cause::Decision(Reason::AlreadyRun));
    let mut site = Site::new();
    boot(&mut site, true);
    site.finds_nothing();
    boot(&mut site, true);
    site.finds(Cause::NoManagementPoint);
}

#[test]
fn a_system_is_missed_where_another_one_spoke() {
    let mut site = Site::new();
    let boot = |site: &mut Site| {
        site.firmware("ipxe.efi")
            .fetches("ipxe.efi", None)
            .offered(Class::Ipxe, "boot.ipxe")
            .fetches("boot.ipxe", None);
        site.fetches("vmlinuz", None).fetches("initrd.img", None).wait(5.0);
    };
    boot(&mut site);
    site.wait(200.0).finds_nothing();
    boot(site.on(2));
    site.system_speaks().wait(200.0).finds_nothing();
    boot(site.on(1));
    site.wait(80.0).finds_nothing().wait(10.0).finds(Cause::SystemSilent);
}

#[test]
fn grub_beside_another_dhcp_server_looks_there() {
    let mut site = Site::new();
    site.firmware("shimx64.efi").fetches("shimx64.efi", SIGNED).fetches("grubx64.efi", SIGNED);
    site.wait(10.0).finds_nothing().wait(6.0).finds(Cause::GrubNoServer);
}

#[test]
fn another_server_with_a_boot_file_is_a_rival_and_a_second_server_gives_other_addresses() {
    let mut site = Site::new();
    site.offered(Class::Pxe, "boot.efi")
        .other(Some("wds.com"), None, false)
        .wait(9.0)
        .finds(Cause::AnotherServer);
    assert!(site.diagnosis().finding.unwrap().headline().starts_with("10.77.0.2 also offered"));
    let mut site = Site::new();
    for n in 2..=4 {
        let usual = Ipv4Addr::new(10, 77, 0, 9);
        site.on(n).offered(Class::Pxe, "boot.efi").takes_from(usual).fetches("boot.efi", SIGNED);
    }
    site.on(1).offered(Class::Pxe, "boot.efi").takes_from(ROUTER).wait(9.0).finds(Cause::SecondDhcpServer);
}

#[test]
fn decisions_and_directories_are_causes_with_their_own_words() {
    for reason in Reason::ALL {
        let cause = Cause::Decision(reason);
        let mut site = Site::new();
        site.silenced(reason, Vec::new());
        if cause.is_loud() {
            site.finds(cause);
        } else {
            site.finds_nothing();
        }
    }
    for kind in TroubleKind::ALL {
        let trouble = Trouble::new(kind, std::io::Error::other("10.77.0.7 refused"));
        let evidence = vec![Evidence::NoAnswer { directory: "configmgr".into(), trouble }];
        Site::new().silenced(Reason::DirectoryDown, evidence).finds(Cause::Directory(kind));
    }
    let conflict = Evidence::Conflict { by_guid: "PC01".into(), by_mac: "PC02".into() };
    Site::new().silenced(Reason::NoDeployment, vec![conflict]).finds(Cause::DuplicateIdentity);
}

#[test]
fn a_lease_without_a_boot_file_is_explained_by_its_decision() {
    for reason in [Reason::NoRule, Reason::NoBootFile] {
        for decision in [Answered::Offer, Answered::Ack] {
            let mut site = Site::new();
            let decided = site.decided(Proto::Dhcp, Some(Class::Pxe), decision, reason);
            site.step(Step::Decided(&decided)).finds_nothing().wait(9.0).finds(Cause::Decision(reason));
        }
    }
}

#[test]
fn two_boots_under_one_address_and_a_hundred_thousand_machines_stay_bounded() {
    let mut site = Site::new();
    for n in 0..5000_u32 {
        let name = format!("file-{n}");
        site.misses(&name).fetches(&name, None);
    }
    let boot = site.machines[&PC].boot().unwrap();
    assert!(boot.fetched.len() <= 32 && boot.missed.len() <= 16 && boot.running.len() <= 8);
    assert_eq!(boot.completed, 5000);
    site.diagnosis();
}
