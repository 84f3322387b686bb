//! Directories that know machines: OpenLDAP, a Samba domain, and a stand-in for Configuration Manager behind a web server that wants
//! Kerberos.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use netbootd_tests::domain::PASSWORD;
use netbootd_tests::netbootd::program;
use netbootd_tests::slapd::READER;
use netbootd_tests::{AdminService, Authority, Domain, Lab, Netbootd, Slapd};
use serde_json::{Value, json};

/// 4C4C4544-0057-5810-804A-C3C04F463732 in wire order, and 52:54:00:12:34:56 behind ten zero bytes.
const BY_GUID: &str = "REVMTFcAEFiASsPAT0Y3Mg==";
const BY_MAC: &str = "AAAAAAAAAAAAAFJUABI0Vg==";
const GUID: &str = "4C4C4544-0057-5810-804A-C3C04F463732";
const MAC: &str = "52:54:00:12:34:56";

struct Site {
    lab: Lab,
    authority: Authority,
    root: PathBuf,
}

impl Site {
    fn new() -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        lab.name_hosts("server", &["10.77.0.8 dc1.nb.test dc1", "10.77.0.7 cm01.nb.test cm01"]);
        let authority = Authority::new(&lab.folder());
        for file in ["menu.efi", "boot.efi", "known.efi"] {
            fs::write(root.join(file), file).unwrap();
        }
        fs::write(lab.folder().join("password"), format!("{}\n", READER.1)).unwrap();
        fs::write(lab.folder().join("domain-password"), PASSWORD).unwrap();
        Site { lab, authority, root }
    }

    /// Runs netbootd with a configuration beside `[boot]`, and no daemon.
    fn run(&self, configuration: &str, words: &[&str], environment: &[(&str, PathBuf)]) -> Output {
        let folder = self.lab.folder();
        let file = folder.join("netbootd.toml");
        let head =
            format!("[server]\nstate-dir = {:?}\n[boot]\nroot = {:?}\n", folder.join("state"), self.root);
        fs::write(&file, head + configuration).unwrap();
        let mut command: Command = self.lab.command("server", &program());
        command.args(words).arg("--config").arg(&file).envs(environment.iter().cloned());
        let output = command.output().unwrap();
        eprintln!(
            "{words:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    fn explain(&self, configuration: &str, words: &[&str], environment: &[(&str, PathBuf)]) -> String {
        let output = self.run(configuration, &[&["explain"], words].concat(), environment);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }
}

fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

const FOR_KNOWN: &str =
    "[[rule]]\nname = \"for-known\"\nmatch = { known = true }\naction.boot = { file = \"known.efi\" }\n";

fn slapd_config(url: &str, more: &str) -> String {
    format!(
        "[active-directory]\nurl = {url:?}\nbind = \"simple\"\nuser = {:?}\npassword-file = \"password\"\nca = \"ca.pem\"\n{more}\n{FOR_KNOWN}",
        READER.0
    )
}

#[test]
fn prestaged_computers_are_found_by_guid_and_by_address() {
    let mut site = Site::new();
    let certificate = site.authority.sign("dc1", "DNS:dc1.nb.test,IP:10.77.0.8", 20);
    let computers = [
        ("PC01", BY_GUID, None),
        ("PC02", BY_MAC, Some("10.77.0.1\\boot.efi")),
        ("PC03", "AAAAAAAAAAAAAFJUABI0Vw==", None),
        ("PC03-OLD", "AAAAAAAAAAAAAFJUABI0Vw==", None),
    ];
    let _slapd = Slapd::start(&mut site.lab, &certificate, &computers);
    let ldaps = slapd_config("ldaps://dc1.nb.test", "");
    let text = site.explain(&ldaps, &["--mac", "52:54:00:00:00:01", "--uuid", GUID], &[]);
    has(&text, &["boots known.efi: rule", "MacCount=0 GuidCount=1", "knows it by its GUID as PC01"]);
    let text = site.explain(&slapd_config("ldap://dc1.nb.test", "start-tls = true"), &["--mac", MAC], &[]);
    has(&text, &["boots boot.efi: record", "MacCount=1 GuidCount=0", "by its hardware address as PC02"]);
    // Both, and they differ: told, and the GUID counts.
    let text = site.explain(&ldaps, &["--mac", MAC, "--uuid", GUID], &[]);
    has(&text, &["its GUID belongs to PC01", "its hardware address to PC02", "boots known.efi"]);
    let text = site.explain(&ldaps, &["--mac", "52:54:00:12:34:57"], &[]);
    has(&text, &["several records have the same identifier", "PC03-OLD"]);
    // A banned GUID leaves the address alone.
    let banned = format!("{ldaps}[policy]\nbanned-guids = [{GUID:?}]\n");
    let text = site.explain(&banned, &["--mac", MAC, "--uuid", GUID], &[]);
    has(&text, &["is banned", "MacCount=1 GuidCount=0", "boots boot.efi: record"]);
    let text = site.explain(&ldaps, &["--mac", "52:54:00:00:00:09"], &[]);
    has(&text, &["gets no answer from here: unknown-machine", "MacCount=0 GuidCount=0"]);
    let listed = site.run(&ldaps, &["device", "import", "--from-ad"], &[]);
    let csv = String::from_utf8(listed.stdout).unwrap();
    has(&csv, &["PC01,,4c4c4544-0057-5810-804a-c3c04f463732", "PC02,52:54:00:12:34:56,"]);
    let doctor = site.run(&ldaps, &["doctor"], &[]);
    assert!(doctor.status.success());
    has(
        &String::from_utf8(doctor.stdout).unwrap(),
        &[
            "dc1.nb.test is 10.77.0.8",
            "port 636 answers",
            "CN=dc1 is good for ",
            "renew the certificate soon",
            "4 prestaged computers",
        ],
    );
}

#[test]
fn each_broken_link_to_a_directory_is_told_apart() {
    let mut site = Site::new();
    let certificate = site.authority.sign("dc1", "DNS:dc1.nb.test", 30);
    let _slapd = Slapd::start(&mut site.lab, &certificate, &[("PC01", BY_GUID, None)]);
    fs::write(site.lab.folder().join("wrong"), "wrong").unwrap();
    let good = slapd_config("ldaps://dc1.nb.test", "");
    let foreign = Authority::new(&{
        let folder = site.lab.folder().join("foreign");
        fs::create_dir(&folder).unwrap();
        folder
    });
    let table = [
        (good.replace("\"password\"", "\"wrong\""), "unauthorized"),
        (good.replace("dc1.nb.test", "10.77.0.8"), "certificate-name"),
        (good.replace("\"ca.pem\"", &format!("{:?}", foreign.certificate())), "certificate-untrusted"),
        (good.replace("dc1.nb.test", "dc2.nb.test"), "unreachable"),
        (good.replace("dc1.nb.test", "dc1.nb.test:637"), "unreachable"),
        (good.replace("[active-directory]\n", "[active-directory]\nbase = \"dc=other\"\n"), "malformed"),
    ];
    for (configuration, word) in table {
        let text = site.explain(&configuration, &["--mac", MAC], &[]);
        has(&text, &["directory-down", word]);
        let doctor = site.run(&configuration, &["doctor"], &[]);
        assert_eq!(doctor.status.code(), Some(1));
        has(&String::from_utf8(doctor.stdout).unwrap(), &["FAIL  active-directory", word, "->"]);
    }
}

fn system(id: u64, name: &str, guid: Option<&str>, macs: &[&str], created: &str) -> Value {
    json!({
        "@odata.etag": id.to_string(), "__LAZYPROPERTIES": ["__QUALIFIER_SECURITYVERBS"],
        "ResourceId": id, "ResourceType": 5, "Name": name, "NetbiosName": name, "SMBIOSGUID": guid, "MACAddresses": macs,
        "Client": 1, "Obsolete": 0, "Decommissioned": 0, "Unknown": null, "SMSAssignedSites": ["PS1"], "CreationDate": created,
    })
}

fn member(id: u64, collection: &str) -> Value {
    json!({ "CollectionID": collection, "ResourceID": id, "IsDirect": true })
}

fn advertisement(id: &str, collection: &str, offer: u64, flags: u64, package: &str) -> Value {
    json!({
        "AdvertisementID": id, "CollectionID": collection, "CollectionName": "OSD", "OfferType": offer, "AdvertFlags": flags,
        "PackageID": package, "PackageName": "Windows 11 Enterprise", "PackageType": 4,
    })
}

/// The site of the published examples, with a machine for each case.
fn fill(admin: &AdminService) {
    admin.set("SMS_Site", vec![json!({ "SiteCode": "PS1", "Version": "5.00.9132.1000" })]);
    let guid = |n: u32| format!("4C4C4544-0057-5810-804A-C3C04F4637{n:02}");
    let mac = |n: u32| format!("00:15:5D:00:19:{n:02}");
    let mut systems = Vec::new();
    let mut members = Vec::new();
    for (n, collection) in [(1, "PS100014"), (2, "PS100015"), (3, "PS100014"), (4, "PS100016")] {
        let id = 16_777_200 + u64::from(n);
        systems.push(system(id, &format!("PC{n:04}"), Some(&guid(n)), &[&mac(n)], "2024-03-05T09:12:44Z"));
        members.extend([member(id, "SMS00001"), member(id, collection)]);
    }
    systems.push(system(16_777_301, "PC0002-OLD", None, &[&mac(2)], "2019-03-05T09:12:44Z"));
    systems.push(system(16_777_302, "PC0099", None, &[&mac(99)], "2019-03-05T09:12:44Z"));
    members.push(member(2_046_820_353, "SMS000US"));
    admin.set("SMS_R_System", systems);
    admin.set("SMS_FullCollectionMembership", members);
    admin.set(
        "SMS_AdvertisementInfo",
        vec![
            advertisement("PS120083", "PS100014", 0, 0x4_0020, "PS100141"),
            advertisement("PS120084", "PS100015", 2, 0x4_0000, "PS100141"),
            advertisement("PS120085", "PS100016", 0, 0x4_0000, "PS100142"),
            advertisement("PS120086", "SMS000US", 2, 0x4_0000, "PS100141"),
        ],
    );
    let sequence = |id: &str, image: &str| json!({ "PackageID": id, "Name": id, "BootImageID": image });
    admin.set(
        "SMS_TaskSequencePackage",
        vec![sequence("PS100141", "PS100005"), sequence("PS100142", "PS100009")],
    );
    let image = |id: &str| json!({ "PackageID": id, "Name": id, "Architecture": "x64" });
    admin.set("SMS_BootImagePackage", vec![image("PS100005"), image("PS100009")]);
    let unknown = |id: u64, cpu: &str| json!({ "ResourceId": id, "Name": format!("{cpu} Unknown Computer"), "CPUType": cpu });
    admin.set("SMS_R_UnknownSystem", vec![unknown(2_046_820_352, "x86"), unknown(2_046_820_353, "x64")]);
    let point = json!({ "Name": "dp01.nb.test", "ServerName": "dp01.nb.test", "IsPXE": true, "SupportUnknownMachines": true });
    admin.set("SMS_DistributionPointInfo", vec![point]);
    let last = json!({ "ResourceId": 16_777_203, "AdvertisementID": "PS120083", "LastPXEAdvertisementTime": "2025-02-03T10:41:07Z" });
    admin.set("SMS_LastPXEAdvertisement", vec![last]);
    admin.set("SMS_CommonSmbiosGuids", vec![json!({ "SMBIOSGUID": "03000200-0400-0500-0006-000700080009" })]);
}

#[test]
fn the_site_is_asked_by_kerberos_and_decides_as_its_own_servers_do() {
    let mut site = Site::new();
    let controller = site.authority.sign("dc1", "DNS:dc1.nb.test,IP:10.77.0.8", 30);
    let domain = Domain::start(&mut site.lab, &controller, &[("PC01", BY_GUID), ("PC02", BY_MAC)]);
    let certificate = site.authority.sign("cm01", "DNS:cm01.nb.test", 30);
    let admin = AdminService::start(&mut site.lab, &domain, &certificate, "valid-user");
    fill(&admin);
    let image = site.root.join("PS100005/boot/x64");
    fs::create_dir_all(&image).unwrap();
    fs::write(image.join("bootmgfw.efi"), "boot").unwrap();

    let kerberos = [("KRB5_CONFIG", domain.kerberos_config())];
    let keytab = format!("keytab = {:?}\n", domain.keytab("netbootd.keytab"));
    let head = "[policy]\ndeadline = \"20s\"\n[configmgr]\nurl = \"https://cm01.nb.test/AdminService\"\nca = \"ca.pem\"\n";
    let configmgr = format!("{head}{keytab}");
    let ask = |configuration: &str, n: u32, guid: u32| {
        let (mac, guid) =
            (format!("00:15:5d:00:19:{n:02}"), format!("4C4C4544-0057-5810-804A-C3C04F4637{guid:02}"));
        site.explain(configuration, &["--mac", &mac, "--uuid", &guid], &kerberos)
    };
    has(
        &ask(&configmgr, 1, 1),
        &["PS100005/boot/x64/bootmgfw.efi: required", "MacCount=1 GuidCount=1", "PS120083"],
    );
    has(&ask(&configmgr, 2, 2), &["available", "MacCount=2 GuidCount=1", "PS120084"]);
    has(&ask(&configmgr, 3, 3), &["already-run", "the site says 2025-02-03T10:41:07Z"]);
    has(&ask(&configmgr, 4, 4), &["boot-image-missing", "boot image PS100009"]);
    has(
        &ask(&configmgr, 99, 1),
        &["its GUID belongs to PC0001", "its hardware address to PC0099", "required"],
    );
    has(&ask(&configmgr, 50, 50), &["treats it as x64 Unknown Computer", "PS120086", "available"]);
    let refused = configmgr.replace("[configmgr]\n", "[configmgr]\nunknown-computers = false\n");
    has(&ask(&refused, 50, 50), &["unknown-machine"]);
    let text = site.explain(
        &configmgr,
        &["--mac", "00:15:5d:00:19:01", "--uuid", "03000200-0400-0500-0006-000700080009"],
        &kerberos,
    );
    has(&text, &["as a duplicate", "MacCount=1 GuidCount=0", "required"]);
    assert!(admin.asked().iter().any(|asked| asked.contains("$skip=2")), "pages are followed");
    assert!(admin.asked().iter().all(|asked| !asked.contains("PXEPassword")));
    // A site that cannot filter by one address of many is asked by way of the adapters.
    admin.refuse_any(true);
    admin.set(
        "SMS_G_System_NETWORK_ADAPTER",
        vec![json!({ "ResourceID": 16_777_201, "MACAddress": "00:15:5D:00:19:01" })],
    );
    has(
        &ask(&configmgr, 1, 77),
        &["MacCount=1 GuidCount=0", "by its hardware address as PC0001", "required"],
    );
    admin.refuse_any(false);
    // Macs: one that is enrolled and has a deployment, and one that nobody knows.
    let macs = configmgr.replace("[configmgr]\n", "[configmgr]\nmacs = true\n");
    let ask_as_mac = |mac: &str| site.explain(&macs, &["--mac", mac, "--class", "bsdp"], &kerberos);
    has(&ask_as_mac("00:15:5d:00:19:01"), &["is offered the images", "as PC0001"]);
    has(&ask_as_mac("a8:20:66:12:34:56"), &["unknown-machine"]);
    admin.set(
        "SMS_Collection",
        vec![json!({ "CollectionID": "PS100014", "Name": "Unknown Mac OS X Systems", "MemberCount": 0 })],
    );
    has(
        &ask_as_mac("a8:20:66:12:34:56"),
        &["is offered the images", "treats it as Unknown Mac OS X Systems"],
    );
    // A running server that has an answer uses it when the site is down, but starts nothing Required by it.
    let running =
        format!("[dhcp]\nmode = \"off\"\n{}", configmgr.replace("[policy]\n", "[policy]\ncache = \"0s\"\n"));
    let netbootd = Netbootd::start_with(&site.lab, &site.root, &running, &kerberos);
    let config = site.lab.folder().join("netbootd.toml").display().to_string();
    let asked_of_it = |mac: &str, guid: &str| {
        let words = [&program(), "explain", "--mac", mac, "--uuid", guid, "--config", &config];
        String::from_utf8(site.lab.run("server", &words.map(AsRef::as_ref)).stdout).unwrap()
    };
    let (required, available) =
        ("4C4C4544-0057-5810-804A-C3C04F463701", "4C4C4544-0057-5810-804A-C3C04F463702");
    has(&asked_of_it("00:15:5d:00:19:01", required), &["boots PS100005", "required"]);
    has(&asked_of_it("00:15:5d:00:19:02", available), &["boots PS100005", "available"]);
    admin.break_down(true);
    has(&asked_of_it("00:15:5d:00:19:02", available), &["is out of reach", "boots PS100005", "available"]);
    has(&asked_of_it("00:15:5d:00:19:01", required), &["is out of reach", "stale-answer"]);
    let words = [&program(), "forget", "00:15:5d:00:19:02", "--config", &config];
    assert!(site.lab.run("server", &words.map(AsRef::as_ref)).status.success());
    has(&asked_of_it("00:15:5d:00:19:02", available), &["directory-down"]);
    admin.break_down(false);
    drop(netbootd);
    // Five megabytes of collections are read, and change nothing.
    let many = (0..20_000).map(|n| member(16_777_203, &format!("PS1{n:05}-{}", "x".repeat(200))));
    let usual = [member(16_777_201, "PS100014"), member(2_046_820_353, "SMS000US")];
    admin.set("SMS_FullCollectionMembership", many.chain(usual).collect());
    admin.page_by(20_000);
    has(&ask(&configmgr, 3, 3), &["no-deployment"]);
    has(&ask(&configmgr, 1, 1), &["required"]);
    admin.page_by(2);
    // Password instead of keytab.
    let password = format!("{head}user = \"netbootd@NB.TEST\"\npassword-file = \"domain-password\"\n");
    has(&ask(&password, 1, 1), &["required"]);
    let doctor = site.run(&password, &["doctor"], &kerberos);
    assert!(doctor.status.success());
    has(
        &String::from_utf8(doctor.stdout).unwrap(),
        &["for HTTP/cm01.nb.test", "version \"5.00.9132.1000\"", "4 task sequence deployments"],
    );

    // Every refusal has a name of its own.
    has(&ask(head, 1, 1), &["directory-down", "kerberos-needed", "neither a keytab nor a password"]);
    let short = configmgr.replace("cm01.nb.test", "cm01");
    has(&ask(&short, 1, 1), &["directory-down", "kerberos-needed"]);
    let unknown_authority = configmgr.replace("ca = \"ca.pem\"\n", "");
    has(&ask(&unknown_authority, 1, 1), &["certificate-untrusted"]);
    admin.break_down(true);
    has(&ask(&configmgr, 1, 1), &["directory-down", "503"]);
    admin.break_down(false);
    admin.set("SMS_AdvertisementInfo", vec![json!({ "AdvertisementID": 7, "PackageType": 4 })]);
    has(&ask(&configmgr, 1, 1), &["directory-down", "malformed", "SMS_AdvertisementInfo"]);

    // The domain itself, by Kerberos and by password over TLS.
    let directory =
        "[policy]\ndeadline = \"20s\"\n[active-directory]\nbase = \"DC=nb,DC=test\"\nca = \"ca.pem\"\n";
    let gssapi = format!("{directory}url = \"ldap://dc1.nb.test\"\nbind = \"gssapi\"\n{keytab}{FOR_KNOWN}");
    let text = site.explain(&gssapi, &["--mac", MAC, "--uuid", GUID], &kerberos);
    has(&text, &["MacCount=1 GuidCount=1", "by its GUID as PC01", "known.efi"]);
    let simple = format!(
        "{directory}url = \"ldaps://dc1.nb.test\"\nbind = \"simple\"\nuser = \"netbootd@nb.test\"\npassword-file = \"domain-password\"\n{FOR_KNOWN}"
    );
    let text = site.explain(&simple, &["--mac", MAC], &kerberos);
    has(&text, &["by its hardware address as PC02", "known.efi"]);
    let clear = simple.replace("ldaps://", "ldap://");
    has(
        &site.explain(&clear, &["--mac", MAC], &kerberos),
        &["directory-down", "unauthorized", "strongAuthRequired"],
    );
    let imported = site.run(
        &format!(
            "{simple}[configmgr]\nurl = \"https://cm01.nb.test/AdminService\"\nca = \"ca.pem\"\n{keytab}"
        ),
        &["device", "import", "--from-ad", "--to-configmgr", "--apply"],
        &kerberos,
    );
    assert!(imported.status.success());
    assert!(
        admin
            .asked()
            .iter()
            .any(|asked| asked.contains("POST") && asked.contains("SMS_Site.ImportMachineEntry"))
    );
}

#[test]
fn certificates_and_rights_of_the_site_are_told_apart() {
    let mut site = Site::new();
    let controller = site.authority.sign("dc1", "DNS:dc1.nb.test", 30);
    let domain = Domain::start(&mut site.lab, &controller, &[("PC01", BY_GUID)]);
    let expired = site.authority.sign("cm01", "DNS:cm01.nb.test", -2);
    let mut admin = AdminService::start(&mut site.lab, &domain, &expired, "valid-user");
    fill(&admin);
    let kerberos = [("KRB5_CONFIG", domain.kerberos_config())];
    let configuration = format!(
        "[policy]\ndeadline = \"20s\"\n[configmgr]\nurl = \"https://cm01.nb.test/AdminService\"\nca = \"ca.pem\"\nkeytab = {:?}\n",
        domain.keytab("netbootd.keytab")
    );
    let text = site.explain(&configuration, &["--mac", MAC], &kerberos);
    has(&text, &["directory-down", "certificate-expired"]);
    let good = site.authority.sign("cm01", "DNS:cm01.nb.test", 30);
    admin.restart(&site.lab, &domain, &good, "user somebody@NB.TEST");
    let text = site.explain(&configuration, &["--mac", MAC], &kerberos);
    has(&text, &["directory-down", "forbidden", "no role"]);
}
