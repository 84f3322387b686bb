//! Failures from the field, each with a healthy twin. Where one was reported, its name stands
//! beside it.

use super::*;
use crate::step::TransferDetail;

const LINUX: [(&str, Option<Program>); 3] = [("boot.ipxe", None), ("vmlinuz", SIGNED), ("initrd.img", None)];

/// A boot by iPXE as far as some of its files.
fn linux(site: &mut Site, files: usize) -> &mut Site {
    site.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(3.0).offered(Class::Ipxe, "boot.ipxe");
    site.takes_from(ROUTER);
    for (path, program) in LINUX.iter().take(files) {
        site.fetches(path, program.clone());
    }
    site
}

/// A fault that this server worked around is a notice until the machine goes on, and stays in the
/// boot's history.
#[test]
fn a_name_that_another_file_was_served_for_is_a_notice() {
    let mut site = Site::new();
    site.firmware("grub/shimx64.efi").fetches("grub/shimx64.efi", SIGNED).misses("grub/revocations.efi");
    site.serves_for("grub/\\x01Onboard", "grub/grubx64.efi", Substitution::BootEntryName);
    site.finds(Cause::ShimSecondStage);
    assert_eq!(site.diagnosis().finding.unwrap().severity(), crate::Severity::Notice);
    site.fetches("grub/grub.cfg", None).finds_nothing();
    assert_eq!(site.past(), ["shim-second-stage"]);
    let mut site = Site::new();
    site.offered(Class::Pxe, "boot.efi").other(Some("http://10.77.0.1/boot.efi"), None, false);
    site.takes_from(ROUTER).serves_for("http://10.77.0.1/boot.efi", "boot.efi", Substitution::OwnUrl);
    site.finds(Cause::UrlOverTftp);
    assert_eq!(site.diagnosis().finding.unwrap().server, Some(ROUTER));
    let mut twin = Site::new();
    twin.firmware("bootcode.bin").serves_for("1234abcd/start.elf", "start.elf", Substitution::SharedFolder);
    twin.finds_nothing();
}

#[test]
fn a_finding_stays_in_the_history_of_its_boot_with_the_time_when_it_ended() {
    let mut site = Site::new();
    site.offered(Class::Pxe, "boot.efi").wait(3.7).takes_from(ROUTER).wait(9.0);
    site.finds(Cause::NoBootServerRequest);
    site.named("boot.efi").finds_nothing().fetches("boot.efi", UNSIGNED);
    assert_eq!(site.past(), ["no-boot-server-request"]);
    let past = site.machines[&PC].past().next().unwrap();
    assert_eq!(past.boot, SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_010));
    assert_eq!(past.ended - Duration::from_millis(10), past.boot + Duration::from_millis(12_710));
    // A boot that goes through leaves nothing.
    let mut twin = Site::new();
    linux(&mut twin, 3).system_speaks();
    assert!(twin.past().is_empty());
}

/// Reports rpi-eeprom#720 and pybootd#21.
#[test]
fn a_transfer_that_stops_where_block_numbers_start_again_is_named() {
    for blocks in [32_767, 65_535, 65_536] {
        let mut site = Site::new();
        linux(&mut site, 2).starts("initrd.img", None);
        site.ends("initrd.img", TransferOutcome::TimedOut, blocks * 1468, true).finds(Cause::BlockRollover);
    }
    let mut twin = Site::new();
    linux(&mut twin, 2).starts("initrd.img", None);
    twin.ends("initrd.img", TransferOutcome::TimedOut, 60_000 * 1468, true).finds(Cause::TftpReadTimeout);
}

/// The first transfer times out long after the second one brought the file.
#[test]
fn a_client_that_began_a_file_anew_is_healthy() {
    let mut site = Site::new();
    linux(&mut site, 2).starts("initrd.img", None).wait(3.0);
    let first = TransferId(site.transfers);
    let stalled = TransferStalled { id: first, bytes: 5000, proved: true, resends: 9, small_mtu: None };
    site.step(Step::TransferStalled(&stalled)).finds(Cause::TftpReadTimeout);
    site.fetches("initrd.img", None).finds_nothing().wait(20.0);
    let ended = TransferFinished {
        id: first,
        proto: Proto::Tftp,
        peer: PEER,
        mac: Some(PC),
        path: "initrd.img".into(),
        partial: false,
        outcome: TransferOutcome::TimedOut,
        bytes: 5000,
        blocks: 3,
        resends: 9,
        proved: true,
        elapsed: Duration::from_secs(23),
        detail: None,
        program: None,
    };
    site.step(Step::TransferFinished(&ended)).finds_nothing();
}

/// Reports ventoy/PXE#59 and bitpixie#34.
#[test]
fn a_file_without_bytes_is_named() {
    let mut site = Site::new();
    site.firmware("boot.efi").starts("boot.efi", None).ends("boot.efi", TransferOutcome::Completed, 0, true);
    site.finds(Cause::EmptyFile).fetches("boot.efi", SIGNED).finds_nothing();
    let mut twin = Site::new();
    linux(&mut twin, 3).starts("seed/meta-data", None);
    twin.ends("seed/meta-data", TransferOutcome::Completed, 0, true).finds_nothing();
}

/// Reports nix-netboot-serve#2 and thinstation#566.
#[test]
fn firmware_that_is_handed_a_script_an_image_or_a_saved_page_is_named() {
    let page = Some(Program { arch: None, signed: false, is_pe: false, signers: None });
    for (file, program) in [("boot.ipxe", None), ("grub/pxeboot.img", None), ("boot.efi", page)] {
        let mut site = Site::new();
        site.firmware(file).fetches(file, program).finds(Cause::NotAProgram);
    }
    let mut twin = Site::new();
    twin.arch = ArchType::X64_UEFI_HTTP;
    twin.offered(Class::Http, "http://10.77.0.1/debian.iso").fetches("/debian.iso", None).finds_nothing();
    let mut twin = Site::new();
    twin.arch = ArchType::X86_BIOS;
    twin.firmware("pxelinux.0").fetches("pxelinux.0", None).finds_nothing();
}

/// Reports shim#639 and shim#44.
#[test]
fn a_grub_without_signature_behind_shim_is_refused_and_looks_nowhere() {
    let mut site = Site::new();
    site.firmware("shimx64.efi").fetches("shimx64.efi", SIGNED).fetches("grubx64.efi", UNSIGNED);
    site.wait(16.0).finds(Cause::ProgramRefused);
    site.fetches("grub/grub.cfg", None).finds_nothing();
}

/// ipxe#1653: the kernel is whole, and Secure Boot refuses it.
#[test]
fn a_kernel_that_nothing_follows_is_named_where_other_boots_go_on() {
    let mut site = Site::new();
    linux(site.on(2), 3);
    linux(site.on(1), 2).wait(20.0).finds_nothing().wait(15.0).finds(Cause::StoppedAfter);
    site.fetches("initrd.img", None).finds_nothing();
    // Nobody knows what should follow.
    let mut twin = Site::new();
    linux(&mut twin, 2).wait(60.0).finds_nothing();
}

#[test]
fn a_boot_file_that_another_server_names_and_that_is_not_here_is_named() {
    let mut site = Site::new();
    site.offered(Class::Pxe, "boot.efi").other(Some("/tftpboot/pxelinux.0"), None, false);
    site.takes_from(ROUTER).misses("tftpboot/pxelinux.0").wait(9.0).finds(Cause::ForeignBootFile);
    let mut twin = Site::new();
    twin.offered(Class::Pxe, "boot.efi").other(Some("boot.efi"), None, false).takes_from(ROUTER);
    twin.misses("boot.efi").wait(9.0).finds(Cause::FileNotFound);
}

#[test]
fn a_request_without_a_name_is_named() {
    let mut site = Site::new();
    site.offered(Class::Pxe, "boot.efi").other(None, Some("10.77.0.1"), true).takes_from(ROUTER);
    site.misses("").wait(9.0).finds(Cause::NoFileName);
    site.fetches("boot.efi", SIGNED).finds_nothing();
}

/// Reports netboot.xyz#1513 and linux-live#269.
#[test]
fn a_root_file_system_that_is_not_there_is_named_and_installers_optional_images_are_not() {
    let mut site = Site::new();
    linux(&mut site, 3).system_speaks();
    site.misses("live/filesystem.squashfs").finds_nothing().wait(9.0).finds(Cause::RootMissing);
    site.fetches("live/filesystem.squashfs", None).finds_nothing();
    let mut twin = Site::new();
    linux(&mut twin, 3).misses("images/updates.img").fetches("images/install.img", None);
    twin.misses("images/product.img").misses("ks.cfg").misses("vendor-data").wait(60.0).finds_nothing();
}

#[test]
fn a_client_that_says_why_it_gave_up_is_quoted() {
    let mut site = Site::new();
    linux(&mut site, 2).starts("initrd.img", None);
    let ended = TransferFinished {
        id: TransferId(site.transfers),
        proto: Proto::Tftp,
        peer: PEER,
        mac: Some(PC),
        path: "initrd.img".into(),
        partial: false,
        outcome: TransferOutcome::Aborted,
        bytes: 5_000_000,
        blocks: 0,
        resends: 0,
        proved: true,
        elapsed: Duration::from_secs(1),
        detail: Some(TransferDetail::ClientMessage("Out of memory".into())),
        program: None,
    };
    site.step(Step::TransferFinished(&ended)).finds(Cause::OutOfMemory);
    let headline = site.diagnosis().finding.unwrap().headline();
    assert_eq!(headline, "The machine has too little memory for initrd.img; it says \"Out of memory\".");
    site.fetches("initrd.img", None).finds_nothing();
}

/// ipxe#826, ipxe#1274: iPXE goes on by the other card, and no port blocks.
#[test]
fn a_machine_that_goes_on_by_its_other_card_is_healthy() {
    let guid = "4C4C4544-0042-3510-8053-5254004C0101";
    let mut site = Site::new();
    site.on(1).with_guid(Class::Pxe, guid).takes_from(ROUTER).named("ipxe.efi");
    site.fetches("ipxe.efi", UNSIGNED).wait(5.0);
    site.on(2).with_guid(Class::Ipxe, guid).fetches("boot.ipxe", None);
    site.on(1).wait(30.0).finds_nothing();
    let mut twin = Site::new();
    twin.on(1).with_guid(Class::Pxe, guid).takes_from(ROUTER).named("ipxe.efi");
    twin.fetches("ipxe.efi", UNSIGNED).wait(30.0).finds(Cause::PortBlocked);
}

#[test]
fn a_boot_file_on_another_server_ends_what_is_to_be_seen() {
    let mut site = Site::new();
    let decided = site.decided(Proto::Pxe, Some(Class::Pxe), Answered::Ack, Reason::Rule);
    let (boot_file, elsewhere) = (Some("wdsnbp.com".into()), Some(IpAddr::from([10, 77, 0, 9])));
    site.offered(Class::Pxe, "wdsnbp.com").takes_from(ROUTER);
    site.step(Step::Decided(&Decided { boot_file, elsewhere, ..decided })).wait(60.0).finds_nothing();
    assert!(site.diagnosis().expected.unwrap().due.is_none());
}

#[test]
fn an_adapter_with_the_guids_of_two_machines_is_a_notice() {
    let guid = "4C4C4544-0042-3510-8053-5254004C0101";
    let mut site = Site::new();
    site.with_guid(Class::Pxe, guid).with_guid(Class::Pxe, "4C4C4544-0042-3510-8053-5254004C0102");
    site.finds(Cause::SharedAdapter);
    // The same GUID in the two byte orders, and one that many boards have.
    let mut twin = Site::new();
    twin.with_guid(Class::Pxe, guid).with_guid(Class::Ipxe, "44454C4C-4200-1035-8053-5254004C0101");
    twin.with_guid(Class::Pxe, "03000200-0400-0500-0006-000700080009").finds_nothing();
}

#[test]
fn a_port_that_blocked_is_remembered_for_one_boot() {
    let blocks =
        |site: &Site| port_blocks(PC, &site.machines[&PC], &site.fleet, Patience::default(), site.now);
    let mut site = Site::new();
    linux(&mut site, 3).wait(60.0);
    assert!(!blocks(&site));
    // It stays silent, and the firmware starts again.
    site.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(45.0);
    assert!(blocks(&site));
    site.offered(Class::Pxe, "snponly.efi").takes_from(ROUTER);
    assert!(blocks(&site), "as long as the next boot fetched nothing");
    site.named("snponly.efi").fetches("snponly.efi", UNSIGNED).wait(2.0);
    assert!(!blocks(&site));
    // It speaks late, and goes on.
    let mut site = Site::new();
    site.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(40.0).offered(Class::Ipxe, "boot.ipxe");
    site.fetches("boot.ipxe", None).fetches("vmlinuz", None).wait(200.0).offered(Class::Pxe, "ipxe.efi");
    assert!(blocks(&site));
}

#[test]
fn a_request_for_the_size_alone_is_no_silence() {
    let mut site = Site::new();
    site.firmware("boot.efi").starts("boot.efi", SIGNED).ends("boot.efi", TransferOutcome::Probed, 0, true);
    site.wait(60.0).finds_nothing();
}
