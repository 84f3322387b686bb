//! The signers of boot programs: Debian's own, ones signed here, and revocation lists against them.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::process::{Command, Output};

use netbootd_tests::Lab;
use netbootd_tests::netbootd::program;

const SHIM: &str = "/usr/lib/shim/shimx64.efi.signed";
const GRUB: &str = "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed";
const UNSIGNED: &str = "/usr/lib/shim/shimx64.efi";

/// A boot folder, a state folder and the configuration that names them.
struct Site {
    lab: Lab,
}

impl Site {
    fn new(rule: &str) -> Self {
        let lab = Lab::new();
        for folder in ["boot", "state"] {
            fs::create_dir(lab.folder().join(folder)).unwrap();
        }
        let path = |name: &str| lab.folder().join(name).display().to_string();
        let config = format!(
            "[boot]\nroot = \"{}\"\n[server]\nstate-dir = \"{}\"\n{rule}",
            path("boot"),
            path("state")
        );
        fs::write(lab.folder().join("netbootd.toml"), config).unwrap();
        Site { lab }
    }

    fn put(&self, name: &str, from: &str) {
        fs::copy(from, self.lab.folder().join("boot").join(name)).unwrap();
    }

    fn run(&self, words: &[&str]) -> Output {
        let config = self.lab.folder().join("netbootd.toml");
        Command::new(program()).args(words).arg("--config").arg(config).output().unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The authorities of the signatures as sbsigntool lists them.
fn issuers_by_sbverify(path: &str) -> Vec<String> {
    let output = Command::new("sbverify").args(["--list", path]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let issuers = text.lines().filter_map(|line| line.trim().strip_prefix("- /"));
    issuers.filter_map(|issuer| issuer.rsplit("CN=").next()).map(|name| name.trim().to_owned()).collect()
}

#[test]
fn signers_are_those_that_sbverify_lists() {
    let site = Site::new("");
    for (name, from) in [("shimx64.efi", SHIM), ("grubx64.efi", GRUB)] {
        site.put(name, from);
        let output = site.run(&["file", "show", name, "--json"]);
        assert!(output.status.success(), "{}", text(&output));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let issuers: Vec<String> = report["signatures"]
            .as_array()
            .unwrap()
            .iter()
            .map(|signature| signature["authorities"][0].as_str().unwrap().to_owned())
            .collect();
        assert!(!issuers.is_empty());
        assert_eq!(issuers, issuers_by_sbverify(from), "{name}");
        assert_eq!(report["altered"], false, "the hash is the one that was signed");
        assert_eq!(report["architecture"], "x64");
    }
    let words = text(&site.run(&["file", "show", "shimx64.efi"]));
    assert!(
        words.contains("Microsoft Corporation UEFI CA 2011") && words.contains("Microsoft UEFI CA 2023"),
        "{words}"
    );
    assert!(words.contains("shim 4") && words.contains("revoked           no"), "{words}");

    let unsigned = text(&site.run(&["file", "show", UNSIGNED]));
    assert!(unsigned.contains("machines with Secure Boot refuse it"), "{unsigned}");
    let nothing = site.run(&["file", "show", "nothing.efi"]);
    assert_eq!(nothing.status.code(), Some(78), "{}", text(&nothing));
}

#[test]
fn a_program_of_this_host_is_shown_where_nothing_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(SHIM, folder.path().join("shim.efi")).unwrap();
    let show = |path: &str| {
        let words = ["--mount", "sh", "-euc", NOTHING_CONFIGURED, "sh", &program(), "file", "show", path];
        Command::new("unshare").args(words).current_dir(folder.path()).output().unwrap()
    };
    let shown = show("./shim.efi");
    assert!(shown.status.success() && text(&shown).contains("shim 4"), "{}", text(&shown));
    let nothing = show("./nothing.efi");
    assert_eq!(nothing.status.code(), Some(78));
    assert!(text(&nothing).contains("/srv/netboot"), "{}", text(&nothing));
}

const NOTHING_CONFIGURED: &str =
    "mount -t tmpfs tmpfs /etc; mount -t tmpfs tmpfs /srv; mount -t tmpfs tmpfs /var/lib; exec \"$@\"";

#[test]
fn a_revocation_list_makes_check_config_warn_of_a_rules_program() {
    let rule = "[[rule]]\nname = \"x64\"\nmatch = { arch = \"x64-uefi\" }\naction.boot = { file = \"shimx64.efi\" }\n";
    let site = Site::new(rule);
    site.put("shimx64.efi", SHIM);
    let before = text(&site.run(&["check-config"]));
    assert!(!before.contains("revoked"), "{before}");

    let list = site.lab.folder().join("level.csv");
    fs::write(&list, "sbat,1,2030010100\nshim,9\n").unwrap();
    let updated = site.run(&["revocations", "update", &list.display().to_string()]);
    assert!(updated.status.success() && text(&updated).contains("shim 9"), "{}", text(&updated));
    let after = text(&site.run(&["check-config"]));
    assert!(
        after.contains("shimx64.efi is revoked: SBAT shim 4; machines with current updates need shim 9"),
        "{after}"
    );
    let shown = site.run(&["file", "show", "shimx64.efi"]);
    assert_eq!(shown.status.code(), Some(1), "{}", text(&shown));

    // An older list takes nothing back, and a file that is no list changes nothing.
    fs::write(&list, "sbat,1,2021030218\nshim,1\n").unwrap();
    assert!(text(&site.run(&["revocations", "update", &list.display().to_string()])).contains("shim 9"));
    fs::write(&list, "hello").unwrap();
    let refused = site.run(&["revocations", "update", &list.display().to_string()]);
    assert_eq!(refused.status.code(), Some(78), "{}", text(&refused));
    assert!(text(&refused).contains("not a revocation list"), "{}", text(&refused));
    assert!(text(&site.run(&["revocations", "show"])).contains("shim 9"));
}

#[test]
fn a_program_that_was_changed_after_signing_is_named() {
    let site = Site::new(
        "[[rule]]\nname = \"x64\"\nmatch = { arch = \"x64-uefi\" }\naction.boot = { file = \"grubx64.efi\" }\n",
    );
    let mut bytes = fs::read(GRUB).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(site.lab.folder().join("boot/grubx64.efi"), bytes).unwrap();
    let words = text(&site.run(&["check-config"]));
    assert!(words.contains("grubx64.efi was changed after it was signed"), "{words}");
}

#[test]
fn image_show_lists_the_boot_programs_of_an_image_with_their_signers() {
    let site = Site::new("");
    let source = site.lab.folder().join("debian");
    fs::create_dir_all(source.join("EFI/BOOT")).unwrap();
    fs::copy(SHIM, source.join("EFI/BOOT/BOOTX64.EFI")).unwrap();
    fs::copy(GRUB, source.join("EFI/BOOT/grubx64.efi")).unwrap();
    let imported = site.run(&["image", "import", &source.display().to_string()]);
    assert!(imported.status.success(), "{}", text(&imported));
    let shown = text(&site.run(&["image", "show", "debian"]));
    assert!(shown.contains("Debian Secure Boot CA") && shown.contains("Microsoft UEFI CA 2023"), "{shown}");
}
