use std::fs;

use bsdp::DisabledModels;
use imagestore::{BootTree, Mount};

use super::*;

const GOOD: &str = r#"<plist version="1.0"><dict>
<key>Name</key><string>Sierra</string><key>Index</key><integer>INDEX</integer><key>Type</key><string>HTTP</string>
<key>BootFile</key><string>booter</string><key>RootPath</key><string>NetInstall.dmg</string>
<key>Architectures</key><array><string>i386</string></array></dict></plist>"#;

fn put(share: &Path, name: &str, list: &str) {
    let folder = share.join(name);
    fs::create_dir_all(folder.join("i386")).unwrap();
    fs::write(folder.join("i386/booter"), "booter").unwrap();
    fs::write(folder.join("NetInstall.dmg"), "root").unwrap();
    fs::write(folder.join(INFO_FILE), list).unwrap();
}

fn good(index: u32) -> String {
    GOOD.replace("INDEX", &index.to_string())
}

fn scanned(root: &Path) -> Scan {
    let netboot = Netboot {
        enabled: true,
        shares: Vec::new(),
        default_folder: root.join("NetBoot"),
        server_name: None,
        tftp_prefix: String::new(),
        max_block_size: 1460,
        default_rule: DefaultRule::ModelFirst,
        disabled_models: DisabledModels::Obey,
        priority: 1,
        shadow: None,
        netboot_1: false,
        binding_lifetime: None,
        rescan: std::time::Duration::ZERO,
    };
    let tree = BootTree::new(&[Mount { at: String::new(), folder: root.to_owned() }]).unwrap();
    scan(&netboot, &Files::new(tree, None))
}

#[test]
fn every_bad_folder_is_reported_and_the_others_are_offered() {
    let root = tempfile::tempdir().unwrap();
    let share = root.path().join("NetBoot/SP0");
    put(&share, "A.nbi", &good(1));
    put(&share, "B.nbi", &good(1));
    put(&share, "C.nbi", "not a plist");
    put(&share, "D.nbi", &good(4));
    fs::remove_file(share.join("D.nbi/i386/booter")).unwrap();
    put(&share.join("wrapper"), "E.nbi", &good(5));
    fs::create_dir_all(share.join("F.nbi")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", share.join("F.nbi").join(INFO_FILE)).unwrap();
    put(&share, "G.nbi", &good(7));
    fs::rename(share.join("G.nbi/NetInstall.dmg"), share.join("G.nbi/real.sparseimage")).unwrap();
    std::os::unix::fs::symlink("real.sparseimage", share.join("G.nbi/NetInstall.dmg")).unwrap();
    let scan = scanned(root.path());
    let offered: Vec<&str> = scan.images.iter().map(|image| image.folder.as_str()).collect();
    assert_eq!(offered, ["A.nbi", "G.nbi"]);
    let problems: Vec<(&str, String)> = scan
        .folders
        .iter()
        .filter(|read| read.image.is_none())
        .map(|read| (read.folder.as_str(), read.problems_text()))
        .collect();
    let wanted = [
        ("B.nbi", "taken by A.nbi"),
        ("C.nbi", "does not read"),
        ("D.nbi", "the booter i386/booter is missing"),
        ("F.nbi", "leads out of the boot tree"),
        ("wrapper", "one folder too deep"),
    ];
    assert_eq!(problems.len(), wanted.len(), "{problems:?}");
    for ((folder, text), (expected, part)) in problems.iter().zip(wanted) {
        assert!(*folder == expected && text.contains(part), "{folder}: {text}");
    }
}

#[test]
fn ten_thousand_images_are_read() {
    let root = tempfile::tempdir().unwrap();
    let share = root.path().join("NetBoot/SP0");
    for index in 1..=10_000 {
        put(&share, &format!("{index}.nbi"), &good(index));
    }
    let scan = scanned(root.path());
    assert_eq!((scan.images.len(), scan.folders.len()), (10_000, 10_000));
}

#[test]
fn a_site_without_macs_has_no_share() {
    let root = tempfile::tempdir().unwrap();
    let scan = scanned(root.path());
    assert!(scan.images.is_empty() && scan.folders.is_empty());
}
