//! The Debian package, in a Debian where systemd is the first process: installed, started,
//! upgraded, and gone again.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use netbootd_tests::debian::{Debian, package};
use netbootd_tests::fleet::{Fleet, Told, mac};
use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::{DhcpServer, Firmware, Lab, Machine, loaders, process};

const UNIT: &str = "netbootd.service";
const SOCKETS: [&str; 4] =
    ["netbootd-dhcp.socket", "netbootd-pxe.socket", "netbootd-tftp.socket", "netbootd-http.socket"];
/// Of Debian's package ipxe.
const BOOT_PROGRAMS: &[(&str, &str)] =
    &[("/usr/lib/ipxe/undionly.kpxe", "undionly.kpxe"), ("/usr/lib/ipxe/ipxe.efi", "ipxe.efi")];
const CONFIG: &str = "/etc/netbootd/netbootd.toml";
/// Of Debian's package debian-installer-12-netboot-amd64.
const INSTALLER: &str = "/usr/lib/debian-installer";

/// A server with a fresh Debian, and a client beside it.
fn lab() -> (Lab, Debian) {
    let mut lab = Lab::new();
    for (host, iface, address) in [("server", "lan0", "10.77.0.1/24"), ("client", "eth0", "10.77.0.50/24")] {
        lab.add_host(host);
        lab.plug(host, iface, "br0", address);
    }
    let debian = Debian::boot(&lab, "server");
    (lab, debian)
}

/// Makes a package and installs it.
fn install(debian: &Debian, version: &str) -> String {
    let deb = package(&debian.tree().join("root"), version);
    let name = deb.file_name().unwrap().to_str().unwrap().to_owned();
    debian.done(&["dpkg", "-i", &format!("/root/{name}")])
}

/// The client fetches a file by TFTP and by HTTP.
fn serves(lab: &Lab, debian: &Debian) {
    let tftp = lab.run("client", &[&program(), "probe", "tftp", "--as-machine", SERVER, "menu.efi"]);
    assert!(tftp.status.success(), "{}", debian.journal());
    let http = lab.run("client", &["curl", "-fsS", &format!("http://{SERVER}/menu.efi")]);
    assert_eq!(http.stdout, b"a boot program", "{}", debian.journal());
}

/// The package brings the reader, and depends on nothing for it. Only root may read this image.
fn takes_in_a_windows_image(lab: &Lab, debian: &Debian) {
    let (source, image) = (lab.folder().join("pe"), debian.tree().join("root/winpe.wim"));
    fs::create_dir_all(source.join("Windows/Boot/EFI")).unwrap();
    fs::write(source.join("Windows/Boot/EFI/bootmgfw.efi"), "a boot manager").unwrap();
    process::run(Command::new("wimlib-imagex").arg("capture").arg(&source).arg(&image));
    fs::set_permissions(&image, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!debian.run(&["which", "wimlib-imagex"]).status.success());
    debian.done(&["netbootd", "image", "import", "/root/winpe.wim"]);
    let shown = debian.done(&["netbootd", "image", "show", "winpe"]);
    assert!(shown.contains("boot/x64/bootmgfw.efi"), "{shown}");
    let doctor = debian.run(&["netbootd", "doctor"]);
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.contains("/usr/libexec/netbootd/netbootd-wim reads Windows images"), "{doctor}");
}

/// A machine asks as firmware does, by broadcast and at the boot server's port.
fn answers(lab: &Lab, debian: &Debian) {
    // The boot server's answer has the file; the offer says who the boot server is.
    for (asked, answer) in
        [(["--iface", "eth0"].as_slice(), "Offer from 10.77.0.1:67"), (&[SERVER], "bootx64.efi")]
    {
        let program = program();
        let words = [&[program.as_str(), "probe", "pxe", "--timeout", "1"], asked].concat();
        let told = lab.run("client", &words);
        let told = String::from_utf8(told.stdout).unwrap();
        assert!(told.contains(answer), "{asked:?}: {told}\n{}", debian.journal());
    }
}

#[test]
fn it_starts_under_its_unit_and_serves_as_its_own_user() {
    let (lab, debian) = lab();
    let told = install(&debian, "0.1.0-1");
    assert!(told.contains("netbootd setup"), "{told}");
    assert_eq!(debian.property(UNIT, "ActiveState"), "active", "{}", debian.journal());
    assert_eq!(debian.property(UNIT, "StatusText"), "proxy on lan0");
    assert_eq!(debian.property(UNIT, "UnitFileState"), "enabled");
    debian.done(&["netbootd", "check-config"]);
    let id = debian.property(UNIT, "MainPID");
    let status = debian.done(&["cat", &format!("/proc/{id}/status")]);
    let user = debian.done(&["id", "-u", "netbootd"]);
    assert!(status.contains(&format!("Uid:\t{0}\t{0}\t{0}\t{0}", user.trim())), "{status}");
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
    let journal = debian.journal();
    assert!(!journal.contains("CAP_NET_RAW") && !journal.contains("ERROR"), "{journal}");

    for name in ["menu.efi", "bootx64.efi"] {
        fs::write(debian.tree().join("srv/netboot").join(name), "a boot program").unwrap();
    }
    serves(&lab, &debian);
    answers(&lab, &debian);

    takes_in_a_windows_image(&lab, &debian);

    // Setup finds what the package came with, and may replace it.
    let told = debian.done(&["netbootd", "setup", "--yes", "--interface", "lan0"]);
    assert!(told.contains("[7/7] ok      service: netbootd.service is enabled and running"), "{told}");
    let config = fs::read_to_string(debian.tree().join(&CONFIG[1..])).unwrap();
    assert!(config.contains("\ninterfaces = [\"lan0\"]\n"), "{config}");
    serves(&lab, &debian);
    let told = debian.run(&["netbootd", "setup", "--yes"]);
    assert_eq!(told.status.code(), Some(78), "what was answered is not what the package came with");

    // A reload waits until it is in force, and fails when it cannot be.
    debian.done(&["systemctl", "reload", UNIT]);
    assert_eq!(debian.property(UNIT, "StatusText"), "configuration reloaded");
    let broken = config.replace("/srv/netboot", "/srv/elsewhere") + "\nbroken\n";
    fs::write(debian.tree().join(&CONFIG[1..]), &broken).unwrap();
    assert!(!debian.run(&["systemctl", "reload", UNIT]).status.success());
    assert_eq!(debian.property(UNIT, "ActiveState"), "active");
    // The former configuration stays in force, and its status text says so.
    assert_eq!(debian.property(UNIT, "StatusText"), "configuration reloaded");
    let line = format!("{CONFIG}:{}:", broken.lines().count());
    debian.wait_until("the line is told", |debian| debian.journal().contains(&line));
    serves(&lab, &debian);
    // A start says why it does not, and is not tried again and again.
    assert!(!debian.run(&["systemctl", "restart", UNIT]).status.success());
    assert_eq!(debian.property(UNIT, "ExecMainStatus"), "78", "{}", debian.journal());
    assert_eq!(debian.property(UNIT, "NRestarts"), "0");
    assert!(debian.journal().contains("broken"), "{}", debian.journal());
}

/// Word by word, but for two things: Debian's packages come from this host, as the tree has no
/// network, and the installer's console is the serial port, where a test can read it.
#[test]
fn the_readme_leads_from_the_package_to_debians_installer() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let (mut lab, debian) = lab();
    let _addresses = DhcpServer::start(&mut lab);
    fs::rename(package(&debian.tree().join("root"), "0.1.0-1"), debian.tree().join("netbootd.deb")).unwrap();
    let says =
        |words: &str| assert!(readme.contains(&format!("\n    {words}")), "{words:?} is not in the README");
    let does = |words: &str| {
        says(words);
        debian.done(&words.split(' ').collect::<Vec<_>>())
    };
    says("apt install ./netbootd.deb");
    debian.done(&["apt", "install", "--yes", "./netbootd.deb"]);
    says("apt install ipxe");
    let programs = debian.tree().join("usr/lib/ipxe");
    fs::create_dir_all(&programs).unwrap();
    loaders::put(&programs, BOOT_PROGRAMS);
    says("netbootd setup");
    let told = debian.done(&["netbootd", "setup", "--yes", "--interface", "lan0"]);
    assert!(told.contains("10.77.0.2 on lan0 leases addresses"), "{told}");
    assert!(told.contains("x64-uefi machines start ipxe.efi"), "{told}");
    says("apt install debian-installer-12-netboot-amd64");
    process::run(Command::new("cp").args(["-a", INSTALLER]).arg(debian.tree().join("usr/lib")));
    does("netbootd image import /usr/lib/debian-installer/images/12/amd64/text --name debian-12");
    says("netbootd watch");
    debian.done(&["netbootd", "image", "tag", "debian-12", "--label", "cmdline=console=ttyS0 --- quiet"]);

    let machine = Machine::start_sized(&lab, Firmware::UefiPxe, "br0", 1, None, "1024");
    let booted = catch_unwind(AssertUnwindSafe(|| {
        machine.wait_for("Boot from the disk");
        machine.press(&["down", "ret"]);
        machine.wait_for("Choose the language");
    }));
    assert!(booted.is_ok(), "{}\n{}", machine.console(), debian.journal());
    let told = debian.done(&["netbootd", "status", "52:54:00:4c:01:01"]);
    assert!(told.contains("ipxe.efi") && told.contains("initrd.gz"), "{told}");
}

#[test]
fn a_server_that_hangs_is_restarted() {
    let (_lab, debian) = lab();
    let folder = debian.tree().join("etc/systemd/system/netbootd.service.d");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("soon.conf"), "[Service]\nWatchdogSec=5\nWatchdogSignal=SIGKILL\n").unwrap();
    install(&debian, "0.1.0-1");
    let id = debian.property(UNIT, "MainPID");
    let since = debian.property(UNIT, "WatchdogTimestampMonotonic");
    debian.wait_until("signs of life", |debian| debian.property(UNIT, "WatchdogTimestampMonotonic") != since);
    assert_eq!(debian.property(UNIT, "MainPID"), id, "it lives");
    debian.done(&["systemctl", "kill", "--signal=STOP", UNIT]);
    debian.wait_until("a restart", |debian| {
        debian.property(UNIT, "NRestarts") == "1" && debian.property(UNIT, "ActiveState") == "active"
    });
    assert_ne!(debian.property(UNIT, "MainPID"), id);
}

#[test]
fn systemds_sockets_start_it_and_are_served() {
    let (lab, debian) = lab();
    install(&debian, "0.1.0-1");
    for name in ["menu.efi", "bootx64.efi"] {
        fs::write(debian.tree().join("srv/netboot").join(name), "a boot program").unwrap();
    }
    debian.done(&["systemctl", "stop", UNIT]);
    debian.done(&[["systemctl", "enable", "--now"].as_slice(), &SOCKETS].concat());
    assert_eq!(debian.property(UNIT, "ActiveState"), "inactive");
    serves(&lab, &debian);
    answers(&lab, &debian);
    assert_eq!(debian.property(UNIT, "ActiveState"), "active");
    let journal = debian.journal();
    assert!(!journal.contains("nothing is to be served"), "{journal}");
    // They are systemd's still when it goes: the next one who asks starts it again.
    debian.done(&["systemctl", "stop", UNIT]);
    serves(&lab, &debian);
}

#[test]
fn an_upgrade_keeps_what_is_configured_and_remembered_and_a_purge_leaves_nothing() {
    let (lab, debian) = lab();
    let before = files(debian.tree());
    install(&debian, "0.1.0-1");
    let config = debian.tree().join(&CONFIG[1..]);
    let edited = fs::read_to_string(&config).unwrap() + "\n# mine\n";
    fs::write(&config, &edited).unwrap();
    let state = debian.tree().join("var/lib/netbootd/state.redb");
    let remembered = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&state).unwrap());
    let id = debian.property(UNIT, "MainPID");

    install(&debian, "0.2.0-1");
    assert_eq!(debian.property(UNIT, "ActiveState"), "active", "{}", debian.journal());
    assert_ne!(debian.property(UNIT, "MainPID"), id, "the new one runs");
    assert_eq!(fs::read_to_string(&config).unwrap(), edited);
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&fs::metadata(&state).unwrap()), remembered);
    fs::write(debian.tree().join("srv/netboot/menu.efi"), "a boot program").unwrap();
    serves(&lab, &debian);

    // An operator's `disable` stays in force.
    debian.done(&["systemctl", "disable", UNIT]);
    install(&debian, "0.3.0-1");
    assert_eq!(debian.property(UNIT, "UnitFileState"), "disabled");

    debian.done(&["dpkg", "--remove", "netbootd"]);
    assert_eq!(debian.property(UNIT, "ActiveState"), "inactive");
    assert_eq!(fs::read_to_string(&config).unwrap(), edited, "removed is not purged");
    fs::remove_file(debian.tree().join("srv/netboot/menu.efi")).unwrap();
    debian.done(&["dpkg", "--purge", "netbootd"]);
    let left: Vec<String> = files(debian.tree()).into_iter().filter(|path| !before.contains(path)).collect();
    assert_eq!(left, Vec::<String>::new());
    assert!(debian.done(&["getent", "passwd", "netbootd"]).contains("nologin"), "the user stays, locked");
}

#[test]
fn an_upgrade_takes_up_the_state_of_an_older_version_and_refuses_that_of_a_newer_one() {
    let (lab, debian) = lab();
    let boot = debian.tree().join("srv/netboot/linux/boot/x64");
    fs::create_dir_all(&boot).unwrap();
    fs::write(boot.join("bootmgfw.efi"), "a boot program").unwrap();
    install(&debian, "0.1.0-1");
    let etc = debian.tree().join("etc/netbootd");
    let device = format!("name,mac,image,deployment,purpose\npc-0,{},linux,reimage,required\n", mac(0));
    fs::write(etc.join("devices.csv"), device).unwrap();
    fs::write(etc.join("netbootd.toml"), SERVING).unwrap();
    debian.done(&["systemctl", "restart", UNIT]);
    let first = boots(&lab, |told| !told.boot_file.is_empty());
    assert!(debian.done(&["netbootd", "ledger", "list"]).contains("reimage"));
    let state = debian.tree().join("var/lib/netbootd/state.redb");

    // As it was before files said which version their tables have.
    debian.done(&["systemctl", "stop", UNIT]);
    let change = redb::Database::open(&state).unwrap();
    let written = change.begin_write().unwrap();
    assert!(written.delete_table(VERSION).unwrap());
    written.commit().unwrap();
    drop(change);
    install(&debian, "0.2.0-1");
    debian
        .wait_until("the tables are converted", |debian| debian.journal().contains("state tables converted"));
    assert!(debian.done(&["netbootd", "ledger", "list"]).contains("reimage"));
    let second = boots(&lab, |told| told.boot_file.is_empty());
    assert_eq!(second.address, first.address);

    debian.done(&["systemctl", "stop", UNIT]);
    let own = replace_version(&state, 99);
    let told = install(&debian, "0.3.0-1");
    assert!(told.contains("netbootd does not run"), "{told}");
    let words = "is of a newer netbootd (tables of version 99";
    debian.wait_until("it is refused", |debian| debian.journal().contains(words));
    // It leaves a newer state alone: the newer netbootd finds all of it.
    debian.run(&["systemctl", "stop", UNIT]);
    assert_eq!(replace_version(&state, own), 99);
    debian.run(&["systemctl", "reset-failed", UNIT]);
    debian.done(&["systemctl", "start", UNIT]);
    assert!(debian.done(&["netbootd", "ledger", "list"]).contains("reimage"));
    assert_eq!(boots(&lab, |told| told.boot_file.is_empty()).address, first.address);
}

/// Has a state file say another version of its tables; gives the one that it said.
fn replace_version(state: &Path, version: u64) -> u64 {
    let database = redb::Database::open(state).unwrap();
    let change = database.begin_write().unwrap();
    let before = change.open_table(VERSION).unwrap().insert("version", version).unwrap().unwrap().value();
    change.commit().unwrap();
    before
}

/// Boots one machine again and again, until a reply fits.
fn boots(lab: &Lab, fits: impl Fn(&Told) -> bool) -> Told {
    let servers = vec![SERVER.parse().unwrap()];
    let fleet = Fleet { machines: 1, relay: "10.77.0.50".parse().unwrap(), servers };
    let ((tell, heard), stop) = (channel(), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let thread = lab.inside("client", move || fleet.run(&tell, &stopped));
    let deadline = Instant::now() + Duration::from_secs(60);
    let told = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let told = heard.recv_timeout(left).expect("it is told so within a minute");
        if fits(&told) {
            break told;
        }
    };
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    told
}

/// Gives addresses, and a Required deployment.
const SERVING: &str = r#"
[dhcp]
mode = "server"
conflict-probe = false

[[dhcp.subnet]]
subnet = "10.77.0.0/24"
pool = "10.77.0.100-10.77.0.199"

[boot]
root = "/srv/netboot"

[policy]
same-boot = "1s"

[devices]
file = "/etc/netbootd/devices.csv"
"#;
/// Which version a state file's tables have.
const VERSION: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("schema");

/// Every path that speaks of netbootd, but in root's home, where its packages lie.
fn files(tree: &Path) -> Vec<String> {
    let words = "-xdev -path */root -prune -o -name *netboot* -print";
    let listed = process::run(Command::new("find").arg(tree).args(words.split(' ')));
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn its_units_are_sound_and_shut_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pkg/systemd");
    let service = folder.join(UNIT);
    // Tenths of systemd's exposure. The rest is: the network, its capabilities, and openat2, which
    // RestrictSUIDSGID would take away.
    let analyze = || Command::new("systemd-analyze");
    process::run(
        analyze().args(["security", "--no-pager", "--offline=true", "--threshold=21"]).arg(&service),
    );

    let here = tempfile::tempdir().unwrap();
    for name in SOCKETS.into_iter().chain([UNIT]) {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        fs::write(here.path().join(name), text.replace("/usr/bin/netbootd", &program())).unwrap();
    }
    let units = SOCKETS.into_iter().chain([UNIT]).map(|name| here.path().join(name));
    let verified = analyze().args(["verify", "--man=no"]).args(units).output().unwrap();
    let told = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && told.is_empty(), "{told}");
}
