//! Configuration Manager's site and the domain it is in: Samba, and a stand-in for the AdminService
//! behind a web server that wants Kerberos.
#![allow(clippy::unwrap_used)] // helpers of tests

mod before;
mod content_library;
mod domain;
mod mirror;
mod refusals;
mod secure_boot;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant};

use netbootd_tests::admin_service::Web;
use netbootd_tests::admin_service::rows::fill;
use netbootd_tests::directory_site::{BY_GUID, BY_MAC, has};
use netbootd_tests::mac::{self, Nbi, sha256};
use netbootd_tests::netbootd::program;
use netbootd_tests::responder::{Says, option};
use netbootd_tests::{
    AdminService, DirectorySite, Domain, Netbootd, Process, Relay, Responder, boot_program, findings,
    firmware, wait,
};
use serde_json::json;

const HEAD: &str = "[policy]\ndeadline = \"20s\"\n[configmgr]\nurl = \"https://cm01.nb.test/AdminService\"\nca = \"ca.pem\"\n";

/// The site, its domain, and a server with an account there.
struct ConfigMgr {
    site: DirectorySite,
    domain: Domain,
    admin: AdminService,
    kerberos: [(&'static str, PathBuf); 1],
    keytab: String,
    configuration: String,
}

impl ConfigMgr {
    /// The certificate of the site is good for so many days more.
    fn new(days: i32) -> Self {
        let mut site = DirectorySite::new();
        let controller = site.authority.sign("dc1", "DNS:dc1.nb.test,IP:10.77.0.8", 30);
        let domain = Domain::start(&mut site.lab, &controller, &[("PC01", BY_GUID), ("PC02", BY_MAC)]);
        let certificate = site.authority.sign("cm01", "DNS:cm01.nb.test", days);
        let admin = AdminService::start(&mut site.lab, &domain, Web::with(&certificate));
        fill(&admin);
        let image = site.root.join("PS100005/boot/x64");
        fs::create_dir_all(&image).unwrap();
        fs::write(image.join("bootmgfw.efi"), "boot").unwrap();
        let kerberos = [("KRB5_CONFIG", domain.kerberos_config())];
        let keytab = format!("keytab = {:?}\n", domain.keytab("netbootd.keytab"));
        let configuration = format!("{HEAD}{keytab}");
        ConfigMgr { site, domain, admin, kerberos, keytab, configuration }
    }

    fn explain(&self, configuration: &str, words: &[&str]) -> String {
        self.site.explain(configuration, words, &self.kerberos)
    }

    /// About the machine with this number's address and that number's GUID.
    fn ask(&self, configuration: &str, n: u32, guid: u32) -> String {
        self.explain(configuration, &["--mac", &mac(n), "--uuid", &uuid(guid)])
    }

    /// Asks a server that runs, whose configuration is as it was at its start.
    fn asked_of_it(&self, words: &[&str]) -> Output {
        let config = self.site.lab.folder().join("netbootd.toml");
        let mut command = self.site.lab.command("server", &program());
        command.args(words).arg("--config").arg(config).envs(self.kerberos.iter().cloned());
        command.output().unwrap()
    }

    fn explained_by_it(&self, n: u32) -> String {
        let (mac, uuid) = (mac(n), uuid(n));
        String::from_utf8(self.asked_of_it(&["explain", "--mac", &mac, "--uuid", &uuid]).stdout).unwrap()
    }
}

fn mac(n: u32) -> String {
    format!("00:15:5d:00:19:{n:02}")
}

fn uuid(n: u32) -> String {
    format!("4C4C4544-0057-5810-804A-C3C04F4637{n:02}")
}

#[test]
fn the_site_is_asked_by_kerberos_and_decides_as_its_own_servers_do() {
    let this = ConfigMgr::new(30);
    let configmgr = &this.configuration;
    has(
        &this.ask(configmgr, 1, 1),
        &["PS100005/boot/x64/bootmgfw.efi: required", "MacCount=1 GuidCount=1", "PS120083"],
    );
    has(&this.ask(configmgr, 2, 2), &["available", "MacCount=2 GuidCount=1", "PS120084"]);
    has(&this.ask(configmgr, 3, 3), &["already-run", "the site says 2025-02-03T10:41:07Z"]);
    has(&this.ask(configmgr, 4, 4), &["boot-image-missing", "boot image PS100009"]);
    has(
        &this.ask(configmgr, 99, 1),
        &["its GUID belongs to PC0001", "its hardware address to PC0099", "required"],
    );
    has(&this.ask(configmgr, 50, 50), &["treats it as x64 Unknown Computer", "PS120086", "available"]);
    let refused = configmgr.replace("[configmgr]\n", "[configmgr]\nunknown-computers = false\n");
    has(&this.ask(&refused, 50, 50), &["unknown-machine"]);
    let text = this.explain(
        configmgr,
        &["--mac", "00:15:5d:00:19:01", "--uuid", "03000200-0400-0500-0006-000700080009"],
    );
    has(&text, &["as a duplicate", "MacCount=1 GuidCount=0", "required"]);
    assert!(this.admin.asked().iter().any(|asked| asked.contains("$skip=2")), "pages are followed");
    assert!(this.admin.asked().iter().all(|asked| !asked.contains("PXEPassword")));
    // A site that cannot filter by one address of many is asked by way of the adapters.
    this.admin.refuse_any(true);
    this.admin.set(
        "SMS_G_System_NETWORK_ADAPTER",
        vec![json!({ "ResourceID": 16_777_201, "MACAddress": "00:15:5D:00:19:01" })],
    );
    has(
        &this.ask(configmgr, 1, 77),
        &["MacCount=1 GuidCount=0", "by its hardware address as PC0001", "required"],
    );
    this.admin.refuse_any(false);
    // Macs: one that is enrolled and has a deployment, and one that nobody knows.
    let macs = configmgr.replace("[configmgr]\n", "[configmgr]\nmacs = true\n");
    let ask_as_mac = |mac: &str| this.explain(&macs, &["--mac", mac, "--class", "bsdp"]);
    has(&ask_as_mac("00:15:5d:00:19:01"), &["is offered every image", "as PC0001"]);
    has(&ask_as_mac("a8:20:66:12:34:56"), &["unknown-machine"]);
    this.admin.set(
        "SMS_Collection",
        vec![json!({ "CollectionID": "PS100014", "Name": "Unknown Mac OS X Systems", "MemberCount": 0 })],
    );
    has(
        &ask_as_mac("a8:20:66:12:34:56"),
        &["is offered every image", "treats it as Unknown Mac OS X Systems"],
    );
}

#[test]
fn a_running_server_outlives_its_site_and_starts_nothing_required_by_what_is_old() {
    let this = ConfigMgr::new(20);
    let running = |cache: &str| {
        let policy = format!("[policy]\ncache = {cache:?}\n");
        let configuration = this.configuration.replace("[policy]\n", &policy);
        let others = "[configmgr]\nmirror = false\ncertificates = \"dc1.nb.test:636\"\n";
        let configuration = configuration.replace("[configmgr]\n", others);
        Netbootd::start_with(&this.site.lab, &this.site.root, &configuration, &this.kerberos)
    };
    let netbootd = running("0s");
    has(&this.explained_by_it(1), &["boots PS100005", "required"]);
    has(&this.explained_by_it(2), &["boots PS100005", "available"]);
    this.admin.break_down(true);
    has(&this.explained_by_it(2), &["is out of reach", "boots PS100005", "available"]);
    has(&this.explained_by_it(1), &["is out of reach", "stale-answer"]);
    assert!(this.asked_of_it(&["forget", &mac(2)]).status.success());
    has(&this.explained_by_it(2), &["directory-down"]);
    this.admin.break_down(false);
    drop(netbootd);
    // With its usual cache an answer of a minute ago counts, whatever the site does now.
    let netbootd = running("60s");
    has(&this.explained_by_it(1), &["boots PS100005", "required"]);
    // Its certificate is looked at from the start, and needs care within a month.
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = loop {
        let status = String::from_utf8(this.asked_of_it(&["status"]).stdout).unwrap();
        if status.contains("certificate of dc1.nb.test:636") {
            break status;
        }
        assert!(Instant::now() < deadline, "{status}");
    };
    has(&status, &["certificate of cm01.nb.test:443", "days left: renew it", "directory configmgr: answers"]);
    let metrics = this.site.lab.run("server", &["curl", "-sS", "http://127.0.0.1:9167/metrics"]);
    let labels = "{part=\"configmgr\",server=\"cm01.nb.test:443\"}";
    let metrics = String::from_utf8(metrics.stdout).unwrap();
    let days = format!("netbootd_certificate_remaining_days{labels}");
    assert!(metrics.contains(&format!("{days} 19")) || metrics.contains(&format!("{days} 20")), "{metrics}");
    has(
        &metrics,
        &[
            &format!("netbootd_certificate_valid{labels} 1"),
            "netbootd_directory_up{directory=\"configmgr\"} 1",
        ],
    );
    has(&netbootd.log(), &["a certificate needs care", "cm01.nb.test:443"]);
    this.admin.break_down(true);
    let cached = this.explained_by_it(1);
    has(&cached, &["boots PS100005", "required"]);
    assert!(!cached.contains("out of reach"), "{cached}");
    this.admin.break_down(false);
}

#[test]
fn what_was_given_is_cleared_here_and_at_the_site() {
    let mut this = ConfigMgr::new(30);
    this.site.lab.add_host("client");
    this.site.lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    let netbootd = Netbootd::start_with(&this.site.lab, &this.site.root, &this.configuration, &this.kerberos);
    let offered = || {
        let (program, mac, uuid) = (program(), mac(1), uuid(1));
        let words = [&program, "probe", "pxe", "10.77.0.1", "--mac", &mac, "--uuid", &uuid, "--timeout", "2"];
        String::from_utf8(this.site.lab.run("client", &words).stdout).unwrap()
    };
    has(&offered(), &["bootmgfw.efi"]);
    let cleared = this.asked_of_it(&["ledger", "clear", "--mac", &mac(1), "--at-site"]);
    assert!(cleared.status.success(), "{}", String::from_utf8_lossy(&cleared.stderr));
    let text = String::from_utf8([cleared.stdout, cleared.stderr].concat()).unwrap();
    has(&text, &["PS120083", "cleared at the site: 1 machine"]);
    let method = "/AdminService/wmi/SMS_Collection.ClearLastNBSAdvForMachines";
    let called = format!("POST {method} {{\"ResourceIDs\":[16777201]}}");
    assert!(this.admin.asked().contains(&called), "{:?}", this.admin.asked());
    has(&this.explained_by_it(1), &["boots PS100005", "required"]);
    assert!(netbootd.log().contains("reason=required"));
}

#[test]
fn a_boot_image_for_another_architecture_is_the_finding_of_the_machine_that_should_get_it() {
    let mut this = ConfigMgr::new(30);
    this.site.lab.add_host("client");
    this.site.lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    let image = |id: &str, arch: &str| json!({ "PackageID": id, "Name": id, "Architecture": arch });
    this.admin.set("SMS_BootImagePackage", vec![image("PS100005", "x64"), image("PS100009", "x86")]);
    let netbootd = Netbootd::start_with(&this.site.lab, &this.site.root, &this.configuration, &this.kerberos);
    let asks = |last| {
        let address = [0x00, 0x15, 0x5d, 0x00, 0x19, last];
        firmware::is_answered(&this.site.lab, "client", Ipv4Addr::new(10, 77, 0, 50), None, address)
    };
    // PC0001 gets the image for x64, PC0004 should get the one for x86; both are x64 UEFI.
    // The site is asked for the first time: that may take longer than firmware waits.
    assert!((0..5).any(|_| asks(1)) && !asks(4), "{}", netbootd.log());
    let finding = findings::wait_for(&this.site.lab, &netbootd, &mac(4), "wrong-architecture");
    assert!(finding["evidence"].to_string().contains("its boot image is x86"), "{finding}");
}

#[test]
fn an_unknown_mac_behind_a_relay_boots_to_its_last_byte_once_the_site_deploys_to_such_macs() {
    let mut this = ConfigMgr::new(30);
    let share = this.site.root.join("NetBoot/NetBootSP0");
    fs::create_dir_all(&share).unwrap();
    let folder = Nbi { name: "Sierra", index: 5, root_size: 3_000_000, more: "" }.put(&share);
    let lab = &mut this.site.lab;
    let _relay = Relay::start(lab);
    lab.add_host("far");
    lab.plug("far", "en0", "br1", "10.78.0.50/24");
    lab.ip("far", "route add default via 10.78.0.254");
    lab.ip("server", "route add default via 10.77.0.254");
    let macs = this.configuration.replace("[configmgr]\n", "[configmgr]\nmacs = true\n");
    let configuration = format!("{macs}[dhcp]\nmode = \"off\"\n");
    let start = || Netbootd::start_with(&this.site.lab, &this.site.root, &configuration, &this.kerberos);

    let netbootd = start();
    let asks = Process::start("far", this.site.lab.command("far", &mac::client()).args(["en0", "list"]));
    netbootd.logged(&["proto=bsdp", "reason=unknown-machine"]);
    drop((asks, netbootd));

    let collection =
        json!({ "CollectionID": "PS100014", "Name": "Unknown Mac OS X Systems", "MemberCount": 0 });
    this.admin.set("SMS_Collection", vec![collection]);
    let netbootd = start();
    let output = this.site.lab.run("far", &[&mac::client(), "en0", "boot-relayed"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    has(&text, &["image 81000005 \"Sierra\" default", "machine name NetBoot001"]);
    for (what, file) in
        [("booter", "i386/booter"), ("kernelcache", "i386/x86_64/kernelcache"), ("root", "NetInstall.dmg")]
    {
        let line = text.lines().find(|line| line.starts_with(&format!("{what} "))).unwrap_or_default();
        assert!(line.contains(&sha256(&folder.join(file))), "{what}: {text}");
    }
    netbootd.logged(&["reason=selected"]);
}

#[test]
fn one_boot_stays_one_when_the_site_notes_its_first_answer_and_the_console_alone_gives_another_one() {
    let mut this = ConfigMgr::new(30);
    let responder = Responder::start(&mut this.site.lab);
    responder.says(Says::Boot("SMSBoot\\x64\\wdsmgfw.efi"));
    this.site.lab.add_host("client");
    this.site.lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    // Every question goes to the site, and boots are over at once.
    let policy = "[relay]\nresponder = \"10.77.0.6\"\n[policy]\ncache = \"0s\"\nsame-boot = \"0s\"\n";
    let configuration = this.configuration.replace("[policy]\n", policy);
    let (lab, root) = (&this.site.lab, &this.site.root);
    let netbootd = Netbootd::start_with(lab, root, &configuration, &this.kerberos);
    let firmware = |patience: &str| {
        wait::for_the_next_second();
        let (program, mac, uuid) = (program(), mac(1), uuid(1));
        let words =
            [&program, "probe", "pxe", "10.77.0.1", "--mac", &mac, "--uuid", &uuid, "--timeout", patience];
        String::from_utf8(lab.run("client", &words).stdout).unwrap().contains("wdsmgfw.efi")
    };
    let boot_program = || {
        wait::for_the_next_second();
        let reply = lab.inside("client", || {
            let socket = UdpSocket::bind("10.77.0.50:68").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let guid =
                [0x44, 0x45, 0x4c, 0x4c, 0x57, 0, 0x10, 0x58, 0x80, 0x4a, 0xc3, 0xc0, 0x4f, 0x46, 0x37, 1];
            let request = boot_program::request_of([0, 0x15, 0x5d, 0, 0x19, 1], guid);
            socket.send_to(&request, "10.77.0.1:4011").unwrap();
            let mut bytes = [0; 2048];
            let length = socket.recv(&mut bytes).unwrap();
            bytes[..length].to_vec()
        });
        option(&reply.join().unwrap(), 252).is_some()
    };
    let note = || {
        let given = json!({
            "ResourceId": 16_777_201, "AdvertisementID": "PS120083", "SMBIOSGUID": uuid(1),
            "LastPXEAdvertisementTime": "2025-10-09T08:53:00Z",
        });
        this.admin.set("SMS_LastPXEAdvertisement", vec![given]);
    };
    assert!(firmware("6"), "{}", netbootd.log());
    note();
    assert!(boot_program(), "the second stage of the same boot: {}", netbootd.log());
    assert!(!firmware("2"), "the next boot");
    netbootd.logged(&["already-run"]);
    assert!(!boot_program());
    // Clear Required PXE Deployments, and nothing else.
    this.admin.set("SMS_LastPXEAdvertisement", Vec::new());
    assert!(firmware("6"), "{}", netbootd.log());
    note();
    assert!(boot_program() && !firmware("2"));
    // A site that is down starts nothing, whatever was cleared there before.
    this.admin.set("SMS_LastPXEAdvertisement", Vec::new());
    this.admin.break_down(true);
    assert!(!firmware("2"));
    this.admin.break_down(false);
}
