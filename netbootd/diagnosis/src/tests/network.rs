//! Failures of the network around a machine, each with a healthy twin.

use super::*;
use crate::step::Disproved;

const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);

impl Site {
    /// An answer of this server's own DHCP service.
    fn leased(&mut self, decision: Answered) -> &mut Self {
        let decided = self.decided(Proto::Dhcp, Some(Class::Pxe), decision, Reason::Rule);
        self.step(Step::Decided(&Decided { boot_file: Some("boot.efi".into()), ..decided }))
    }

    fn nak_of(&mut self, server: Ipv4Addr) -> &mut Self {
        let mac = self.mac;
        self.step(Step::OtherServer(&OtherServer {
            iface: "lan0".into(),
            server,
            mac,
            reply: OtherReply::Nak,
            class: None,
            next_server: None,
            boot_file: None,
            address: None,
            router: None,
            has_dns: false,
            same_host: false,
        }))
    }

    fn declines(&mut self) -> &mut Self {
        let declined = self.decided(Proto::Dhcp, None, Answered::Ignore, Reason::Declined);
        self.step(Step::Decided(&declined))
    }

    fn through(&mut self, relay: u8, class: Class, proto: Proto) -> &mut Self {
        let decided = self.decided(proto, Some(class), Answered::Offer, Reason::Rule);
        let relay = Some(IpAddr::from([10, 9, relay, 1]));
        self.step(Step::Decided(&Decided { relay, boot_file: Some("boot.ipxe".into()), ..decided }))
    }

    fn asks_unproved(&mut self, path: &str) -> TransferId {
        self.starts_with(path, false);
        TransferId(self.transfers)
    }
}

#[test]
fn a_nak_of_a_server_that_nobody_asked_is_named_when_it_comes_again() {
    let mut site = Site::new();
    site.leased(Answered::Offer).leased(Answered::Ack).nak_of(STRANGER).finds_nothing();
    site.wait(4.0).leased(Answered::Offer).leased(Answered::Ack).nak_of(STRANGER);
    site.finds(Cause::OtherServerNak);
    assert!(site.diagnosis().finding.unwrap().headline().starts_with("10.77.0.9 refuses"));
    site.fetches("boot.efi", SIGNED).finds_nothing();
    // The server that it takes its address from itself may have its reasons, once or twice.
    let mut twin = Site::new();
    twin.offered(Class::Pxe, "boot.efi").takes_from(ROUTER).nak_of(ROUTER).nak_of(ROUTER).finds_nothing();
    twin.nak_of(ROUTER).finds(Cause::RepeatedNak);
}

#[test]
fn addresses_that_are_declined_in_a_row_are_a_conflict() {
    let mut site = Site::new();
    site.leased(Answered::Offer).leased(Answered::Ack).declines().finds_nothing();
    site.leased(Answered::Offer).leased(Answered::Ack).declines().finds(Cause::AddressConflict);
    site.leased(Answered::Offer).leased(Answered::Ack).fetches("boot.efi", SIGNED).finds_nothing();
}

#[test]
fn answers_that_do_not_come_back_through_the_relay_are_named() {
    let mut site = Site::new();
    for _ in 0..3 {
        site.through(0, Class::Pxe, Proto::Dhcp).finds_nothing().wait(4.0);
    }
    site.wait(5.0).finds(Cause::RelayAnswersLost);
    let mut twin = Site::new();
    twin.through(0, Class::Pxe, Proto::Dhcp).through(0, Class::Pxe, Proto::Dhcp).wait(2.0);
    twin.leased(Answered::Ack).fetches("boot.efi", SIGNED).finds_nothing();
}

#[test]
fn a_boot_program_that_asks_from_another_network_is_named_once_nothing_follows() {
    let mut site = Site::new();
    site.through(0, Class::Pxe, Proto::Proxy).takes_from(ROUTER).named("ipxe.efi");
    site.fetches("ipxe.efi", UNSIGNED).wait(3.0).through(1, Class::Ipxe, Proto::Proxy).takes_from(ROUTER);
    site.wait(20.0).finds_nothing().wait(6.0).finds(Cause::NetworkChanged);
    site.fetches("boot.ipxe", None).finds_nothing();
    // Two routers that stand in for each other.
    let mut twin = Site::new();
    twin.through(0, Class::Pxe, Proto::Proxy).through(1, Class::Pxe, Proto::Proxy).takes_from(ROUTER);
    twin.named("ipxe.efi").fetches("ipxe.efi", UNSIGNED).wait(3.0);
    twin.through(1, Class::Ipxe, Proto::Proxy).through(0, Class::Ipxe, Proto::Proxy).takes_from(ROUTER);
    twin.wait(26.0).finds(Cause::NoFileRequest);
}

#[test]
fn a_request_from_an_address_that_nobody_has_points_to_a_translation() {
    let mut site = Site::new();
    site.firmware("boot/boot.efi");
    site.fleet.note_unknown(site.now, STRANGER.into(), "/boot\\BOOT.EFI");
    site.wait(9.0).finds(Cause::AddressTranslated);
    let mut twin = Site::new();
    twin.fleet.note_unknown(twin.now, STRANGER.into(), "boot/boot.efi");
    twin.wait(60.0).firmware("boot/boot.efi");
    twin.fleet.note_unknown(twin.now, STRANGER.into(), "other.efi");
    twin.wait(9.0).finds(Cause::NoFileRequest);
}

/// Anybody can write a machine's address into a read request.
#[test]
fn requests_that_nobody_acknowledges_are_no_steps_of_a_machine_that_acknowledged_others() {
    let mut site = Site::new();
    site.firmware("grubx64.efi").fetches("grubx64.efi", SIGNED).fetches("grub/grub.cfg", None).wait(60.0);
    let last = site.machines[&PC].boot().unwrap().last;
    let id = site.asks_unproved("vmlinuz");
    let stalled = TransferStalled { id, bytes: 0, proved: false, resends: 3, small_mtu: None };
    site.step(Step::TransferStalled(&stalled)).wait(20.0).finds_nothing();
    site.ends("vmlinuz", TransferOutcome::TimedOut, 0, false).wait(20.0).finds_nothing();
    assert_eq!(site.machines[&PC].boot().unwrap().last, last);
    // A refused request, and word that nobody listens where it came from.
    site.misses("initrd").step(Step::Disproved(&Disproved {
        peer: PEER,
        mac: Some(PC),
        path: "initrd".into(),
    }));
    site.wait(20.0).finds_nothing();
    assert_eq!(site.machines[&PC].boot().unwrap().last, last);
    // Its own request, whose first answer it acknowledges late.
    let id = site.asks_unproved("vmlinuz");
    site.step(Step::TransferProgress { id, bytes: 5000 });
    assert!(site.machines[&PC].boot().unwrap().last > last);
    site.ends("vmlinuz", TransferOutcome::TimedOut, 5000, true).finds(Cause::TftpReadTimeout);
    // Where nothing was acknowledged yet, closed ports look like this.
    let mut twin = Site::new();
    twin.firmware("boot.efi").asks_unproved("boot.efi");
    twin.wait(9.0).finds(Cause::TftpOpenTimeout);
}

/// A firewall on the machine keeps the word that its port is closed.
#[test]
fn a_refused_request_to_a_machine_that_rests_is_no_step_of_it() {
    let menu = |site: &mut Site| {
        site.firmware("grubx64.efi").fetches("grubx64.efi", SIGNED);
        site.reads("grub/grub.cfg", "menuentry a {\nlinux /vmlinuz\ninitrd /initrd.img\n}").wait(20.0);
    };
    let mut site = Site::new();
    menu(&mut site);
    let last = site.machines[&PC].boot().unwrap().last;
    for name in ["initrd", "vmlinuz-6.1", "grubx64.efi"] {
        site.misses(name).wait(9.0).finds_nothing();
    }
    assert_eq!(site.machines[&PC].boot().unwrap().last, last);
    // It is started again meanwhile, and boots.
    menu(&mut site);
    site.misses("initrd").wait(2.0).finds_nothing();
    site.fetches("/vmlinuz", SIGNED).fetches("/initrd.img", None).wait(9.0).finds_nothing();
    assert!(site.past().is_empty());
    // The machine may ask for the files of its menu at any time, and for those of a program at
    // once.
    let mut twin = Site::new();
    menu(&mut twin);
    twin.misses("/vmlinuz").wait(9.0).finds(Cause::FileNotFound);
    let seen = twin.diagnosis().finding.unwrap().seen;
    assert!(
        seen.contains(&crate::Seen::Line(2, "grub/grub.cfg".into(), "linux /vmlinuz".into())),
        "{seen:?}"
    );
    let mut twin = Site::new();
    twin.firmware("grubx64.efi").fetches("grubx64.efi", SIGNED).wait(3.0).misses("grub/grub.cfg");
    twin.wait(9.0).finds(Cause::FileNotFound);
}

#[test]
fn without_an_address_of_ipv6_the_dhcpv6_server_is_the_cause() {
    let solicits = |site: &mut Site| {
        let offer = site.decided(Proto::Dhcp6, Some(Class::Pxe), Answered::Offer, Reason::Rule);
        let boot_file = Some("tftp://[fd77::1]/boot.efi".into());
        site.step(Step::Decided(&Decided { boot_file, ..offer })).wait(4.0);
    };
    let requests = |site: &mut Site| {
        let request = site.decided(Proto::Dhcp6, Some(Class::Pxe), Answered::Ignore, Reason::OtherServer);
        site.step(Step::Decided(&request));
    };
    let mut site = Site::new();
    (0..3).for_each(|_| solicits(&mut site));
    site.wait(5.0).finds(Cause::NoAddress6);
    requests(&mut site);
    site.finds_nothing().wait(9.0).finds(Cause::NoBootServerRequest);
    site.fetches("boot.efi", SIGNED).finds_nothing();
    let mut twin = Site::new();
    solicits(&mut twin);
    requests(&mut twin);
    twin.wait(3.0).fetches("boot.efi", SIGNED).wait(60.0).finds_nothing();
}

#[test]
fn a_refused_request_long_after_a_boot_is_nobodys_boot() {
    let mut site = Site::new();
    site.firmware("memtest.efi").fetches("memtest.efi", UNSIGNED).wait(3600.0);
    site.misses("monitoring.img").wait(20.0).finds_nothing();
}

#[test]
fn the_cards_of_one_server_share_its_guid_and_nothing_is_wrong() {
    let guid = "4C4C4544-0042-3510-8053-5254004C0101";
    let mut site = Site::new();
    for card in 1..=4 {
        site.on(card).with_guid(Class::Pxe, guid).wait(10.0).with_guid(Class::Pxe, guid).wait(30.0);
    }
    site.takes_from(ROUTER).named("boot.efi").fetches("boot.efi", SIGNED).finds_nothing();
    site.on(1).finds_nothing();
    // Nothing came after its last one.
    let mut lone = Site::new();
    lone.with_guid(Class::Pxe, guid).wait(25.0).finds(Cause::NoAddress);
    // More than a server has.
    let mut many = Site::new();
    for board in 1..=5 {
        many.on(board).with_guid(Class::Pxe, guid);
    }
    many.finds(Cause::SharedGuid);
}
