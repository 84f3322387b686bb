//! Failures of transfers and of what they bring, each with a healthy twin.

use super::*;
use crate::Seen;
use crate::step::{MacAnswered, SmallMtu};

impl Site {
    /// A whole file of which so many blocks were sent again.
    fn fetches_with_loss(&mut self, path: &str, blocks: u64, resends: u64) -> &mut Self {
        self.starts(path, None);
        let ended = rows::ended(TransferOutcome::Completed, Proto::Tftp, blocks * 1468);
        let (id, mac, path) = (TransferId(self.transfers), Some(self.mac), path.into());
        self.step(Step::TransferFinished(&TransferFinished { id, mac, path, blocks, resends, ..ended }))
    }

    fn progresses(&mut self, bytes: u64) -> &mut Self {
        let id = TransferId(self.transfers);
        self.step(Step::TransferProgress { id, bytes })
    }

    fn mac_asks(&mut self, reason: bsdp::Reason) -> &mut Self {
        let answered = MacAnswered { reason, mac: self.mac, ..rows::mac_answered(reason, Vec::new()) };
        self.step(Step::MacAnswered(&answered))
    }
}

#[test]
fn an_interface_of_this_server_with_a_small_mtu_is_named_with_the_sizes() {
    let mut site = Site::new();
    site.firmware("boot.efi").starts("boot.efi", None).wait(4.0);
    let small_mtu = Some(SmallMtu { iface: "lan0".into(), mtu: 1300, block_size: 1468, packet: 1500 });
    let stalled = TransferStalled { id: TransferId(1), bytes: 0, proved: true, resends: 3, small_mtu };
    site.step(Step::TransferStalled(&stalled)).finds(Cause::MtuTooSmall);
    let words = "lan0 of this server has an MTU of 1300 bytes, and a block of 1468 makes packets of 1500";
    let headline = |site: &Site| site.diagnosis().finding.map(|finding| finding.headline()).unwrap();
    assert!(headline(&site).contains(words), "{}", headline(&site));
    site.wait(20.0).ends("boot.efi", TransferOutcome::TimedOut, 0, true).finds(Cause::MtuTooSmall);
    assert!(headline(&site).contains(words), "the end of the transfer keeps it");
}

#[test]
fn blocks_that_are_lost_are_named_though_the_file_came() {
    let mut site = Site::new();
    site.firmware("boot.efi").fetches_with_loss("boot.efi", 700, 60).finds(Cause::PacketLoss);
    assert!(site.diagnosis().finding.unwrap().seen.contains(&Seen::Loss(700, 60)));
    let mut twin = Site::new();
    twin.firmware("boot.efi").fetches_with_loss("boot.efi", 700, 12).finds_nothing();
    twin.fetches_with_loss("big.wim", 100_000, 900).finds_nothing();
}

#[test]
fn a_long_way_is_told_from_a_slow_machine() {
    let mut site = Site::new();
    site.firmware("boot.efi").fetches("boot.efi", SIGNED).starts_sized("big.wim", 400_000_000);
    // 60 ms for each block.
    site.wait(12.0).progresses(293_600).finds(Cause::SlowRoundTrips);
    // Nobody waits for the last half minute.
    let mut twin = Site::new();
    twin.firmware("boot.efi").fetches("boot.efi", SIGNED).starts_sized("small.wim", 1_000_000);
    twin.wait(12.0).progresses(293_600).finds_nothing();
    let mut fast = Site::new();
    fast.firmware("boot.efi").fetches("boot.efi", SIGNED).starts_sized("big.wim", 400_000_000);
    fast.wait(12.0).progresses(60_000_000).finds_nothing();
}

#[test]
fn an_http_transfer_that_stands_still_is_named_while_it_does() {
    let starts = |site: &mut Site, path: &str| {
        site.offered(Class::Ipxe, "http://10.77.0.1/boot.ipxe").fetches("/boot.ipxe", None);
        site.starts_http(path, 400_000_000).wait(1.0).progresses(3_000_000);
    };
    let mut site = Site::new();
    starts(&mut site, "/boot.wim");
    site.wait(14.0).finds_nothing().wait(2.0).finds(Cause::HttpStalled);
    site.progresses(9_000_000).finds_nothing();
    // An installer unpacks its root file system meanwhile.
    let mut twin = Site::new();
    starts(&mut twin, "/live/filesystem.squashfs");
    twin.wait(60.0).finds_nothing();
}

#[test]
fn a_kernel_for_another_processor_is_the_wrong_program() {
    let arm = Some(Program { arch: Some(ArchType::ARM64_UEFI), signed: false, is_pe: true, signers: None });
    let boot = |site: &mut Site, kernel| {
        site.offered(Class::Ipxe, "boot.ipxe").takes_from(ROUTER).fetches("boot.ipxe", None);
        site.fetches("vmlinuz", kernel).fetches("initrd.img", None);
    };
    let mut site = Site::new();
    boot(&mut site, arm);
    site.finds(Cause::WrongProgram).fetches("vmlinuz", SIGNED).finds_nothing();
    for arch in [ArchType::X86_BIOS, ArchType::IA32_UEFI] {
        let mut twin = Site::new();
        twin.arch = arch;
        boot(&mut twin, UNSIGNED);
        twin.finds_nothing();
    }
}

#[test]
fn grub_without_its_modules_is_named_with_their_folder() {
    let mut site = Site::new();
    site.firmware("grubx64.efi").fetches("grubx64.efi", SIGNED);
    site.misses("/EFI/fedora/x86_64-efi/normal.mod").wait(2.0).finds(Cause::GrubModulesMissing);
    let headline = site.diagnosis().finding.unwrap().headline();
    assert!(headline.contains("/EFI/fedora/x86_64-efi, "), "{headline}");
    let mut twin = Site::new();
    twin.firmware("grubx64.efi").fetches("grubx64.efi", SIGNED).fetches("/grub/grub.cfg", None);
    twin.misses("/grub/x86_64-efi/progress.mod").wait(60.0).finds_nothing();
}

#[test]
fn a_search_in_many_folders_is_for_the_first_of_them() {
    let mut site = Site::new();
    site.arch = ArchType::X86_BIOS;
    site.firmware("bios/pxelinux.0").fetches("bios/pxelinux.0", None);
    for folder in ["bios", "/boot/isolinux", "/isolinux", "/syslinux"] {
        site.misses(&format!("{folder}/ldlinux.c32"));
    }
    site.wait(9.0).finds(Cause::FileNotFound);
    assert_eq!(site.diagnosis().finding.unwrap().file.as_deref(), Some("bios/ldlinux.c32"));
}

#[test]
fn a_script_that_loads_itself_is_named_and_a_menu_is_none() {
    let mut site = Site::new();
    site.offered(Class::Ipxe, "boot.ipxe").takes_from(ROUTER);
    for _ in 0..9 {
        site.fetches("boot.ipxe", None).fetches("menu.ipxe", None).finds_nothing().wait(0.5);
    }
    site.fetches("boot.ipxe", None).finds(Cause::ScriptLoop);
    site.fetches("vmlinuz", None).finds_nothing();
    let mut twin = Site::new();
    twin.offered(Class::Ipxe, "boot.ipxe").takes_from(ROUTER);
    for _ in 0..30 {
        twin.fetches("menu.ipxe", None).wait(5.0).finds_nothing();
    }
}

#[test]
fn an_initrd_that_is_missing_is_named_in_menus_too_until_another_entry_is_chosen() {
    let grub = |site: &mut Site| {
        site.firmware("grubx64.efi").fetches("grubx64.efi", SIGNED).fetches("/grub/grub.cfg", None);
        site.wait(5.0).fetches("/vmlinuz", SIGNED).misses("/initrd.gz");
    };
    let mut site = Site::new();
    grub(&mut site);
    site.wait(2.0).finds(Cause::FileNotFound);
    // Its timeout starts the same entry again.
    site.wait(5.0).fetches("/vmlinuz", SIGNED).misses("/initrd.gz").wait(2.0).finds(Cause::FileNotFound);
    site.fetches("/vmlinuz", SIGNED).fetches("/initrd.img", None).finds_nothing();
    for (path, program) in [("/memtest.efi", UNSIGNED), ("/other/vmlinuz", SIGNED), ("/memdisk", None)] {
        let mut other = Site::new();
        grub(&mut other);
        other.wait(2.0).finds(Cause::FileNotFound).fetches(path, program).wait(40.0).finds_nothing();
    }
    // A script goes on without a second one.
    let mut twin = Site::new();
    twin.offered(Class::Ipxe, "boot.ipxe").takes_from(ROUTER).fetches("boot.ipxe", None);
    twin.fetches("vmlinuz", None).fetches("initrd.img", None).misses("firmware.cpio.gz").wait(20.0);
    twin.finds_nothing().system_speaks().wait(60.0).finds_nothing();
    let mut stopped = Site::new();
    stopped.offered(Class::Ipxe, "boot.ipxe").takes_from(ROUTER).fetches("boot.ipxe", None);
    stopped.fetches("vmlinuz", None).fetches("initrd.img", None).misses("firmware.cpio.gz").wait(31.0);
    stopped.finds(Cause::FileNotFound);
}

#[test]
fn windows_pe_without_a_driver_is_told_from_a_system_with_a_fixed_address() {
    let boot = |site: &mut Site, fixed: bool| {
        site.firmware("bootmgfw.efi").fetches("bootmgfw.efi", SIGNED).fetches("Boot/BCD", None);
        let address = if fixed { "10.77.0.50" } else { "dhcp" };
        site.reads("start.cfg", &format!("kernel x ip={address}"));
        site.fetches("boot.sdi", None).fetches("boot.wim", None).wait(5.0);
    };
    let mut site = Site::new();
    boot(site.on(2), false);
    site.system_speaks();
    boot(site.on(1), false);
    site.wait(90.0).finds(Cause::WinPeSilent);
    boot(site.on(3), true);
    site.wait(90.0).finds_nothing();
    // It ran for an hour, and was silent then, too.
    site.on(1).wait(3600.0);
    boot(site.on(1), false);
    site.wait(90.0).finds_nothing();
}

#[test]
fn a_mac_that_asks_for_an_image_that_is_gone_is_told_why() {
    let table = [
        (bsdp::Reason::UnknownImage, Cause::MacImageGone),
        (bsdp::Reason::BoundImageGone, Cause::MacImageGone),
        (bsdp::Reason::ImageNotForThisMac, Cause::MacImageRefused),
        (bsdp::Reason::ImageNotAllowed, Cause::MacImageRefused),
    ];
    for (reason, cause) in table {
        let mut site = Site::new();
        site.mac_asks(reason).finds(cause).mac_asks(bsdp::Reason::List).finds_nothing();
    }
}
