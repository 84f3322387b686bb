//! The site's word before anything boots: boundaries, content, identifiers that are shared.

use netbootd_tests::admin_service::rows::system;
use netbootd_tests::admin_service::whole::nal;
use netbootd_tests::directory_site::has;
use netbootd_tests::netbootd::program;
use netbootd_tests::{Netbootd, wait};
use serde_json::{Value, json};
use std::time::Duration;

use super::{ConfigMgr, mac, uuid};

impl ConfigMgr {
    fn shown(&self, words: &[&str]) -> String {
        let output = self.asked_of_it(words);
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    /// Two segments: the laboratory's own, whose group has no management point, and another one.
    fn put_places(&self, build: u32) {
        let range = |id: u32, value: &str| json!({ "BoundaryID": id, "BoundaryType": 3, "DisplayName": format!("Segment {id}"), "Value": value });
        let server = |group: u32, server: &str| json!({ "GroupID": group, "ServerNALPath": nal(server) });
        let admin = &self.admin;
        admin.set("SMS_Site", vec![json!({ "SiteCode": "PS1", "Version": format!("5.00.{build}.1000") })]);
        admin.set("SMS_Boundary", vec![range(1, "10.77.0.1-10.77.0.254"), range(2, "10.79.0.1-10.79.0.254")]);
        let group = |id: u32, name: &str| json!({ "GroupID": id, "Name": name });
        admin.set("SMS_BoundaryGroup", vec![group(1, "Laboratory"), group(2, "Branch")]);
        let member = |id: u32| json!({ "BoundaryID": id, "GroupID": id });
        admin.set("SMS_BoundaryGroupMembers", vec![member(1), member(2)]);
        let servers = vec![server(1, "dp01.nb.test"), server(2, "dp01.nb.test"), server(2, "cm01.nb.test")];
        admin.set("SMS_BoundaryGroupSiteSystems", servers);
        let role = json!({ "RoleName": "SMS Management Point", "NALPath": nal("cm01.nb.test") });
        admin.set("SMS_SystemResourceList", vec![role]);
    }

    fn put_content(&self) {
        let image = |id: &str| json!({ "PackageID": id, "Name": "Boot image", "Architecture": "x64", "SourceVersion": 9 });
        self.admin.set("SMS_BootImagePackage", vec![image("PS100005"), image("PS100009")]);
        let state = json!({
            "PackageID": "PS100005", "PackageType": 258, "ServerNALPath": nal("dp01.nb.test"), "SourceVersion": 8, "State": 0,
        });
        self.admin.set("SMS_PackageStatusDistPointsSummarizer", vec![state]);
    }
}

#[test]
fn boundaries_content_and_shared_identifiers_are_shown_before_the_boot() {
    let mut this = ConfigMgr::new(30);
    this.site.lab.add_host("client");
    this.site.lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    this.admin.page_by(1000);
    this.put_places(9141);
    this.put_content();
    let mut systems = this.admin.rows("SMS_R_System");
    for n in 70..73 {
        // A dongle that three machines were installed with.
        systems.push(system(
            16_777_300 + u64::from(n),
            &format!("PC00{n}"),
            Some(&uuid(n)),
            &["00:50:B6:00:00:02"],
            "2024-01-01T00:00:00Z",
        ));
    }
    this.admin.set("SMS_R_System", systems);
    let point = "[configmgr]\ndistribution-point = \"dp01.nb.test\"\n";
    let configuration = this.configuration.replace("[configmgr]\n", point);
    let netbootd = Netbootd::start_with(&this.site.lab, &this.site.root, &configuration, &this.kerberos);
    let copy =
        || -> Value { serde_json::from_str(&this.shown(&["site", "status", "--json"])).unwrap_or_default() };
    let is_whole = || copy()["whole"] == true;
    wait::until(Duration::from_secs(20), is_whole, || format!("{:#}\n{}", copy(), netbootd.log()));
    assert_eq!((&copy()["boundaries"], &copy()["unread"]), (&json!(2), &json!([])));

    let lab = &this.site.lab;
    let (program, mac, uuid) = (program(), mac(1), uuid(1));
    lab.run(
        "client",
        &[&program, "probe", "pxe", "10.77.0.1", "--mac", &mac, "--uuid", &uuid, "--timeout", "2"],
    );
    let here = this.shown(&["explain", &mac]);
    has(
        &here,
        &[
            "in the boundary group \"Laboratory\"",
            "management points none",
            "no boundary group of this network has a management point",
        ],
    );
    let branch = this.shown(&["explain", &mac, "--relay", "10.79.0.1"]);
    has(
        &branch,
        &["in the boundary group \"Branch\"", "management points cm01.nb.test", "other servers dp01.nb.test"],
    );
    assert!(!branch.contains("no boundary group of this network"), "{branch}");
    has(&this.shown(&["explain", &mac, "--relay", "10.80.0.1"]), &["no boundary has this network"]);
    has(&this.shown(&["site", "networks"]), &["10.77.0.", "Laboratory", "has a management point"]);

    // The version differs; the other image is not distributed, and has no file here.
    let images = this.shown(&["site", "images"]);
    has(&images, &["PS100005", "other-version", "x64-uefi", "dp01.nb.test has version 8, the site 9"]);
    has(&images, &["PS100009", "not-distributed", "distribute PS100009 to dp01.nb.test"]);
    has(
        &this.shown(&["site", "duplicates"]),
        &["00:50:B6:00:00:02", "PC0070, PC0071, PC0072", "New-CMDuplicateHardwareIdMacAddress"],
    );

    // Each class that is read, with the right that is missing.
    has(
        &this.shown(&["doctor", "site"]),
        &["pass  configmgr", "SMS_BoundaryGroupSiteSystems: servers of groups", "read by record id"],
    );
    this.admin.hide(&["SMS_Collection"]);
    let doctor = this.asked_of_it(&["doctor", "site"]);
    assert_eq!(doctor.status.code(), Some(1));
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    has(
        &doctor,
        &[
            "FAIL  configmgr",
            "SMS_Collection: every site has rows of it",
            "-> give the account's role Read on Collection",
        ],
    );
    this.admin.hide(&[]);

    // An account without these rights loses the checks, and nothing else.
    drop(netbootd);
    this.admin.refuse_shapes(&["SMS_Boundary", "DistPointsSummarizer"]);
    std::fs::remove_file(lab.folder().join("state/site.redb")).unwrap();
    let netbootd = Netbootd::start_with(lab, &this.site.root, &configuration, &this.kerberos);
    wait::until(Duration::from_secs(20), is_whole, || format!("{:#}\n{}", copy(), netbootd.log()));
    assert_eq!((&copy()["boundaries"], copy()["unread"].as_array().map(Vec::len)), (&json!(0), Some(2)));
    assert!(!this.shown(&["explain", &mac, "--relay", "10.80.0.1"]).contains("at the site:"));
}
