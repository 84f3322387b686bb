//! A distribution point's content library: images that come, are replaced and go, and files.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use netbootd_tests::mac::{self, Nbi, sha256};
use netbootd_tests::netbootd::SERVER;
use netbootd_tests::store::{announce, distribute, distribute_file, image, text};
use netbootd_tests::{Lab, Netbootd, Process, wait};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server whose content library is looked at every second, and a Mac that has its address
/// already.
struct Site {
    lab: Lab,
    netbootd: Netbootd,
    library: PathBuf,
}

impl Site {
    fn new() -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        lab.add_host("mac");
        lab.plug("mac", "en0", "br0", "10.77.0.50/24");
        let library = lab.folder().join("SCCMContentLib");
        for part in ["PkgLib", "DataLib", "FileLib"] {
            fs::create_dir_all(library.join(part)).unwrap();
        }
        let config = format!(
            "[dhcp]\nmode = \"off\"\n[store]\ncontent-library = {:?}\nwatch = \"1s\"\n",
            text(&library)
        );
        let netbootd = Netbootd::start(&lab, &root, &config);
        Site { lab, netbootd, library }
    }

    /// Puts files into a Windows image.
    fn capture(&self, folder: &Path, name: &str) -> PathBuf {
        let wim = self.lab.folder().join(name);
        let made = Command::new("wimlib-imagex").arg("capture").arg(folder).arg(&wim).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        wim
    }

    fn sources(&self, words: &[&str]) -> String {
        let store = self.lab.folder().join("state/images");
        let out = image(&store, &[&["sources"], words].concat());
        String::from_utf8(out.stdout).unwrap()
    }

    /// Waits until `image sources` shows this.
    fn wait_for_source(&self, part: &str) {
        let shown = || self.sources(&["--all"]).contains(part);
        let why = || format!("no {part:?} in {}\n{}", self.sources(&[]), self.netbootd.log());
        wait::until(PATIENCE, shown, why);
    }

    fn wait(&self, until: impl Fn() -> bool) {
        wait::until(PATIENCE, until, || self.netbootd.log());
    }

    /// A file by HTTP; None when it cannot be had.
    fn get(&self, path: &str, words: &[&str]) -> Option<Vec<u8>> {
        let url = format!("http://{SERVER}/{path}");
        let curl = self.lab.command("mac", "curl").args(["-sS", "-f", &url]).args(words).output().unwrap();
        curl.status.success().then_some(curl.stdout)
    }
}

#[test]
fn a_mac_boots_from_a_windows_image_of_the_content_library_to_the_last_byte() {
    let site = Site::new();
    let packed = site.lab.folder().join("packed");
    let set = Nbi { name: "High Sierra", index: 9, root_size: 12_000_000, more: "" }.put(&packed);
    let wim = site.capture(&packed, "OSX.PS100040.wim");
    distribute_file(&site.library, "PS100040.2", &wim);
    announce(&site.library, "PS100040.2");
    site.netbootd.wait_for("New image distributed: High Sierra", PATIENCE);
    site.netbootd.wait_for("folder=\"High Sierra.nbi\" image=81000009", PATIENCE);
    let boot = site.lab.command("mac", &mac::client()).args(["en0", "boot"]).output().unwrap();
    let said = String::from_utf8(boot.stdout).unwrap();
    let base = format!("{SERVER}/NetBoot/Images/High%20Sierra.nbi");
    for expected in [
        format!("root http://{base}/NetInstall.dmg"),
        format!("booter 700000 bytes sha256 {}", sha256(&set.join("i386/booter"))),
        format!("kernelcache 1500001 bytes sha256 {}", sha256(&set.join("i386/x86_64/kernelcache"))),
        format!("root 12000000 bytes sha256 {}", sha256(&set.join("NetInstall.dmg"))),
    ] {
        assert!(said.contains(&expected), "{expected} is not in\n{said}");
    }
    site.netbootd.wait_for("reason=selected", PATIENCE);
}

#[test]
fn a_package_that_the_site_removes_is_offered_to_nobody_and_a_running_mac_goes_on() {
    let site = Site::new();
    let set = Nbi { name: "Sierra", index: 5, root_size: 4_000_000, more: "" }.put(&site.lab.folder());
    distribute(&site.library, "PS100005.1", &set);
    announce(&site.library, "PS100005.1");
    site.netbootd.wait_for("folder=\"Sierra.nbi\" image=81000005", PATIENCE);
    let list = || site.lab.command("mac", &mac::client()).args(["en0", "list"]).output().unwrap();
    assert!(String::from_utf8(list().stdout).unwrap().contains("\"Sierra\""));
    let root = fs::read(set.join("NetInstall.dmg")).unwrap();
    let path = "NetBoot/Images/Sierra.nbi/NetInstall.dmg";
    assert_eq!(site.get(path, &["-r", "0-999"]).unwrap(), root[..1000]);

    // The site removes the package: its claim, then its files.
    fs::remove_file(site.library.join("PkgLib/PS100005.INI")).unwrap();
    fs::remove_dir_all(site.library.join("DataLib/PS100005.1")).unwrap();
    let hex = sha256(&set.join("NetInstall.dmg")).to_uppercase();
    fs::remove_file(site.library.join("FileLib").join(&hex[..4]).join(&hex)).unwrap();
    site.wait_for_source("removed by the site");
    site.wait(|| {
        site.netbootd
            .log()
            .rsplit("image retired")
            .next()
            .is_some_and(|after| after.contains("image catalogue read"))
    });
    assert!(!site.netbootd.log().contains("damaged"), "{}", site.netbootd.log());
    let asking = Process::start("mac", site.lab.command("mac", &mac::client()).args(["en0", "list"]));
    site.netbootd.wait_for("reason=no-image", PATIENCE);
    drop(asking);
    assert_eq!(site.get(path, &["-r", "3000000-3000999"]).unwrap(), root[3_000_000..3_001_000]);

    // Distributed again, it is offered again.
    distribute(&site.library, "PS100005.1", &set);
    announce(&site.library, "PS100005.1");
    site.wait_for_source("image Sierra");
    site.wait(|| site.get(path, &[]).as_ref() == Some(&root));
}

#[test]
fn disk_images_and_full_windows_are_files_and_software_is_counted() {
    let site = Site::new();
    let folder = site.lab.folder().join("windows");
    for file in ["explorer.exe", "Boot/EFI/bootmgfw.efi"] {
        let place = folder.join("Windows").join(file);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, file).unwrap();
    }
    let install = site.capture(&folder, "install.wim");
    let system = site.lab.folder().join("system");
    fs::create_dir_all(&system).unwrap();
    fs::write(system.join("OSX.dmg"), vec![3; 300_000]).unwrap();
    let system = site.capture(&system, "System.wim");
    let dmg = site.lab.folder().join("Office.dmg");
    fs::write(&dmg, vec![5; 200_000]).unwrap();
    let setup = site.lab.folder().join("setup.exe");
    fs::write(&setup, "software").unwrap();
    for (content, file) in [
        ("PS100020.1", &install),
        ("PS100021.1", &install),
        ("PS100022.4", &system),
        ("PS100023.1", &dmg),
        ("PS100024.1", &setup),
        ("PS100025.1", &setup),
    ] {
        distribute_file(&site.library, content, file);
        announce(&site.library, content);
    }
    site.wait_for_source("PS100025.1");
    site.wait(|| site.get("PS100023/Office.dmg", &[]).is_some());
    for path in ["PS100020/install.wim", "PS100021/install.wim", "SMSImages/PS100021/install.wim"] {
        assert_eq!(site.get(path, &[]), Some(fs::read(&install).unwrap()), "{path}");
    }
    assert_eq!(site.get("PS100022/OSX.dmg", &[]), Some(vec![3; 300_000]));
    assert_eq!(site.get("PS100023/Office.dmg", &[]), Some(vec![5; 200_000]));
    assert_eq!(site.get("PS100024/setup.exe", &[]), None);
    let windows = "\\SMSImages\\PS100020\\install.wim";
    site.lab.run("mac", &["tftp", "-m", "octet", SERVER, "-c", "get", windows, "fetched"]);
    assert_eq!(fs::read(site.lab.folder().join("fetched")).unwrap(), fs::read(&install).unwrap());
    let shown = site.sources(&[]);
    assert!(shown.contains("2 packages without boot files not shown; --all lists them"), "{shown}");
    assert!(!shown.contains("PS100024"), "{shown}");
    assert!(site.sources(&["--all"]).contains("PS100024.1"));
    let log = site.netbootd.log();
    let is_warning = |line: &str| line.contains("WARN") && line.contains("PS1000");
    assert!(!log.lines().any(is_warning), "{log}");
    assert!(log.contains("packages=6") && log.contains("ordinary=2"), "{log}");
}
