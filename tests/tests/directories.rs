//! Directories of the LDAP kind that know machines: OpenLDAP.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;

use netbootd_tests::directory_site::{BY_GUID, BY_MAC, FOR_KNOWN, GUID, MAC, has};
use netbootd_tests::slapd::READER;
use netbootd_tests::{Authority, DirectorySite, Slapd};

fn slapd_config(url: &str, more: &str) -> String {
    format!(
        "[active-directory]\nurl = {url:?}\nbind = \"simple\"\nuser = {:?}\npassword-file = \"password\"\nca = \"ca.pem\"\n{more}\n{FOR_KNOWN}",
        READER.0
    )
}

#[test]
fn prestaged_computers_are_found_by_guid_and_by_address() {
    let mut site = DirectorySite::new();
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
    imports_into_a_file_and_keeps_it(&site, &ldaps);
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

/// Two computers of this directory have one address: the second fails, and the others come.
fn imports_into_a_file_and_keeps_it(site: &DirectorySite, configuration: &str) {
    let file = site.lab.folder().join("devices.csv");
    let import = || {
        let place = file.display().to_string();
        let output = site.run(configuration, &["device", "import", "--from-ad", "--to", &place], &[]);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        has(&text, &["PC03-OLD failed", "1 computers were not imported"]);
        assert_eq!(output.status.code(), Some(1));
        (text, fs::read_to_string(&file).unwrap())
    };
    let kept = format!("# by hand\nowner,mac,purpose,image,name\nAnna,{MAC},required,winpe,kiosk\n");
    fs::write(&file, &kept).unwrap();
    let (text, written) = import();
    has(&text, &["PC01 added", "PC03 added", "2 added, 1 there already"]);
    let kept = kept.replace(",name\n", ",name,uuid\n");
    assert!(written.starts_with(&kept) && written.lines().count() == 5, "{written}");
    has(&written, &[&format!(",,,,PC01,{}", GUID.to_ascii_lowercase())]);
    let (text, again) = import();
    has(&text, &["0 added, 3 there already"]);
    assert_eq!(again, written);
}

#[test]
fn a_directory_at_an_address_of_ipv6_is_asked_and_its_certificate_is_for_that_address() {
    let mut site = DirectorySite::new();
    site.lab.ip("server", "addr add fd77::1/64 dev lan0 nodad");
    let certificate = site.authority.sign("dc1", "IP:fd77::8", 30);
    let _slapd = Slapd::start(&mut site.lab, &certificate, &[("PC01", BY_GUID, None)]);
    let machine = ["--mac", "52:54:00:00:00:01", "--uuid", GUID];
    let start_tls = slapd_config("ldap://[fd77::8]:389", "start-tls = true");
    for configuration in [slapd_config("ldaps://[fd77::8]", ""), start_tls] {
        has(&site.explain(&configuration, &machine, &[]), &["knows it by its GUID as PC01"]);
        let doctor = site.run(&configuration, &["doctor"], &[]);
        has(&String::from_utf8(doctor.stdout).unwrap(), &["fd77::8", "1 prestaged computer"]);
    }
    let other = site.explain(&slapd_config("ldaps://[fd77::9]", ""), &machine, &[]);
    has(&other, &["directory-down", "certificate-name"]);
}

#[test]
fn each_broken_link_to_a_directory_is_told_apart() {
    let mut site = DirectorySite::new();
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
