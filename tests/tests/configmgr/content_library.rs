//! The packages of the content library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use netbootd_tests::Netbootd;
use netbootd_tests::store::{announce, distribute_file, image};
use serde_json::{Value, json};

use super::ConfigMgr;

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
