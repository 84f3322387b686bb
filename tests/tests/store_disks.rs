//! The image store on small, full and byte-sharing filesystems.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use netbootd_tests::netbootd::program;
use netbootd_tests::store::{image, source, text};
use netbootd_tests::{Lab, Netbootd, Process};

/// A filesystem that goes when this goes.
struct Mounted {
    folder: tempfile::TempDir,
}

impl Mounted {
    fn tmpfs(options: &str) -> Self {
        Self::mount(|_| vec!["-t".into(), "tmpfs".into(), "-o".into(), options.into(), "tmpfs".into()])
    }

    /// Of a file, by way of a loop device.
    fn of_a_file(megabytes: u64, make: &[&str]) -> Self {
        Self::mount(|folder| {
            let file = folder.join("disk");
            fs::File::create(&file).unwrap().set_len(megabytes << 20).unwrap();
            let made = Command::new(make[0]).args(&make[1..]).arg(&file).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            vec!["-o".into(), "loop".into(), text(&file)]
        })
    }

    fn mount(words: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let mounted = Mounted { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(mounted.path()).unwrap();
        let words = words(mounted.folder.path());
        assert!(Command::new("mount").args(words).arg(mounted.path()).status().unwrap().success());
        mounted
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// The import is refused with these words, leaves nothing, and something smaller still fits.
fn refuses(mounted: &Mounted, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let store = mounted.path().join("store");
    let refused = image(&store, &["import", &text(&source(folder.path()))]);
    let left = fs::read_dir(store.join("incoming")).unwrap().count();
    fs::write(folder.path().join("fits"), "fits").unwrap();
    let fits = image(&store, &["import", &text(&folder.path().join("fits"))]);
    assert_eq!((refused.status.code(), left), (Some(1), 0));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    assert!(fits.status.success() && image(&store, &["verify"]).status.success());
}

#[test]
fn a_full_disk_is_told_of_before_anything_is_copied() {
    refuses(&Mounted::tmpfs("size=12m"), &["bytes are needed", "the disk has free"]);
    refuses(&Mounted::of_a_file(12, &["mkfs.ext4", "-q"]), &["bytes are needed", "the disk has free"]);
}

#[test]
fn a_disk_that_fills_half_way_leaves_nothing() {
    // Bytes enough for all, and files enough for half of them: what is asked before the start
    // cannot know.
    refuses(&Mounted::tmpfs("size=100m,nr_inodes=32"), &["No space left on device"]);
    refuses(&Mounted::of_a_file(100, &["mkfs.ext4", "-q", "-N", "64"]), &["No space left on device"]);
}

#[test]
fn bytes_are_shared_with_the_source_until_somebody_writes_to_it() {
    let mounted = Mounted::of_a_file(200, &["mkfs.btrfs", "-q"]);
    let (store, disk) = (mounted.path().join("store"), mounted.path().join("disk.img"));
    fs::write(&disk, vec![0x5a; 60 << 20]).unwrap();
    assert!(image(&store, &["import", &text(&disk)]).status.success());
    assert!(Command::new("sync").arg("-f").arg(&store).status().unwrap().success());
    let usage = Command::new("btrfs")
        .args(["filesystem", "du", "-s", "--raw"])
        .arg(store.join("blobs"))
        .output()
        .unwrap();
    let usage = String::from_utf8(usage.stdout).unwrap();
    let shared: u64 = usage.lines().last().unwrap().split_whitespace().nth(2).unwrap().parse().unwrap();
    assert_eq!(shared, 60 << 20, "{usage}");
    let mut source = fs::OpenOptions::new().write(true).open(&disk).unwrap();
    source.seek(SeekFrom::Start(1_000_000)).unwrap();
    source.write_all(b"changed").unwrap();
    drop(source);
    assert!(image(&store, &["verify"]).status.success(), "what is stored stays as it was");
}

#[test]
fn a_read_error_half_way_is_told_of_and_leaves_nothing() {
    // Made with the file in it, so nothing of it is in memory when the end of the medium goes.
    let content = tempfile::tempdir().unwrap();
    fs::write(content.path().join("root.img"), vec![0x5a; 60 << 20]).unwrap();
    let mounted = Mounted::of_a_file(100, &["mkfs.ext4", "-q", "-d", &text(content.path())]);
    let medium = mounted.folder.path().join("disk");
    fs::OpenOptions::new().write(true).open(&medium).unwrap().set_len(30 << 20).unwrap();
    let store = mounted.folder.path().join("store");
    let refused = image(&store, &["import", &text(&mounted.path().join("root.img"))]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("root.img") && said.contains("Input/output error"), "{said}");
    assert_eq!(fs::read_dir(store.join("incoming")).unwrap().count(), 0);
    assert!(!String::from_utf8(image(&store, &["list", "--json"]).stdout).unwrap().contains("root"));
}

#[test]
fn a_daemon_on_a_full_disk_says_so_and_keeps_what_it_remembers() {
    let disk = Mounted::tmpfs("size=8m");
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let config = lab.folder().join("full.toml");
    let state = disk.path().join("state");
    let text = format!(
        "[server]\nuser = \"root\"\nstate-dir = {:?}\ninterfaces = [\"lan0\"]\n[boot]\nroot = {:?}\n[dhcp]\nmode = \"off\"\n",
        text(&state),
        text(&root)
    );
    fs::write(&config, text).unwrap();
    let serve = |lab: &Lab| {
        let mut command = lab.command("server", &program());
        Process::start("netbootd", command.args(["serve", "--config"]).arg(&config))
    };
    let first = serve(&lab);
    first.wait_for(" ready ", Duration::from_secs(20));
    assert!(first.printed().contains(NEW_STATE), "{}", first.printed());
    drop(first);
    let mut filler = fs::File::create(disk.path().join("filler")).unwrap();
    while filler.write_all(&[7; 4096]).is_ok() {}
    let started = serve(&lab);
    // It serves, or it says what is in the way; it gives nobody the idea to throw the file away.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !started.printed().contains(" ready ") && !started.printed().contains("disk is full") {
        assert!(Instant::now() < deadline, "{}", started.printed());
        std::thread::yield_now();
    }
    assert!(!started.printed().contains("move"), "{}", started.printed());
    drop(started);
    fs::remove_file(disk.path().join("filler")).unwrap();
    drop(filler);
    let last = serve(&lab);
    last.wait_for(" ready ", Duration::from_secs(20));
    assert!(!last.printed().contains(NEW_STATE), "the state file was begun anew: {}", last.printed());
}

/// netbootd's log line when it makes the tables of a new state file.
const NEW_STATE: &str = "state tables converted from=0";
