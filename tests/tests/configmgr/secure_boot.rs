//! Secure Boot as the site knows it: its inventory of machines, and its certificates of boot media.

use std::fs;
use std::time::Duration;

use netbootd_tests::directory_site::has;
use netbootd_tests::{Netbootd, wait};
use serde_json::json;

use super::ConfigMgr;

const INVENTORY: &str =
    "\n[configmgr.secure-boot]\nclass = \"SMS_G_System_SECUREBOOT2023\"\nproperty = \"Capable0\"\n";

#[test]
fn the_sites_inventory_says_what_a_machine_trusts_and_the_site_until_when_boot_media_are_good() {
    let this = ConfigMgr::new(90);
    let row = |id: u64, value: serde_json::Value| json!({ "ResourceID": id, "Capable0": value });
    this.admin.set(
        "SMS_G_System_SECUREBOOT2023",
        vec![row(16_777_201, json!(2)), row(16_777_202, json!("0")), row(16_777_203, json!(null))],
    );
    let image = this.site.root.join("PS100005/boot/x64");
    fs::write(image.join("bootmgfw_EX.efi"), "boot").unwrap();
    let configuration = format!("{}{INVENTORY}", this.configuration);
    has(&this.ask(&configuration, 1, 1), &["bootmgfw_EX.efi: required", "ConfigMgr's inventory says so"]);
    // The one that lacks it, and a site whose class nobody can read: as without an inventory.
    let lacks = this.ask(&configuration, 2, 2);
    has(&lacks, &["PS100005/boot/x64/bootmgfw.efi", "available", "ConfigMgr's inventory says so"]);
    let another = configuration.replace("SECUREBOOT2023", "NOTHING");
    let unknown = this.ask(&another, 1, 1);
    has(&unknown, &["PS100005/boot/x64/bootmgfw.efi: required"]);
    assert!(!unknown.contains("inventory says so"), "{unknown}");
    let doctor = this.site.run(&configuration, &["doctor"], &this.kerberos);
    has(&String::from_utf8(doctor.stdout).unwrap(), &["2 machines in SMS_G_System_SECUREBOOT2023"]);
    let wrong = configuration.replace("\"Capable0\"", "\"Capable0 eq 1\"");
    let checked = this.site.run(&wrong, &["check-config"], &this.kerberos);
    has(&String::from_utf8(checked.stderr).unwrap(), &["is no name of the AdminService"]);

    // Renewed boot media, and PXE's certificate, which is blocked.
    let certificate = |kind: u32, until: &str, blocked: bool| json!({ "Type": kind, "ValidUntil": until, "IsBlocked": blocked });
    this.admin.set(
        "SMS_PXECertificateInfo",
        vec![
            certificate(1, "2020-01-01T00:00:00Z", false),
            certificate(1, "2099-01-01T00:00:00Z", false),
            certificate(1, "2098-01-01T00:00:00Z", true),
            certificate(2, "2099-01-01T00:00:00Z", true),
        ],
    );
    let netbootd = Netbootd::start_with(&this.site.lab, &this.site.root, &configuration, &this.kerberos);
    wait::for_some(
        Duration::from_secs(20),
        || {
            let shown = String::from_utf8(this.asked_of_it(&["status"]).stdout).unwrap();
            shown.contains("certificate of boot media: ").then_some(())
        },
        || netbootd.log(),
    );
    let metrics = this.site.lab.run("server", &["curl", "-sS", "http://127.0.0.1:9167/metrics"]);
    let metrics = String::from_utf8(metrics.stdout).unwrap();
    let sample = |family: &str, server: &str| {
        format!("netbootd_certificate_{family}{{part=\"configmgr\",server=\"{server}\"}}")
    };
    let (media, points) = (sample("valid", "boot media"), sample("valid", "PXE points"));
    has(&metrics, &[&format!("{media} 1"), &format!("{points} 0")]);
    has(&metrics, &[&format!("{} 2", sample("remaining_days", "boot media"))]);
    has(&netbootd.log(), &["a certificate needs care", "it is blocked in the site"]);
}
