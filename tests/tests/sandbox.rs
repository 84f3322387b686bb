//! The sandbox of a running netbootd, as the kernel sees it; machines boot all the same.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use netbootd_tests::netbootd::{ADDRESSES, SERVER, program};
use netbootd_tests::process::run;
use netbootd_tests::{Lab, Netbootd, Process};
use nix::unistd::User;

/// A user that every system has, and that nothing belongs to.
const USER: &str = "nobody";
/// The capabilities CAP_NET_BIND_SERVICE and CAP_NET_RAW, as /proc prints them.
const KEPT: &str = "0000000000002400";

struct Site {
    lab: Lab,
    netbootd: Process,
}

impl Site {
    fn start(server: &str, more: &str) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        lab.add_host("client");
        lab.plug("client", "eth0", "br0", "10.77.0.50/24");
        fs::create_dir(lab.folder().join("drop")).unwrap();
        fs::write(root.join("menu.efi"), vec![0x5a; 300_000]).unwrap();
        fs::write(lab.folder().join("outside"), "outside").unwrap();
        symlink("/etc/shadow", root.join("shadow")).unwrap();
        symlink(lab.folder().join("outside"), root.join("link")).unwrap();
        configure(&lab, &root, server, more);
        let config = lab.folder().join("netbootd.toml");
        let mut command = lab.command("server", &reachable_program(&lab));
        let netbootd = Process::start("netbootd", command.args(["serve", "--config"]).arg(config));
        netbootd.wait_for(" ready ", Duration::from_secs(20));
        Site { lab, netbootd }
    }

    fn netbootd(&self, words: &[&str]) -> Output {
        let config = self.lab.folder().join("netbootd.toml").display().to_string();
        self.lab.run("server", &[&[program().as_str()], words, &["--config", &config]].concat())
    }

    fn probe(&self, words: &[&str]) -> bool {
        self.lab.run("client", &[&[program().as_str(), "probe"], words].concat()).status.success()
    }

    fn boots(&self) {
        assert!(self.probe(&["pxe", "--iface", "eth0", "--mac", "52:54:00:4c:01:01", "--timeout", "2"]));
        assert!(self.probe(&["pxe", SERVER, "--mac", "52:54:00:4c:01:01", "--timeout", "2"]));
        assert!(self.probe(&["tftp", "--as-machine", SERVER, "menu.efi"]));
        assert!(self.probe(&["http", "--as-machine", &format!("http://{SERVER}/menu.efi")]));
    }

    fn curl(&self, path: &str) -> String {
        let out = self.lab.run("server", &["curl", "-sS", &format!("http://127.0.0.1:9167{path}")]);
        String::from_utf8(out.stdout).unwrap()
    }
}

/// netbootd and its reader of Windows images where its own user can start them: a checkout may lie
/// in a folder that is root's alone.
fn reachable_program(lab: &Lab) -> String {
    let folder = lab.folder().join("bin");
    fs::create_dir(&folder).unwrap();
    for name in ["netbootd", "netbootd-wim"] {
        fs::copy(Path::new(&program()).with_file_name(name), folder.join(name)).unwrap();
    }
    folder.join("netbootd").display().to_string()
}

fn configure(lab: &Lab, root: &Path, server: &str, more: &str) {
    let (state, drop) = (lab.folder().join("state"), lab.folder().join("drop"));
    let text = format!(
        "[server]\nstate-dir = {state:?}\ninterfaces = [\"lan0\"]\n{server}[boot]\nroot = {root:?}\n\
         [store]\ndrop-folder = {drop:?}\nwatch = \"1s\"\n{ADDRESSES}\
         [[rule]]\nname = \"menu\"\naction.boot = {{ file = \"menu.efi\" }}\n{more}"
    );
    fs::write(lab.folder().join("netbootd.toml"), text).unwrap();
}

/// A line of every thread's `/proc/PID/task/TID/status`, each value once.
fn said_of_threads(pid: u32, name: &str) -> BTreeSet<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let line = |path: &Path| {
        // A thread may just have ended.
        let text = fs::read_to_string(path.join("status")).unwrap_or_default();
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(":\t")?.to_owned()))
    };
    threads.filter_map(|thread| line(&thread.unwrap().path())).collect()
}

fn only(value: &str) -> BTreeSet<String> {
    BTreeSet::from([value.to_owned()])
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn every_thread_of_the_daemon_has_two_capabilities_and_machines_boot() {
    let site = Site::start(&format!("user = \"{USER}\"\n"), "");
    site.boots();
    assert!(!site.netbootd.printed().contains("no raw frames"), "{}", site.netbootd.printed());
    let pid = site.netbootd.id();
    let user = User::from_name(USER).unwrap().unwrap();
    let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
    assert_eq!(said_of_threads(pid, "Uid"), only(&[uid.as_str(); 4].join("\t")));
    assert_eq!(said_of_threads(pid, "Gid"), only(&[gid.as_str(); 4].join("\t")));
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(said_of_threads(pid, set), only(KEPT), "{set}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(said_of_threads(pid, set), only("0000000000000000"), "{set}");
    }
    assert_eq!(said_of_threads(pid, "NoNewPrivs"), only("1"));
    assert_eq!(said_of_threads(pid, "Seccomp"), only("2"));
    // The state is the user's, and nobody else may look into it. No core: the kernel gives /proc's
    // files of such a process to root.
    let state = fs::metadata(site.lab.folder().join("state")).unwrap();
    assert_eq!((state.uid(), state.mode() & 0o777), (user.uid.as_raw(), 0o700));
    assert_eq!(fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid(), 0);
    let doctor = text(&site.netbootd(&["doctor"]));
    for words in [
        "nobody (uid",
        "CAP_NET_BIND_SERVICE CAP_NET_RAW",
        "no-new-privs",
        "calls refused",
        "Landlock",
        "netbootd-wim",
    ] {
        assert!(doctor.contains(words), "{words}: {doctor}");
    }
    assert!(!doctor.contains("FAIL"), "{doctor}");
}

#[test]
fn nothing_outside_the_boot_tree_is_served_and_a_reload_cannot_widen_it() {
    let site = Site::start(&format!("user = \"{USER}\"\n"), "");
    for path in ["shadow", "link", "..\\outside", "/../../etc/passwd", "SHADOW"] {
        assert!(!site.probe(&["tftp", "--as-machine", SERVER, path]), "{path}");
    }
    for path in ["shadow", "link", "..%2foutside", "%2e%2e/%2e%2e/etc/passwd"] {
        assert!(!site.probe(&["http", "--as-machine", &format!("http://{SERVER}/{path}")]), "{path}");
    }
    // A folder that its mode opens to all, and that was not named when netbootd was started.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::set_permissions(elsewhere.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(elsewhere.path().join("menu.efi"), "elsewhere").unwrap();
    configure(&site.lab, elsewhere.path(), &format!("user = \"{USER}\"\n"), "");
    let reload = site.netbootd(&["reload"]);
    assert!(!reload.status.success());
    assert!(text(&reload).contains("restart netbootd to use it"), "{}", text(&reload));
    site.boots();
}

#[test]
fn images_that_come_by_command_and_by_folder_belong_to_the_daemons_user_and_are_served() {
    let site = Site::start(&format!("user = \"{USER}\"\n"), "");
    let uid = User::from_name(USER).unwrap().unwrap().uid.as_raw();
    // Only root may read it, and root imports it.
    let tool = site.lab.folder().join("tool.efi");
    fs::write(&tool, vec![7; 100_000]).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o600)).unwrap();
    let imported = site.netbootd(&["image", "import", &tool.display().to_string()]);
    assert!(imported.status.success(), "{}", text(&imported));
    // A WIM needs a program of its own, which is held to the same.
    let source = site.lab.folder().join("source");
    fs::create_dir_all(source.join("Windows/Boot/EFI")).unwrap();
    fs::write(source.join("Windows/Boot/EFI/bootmgfw.efi"), vec![9; 50_000]).unwrap();
    let wim = site.lab.folder().join("boot.wim");
    run(std::process::Command::new("wimlib-imagex").arg("capture").arg(&source).arg(&wim));
    fs::set_permissions(&wim, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(&wim, site.lab.folder().join("drop/boot.wim")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !(site.curl("/images").contains("boot") && site.curl("/images").contains("tool")) {
        assert!(Instant::now() < deadline, "{}\n{}", site.curl("/images"), site.netbootd.printed());
    }
    assert!(site.probe(&["tftp", "--as-machine", SERVER, "tool/tool.efi"]));
    let mut folders = vec![site.lab.folder().join("state")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            assert_eq!(found.uid(), uid, "{}", path.display());
            if found.is_dir() {
                folders.push(path);
            }
        }
    }
}

#[test]
fn without_a_user_of_its_own_root_goes_on_without_roots_rights() {
    let site = Site::start("user = \"root\"\n", "");
    site.boots();
    let pid = site.netbootd.id();
    assert_eq!(said_of_threads(pid, "CapEff"), only(KEPT));
    assert_eq!(said_of_threads(pid, "Seccomp"), only("2"));
    assert!(!site.probe(&["tftp", "--as-machine", SERVER, "shadow"]));
    drop(site);
    let site = Site::start("sandbox = false\n", "");
    site.boots();
    assert_eq!(said_of_threads(site.netbootd.id(), "Seccomp"), only("0"));
    let doctor = text(&site.netbootd(&["doctor"]));
    assert!(doctor.contains("FAIL") && doctor.contains("set server.sandbox = true"), "{doctor}");
}

#[test]
fn a_file_that_the_user_cannot_read_is_named_at_the_start() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    fs::create_dir(lab.folder().join("drop")).unwrap();
    let authority = netbootd_tests::Authority::new(&lab.folder());
    let server = authority.sign("status", "IP:127.0.0.1", 30);
    fs::set_permissions(&server.key, fs::Permissions::from_mode(0o600)).unwrap();
    let status = format!("[status]\ncertificate = {:?}\nkey = {:?}\n", server.certificate, server.key);
    configure(&lab, &root, &format!("user = \"{USER}\"\n"), &status);
    let config = lab.folder().join("netbootd.toml").display().to_string();
    let ended = lab.run("server", &[&program(), "serve", "--config", &config]);
    assert_eq!(ended.status.code(), Some(77), "{}", text(&ended));
    let words = format!("nobody (uid 65534) cannot read {}", server.key.display());
    assert!(text(&ended).contains(&words), "{}", text(&ended));
}
