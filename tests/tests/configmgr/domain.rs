//! The domain itself, and computers that the site lacks.

use netbootd_tests::directory_site::{FOR_KNOWN, GUID, MAC, has};
use serde_json::json;

use super::ConfigMgr;

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

/// A computer that fails does not stop the others, and what is there already is neither imported
/// nor put into the collection again.
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
