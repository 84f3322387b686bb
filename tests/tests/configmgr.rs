//! Configuration Manager's site and the domain it is in: Samba, and a stand-in for the AdminService behind a web server that wants
//! Kerberos.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use netbootd_tests::admin_service::Web;
use netbootd_tests::admin_service::rows::{fill, member};
use netbootd_tests::directory_site::{BY_GUID, BY_MAC, FOR_KNOWN, GUID, MAC, has};
use netbootd_tests::mac::{self, Nbi, sha256};
use netbootd_tests::netbootd::program;
use netbootd_tests::responder::{Says, option};
use netbootd_tests::store::{announce, distribute_file, image};
use netbootd_tests::{
    AdminService, DirectorySite, Domain, Netbootd, Process, Relay, Responder, boot_program, findings,
    firmware, wait,
};
use serde_json::{Value, json};

const HEAD: &str = "[policy]\ndeadline = \"20s\"\n[configmgr]\nurl = \"https://cm01.nb.test/AdminService\"\nca = \"ca.pem\"\n";

/// A web server of the kind that was set up for NTLM.
const NTLM_ONLY: &str =
    "Require all granted\nRedirect 401 /AdminService\nHeader always set WWW-Authenticate NTLM";

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
        let others = "[configmgr]\ncertificates = \"dc1.nb.test:636\"\n";
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
fn every_refusal_of_the_site_has_a_name_of_its_own() {
    let this = ConfigMgr::new(30);
    let configmgr = &this.configuration;
    // Five megabytes of collections are read, and change nothing.
    let many = (0..20_000).map(|n| member(16_777_203, &format!("PS1{n:05}-{}", "x".repeat(200))));
    let usual = [member(16_777_201, "PS100014"), member(2_046_820_353, "SMS000US")];
    this.admin.set("SMS_FullCollectionMembership", many.chain(usual).collect());
    this.admin.page_by(20_000);
    has(&this.ask(configmgr, 3, 3), &["no-deployment"]);
    has(&this.ask(configmgr, 1, 1), &["required"]);
    this.admin.page_by(2);
    // Password instead of keytab.
    let password = format!("{HEAD}user = \"netbootd@NB.TEST\"\npassword-file = \"domain-password\"\n");
    has(&this.ask(&password, 1, 1), &["required"]);
    let doctor = this.site.run(&password, &["doctor"], &this.kerberos);
    assert!(doctor.status.success());
    has(
        &String::from_utf8(doctor.stdout).unwrap(),
        &["for HTTP/cm01.nb.test", "version \"5.00.9132.1000\"", "4 task sequence deployments"],
    );

    // Every refusal has a name of its own.
    has(&this.ask(HEAD, 1, 1), &["directory-down", "kerberos-needed", "neither a keytab nor a password"]);
    let short = configmgr.replace("cm01.nb.test", "cm01");
    has(&this.ask(&short, 1, 1), &["directory-down", "kerberos-needed"]);
    let another_name = configmgr.replace("cm01.nb.test", "sccm.nb.test");
    has(&this.ask(&another_name, 1, 1), &["directory-down", "kerberos-needed", "HTTP/sccm.nb.test"]);
    let doctor = this.site.run(&another_name, &["doctor"], &this.kerberos);
    assert_eq!(doctor.status.code(), Some(1));
    has(&String::from_utf8(doctor.stdout).unwrap(), &["FAIL  configmgr", "certificate-name"]);
    let unknown_authority = configmgr.replace("ca = \"ca.pem\"\n", "");
    has(&this.ask(&unknown_authority, 1, 1), &["certificate-untrusted"]);
    this.admin.break_down(true);
    has(&this.ask(configmgr, 1, 1), &["directory-down", "503"]);
    this.admin.break_down(false);
    this.admin.set("SMS_AdvertisementInfo", vec![json!({ "AdvertisementID": 7, "PackageType": 4 })]);
    has(&this.ask(configmgr, 1, 1), &["directory-down", "malformed", "SMS_AdvertisementInfo"]);
}

#[test]
fn the_domain_itself_is_asked_by_kerberos_and_by_password_over_tls() {
    let this = ConfigMgr::new(30);
    let directory =
        "[policy]\ndeadline = \"20s\"\n[active-directory]\nbase = \"DC=nb,DC=test\"\nca = \"ca.pem\"\n";
    let gssapi =
        format!("{directory}url = \"ldap://dc1.nb.test\"\nbind = \"gssapi\"\n{}{FOR_KNOWN}", this.keytab);
    let text = this.explain(&gssapi, &["--mac", MAC, "--uuid", GUID]);
    has(&text, &["MacCount=1 GuidCount=1", "by its GUID as PC01", "known.efi"]);
    let simple = format!(
        "{directory}url = \"ldaps://dc1.nb.test\"\nbind = \"simple\"\nuser = \"netbootd@nb.test\"\npassword-file = \"domain-password\"\n{FOR_KNOWN}"
    );
    let text = this.explain(&simple, &["--mac", MAC]);
    has(&text, &["by its hardware address as PC02", "known.efi"]);
    let clear = simple.replace("ldaps://", "ldap://");
    has(&this.explain(&clear, &["--mac", MAC]), &["directory-down", "unauthorized", "strongAuthRequired"]);
    imports_what_the_site_lacks(&this, &simple);
}

/// A computer that fails does not stop the others, and what is there already is neither imported nor put into the collection again.
fn imports_what_the_site_lacks(this: &ConfigMgr, directory: &str) {
    let url = "[configmgr]\nurl = \"https://cm01.nb.test/AdminService\"\nca = \"ca.pem\"\n";
    let configuration = format!("{directory}{url}{}", this.keytab);
    let import = |more: &[&str]| {
        let words = ["device", "import", "--from-ad", "--to-configmgr", "--collection", "PS100014"];
        let output = this.site.run(&configuration, &[&words, more].concat(), &this.kerberos);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), text)
    };
    let written = || {
        let asked = this.admin.asked();
        let of = |method: &str| asked.iter().filter(|asked| asked.contains(method)).count();
        (of("SMS_Site.ImportMachineEntry"), of("AddMembershipRule"))
    };
    this.admin.set("SMS_Collection", Vec::new());
    let (good, text) = import(&["--apply"]);
    assert!(!good);
    has(&text, &["the site has no collection PS100014"]);
    this.admin.set("SMS_Collection", vec![json!({ "CollectionID": "PS100014", "Name": "OSD" })]);
    let (good, text) = import(&[]);
    assert!(good);
    has(&text, &["PC01 would be imported", "2 to be imported", "nothing was changed"]);
    assert_eq!(written(), (0, 0));
    this.admin.refuse_import("PC01");
    let (good, text) = import(&["--apply"]);
    assert!(!good);
    has(&text, &["PC01 failed: ", "PC02 imported by 52:54:00:12:34:56, put into PS100014", "1 failed"]);
    this.admin.refuse_import("");
    let (good, text) = import(&["--apply"]);
    assert!(good);
    has(&text, &["PC01 imported by 4c4c4544-", "PC02 is there already as PC02", ", in PS100014 already"]);
    assert_eq!(written(), (3, 2));
    let (good, text) = import(&["--apply"]);
    assert!(good);
    has(&text, &["0 imported, 2 there already, 0 failed"]);
    assert_eq!(written(), (3, 2));
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

#[test]
fn certificates_and_rights_of_the_site_are_told_apart() {
    let mut this = ConfigMgr::new(-2);
    let text = this.explain(&this.configuration, &["--mac", MAC]);
    has(&text, &["directory-down", "certificate-expired"]);
    let other = this.site.authority.sign("cm01", "DNS:other.nb.test", 30);
    this.admin.restart(&this.site.lab, &this.domain, Web::with(&other));
    let text = this.explain(&this.configuration, &["--mac", MAC]);
    has(&text, &["directory-down", "certificate-name"]);
    let good = this.site.authority.sign("cm01", "DNS:cm01.nb.test", 30);
    let good = Web::with(&good);
    let refusals = [
        (Web { admits: "Require user somebody@NB.TEST", ..good }, ["403", "forbidden", "no role"]),
        // It has the key of another account than the one that its name is registered for.
        (
            Web { keytab: "administrator.keytab", ..good },
            ["401", "unauthorized", "does not accept the ticket for HTTP/cm01.nb.test"],
        ),
        (Web { admits: NTLM_ONLY, ..good }, ["401", "ntlm-only", "offers NTLM and no Kerberos"]),
    ];
    for (web, words) in refusals {
        this.admin.restart(&this.site.lab, &this.domain, web);
        let text = this.explain(&this.configuration, &["--mac", MAC]);
        has(&text, &["directory-down"]);
        has(&text, &words);
        let doctor = this.site.run(&this.configuration, &["doctor"], &this.kerberos);
        assert_eq!(doctor.status.code(), Some(1));
        has(&String::from_utf8(doctor.stdout).unwrap(), &["FAIL  configmgr", words[1]]);
    }
}

/// A Windows PE in a Windows image.
fn windows_pe(folder: &Path) -> PathBuf {
    for file in ["Boot/EFI/bootmgfw.efi", "System32/winpeshl.exe"] {
        let place = folder.join("pe/Windows").join(file);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, file).unwrap();
    }
    let wim = folder.join("boot.wim");
    let made =
        Command::new("wimlib-imagex").arg("capture").arg(folder.join("pe")).arg(&wim).output().unwrap();
    assert!(made.status.success());
    wim
}

#[test]
fn the_site_says_which_packages_of_the_content_library_are_images() {
    let this = ConfigMgr::new(20);
    let folder = this.site.lab.folder();
    let (library, wim) = (folder.join("SCCMContentLib"), windows_pe(&folder));
    for package in ["PS100050", "PS100051", "PS100052"] {
        distribute_file(&library, &format!("{package}.1"), &wim);
        announce(&library, &format!("{package}.1"));
    }
    let package = |id: &str, kind: u32| json!({ "PackageID": id, "Name": id, "PackageType": kind });
    this.admin.set("SMS_BootImagePackage", vec![package("PS100050", 258)]);
    this.admin.set("SMS_ImagePackage", vec![package("PS100051", 257)]);
    let store = format!(
        "[store]\nwatch = \"1s\"\ncontent-library = {:?}\ncontent-library-images = [\"PS100052\"]\n",
        library.display().to_string()
    );
    let configuration = format!("{}{store}", this.configuration);
    let start = || Netbootd::start_with(&this.site.lab, &this.site.root, &configuration, &this.kerberos);
    let list = || {
        let listed: Value =
            serde_json::from_slice(&image(&folder.join("state/images"), &["list", "--json"]).stdout).unwrap();
        let kind = |record: &Value| {
            let current = &record["current"];
            let versions = record["versions"].as_array().unwrap();
            versions.iter().find(|version| version["manifest"] == *current).unwrap()["kind"].clone()
        };
        let served = listed.as_object().unwrap().iter().filter(|(_, record)| record["retired"].is_null());
        served.map(|(name, record)| format!("{name} {}", kind(record))).collect::<Vec<_>>()
    };
    let netbootd = start();
    netbootd.wait_for("images=3", Duration::from_secs(40));
    let mut listed = list();
    listed.sort();
    assert!(listed.len() == 3 && listed[0] == "PS100051 \"raw\"", "{listed:?}");
    assert!(listed[1..].iter().all(|image| image.ends_with("\"winpe\"")), "{listed:?}");

    // The site is down, over a restart too: what it said last counts.
    this.admin.break_down(true);
    drop(netbootd);
    let netbootd = start();
    netbootd.wait_for("the site does not give the types of its packages", Duration::from_secs(20));
    distribute_file(&library, "PS100050.2", &wim);
    announce(&library, "PS100050.2");
    netbootd.logged(&["New image distributed", "source=\"PS100050.2\""]);
    let mut still = list();
    still.sort();
    assert_eq!(still, listed);
    this.admin.break_down(false);
}
