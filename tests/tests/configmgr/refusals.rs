//! The site's refusals, each with a name of its own.

use netbootd_tests::admin_service::Web;
use netbootd_tests::admin_service::rows::member;
use netbootd_tests::directory_site::{MAC, has};
use serde_json::json;

use super::{ConfigMgr, HEAD};

/// A web server of the kind that was set up for NTLM.
const NTLM_ONLY: &str =
    "Require all granted\nRedirect 401 /AdminService\nHeader always set WWW-Authenticate NTLM";

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
