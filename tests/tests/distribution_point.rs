//! `examples/distribution-point` on the wire: the site is asked over TLS with Kerberos, and the
//! distribution point's own responder answers the machines that it deploys to.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::path::Path;

use netbootd_tests::admin_service::Web;
use netbootd_tests::admin_service::rows::fill;
use netbootd_tests::directory_site::{BY_GUID, has};
use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::responder::{BCD, Says, VARIABLES, option};
use netbootd_tests::{AdminService, DirectorySite, Domain, Netbootd, Responder};
use serde_json::json;

const PROGRAM: &str = "\\SMSBoot\\x64\\wdsmgfw.efi";

/// The example with this laboratory's names and addresses. Its `[boot]` is the laboratory's own.
fn example(domain: &Domain, library: &Path) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/distribution-point/netbootd.toml");
    let text = fs::read_to_string(path).unwrap();
    let keytab = domain.keytab("netbootd.keytab").display().to_string();
    let replacements = [
        ("[boot]\nroot = \"/srv/netboot\"\n", ""),
        ("https://cm01.corp.example/AdminService", "https://cm01.nb.test/AdminService"),
        ("/etc/netbootd/sms-issuing.pem", "ca.pem"),
        ("/etc/netbootd/netbootd.keytab", keytab.as_str()),
        ("distribution-point = \"dp01.corp.example\"", "distribution-point = \"dp01.nb.test\""),
        ("certificates = [\"mp01.corp.example\", \"dp01.corp.example\"]", "certificates = []"),
        ("ldaps://dc1.corp.example\"", "ldap://dc1.nb.test\"\nbase = \"DC=nb,DC=test\""),
        ("responder = \"dp01.corp.example\"", "responder = \"10.77.0.6\""),
        ("/mnt/SCCMContentLib", &library.display().to_string()),
        // The laboratory's emulated domain controller takes its time.
        ("[policy]\n", "[policy]\ndeadline = \"20s\"\n"),
    ];
    replacements.into_iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the example has no {from:?}");
        text.replace(from, to)
    })
}

#[test]
fn the_site_decides_and_its_responder_serves_the_machines_that_it_deploys_to() {
    let mut site = DirectorySite::new();
    let controller = site.authority.sign("dc1", "DNS:dc1.nb.test,IP:10.77.0.8", 30);
    let domain = Domain::start(&mut site.lab, &controller, &[("PC01", BY_GUID)]);
    let certificate = site.authority.sign("cm01", "DNS:cm01.nb.test", 30);
    let admin = AdminService::start(&mut site.lab, &domain, Web::with(&certificate));
    fill(&admin);
    admin.set(
        "SMS_Collection",
        vec![json!({ "CollectionID": "PS100014", "Name": "Unknown Mac OS X Systems", "MemberCount": 0 })],
    );
    let responder = Responder::start(&mut site.lab);
    responder.says(Says::WithPassword(PROGRAM));
    let files = [(PROGRAM, vec![0x4d; 30_000]), (VARIABLES, vec![0x56; 3_000]), (BCD, vec![0x72; 16_384])];
    for (path, bytes) in &files {
        let file = responder.root().join(path.trim_start_matches('\\').replace('\\', "/"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    let library = site.lab.folder().join("SCCMContentLib");
    for folder in ["PkgLib", "DataLib", "FileLib"] {
        fs::create_dir_all(library.join(folder)).unwrap();
    }
    site.lab.add_host("client");
    site.lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    let kerberos = [("KRB5_CONFIG", domain.kerberos_config())];
    let configuration = example(&domain, &library);
    let netbootd = Netbootd::start_with(&site.lab, &site.root, &configuration, &kerberos);

    let program = program();
    let ask = |n: u32| {
        let (mac, uuid) =
            (format!("00:15:5d:00:19:{n:02}"), format!("4C4C4544-0057-5810-804A-C3C04F4637{n:02}"));
        let words = [&program, "probe", "pxe", SERVER, "--mac", &mac, "--uuid", &uuid, "--timeout", "10"];
        String::from_utf8(site.lab.run("client", &words).stdout).unwrap()
    };
    let fetch = |path: &str| {
        let out = site.lab.folder().join("got");
        let _ = fs::remove_file(&out); // of the file before
        let to = out.display().to_string();
        site.lab.run("client", &[&program, "probe", "tftp", "--as-machine", SERVER, path, "--output", &to]);
        fs::read(&out).unwrap_or_default()
    };

    // A machine with a Required task sequence: the responder's answer, its variables file and its
    // files, by way of netbootd.
    has(&ask(1), &["wdsmgfw.efi", "server identifier: 10.77.0.1", "next server: 10.77.0.1", VARIABLES]);
    netbootd.logged(&["ack", "reason=required", "machine=\"PC0001\"", "deployment=\"PS120083\""]);
    assert_eq!(responder.asked().len(), 1);
    assert_eq!(option(&responder.asked()[0], 97).map(<[u8]>::len), Some(17));
    for (path, bytes) in &files {
        let came = fetch(path);
        assert!(came == *bytes, "{path}: {} bytes\n{}", came.len(), netbootd.log());
    }
    // One with an Available one, and one that the site's own rule for unknown machines gives one.
    has(&ask(2), &["wdsmgfw.efi"]);
    netbootd.logged(&["ack", "reason=available", "deployment=\"PS120084\""]);
    has(&ask(50), &["wdsmgfw.efi"]);
    let asked = responder.asked().len();
    // A deployment that has run by the site's word stays with its disk, and the responder is not
    // asked.
    let told = ask(3);
    assert!(!told.contains("wdsmgfw.efi"), "{told}");
    netbootd.logged(&["reason=already-run", "machine=\"PC0003\""]);
    assert_eq!(responder.asked().len(), asked);
    // A site that is down starts nothing, even where the responder would.
    admin.break_down(true);
    assert!(!ask(60).contains("wdsmgfw.efi"));
    netbootd.logged(&["reason=directory-down"]);
    assert_eq!(responder.asked().len(), asked);
    admin.break_down(false);

    // Macs by the same site: one that is enrolled, and a stranger by the collection for unknown
    // ones.
    let config = site.lab.folder().join("netbootd.toml").display().to_string();
    let explained = |mac: &str| {
        let mut command = site.lab.command("server", &program);
        command.args(["explain", "--mac", mac, "--class", "bsdp", "--config", &config]);
        String::from_utf8(command.envs(kerberos.iter().cloned()).output().unwrap().stdout).unwrap()
    };
    has(&explained("00:15:5d:00:19:01"), &["as PC0001"]);
    has(&explained("a8:20:66:12:34:56"), &["Unknown Mac OS X Systems"]);
}
