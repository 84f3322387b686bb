//! More boots told step by step, each with its twin.

use super::*;

#[test]
fn shim_that_asks_for_mok_manager_does_not_trust_its_second_stage() {
    for (grub, cause) in [(SIGNED, Cause::SignerNotTrusted), (UNSIGNED, Cause::ProgramRefused)] {
        let mut site = Site::new();
        site.firmware("shimx64.efi").fetches("shimx64.efi", SIGNED).misses("revocations.efi");
        site.fetches("grubx64.efi", grub.clone()).finds_nothing().misses("mmx64.efi").finds(cause);
        assert!(site.diagnosis().finding.unwrap().headline().contains("grubx64.efi"));
        let mut site = Site::new();
        site.firmware("shimx64.efi").fetches("shimx64.efi", SIGNED).fetches("grubx64.efi", grub);
        site.fetches("mmx64.efi", SIGNED).finds(cause);
    }
}

#[test]
fn a_kernel_without_a_signature_stops_grub_under_shim() {
    let boot = |site: &mut Site| {
        site.firmware("shimx64.efi").fetches("shimx64.efi", SIGNED).fetches("grubx64.efi", SIGNED);
        site.fetches("grub/grub.cfg", None).fetches("vmlinuz", UNSIGNED);
    };
    let mut site = Site::new();
    boot(&mut site);
    site.wait(19.0).finds_nothing().wait(2.0).finds(Cause::ProgramRefused);
    site.fetches("initrd.img", None).wait(60.0).finds_nothing();
    // Secure Boot is off: the kernel is all that the system needs.
    boot(site.on(2));
    site.wait(5.0).system_speaks().wait(60.0).finds_nothing();
}

#[test]
fn ipxe_that_is_told_to_load_itself_does_so_without_an_end() {
    let mut site = Site::new();
    site.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).offered(Class::Ipxe, "ipxe.efi").finds_nothing();
    site.takes_from(ROUTER).fetches("ipxe.efi", UNSIGNED).finds(Cause::IpxeLoop);
    let mut twin = Site::new();
    twin.firmware("ipxe.efi").fetches("ipxe.efi", UNSIGNED).offered(Class::Ipxe, "boot.ipxe");
    twin.takes_from(ROUTER).fetches("boot.ipxe", None).fetches("vmlinuz", None).finds_nothing();
}

#[test]
fn where_this_server_gives_the_addresses_another_ones_lease_is_of_a_second_server() {
    let mut site = Site::new();
    let offer = site.decided(Proto::Dhcp, Some(Class::Pxe), Answered::Offer, Reason::Rule);
    let offer = Decided { boot_file: Some("boot.efi".into()), ..offer };
    site.step(Step::Decided(&offer)).takes_from(ROUTER).wait(9.0).finds(Cause::SecondDhcpServer);
}

#[test]
fn an_ordinary_host_that_is_given_an_address_is_no_boot() {
    let mut site = Site::new();
    let offer = site.decided(Proto::Dhcp, None, Answered::Offer, Reason::Lease);
    site.step(Step::Decided(&offer)).wait(60.0).finds_nothing();
}

#[test]
fn ipxe_may_wait_for_a_router_before_it_asks_for_its_script() {
    let mut site = Site::new();
    site.offered(Class::Ipxe, "http://10.77.0.1/boot.ipxe").takes_from(ROUTER).wait(16.0).finds_nothing();
    site.wait(10.0).finds(Cause::NoFileRequest);
}

#[test]
fn rates_are_compared_among_transfers_that_came_the_same_way() {
    let mut site = Site::new();
    for n in 2..=6 {
        site.on(n).offered(Class::Ipxe, "http://10.77.0.1/boot.ipxe");
        site.transfers += 1;
        let id = TransferId(site.transfers);
        let ended = rows::ended(TransferOutcome::Completed, Proto::Http, 100_000_000);
        let (mac, path) = (Some(site.mac), "big.wim".into());
        site.step(Step::TransferFinished(&TransferFinished { id, mac, path, ..ended }));
    }
    site.on(1).firmware("b.efi").starts("big.wim", None).wait(20.0);
    let id = TransferId(site.transfers);
    site.step(Step::TransferProgress { id, bytes: 20_000_000 }).finds_nothing();
}
