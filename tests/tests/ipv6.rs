//! Boots over IPv6: real firmware, a real client and a real relay.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::path::Path;
use std::time::Duration;

use netbootd_tests::ipv6::{ADDRESSES6, PROXY6, give_address};
use netbootd_tests::{
    DhcpServer, Firmware, Lab, Machine, Netbootd, Process, Relay6, findings, loaders, wait,
};

/// Firmware tries HTTP boot over IPv4 first, for a minute where nobody answers: here it finds at
/// once that nobody listens there.
const RULES: &str = r#"
[[rule]]
name = "nowhere"
match = { class = "http", subnet = "10.77.0.0/24" }
action.boot = { file = "http://10.77.0.1:9/http.efi" }

[[rule]]
name = "http"
match = { class = "http" }
action.boot = { file = "http.efi" }

[[rule]]
name = "uefi"
match = { class = "pxe", arch = "x64-uefi" }
action.boot = { file = "pxe.efi" }
"#;

struct Site {
    lab: Lab,
    netbootd: Netbootd,
    _foreign: DhcpServer,
}

impl Site {
    /// netbootd gives the addresses of IPv6, another server those of IPv4.
    fn whole(put: impl FnOnce(&Path)) -> Self {
        Site::beside(DhcpServer::start, ADDRESSES6, put)
    }

    /// Another server gives all addresses.
    fn proxy(put: impl FnOnce(&Path)) -> Self {
        Site::beside(DhcpServer::start_with_ipv6, PROXY6, put)
    }

    fn beside(
        foreign: impl FnOnce(&mut Lab) -> DhcpServer,
        configuration: &str,
        put: impl FnOnce(&Path),
    ) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        give_address(&lab);
        put(&root);
        let foreign = foreign(&mut lab);
        let netbootd = Netbootd::start(&lab, &root, &format!("{configuration}{RULES}"));
        Site { lab, netbootd, _foreign: foreign }
    }

    fn boots(&self, word: &str, firmware: Firmware) {
        let machine = Machine::start(&self.lab, firmware, "br0");
        let booted =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| machine.wait_for_payload(word)));
        assert!(booted.is_ok(), "netbootd says:\n{}", self.netbootd.log());
        findings::none(&self.lab, &self.netbootd);
    }

    fn logged(&self, words: &[&str]) {
        self.netbootd.logged(words);
    }
}

#[test]
fn uefi_pxe_over_ipv6() {
    let site = Site::whole(|root| loaders::put_grub_that_speaks(root, "pxe.efi", "pxe6"));
    site.boots("pxe6", Firmware::UefiPxe6);
    site.logged(&[
        "ack",
        "proto=dhcp6",
        "class=pxe",
        "boot_file=\"tftp://[fd77::1]/pxe.efi\"",
        "uuid=4c4c4544-",
    ]);
    site.logged(&["completed", "proto=tftp", "pxe.efi", "mac=52:54:00:4c:01:"]);
}

#[test]
fn uefi_http_over_ipv6() {
    let site = Site::whole(|root| loaders::put_grub_that_speaks(root, "http.efi", "http6"));
    site.boots("http6", Firmware::UefiHttp);
    site.logged(&["ack", "proto=dhcp6", "class=http", "boot_file=\"http://[fd77::1]/http.efi\""]);
    site.logged(&["completed", "proto=http", "http.efi", "mac=52:54:00:4c:01:"]);
}

#[test]
fn proxy_uefi_pxe_over_ipv6() {
    let site = Site::proxy(|root| loaders::put_grub_that_speaks(root, "pxe.efi", "proxy-pxe6"));
    site.boots("proxy-pxe6", Firmware::UefiPxe6);
    site.logged(&["offer", "proto=dhcp6", "boot_file=\"tftp://[fd77::1]/pxe.efi\""]);
    site.logged(&["ack", "proto=dhcp6", "boot_file=\"tftp://[fd77::1]/pxe.efi\""]);
    site.logged(&["completed", "proto=tftp", "pxe.efi", "mac=52:54:00:4c:01:"]);
}

#[test]
fn proxy_uefi_http_over_ipv6() {
    let site = Site::proxy(|root| loaders::put_grub_that_speaks(root, "http.efi", "proxy-http6"));
    site.boots("proxy-http6", Firmware::UefiHttp);
    site.logged(&["offer", "proto=dhcp6", "boot_file=\"http://[fd77::1]/http.efi\""]);
    site.logged(&["completed", "proto=http", "http.efi", "mac=52:54:00:4c:01:"]);
}

/// ISC's client, to the end of its first exchange: its lease, as it wrote it down. It says that it
/// is bound a moment before it writes.
fn dhclient(lab: &Lab, netbootd: &Netbootd, more: &str) -> String {
    let lease = lab.folder().join("dhclient.leases");
    let _client = start_dhclient(lab, more);
    let written = || fs::read_to_string(&lease).unwrap_or_default();
    // A lease is whole with its last brace.
    let whole =
        || Some(written()).filter(|text| text.contains("iaaddr ") && text.trim_end().ends_with("\n}"));
    let why = || format!("no lease:\n{}\nnetbootd's log:\n{}", written(), netbootd.log());
    wait::for_some(Duration::from_secs(30), whole, why)
}

/// It runs in the host `client`, and asks for a URL besides.
fn start_dhclient(lab: &Lab, more: &str) -> Process {
    let (configuration, lease) = (lab.folder().join("dhclient.conf"), lab.folder().join("dhclient.leases"));
    let text = format!(
        "option dhcp6.archs code 61 = unsigned integer 16;\noption dhcp6.url code 59 = text;\n\
         also request dhcp6.url;\n{more}\n"
    );
    fs::write(&configuration, text).unwrap();
    let mut command = lab.command("client", "dhclient");
    command.args(["-6", "-d", "-1", "-v", "-D", "LL", "--no-pid", "-sf", "/bin/true", "-cf"]);
    command.arg(configuration).arg("-lf").arg(lease).arg("eth0");
    Process::start("dhclient", &mut command)
}

fn client_on(lab: &mut Lab, bridge: &str, address: &str) {
    lab.add_host("client");
    lab.plug("client", "eth0", bridge, address);
    // A link-local address is of no use until nobody else was found to have it.
    let settled = "until ip -6 addr show dev eth0 scope link -tentative | grep -q fe80; do sleep 0.1; done";
    lab.run("client", &["timeout", "20", "sh", "-c", settled]);
}

#[test]
fn a_foreign_client_gets_an_address_and_a_url_and_the_same_address_after_a_restart() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    give_address(&lab);
    fs::write(root.join("pxe.efi"), "x").unwrap();
    client_on(&mut lab, "br0", "10.77.0.50/24");
    let address = |lease: &str| {
        lease.split("iaaddr ").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned)
    };
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES6}{RULES}"));
    let lease = dhclient(&lab, &netbootd, "send dhcp6.archs 7;");
    let first = address(&lease).unwrap_or_else(|| panic!("no address:\n{lease}\n{}", netbootd.log()));
    assert!(first.starts_with("fd77::1"), "{first}");
    assert!(lease.contains("tftp://[fd77::1]/pxe.efi"), "{lease}");
    netbootd.logged(&["proto=dhcp6"]);
    drop(netbootd);
    fs::remove_file(lab.folder().join("dhclient.leases")).unwrap();
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES6}{RULES}"));
    let lease = dhclient(&lab, &netbootd, "");
    assert_eq!(address(&lease).as_ref(), Some(&first), "{lease}\n{}", netbootd.log());
    assert!(!lease.contains("tftp://"), "it did not ask to boot: {lease}");
}

#[test]
fn a_foreign_client_behind_a_foreign_relay_gets_an_address_of_its_link() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    give_address(&lab);
    fs::write(root.join("pxe.efi"), "x").unwrap();
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES6}{RULES}"));
    let _relay = Relay6::start(&mut lab);
    client_on(&mut lab, "br1", "10.78.0.50/24");
    let lease = dhclient(&lab, &netbootd, "send dhcp6.archs 7;");
    assert!(lease.contains("iaaddr fd78::1"), "{lease}\n{}", netbootd.log());
    assert!(lease.contains("tftp://[fd77::1]/pxe.efi"), "{lease}");
}

#[test]
fn a_proxy_says_nothing_to_a_client_that_did_not_ask_to_boot() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    give_address(&lab);
    let netbootd = Netbootd::start(&lab, &root, &format!("{PROXY6}{RULES}"));
    client_on(&mut lab, "br0", "10.77.0.50/24");
    let _client = start_dhclient(&lab, "");
    netbootd.wait_for("reason=not-a-boot-request", Duration::from_secs(20));
    let log = netbootd.log();
    assert!(log.contains("proto=dhcp6"), "{log}");
    let answered =
        |line: &str| line.contains("proto=dhcp6") && (line.contains(" offer ") || line.contains(" ack "));
    assert!(!log.lines().any(answered), "{log}");
}
