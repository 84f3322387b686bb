//! NetBoot sets whose description does not read: refused on every way into the store, by name, with
//! nothing left behind.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use netbootd_tests::mac::Nbi;
use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::process::run;
use netbootd_tests::store::{announce, distribute, image, text};
use netbootd_tests::{Lab, Netbootd, wait};

/// Property lists that no server should choke on, and what is said of each.
fn unreadable() -> [(&'static str, Vec<u8>, &'static str); 5] {
    let entities: String = (1..10)
        .map(|n| {
            let below = format!("&e{};", n - 1).repeat(10);
            format!("<!ENTITY e{n} \"{below}\">")
        })
        .collect();
    let entities = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE plist [<!ENTITY e0 \"laughs\">{entities}]>\
         <plist version=\"1.0\"><dict><key>Name</key><string>&e9;</string></dict></plist>"
    );
    // 900 kB, far deeper than any reader's stack.
    let nested = format!(
        "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>Name</key>{}{}</dict></plist>",
        "<array>".repeat(60_000),
        "</array>".repeat(60_000)
    );
    let large = vec![b' '; (1 << 20) + 1];
    [
        ("Entities", entities.into_bytes(), "it declares entities"),
        ("Nested", nested.into_bytes(), "nested or repeated beyond reason"),
        ("Large", large, "1048577 bytes are more than 1048576"),
        ("Empty", Vec::new(), "not a property list"),
        ("Words", b"Name = Sierra".to_vec(), "no dictionary"),
    ]
}

fn put(share: &Path, name: &'static str, list: &[u8]) -> std::path::PathBuf {
    let set = Nbi { name, index: 5, root_size: 1000, more: "" }.put(share);
    fs::write(set.join("NBImageInfo.plist"), list).unwrap();
    set
}

#[test]
fn a_set_whose_description_does_not_read_is_refused_by_import() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    for (name, list, words) in unreadable() {
        let set = put(folder.path(), name, &list);
        let wim = folder.path().join(format!("{name}.wim"));
        let packed = folder.path().join(format!("packed/{name}"));
        fs::create_dir_all(&packed).unwrap();
        fs::rename(&set, packed.join(format!("{name}.nbi"))).unwrap();
        run(Command::new("wimlib-imagex").args([
            "capture",
            &text(&packed),
            &text(&wim),
            "--compress=XPRESS",
        ]));
        for source in [packed.join(format!("{name}.nbi")), wim] {
            let refused = image(&store, &["import", &text(&source)]);
            let said = String::from_utf8(refused.stderr).unwrap();
            assert_eq!(refused.status.code(), Some(1), "{said}");
            let named = format!("{}: NBImageInfo.plist does not read: ", source.display());
            assert!(said.contains(&named) && said.contains(words), "{said}");
        }
    }
    let list = image(&store, &["list", "--json"]);
    assert_eq!(String::from_utf8(list.stdout).unwrap().trim(), "{}");
    assert_eq!(fs::read_dir(store.join("blobs")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(store.join("incoming")).unwrap().count(), 0);
}

#[test]
fn a_set_whose_description_does_not_read_is_told_of_when_it_comes_by_itself() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let (drop_folder, library) = (lab.folder().join("drop"), lab.folder().join("SCCMContentLib"));
    fs::create_dir(&drop_folder).unwrap();
    let (_, nested, words) = unreadable().into_iter().find(|(name, ..)| *name == "Nested").unwrap();
    put(&drop_folder, "Dropped", &nested);
    distribute(&library, "PS100007.1", &put(&lab.folder(), "Packaged", &nested));
    announce(&library, "PS100007.1");
    let config = format!(
        "[store]\ndrop-folder = {:?}\ncontent-library = {:?}\nwatch = \"1s\"\n",
        text(&drop_folder),
        text(&library)
    );
    let netbootd = Netbootd::start(&lab, &root, &config);
    netbootd.wait_for("content library/PS100007.1: NBImageInfo.plist does not read", Duration::from_secs(20));
    netbootd.wait_for("drop/Dropped.nbi: NBImageInfo.plist does not read", Duration::from_secs(20));
    let sources = String::from_utf8(image(&lab.folder().join("state/images"), &["sources"]).stdout).unwrap();
    let refused = |source: &str| {
        sources.lines().any(|line| [source, "refused", words].iter().all(|word| line.contains(word)))
    };
    assert!(refused("Dropped.nbi") && refused("PS100007.1"), "{sources}");
    // A client that asks for its files gets "not found"; operators see the reason.
    let url = format!("http://{SERVER}/NetBoot/Images/Dropped.nbi/i386/booter");
    let asked = lab.run("server", &["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", &url]);
    assert_eq!(asked.stdout, b"404");
    netbootd.wait_for("image-refused", Duration::from_secs(10));
    assert!(netbootd.log().lines().any(|line| line.contains("image-refused") && line.contains(words)));
}

#[test]
fn an_unreadable_source_keeps_out_itself_only_and_is_tried_again() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let (drop_folder, library) = (lab.folder().join("drop"), lab.folder().join("SCCMContentLib"));
    fs::create_dir(&drop_folder).unwrap();
    let set = Nbi { name: "Sierra", index: 7, root_size: 10_000, more: "" }.put(&lab.folder());
    distribute(&library, "PS100002.1", &set);
    announce(&library, "PS100002.1");
    announce(&library, "PS100001.1");
    let tool = drop_folder.join("tool.efi");
    fs::write(&tool, "a program").unwrap();
    // netbootd has given up root's right to read everything.
    let open_to = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open_to(&tool, 0);
    open_to(&library.join("PkgLib/PS100001.INI"), 0);
    let config = format!(
        "[store]\ndrop-folder = {:?}\ncontent-library = {:?}\nwatch = \"1s\"\n",
        text(&drop_folder),
        text(&library)
    );
    let netbootd = Netbootd::start(&lab, &root, &config);
    netbootd.wait_for("New image distributed: Sierra", Duration::from_secs(20));
    netbootd.logged(&["no image imported", "tool.efi", "ermission denied"]);
    let store = lab.folder().join("state/images");
    let sources = || String::from_utf8(image(&store, &["sources"]).stdout).unwrap();
    let waits = |line: &str| line.contains("tool.efi") && line.contains("refused, next try at");
    // The list is written once for each look, after its lines in the log.
    let shows = |fits: &dyn Fn(&str) -> bool| {
        wait::until(Duration::from_secs(10), || sources().lines().any(fits), sources);
    };
    shows(&waits);

    // The cure changes nothing that the source shows from outside.
    open_to(&tool, 0o644);
    let config = text(&lab.folder().join("netbootd.toml"));
    let retry = lab.run("server", &[&program(), "image", "sources", "retry", "--config", &config]);
    let said = String::from_utf8(retry.stdout).unwrap();
    assert_eq!(said, "retrying 2 refused sources\n", "the package file is one, too");
    netbootd.wait_for("New image distributed: tool", Duration::from_secs(20));
    shows(&|line| line.contains("image tool"));
}
