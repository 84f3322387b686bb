//! Findings from the contents of scripts and configurations, and from programs that end without a
//! word, each with a healthy twin.

use super::*;

const SCRIPT: &str = "http://10.77.0.1/boot.ipxe";

/// iPXE up to its script with these lines.
fn script<'a>(site: &'a mut Site, text: &str) -> &'a mut Site {
    site.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(3.0).offered(Class::Ipxe, SCRIPT);
    site.takes_from(ROUTER).reads("/boot.ipxe", text)
}

#[test]
fn a_script_without_its_first_line_is_named() {
    let mut site = Site::new();
    script(&mut site, "kernel vmlinuz").finds_nothing().wait(6.0).finds(Cause::ScriptWithoutMagic);
    site.fetches("vmlinuz", SIGNED).finds_nothing();
    // A shell, or somebody who chooses.
    let mut twin = Site::new();
    script(&mut twin, "#!ipxe\nshell").wait(60.0).finds_nothing();
}

#[test]
fn a_kernel_whose_ram_disk_no_line_loads_is_named_with_its_line() {
    let text = "#!ipxe\nkernel /vmlinuz initrd=initrd.img\nboot";
    let mut site = Site::new();
    script(&mut site, text).fetches("/vmlinuz", SIGNED).wait(20.0).finds_nothing();
    site.wait(11.0).finds(Cause::KernelWithoutInitrd);
    let seen = site.diagnosis().finding.unwrap().seen;
    let line = crate::Seen::Line(2, "/boot.ipxe".into(), "kernel /vmlinuz initrd=initrd.img".into());
    assert!(seen.contains(&line), "{seen:?}");
    site.system_speaks().finds_nothing();
    // The kernel holds its RAM disk, and the machine is used.
    let mut twin = Site::new();
    script(&mut twin, "#!ipxe\nkernel /vmlinuz quiet\nboot").fetches("/vmlinuz", SIGNED);
    twin.wait(600.0).finds_nothing();
}

#[test]
fn a_kernel_without_a_root_that_starts_the_machine_again_is_named() {
    let mut site = Site::new();
    script(&mut site, "#!ipxe\nkernel /vmlinuz panic=10\nboot").fetches("/vmlinuz", SIGNED).wait(25.0);
    site.offered(Class::Pxe, "ipxe.efi").finds(Cause::KernelWithoutInitrd);
    let mut twin = Site::new();
    script(&mut twin, "#!ipxe\nkernel /vmlinuz root=/dev/nfs\nboot").fetches("/vmlinuz", SIGNED).wait(25.0);
    twin.offered(Class::Pxe, "ipxe.efi").finds_nothing();
}

#[test]
fn a_script_that_leads_to_another_server_is_named_when_the_machine_starts_again() {
    let text = "#!ipxe\nkernel http://10.9.9.9/vmlinuz\ninitrd http://10.9.9.9/initrd.img\nboot";
    let mut site = Site::new();
    script(&mut site, text).wait(40.0).finds_nothing();
    let expected = site.diagnosis().expected.unwrap().to_string();
    assert_eq!(expected, "a request for http://10.9.9.9/vmlinuz, which line 2 of /boot.ipxe names");
    site.offered(Class::Pxe, "ipxe.efi").finds(Cause::LeadsElsewhere);
    // It ran for an hour, or somebody left the menu.
    let mut twin = Site::new();
    script(&mut twin, text).wait(3600.0).offered(Class::Pxe, "ipxe.efi").finds_nothing();
    let mut twin = Site::new();
    script(&mut twin, &format!("{text}\nchoose x")).wait(40.0).offered(Class::Pxe, "ipxe.efi");
    twin.finds_nothing();
}

#[test]
fn a_name_in_a_script_needs_a_dns_server() {
    let text = "#!ipxe\nchain http://boot.example/menu.ipxe";
    let mut site = Site::new();
    site.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(3.0).offered(Class::Ipxe, SCRIPT);
    site.takes_from(ROUTER).other(None, None, true).reads("/boot.ipxe", text).wait(20.0).finds_nothing();
    site.wait(11.0).finds(Cause::NameNotResolved);
    assert_eq!(site.diagnosis().finding.unwrap().file.as_deref(), Some("http://boot.example/menu.ipxe"));
    let mut twin = Site::new();
    script(&mut twin, text).wait(60.0).finds_nothing();
}

#[test]
fn a_missing_file_shows_the_line_that_names_it() {
    let mut site = Site::new();
    site.arch = ArchType::X86_BIOS;
    site.firmware("pxelinux.0").fetches("pxelinux.0", None);
    site.reads("pxelinux.cfg/default", "LABEL a\n KERNEL debian/vmlinuz\n APPEND initrd=debian/i.gz");
    site.wait(15.0).misses("debian/vmlinuz").wait(2.0).finds(Cause::FileNotFound);
    let seen = site.diagnosis().finding.unwrap().seen;
    let line = crate::Seen::Line(2, "pxelinux.cfg/default".into(), "KERNEL debian/vmlinuz".into());
    assert!(seen.contains(&line), "{seen:?}");
    site.fetches("debian/vmlinuz", None).fetches("debian/i.gz", None).wait(9.0).finds_nothing();
}

#[test]
fn firmware_that_asks_for_the_size_and_never_for_the_file_is_named() {
    let probed = |site: &mut Site, path: &str| {
        site.arch = ArchType::X64_UEFI_HTTP;
        site.offered(Class::Http, &format!("http://10.77.0.1{path}")).takes_from(ROUTER);
        site.starts_http(path, 1_000_000);
        let ended = rows::ended(TransferOutcome::Probed, Proto::Http, 0);
        let (id, path) = (TransferId(site.transfers), path.into());
        site.step(Step::TransferFinished(&TransferFinished { id, path, ..ended }));
    };
    let mut site = Site::new();
    probed(&mut site, "/boot/shell");
    site.wait(5.0).finds_nothing().wait(4.0).finds(Cause::SizeAlone);
    let headline = site.diagnosis().finding.unwrap().headline();
    assert!(headline.ends_with("firmware does not know what the file is by its name."), "{headline}");
    let mut twin = Site::new();
    probed(&mut twin, "/a.efi");
    twin.fetches("/a.efi", SIGNED).wait(60.0).finds_nothing();
}

#[test]
fn ipxe_that_may_have_no_driver_stands_beside_the_cause_that_fits_best() {
    let also = |site: &Site| site.diagnosis().also.map(|also| also.cause);
    let mut site = Site::new();
    site.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(21.0).finds(Cause::PortBlocked);
    assert_eq!(also(&site), Some(Cause::IpxeWithoutDriver));
    let mut site = Site::new();
    site.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(4.0).offered(Class::Pxe, "ipxe.efi");
    site.finds(Cause::ProgramRefused);
    assert_eq!(also(&site), Some(Cause::IpxeWithoutDriver));
    // BIOS firmware refuses no program.
    let mut site = Site::new();
    site.arch = ArchType::X86_BIOS;
    site.firmware("ipxe.pxe").fetches("ipxe.pxe", None).wait(6.0).offered(Class::Pxe, "ipxe.pxe");
    site.finds(Cause::IpxeWithoutDriver);
    // It drove this card before.
    let mut twin = Site::new();
    script(&mut twin, "#!ipxe").fetches("vmlinuz", SIGNED).fetches("initrd.img", None).wait(700.0);
    twin.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(21.0).finds(Cause::PortBlocked);
    assert_eq!(also(&twin), None);
}
