//! The copy of the site that a running server keeps.

use std::time::Duration;

use netbootd_tests::admin_service::rows::{member, system};
use netbootd_tests::directory_site::has;
use netbootd_tests::{Netbootd, netbootd::program, wait};
use serde_json::{Value, json};

use super::{ConfigMgr, mac, uuid};

const PATIENCE: Duration = Duration::from_secs(20);

impl ConfigMgr {
    /// A server whose copy is brought up to date every two seconds.
    fn mirroring(&self) -> Netbootd {
        let policy = "[policy]\ncache = \"4s\"\n";
        let configuration = self.configuration.replace("[policy]\n", policy);
        Netbootd::start_with(&self.site.lab, &self.site.root, &configuration, &self.kerberos)
    }

    fn copy(&self) -> Value {
        serde_json::from_slice(&self.asked_of_it(&["site", "status", "--json"]).stdout).unwrap_or_default()
    }

    fn wait_for_copy(&self, netbootd: &Netbootd, fits: impl Fn(&Value) -> bool) -> Value {
        let ask = || Some(self.copy()).filter(&fits);
        wait::for_some(PATIENCE, ask, || format!("{:#}\n{}", self.copy(), netbootd.log()))
    }

    /// The questions behind the first so many.
    fn asked_since(&self, before: usize) -> Vec<String> {
        self.admin.asked().split_off(before)
    }

    fn is_explained(&self, netbootd: &Netbootd, n: u32, words: &[&str]) {
        let holds = || {
            let text = self.explained_by_it(n);
            words.iter().all(|word| text.contains(word))
        };
        wait::until(PATIENCE, holds, || format!("{}\n{}", self.explained_by_it(n), netbootd.log()));
    }

    /// The site counts its machines, and their collections have stamps.
    fn count(&self, stamp: &str) {
        let count = self.admin.rows("SMS_R_System").len();
        let members = self.admin.rows("SMS_FullCollectionMembership");
        let collection = |id: &str, members: usize| json!({ "CollectionID": id, "Name": id, "MemberCount": members, "LastMemberChangeTime": stamp });
        let deployed = ["PS100014", "PS100015", "PS100016", "SMS000US"];
        let of = |id: &str| members.iter().filter(|row| row["CollectionID"] == id).count();
        let rows =
            deployed.map(|id| collection(id, of(id))).into_iter().chain([collection("SMS00001", count)]);
        self.admin.set("SMS_Collection", rows.collect());
    }
}

fn pc(n: u32) -> u64 {
    16_777_200 + u64::from(n)
}

#[test]
fn a_running_server_decides_from_its_copy_of_the_site_and_keeps_it_over_a_restart() {
    let mut this = ConfigMgr::new(30);
    this.site.lab.add_host("client");
    this.site.lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    this.admin.page_by(3);
    this.count("2025-01-01T00:00:00Z");
    let netbootd = this.mirroring();
    let copy = this.wait_for_copy(&netbootd, |copy| copy["whole"] == true);
    assert_eq!(
        (&copy["devices"], &copy["deployments"], &copy["memberships"]),
        (&json!(6), &json!(4), &json!(5))
    );
    let shapes = json!({ "paging": "keyset", "obsolete": true, "several": true });
    assert_eq!((&copy["shapes"], &copy["counted"]), (&shapes, &json!(6)));

    // Available costs no question; Required is confirmed, by the record alone.
    let before = this.admin.asked().len();
    has(&this.explained_by_it(2), &["available", "MacCount=2 GuidCount=1", "PS120084"]);
    let offered = || {
        let (program, mac, uuid) = (program(), mac(1), uuid(1));
        let words = [&program, "probe", "pxe", "10.77.0.1", "--mac", &mac, "--uuid", &uuid, "--timeout", "4"];
        String::from_utf8(this.site.lab.run("client", &words).stdout).unwrap()
    };
    has(&offered(), &["bootmgfw.efi"]);
    netbootd.logged(&["reason=required"]);
    let asked = this.asked_since(before);
    assert!(
        !asked.iter().any(|asked| asked.contains("SMBIOSGUID eq") || asked.contains("/any(")),
        "{asked:?}"
    );
    assert!(asked.iter().any(|asked| asked.contains("ResourceId eq 16777201")), "{asked:?}");
    // The site forgets nothing of what it noted meanwhile.
    has(&this.explained_by_it(3), &["already-run", "the site says 2025-02-03T10:41:07Z"]);
    has(&this.explained_by_it(50), &["treats it as x64 Unknown Computer", "PS120086"]);

    // A new machine, a moved one and an obsolete one show up by themselves.
    let mut systems = this.admin.rows("SMS_R_System");
    systems.push(system(pc(200), "PC0060", Some(&uuid(60)), &["00:15:5D:00:19:60"], "2025-03-05T09:12:44Z"));
    systems[3]["Obsolete"] = json!(1);
    this.admin.set("SMS_R_System", systems);
    let moved = [member(pc(200), "PS100015"), member(pc(2), "PS100014"), member(2_046_820_353, "SMS000US")];
    this.admin.set("SMS_FullCollectionMembership", moved.to_vec());
    this.count("2025-01-01T00:01:00Z");
    this.is_explained(&netbootd, 60, &["PC0060", "PS120084", "available"]);
    this.is_explained(&netbootd, 2, &["PC0002", "PS120083", "required"]);
    let is_current = |copy: &Value| copy["retired"] == 1 && copy["devices"] == 7 && copy["memberships"] == 3;
    this.wait_for_copy(&netbootd, |copy| is_current(copy) && copy["age"].as_u64() < Some(2));

    // The site goes away, over a restart too: what is Available goes on, and nothing Required.
    this.admin.break_down(true);
    this.is_explained(&netbootd, 60, &["is out of reach", "available"]);
    this.is_explained(&netbootd, 2, &["is out of reach", "stale-answer"]);
    drop(netbootd);
    let netbootd = this.mirroring();
    this.is_explained(&netbootd, 60, &["PC0060", "is out of reach", "available"]);
    has(&this.explained_by_it(2), &["stale-answer"]);
    has(&this.explained_by_it(51), &["directory-down"]);
    this.admin.break_down(false);
    this.is_explained(&netbootd, 2, &["PC0002", "PS120083", "required"]);
}

#[test]
fn a_mass_removal_is_held_back_and_hidden_rows_are_told_from_an_empty_site() {
    let this = ConfigMgr::new(30);
    this.admin.page_by(1000);
    let before = this.admin.rows("SMS_R_System");
    let more = (100..140).map(|n| {
        let address = format!("00:15:5D:00:20:{n:02X}");
        system(pc(n + 1000), &format!("PC{n}"), None, &[&address], "2025-03-05T09:12:44Z")
    });
    this.admin.set("SMS_R_System", before.iter().cloned().chain(more).collect());
    this.count("2025-01-01T00:00:00Z");
    // A site that knows neither `gt` nor several records at a time.
    this.admin.refuse_shapes(&[" gt ", " or "]);
    let netbootd = this.mirroring();
    let copy = this.wait_for_copy(&netbootd, |copy| copy["whole"] == true);
    assert_eq!(copy["shapes"], json!({ "paging": "skip", "obsolete": true, "several": false }));
    assert_eq!(copy["devices"], 46);

    this.admin.set("SMS_R_System", before);
    assert!(this.asked_of_it(&["site", "sweep"]).status.success());
    let copy = this.wait_for_copy(&netbootd, |copy| !copy["held"].is_null());
    assert_eq!((&copy["held"], &copy["devices"]), (&json!({ "missing": 40, "of": 46 }), &json!(46)));
    netbootd.logged(&["they are kept until", "missing=40", "of=46"]);
    let shown = String::from_utf8(this.asked_of_it(&["site", "status"]).stdout).unwrap();
    has(&shown, &["40 of 46 are not shown any more; `netbootd site accept` removes them", "skip"]);
    assert!(this.asked_of_it(&["site", "accept"]).status.success());
    this.wait_for_copy(&netbootd, |copy| copy["devices"] == 6 && copy["held"].is_null());
    assert!(!this.asked_of_it(&["site", "accept"]).status.success(), "nothing is held back any more");

    // A role that hides the members says so, and is no empty collection.
    this.admin.hide(&["SMS_FullCollectionMembership"]);
    this.count("2025-01-01T00:02:00Z");
    let copy = this.wait_for_copy(&netbootd, |copy| !copy["trouble"].is_null());
    has(copy["trouble"].as_str().unwrap(), &["forbidden", "SMS_FullCollectionMembership", "hides them"]);
    netbootd.logged(&["the copy of the site is not up to date", "hides them"]);
}
