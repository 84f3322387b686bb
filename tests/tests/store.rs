//! Machines that boot from the image store, and a store that is killed at any instant.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use netbootd_tests::mac::{self, Nbi, sha256};
use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::spoof::Spoofer;
use netbootd_tests::store::{announce, distribute, image, source, text};
use netbootd_tests::{Lab, Netbootd, Process, wait};

#[test]
fn a_mac_boots_from_the_store_and_an_update_leaves_its_transfer_alone() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("mac");
    lab.plug("mac", "en0", "br0", "10.77.0.50/24");
    let netbootd = Netbootd::start(&lab, &root, "[dhcp]\nmode = \"off\"\n");
    let store = lab.folder().join("state/images");
    let folder = Nbi { name: "Sierra", index: 5, root_size: 40 << 20, more: "" }.put(&lab.folder());
    let imported = image(&store, &["import", &text(&folder)]);
    assert!(String::from_utf8_lossy(&imported.stdout).contains("New image distributed: Sierra"));
    netbootd.wait_for("folder=\"Sierra.nbi\"", Duration::from_secs(10));
    let boot = lab.command("mac", &mac::client()).args(["en0", "boot"]).output().unwrap();
    let said = String::from_utf8(boot.stdout).unwrap();
    assert!(said.contains("root http://10.77.0.1/NetBoot/Images/Sierra.nbi/NetInstall.dmg"), "{said}");
    assert!(said.contains(&sha256(&folder.join("NetInstall.dmg"))), "{said}");

    // A slow client is half-way through the old root when a new one takes its place, and the old
    // one is collected.
    let old = sha256(&folder.join("NetInstall.dmg"));
    let url = format!("http://{SERVER}/Sierra/NetInstall.dmg");
    let out = lab.folder().join("out");
    let mut slow = lab.command("mac", "curl");
    let slow = slow.args([
        "-sS",
        "--limit-rate",
        "20M",
        "-o",
        &text(&out),
        "-w",
        "fetched %{size_download}\n",
        &url,
    ]);
    let slow = Process::start("curl", slow);
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs::metadata(&out).map_or(0, |data| data.len()) == 0 {
        assert!(Instant::now() < deadline, "curl begins");
        thread::yield_now();
    }
    fs::write(folder.join("NetInstall.dmg"), vec![9; 1_000_000]).unwrap();
    assert!(image(&store, &["import", &text(&folder)]).status.success());
    let missing =
        lab.command("mac", "curl").args(["-sS", &format!("http://{SERVER}/Sierra/none.efi")]).output();
    assert!(missing.unwrap().status.success());
    netbootd.wait_for("the image Sierra has no such file", Duration::from_secs(10));
    let versions = String::from_utf8(image(&store, &["show", "Sierra", "--json"]).stdout).unwrap();
    assert_eq!(versions.matches("\"manifest\": \"").count(), 2, "{versions}");
    netbootd.wait_for("image catalogue read", Duration::from_secs(10));
    slow.wait_for("fetched 41943040", Duration::from_secs(60));
    assert_eq!(sha256(&out), old);
    let fresh = lab.command("mac", "curl").args(["-sS", "--retry", "3", &url]).output().unwrap();
    assert_eq!(fresh.stdout.len(), 1_000_000);
}

#[test]
fn a_damaged_image_is_announced_to_nobody_until_it_is_repaired() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("mac");
    lab.plug("mac", "en0", "br0", "10.77.0.50/24");
    let store = lab.folder().join("state/images");
    let folder = Nbi { name: "Sierra", index: 5, root_size: 3_000_000, more: "" }.put(&lab.folder());
    assert!(image(&store, &["import", &text(&folder)]).status.success());
    let config = "[dhcp]\nmode = \"off\"\n[netboot]\nrescan = \"0s\"\n";
    let netbootd = Netbootd::start(&lab, &root, config);
    assert!(netbootd.log().contains("folder=\"Sierra.nbi\" image=81000005"), "{}", netbootd.log());
    let digest = sha256(&folder.join("i386/booter"));
    let blob = store.join("blobs").join(&digest[..2]).join(&digest);
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "rotten").unwrap();
    let verified = image(&store, &["verify"]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&verified.stdout).contains(&format!("damaged and withdrawn: {digest}")));
    // At once, without a look through the shares being due.
    netbootd.wait_for("the booter i386/booter is missing", Duration::from_secs(20));
    let asking = Process::start("mac", lab.command("mac", &mac::client()).args(["en0", "list"]));
    netbootd.wait_for("reason=no-image", Duration::from_secs(20));
    drop(asking);
    assert!(image(&store, &["import", &text(&folder)]).status.success());
    let offered = |log: &str| log.matches("folder=\"Sierra.nbi\" image=81000005").count();
    wait::until(Duration::from_secs(20), || offered(&netbootd.log()) >= 2, || netbootd.log());
    assert!(image(&store, &["verify", "Sierra"]).status.success());
}

#[test]
fn an_ingest_killed_at_any_instant_leaves_the_old_state_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (store, source) = (folder.path().join("store"), source(folder.path()));
    fs::write(folder.path().join("first"), "first").unwrap();
    assert!(image(&store, &["import", &text(&folder.path().join("first"))]).status.success());
    let whole = Instant::now();
    let probe = folder.path().join("probe");
    assert!(image(&probe, &["import", &text(&source), "--name", "big"]).status.success());
    let whole = whole.elapsed();
    let mut committed = 0;
    for round in 0..200_u32 {
        let mut child = Command::new(program())
            .args(["image", "import", "--name", "big", "--store"])
            .arg(&store)
            .arg(&source)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Spread over the whole ingest and as long again: the machine may be busier than it was.
        wait::pass(whole.mul_f64(f64::from(round) / 100.0));
        let _ = child.kill(); // it may have ended by itself
        child.wait().unwrap();
        let shown = Command::new(program())
            .args(["image", "list", "--json", "--store"])
            .arg(&store)
            .output()
            .unwrap();
        assert!(shown.status.success(), "round {round}: {}", String::from_utf8_lossy(&shown.stderr));
        let images = String::from_utf8(shown.stdout).unwrap();
        assert!(images.contains("\"first\""), "round {round}: {images}");
        if images.contains("\"big\"") {
            committed += 1;
            let verified =
                Command::new(program()).args(["image", "verify", "--store"]).arg(&store).output().unwrap();
            assert!(
                verified.status.success(),
                "round {round}: {}",
                String::from_utf8_lossy(&verified.stdout)
            );
            // Begin again with the image gone, so that the next round has all of it to do.
            let removed = Command::new(program())
                .args(["image", "remove", "big", "--store"])
                .arg(&store)
                .output()
                .unwrap();
            assert!(removed.status.success(), "round {round}");
        }
    }
    eprintln!("{committed} of 200 rounds committed");
    assert!(image(&store, &["import", &text(&source), "--name", "big"]).status.success());
    assert!(image(&store, &["verify"]).status.success());
    assert!(committed > 0, "some rounds reach the end");
}

#[test]
fn what_is_dropped_is_taken_in_once_it_has_stopped_growing() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let drop_folder = lab.folder().join("drop");
    fs::create_dir(&drop_folder).unwrap();
    let store = lab.folder().join("state/images");
    let config = format!("[store]\ndrop-folder = {:?}\nwatch = \"1s\"\n", text(&drop_folder));
    let netbootd = Netbootd::start(&lab, &root, &config);
    fs::write(drop_folder.join("bad.wim"), "no image").unwrap();
    let growing = drop_folder.join("disk.bin");
    let mut file = fs::File::create(&growing).unwrap();
    let began = Instant::now();
    let mut length = 0_u64;
    while began.elapsed() < Duration::from_secs(4) {
        std::io::Write::write_all(&mut file, &[7; 4096]).unwrap();
        length += 4096;
        wait::pass(Duration::from_millis(50));
        assert!(!netbootd.log().contains("New image distributed"), "a file that grows is not imported");
    }
    drop(file);
    netbootd.wait_for("New image distributed: disk", Duration::from_secs(20));
    netbootd.wait_for("image catalogue read", Duration::from_secs(10));
    netbootd.wait_for("no image imported source=", Duration::from_secs(10));
    let fetched = || {
        let url = format!("http://{SERVER}/disk/DISK.bin");
        lab.command("server", "curl").args(["-sS", &url]).output().unwrap().stdout.len() as u64
    };
    // The catalogue is read again a moment after the import.
    wait::until(Duration::from_secs(10), || fetched() == length, || format!("{} bytes", fetched()));
    let sources = String::from_utf8(image(&store, &["sources"]).stdout).unwrap();
    assert!(
        sources.contains("bad.wim") && sources.contains("refused") && sources.contains("image disk"),
        "{sources}"
    );
}

#[test]
fn a_mac_boots_from_the_content_library_in_place() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("mac");
    lab.plug("mac", "en0", "br0", "10.77.0.50/24");
    let (library, second) = (lab.folder().join("SCCMContentLib"), lab.folder().join("e/SCCMContentLib"));
    fs::create_dir_all(second.join("FileLib")).unwrap();
    let set = Nbi { name: "Sierra", index: 5, root_size: 5_000_000, more: "" }.put(&lab.folder());
    distribute(&library, "PS100005.1", &set);
    let config = format!(
        "[dhcp]\nmode = \"off\"\n[store]\ncontent-library = {:?}\ncontent-library-drives = [{:?}]\nwatch = \"1s\"\n",
        text(&library),
        text(&second)
    );
    let netbootd = Netbootd::start(&lab, &root, &config);
    announce(&library, "PS100005.1");
    netbootd.wait_for("folder=\"Sierra.nbi\" image=", Duration::from_secs(20));
    let boot = lab.command("mac", &mac::client()).args(["en0", "boot"]).output().unwrap();
    let said = String::from_utf8(boot.stdout).unwrap();
    assert!(said.contains(&sha256(&set.join("NetInstall.dmg"))), "{said}");
    let blobs = fs::read_dir(lab.folder().join("state/images/blobs")).unwrap().count();
    assert_eq!(blobs, 1, "the manifest, and no copy");

    // ConfigMgr moves a file to another drive: it is found there.
    let hex = sha256(&set.join("NetInstall.dmg")).to_uppercase();
    let place = second.join("FileLib").join(&hex[..4]);
    fs::create_dir_all(&place).unwrap();
    fs::rename(library.join("FileLib").join(&hex[..4]).join(&hex), place.join(&hex)).unwrap();
    let url = format!("http://{SERVER}/Sierra/NetInstall.dmg");
    let fetched = || {
        let fetched = lab.command("mac", "curl").args(["-sS", "-f", &url]).output().unwrap();
        fetched.status.success().then_some(fetched.stdout)
    };
    let fetched = wait::for_some(Duration::from_secs(30), fetched, || netbootd.log());
    assert_eq!(fetched, fs::read(set.join("NetInstall.dmg")).unwrap());
}

#[test]
fn a_mac_that_runs_from_a_root_goes_on_with_it_when_the_image_is_updated() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("mac");
    lab.plug("mac", "en0", "br0", "10.77.0.50/24");
    lab.add_host("hostile");
    lab.plug("hostile", "en0", "br0", "10.77.0.66/24");
    let netbootd = Netbootd::start(&lab, &root, "[dhcp]\nmode = \"off\"\n");
    let store = lab.folder().join("state/images");
    let folder = Nbi { name: "Sierra", index: 5, root_size: 3_000_000, more: "" }.put(&lab.folder());
    assert!(image(&store, &["import", &text(&folder)]).status.success());
    netbootd.wait_for("folder=\"Sierra.nbi\"", Duration::from_secs(10));
    let old = fs::read(folder.join("NetInstall.dmg")).unwrap();
    let url = format!("http://{SERVER}/NetBoot/Images/Sierra.nbi/NetInstall.dmg");
    let part = |at: usize| {
        let range = format!("{at}-{}", at + 999);
        lab.command("mac", "curl").args(["-sS", "-f", "-r", &range, &url]).output().unwrap().stdout
    };
    assert_eq!(part(0), old[..1000]);

    let new = vec![9; 3_000_000];
    fs::write(folder.join("NetInstall.dmg"), &new).unwrap();
    assert!(image(&store, &["import", &text(&folder)]).status.success());
    let deadline = Instant::now() + Duration::from_secs(20);
    let current = || lab.command("server", "curl").args(["-sS", &url]).output().unwrap().stdout;
    while current() != new {
        assert!(Instant::now() < deadline, "{}", netbootd.log());
        thread::yield_now();
    }
    assert_eq!(part(1000), old[1000..2000], "the version it began with");
    // Not even when that version is removed: the boot holds a lease on it.
    let shown = String::from_utf8(image(&store, &["show", "Sierra", "--json"]).stdout).unwrap();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let versions = shown["record"]["versions"].as_array().unwrap();
    let former = versions.iter().map(|version| version["manifest"].as_str().unwrap());
    let former = former.clone().find(|version| shown["record"]["current"] != *version).unwrap();
    assert!(image(&store, &["remove", "Sierra", "--version", former]).status.success());
    assert!(image(&store, &["gc"]).status.success());
    assert_eq!(part(2_000_000), old[2_000_000..2_001_000]);
    // Read requests in its name change nothing: neither one for a boot file, whose blocks nobody
    // acknowledges, nor one for no file.
    let booter = "/NetBoot/Images/Sierra.nbi/i386/booter";
    let forge = lab.inside("hostile", move || {
        let (spoofer, server) = (Spoofer::new(), SERVER.parse().unwrap());
        for (port, file) in [(2070, booter), (2071, "none"), (2072, booter), (2073, "missing")] {
            let request = [b"\0\x01", file.as_bytes(), b"\0octet\0"].concat();
            spoofer.send(([10, 77, 0, 50], port).into(), SocketAddr::new(server, 69), &request);
        }
    });
    forge.join().unwrap();
    netbootd.logged(&["10.77.0.50:2073", "not-found"]);
    netbootd.logged(&["10.77.0.50:2070", "client-gone"]);
    netbootd.logged(&["10.77.0.50:2072", "client-gone"]);
    assert_eq!(part(1_000_000), old[1_000_000..1_001_000], "it goes on with its version");
    // It boots again: the booter comes by TFTP, and the root is the current one.
    lab.run("mac", &["tftp", "-m", "octet", SERVER, "-c", "get", booter, "booter"]);
    assert_eq!(fs::read(lab.folder().join("booter")).unwrap(), fs::read(folder.join("i386/booter")).unwrap());
    assert_eq!(part(0), new[..1000]);
}

#[test]
fn an_image_is_exported_labelled_rolled_back_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (store, source) = (folder.path().join("store"), folder.path().join("linux"));
    fs::create_dir_all(source.join("below")).unwrap();
    fs::write(source.join("vmlinuz"), "first").unwrap();
    fs::write(source.join("below/initrd.img"), "initrd").unwrap();
    let told = |words: &[&str]| {
        let output = image(&store, words);
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    told(&["import", &text(&source), "--label", "owner=lab"]);
    let current = || {
        let shown: serde_json::Value = serde_json::from_str(&told(&["show", "linux", "--json"])).unwrap();
        shown["record"]["current"].as_str().unwrap().to_owned()
    };
    let first = current();
    fs::write(source.join("vmlinuz"), "second").unwrap();
    told(&["import", &text(&source)]);
    assert_ne!(current(), first);
    told(&["tag", "linux", &first]);
    told(&["tag", "linux", "--label", "at=., site/linux"]);
    assert_eq!(current(), first);
    assert!(told(&["show", "linux"]).contains("site/linux"));
    let out = folder.path().join("out");
    told(&["export", "linux", &text(&out)]);
    assert_eq!(fs::read(out.join("vmlinuz")).unwrap(), b"first");
    assert_eq!(fs::read(out.join("below/initrd.img")).unwrap(), b"initrd");
    told(&["remove", "linux"]);
    told(&["gc"]);
    assert_eq!(told(&["list", "--json"]).trim(), "{}");
    let left = walk(&store.join("blobs"));
    assert!(left.is_empty(), "{left:?}");
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())).collect()
}

#[test]
fn an_image_that_is_removed_names_the_machines_that_run_from_it_and_stays_readable_for_them() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    let store = lab.folder().join("state/images");
    let tool = lab.folder().join("tool.efi");
    let import = |bytes: &str| {
        fs::write(&tool, bytes).unwrap();
        let imported = image(&store, &["import", &text(&tool)]);
        String::from_utf8(imported.stdout).unwrap().lines().last().unwrap().to_owned()
    };
    let first = import("the first version");
    let rule = "[[rule]]\nname = \"tool\"\naction.boot = { file = \"tool/tool.efi\" }\n";
    let netbootd = Netbootd::start(&lab, &root, rule);
    let mac = "52:54:00:4c:01:01";
    let probe = |words: &[&str]| lab.run("client", &[&[program().as_str(), "probe"], words].concat());
    let told = |lab: &Lab| {
        let asked = lab.run("client", &[&program(), "probe", "pxe", SERVER, "--mac", mac, "--timeout", "1"]);
        String::from_utf8(asked.stdout).unwrap()
    };
    assert!(told(&lab).contains("tool/tool.efi"));
    assert!(probe(&["tftp", "--as-machine", SERVER, "tool/tool.efi"]).status.success());
    let lease = store.join("leases").join(&first);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !fs::read_to_string(&lease).is_ok_and(|lease| lease.contains(mac)) {
        assert!(Instant::now() < deadline, "{}", netbootd.log());
        thread::yield_now();
    }
    let second = import("the second version");
    assert!(image(&store, &["tag", "tool", &first]).status.success());
    let tagged = String::from_utf8(image(&store, &["tag", "tool", &second[..12]]).stdout).unwrap();
    let named = format!("1 machine ran from it in the last two hours, {mac} (10.77.0.50): they ");
    assert!(tagged.starts_with(&named), "{tagged}");

    let removed = String::from_utf8(image(&store, &["remove", "tool"]).stdout).unwrap();
    assert!(removed.starts_with(&named), "{removed}");
    let listed = String::from_utf8(image(&store, &["list"]).stdout).unwrap();
    assert!(
        listed.contains("tool is withdrawn: removed; machines that run from it can still read it"),
        "{listed}"
    );
    // It is handed to nobody any more, and who runs from it reads on; a collection changes nothing
    // of that.
    let deadline = Instant::now() + Duration::from_secs(20);
    while told(&lab).contains("tool/tool.efi") {
        assert!(Instant::now() < deadline, "{}", netbootd.log());
    }
    assert!(image(&store, &["gc"]).status.success());
    let url = format!("http://{SERVER}/tool/tool.efi");
    let read = lab.run("client", &["curl", "-sSf", "-r", "0-8", &url]);
    assert_eq!(String::from_utf8(read.stdout).unwrap(), "the secon");
    // Once its leases have run out it is gone for good.
    for lease in fs::read_dir(store.join("leases")).unwrap() {
        let old = std::time::SystemTime::now() - Duration::from_secs(3 * 3600);
        fs::File::options().write(true).open(lease.unwrap().path()).unwrap().set_modified(old).unwrap();
    }
    assert!(image(&store, &["gc"]).status.success());
    assert_eq!(String::from_utf8(image(&store, &["list", "--json"]).stdout).unwrap(), "{}\n");
    assert!(image(&store, &["verify"]).status.success());
}
