//! Several servers on one object storage: a real S3-compatible server in the private network.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use netbootd_tests::mac::sha256;
use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::object_storage::{KEYS, hide_conditions};
use netbootd_tests::{Authority, Lab, Netbootd, ObjectStorage};

struct Site {
    lab: Lab,
    root: PathBuf,
    storage: ObjectStorage,
    remote: String,
}

impl Site {
    fn new(start: impl FnOnce(&mut Lab) -> ObjectStorage) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        let storage = start(&mut lab);
        lab.add_host("client");
        lab.plug("client", "eth0", "br0", "10.77.0.50/24");
        let remote = remote(&storage.endpoint, "allow-http = true");
        Site { lab, root, storage, remote }
    }

    /// A command of another server, with a store of its own.
    fn image(&self, store: &str, words: &[&str]) -> Output {
        let folder = self.lab.folder();
        let config = folder.join(format!("{store}.toml"));
        let boot = format!("[boot]\nroot = {:?}\n", self.root.display().to_string());
        fs::write(
            &config,
            boot + &self.remote.replace(
                "[store]",
                &format!("[store]\nfolder = {:?}", folder.join(store).display().to_string()),
            ),
        )
        .unwrap();
        let mut command = self.lab.command("server", &program());
        command.arg("image").args(words).arg("--config").arg(&config).envs(KEYS);
        let output = command.output().unwrap();
        eprintln!(
            "{words:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    fn put(&self, name: &str, size: usize) -> PathBuf {
        let bytes: Vec<u8> = (0..size as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        let folder = self.lab.folder().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("root.img"), bytes).unwrap();
        folder
    }

    /// A client's file by HTTP.
    fn get(&self, path: &str) -> (bool, PathBuf) {
        let out = self.lab.folder().join("got");
        let _ = fs::remove_file(&out); // of the time before
        let mut curl = self.lab.command("client", "curl");
        curl.args(["-sS", "-f", "--max-time", "60", "-o"]).arg(&out).arg(format!("http://{SERVER}/{path}"));
        (curl.status().unwrap().success(), out)
    }
}

fn remote(endpoint: &str, more: &str) -> String {
    format!(
        "[store]\nwatch = \"1s\"\n[store.remote]\nurl = \"s3://images/site\"\nendpoint = {endpoint:?}\nregion = \"lab\"\n{more}\n"
    )
}

#[test]
fn servers_share_images_by_seaweedfs() {
    what_one_server_pushes_another_serves_while_it_comes_and_keeps(Site::new(|lab| {
        ObjectStorage::seaweedfs(lab, None)
    }));
}

#[test]
fn servers_share_images_by_s3s_fs() {
    what_one_server_pushes_another_serves_while_it_comes_and_keeps(Site::new(ObjectStorage::s3s_fs));
}

#[test]
fn servers_share_images_by_tls_and_only_with_a_certificate_they_know() {
    let mut authority = None;
    let mut site =
        Site::new(|lab| ObjectStorage::seaweedfs(lab, Some(authority.insert(Authority::new(&lab.folder())))));
    let folder = site.put("linux", 100_000);
    assert!(site.image("one", &["import", &folder.display().to_string()]).status.success());
    let refused = site.image("one", &["push", "linux"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(words.contains("certificate"), "{words}");
    let ca = authority.unwrap().certificate();
    site.remote = remote(&site.storage.endpoint, &format!("ca = {ca:?}"));
    what_one_server_pushes_another_serves_while_it_comes_and_keeps(site);
}

#[test]
fn storage_that_ignores_conditions_is_refused() {
    let mut site = Site::new(|lab| ObjectStorage::seaweedfs(lab, None));
    let listening = site.lab.inside("s3", || {
        let listener = TcpListener::bind("10.77.0.9:9000").unwrap();
        std::thread::spawn(move || hide_conditions(&listener, "10.77.0.9:8333"));
    });
    listening.join().unwrap();
    let folder = site.put("linux", 1000);
    assert!(site.image("one", &["import", &folder.display().to_string()]).status.success());
    site.remote = remote("http://10.77.0.9:9000", "allow-http = true");
    let refused = site.image("one", &["push", "linux"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(words.contains("ignores conditional writes (If-None-Match)"), "{words}");
    let netbootd = Netbootd::start(&site.lab, &site.root, &site.remote);
    netbootd.wait_for("ignores conditional writes (If-None-Match)", Duration::from_secs(20));
}

fn what_one_server_pushes_another_serves_while_it_comes_and_keeps(site: Site) {
    let folder = site.put("linux", 40_000_000);
    let wanted = sha256(&folder.join("root.img"));
    assert!(site.image("one", &["import", &folder.display().to_string()]).status.success());
    assert!(site.image("one", &["push", "linux"]).status.success());
    assert!(site.image("one", &["push", "linux"]).status.success(), "a second push changes nothing");

    let netbootd = Netbootd::start(&site.lab, &site.root, &site.remote);
    netbootd.wait_for("images of the object storage read", Duration::from_secs(20));
    let (fetched, got) = site.get("linux/root.img");
    assert!(fetched && sha256(&got) == wanted);
    let mut tftp = site.lab.command("client", "atftp");
    tftp.args(["--option", "blksize 1428", "-g", "-r", "linux/ROOT.img", "-l"])
        .arg(site.lab.folder().join("tftped"));
    let tftp = tftp.args([SERVER, "69"]).output().unwrap();
    assert!(tftp.status.success() && sha256(&site.lab.folder().join("tftped")) == wanted);

    // A third server takes it over whole.
    assert!(site.image("three", &["pull", "linux"]).status.success());
    assert!(site.image("three", &["verify", "linux"]).status.success());
    assert_eq!(site.image("three", &["pull", "none"]).status.code(), Some(1));

    // The storage goes: what came is served all the same.
    drop(site.storage);
    let site = (site.lab, site.root);
    let out = site.0.folder().join("again");
    let curl = site
        .0
        .command("client", "curl")
        .args(["-sS", "-f", "-o"])
        .arg(&out)
        .arg(format!("http://{SERVER}/linux/root.img"))
        .status();
    assert!(curl.unwrap().success() && sha256(&out) == wanted);
}

#[test]
fn nobody_gets_all_of_a_blob_that_was_damaged_in_the_storage() {
    let site = Site::new(|lab| ObjectStorage::seaweedfs(lab, None));
    let folder = site.put("linux", 3_000_000);
    assert!(site.image("one", &["import", &folder.display().to_string()]).status.success());
    assert!(site.image("one", &["push", "linux"]).status.success());
    let digest = sha256(&folder.join("root.img"));
    let mut bytes = fs::read(folder.join("root.img")).unwrap();
    bytes[2_000_000] ^= 1;
    let damaged = site.lab.folder().join("damaged");
    fs::write(&damaged, bytes).unwrap();
    let url = format!("{}/images/site/blobs/{digest}", site.storage.endpoint);
    let put = site
        .lab
        .command("client", "curl")
        .args(["-sS", "-f", "-T"])
        .arg(&damaged)
        .arg(&url)
        .status()
        .unwrap();
    assert!(put.success());
    let netbootd = Netbootd::start(&site.lab, &site.root, &site.remote);
    netbootd.wait_for("images of the object storage read", Duration::from_secs(20));
    let (fetched, got) = site.get("linux/root.img");
    assert!(!fetched && fs::metadata(&got).map_or(0, |data| data.len()) < 3_000_000);
    netbootd.wait_for("read-failed", Duration::from_secs(10));
    let pulled = site.image("two", &["pull", "linux"]);
    assert_eq!(pulled.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&pulled.stderr).contains("root.img is damaged in the object storage"));
    let store = site.lab.folder().join("two");
    assert_eq!(fs::read_dir(store.join("blobs")).unwrap().count(), 0);
    assert!(Path::new(&store).exists());
}
