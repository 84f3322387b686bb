//! `netbootd backup` of a running daemon, and `netbootd restore` on another host.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::{Lab, Netbootd, wait};

const MAC: &str = "52:54:00:4c:01:07";
const POLICY: &str = "[policy]\nunknown-machines = \"approve\"\n[devices]\nfile = \"devices.csv\"\n\
                      [[rule]]\nname = \"menu\"\naction.boot = { file = \"menu.efi\" }\n";

fn run(lab: &Lab, words: &[&str]) -> Output {
    lab.run("server", &[&[program().as_str()], words].concat())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The other host: its own state folder and its own configuration folder.
fn restore(lab: &Lab, backup: &Path, host: &Path) -> Output {
    let path = |name: &str| host.join(name).display().to_string();
    let words = [
        "restore",
        &backup.display().to_string(),
        "--state-dir",
        &path("state"),
        "--config",
        &path("etc/netbootd.toml"),
    ];
    run(lab, &words)
}

/// The approval of the machine and the image, as the other host has them.
fn is_restored(lab: &Lab, host: &Path) {
    let config = host.join("etc/netbootd.toml");
    // The restored configuration names the folders of the first host.
    let there = fs::read_to_string(&config).unwrap();
    let state = lab.folder().join("state").display().to_string();
    fs::write(&config, there.replace(&state, &host.join("state").display().to_string())).unwrap();
    let config = config.display().to_string();
    let pending = text(&run(lab, &["pending", "list", "--config", &config]));
    assert!(pending.contains(MAC) && pending.contains("approved"), "{pending}");
    let verified = run(lab, &["image", "verify", "--config", &config]);
    assert!(verified.status.success(), "{}", text(&verified));
    assert!(text(&run(lab, &["image", "show", "tool", "--config", &config])).contains("tool.efi"));
    assert!(host.join("etc/devices.csv").exists());
}

#[test]
fn a_backup_of_a_running_daemon_restores_on_another_host_and_nothing_is_written_by_halves() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    fs::write(root.join("menu.efi"), "a program").unwrap();
    fs::write(lab.folder().join("devices.csv"), "name,mac\nother,52:54:00:4c:01:02\n").unwrap();
    let netbootd = Netbootd::start(&lab, &root, POLICY);
    let config = lab.folder().join("netbootd.toml").display().to_string();
    lab.run("client", &[&program(), "probe", "pxe", SERVER, "--mac", MAC, "--timeout", "1"]);
    assert!(run(&lab, &["pending", "approve", MAC, "--config", &config]).status.success());
    fs::write(lab.folder().join("tool.efi"), vec![9; 100_000]).unwrap();
    let tool = lab.folder().join("tool.efi").display().to_string();
    assert!(run(&lab, &["image", "import", &tool, "--config", &config]).status.success());

    let backup = lab.folder().join("backup.tar");
    let name = backup.display().to_string();
    let written = run(&lab, &["backup", &name, "--images", "--config", &config]);
    assert!(written.status.success(), "{}", text(&written));
    assert!(
        !lab.folder().join("backup.tar.part").exists() && !lab.folder().join("state/backup.part").exists()
    );

    // Not over a running daemon.
    let running = run(&lab, &["restore", &name]);
    assert_eq!(running.status.code(), Some(78));
    assert!(text(&running).contains("netbootd is running with its state in"), "{}", text(&running));
    let checked = run(&lab, &["restore", &name, "--check"]);
    assert!(checked.status.success() && text(&checked).contains("with images"), "{}", text(&checked));
    drop(netbootd);

    // A backup that is cut is refused before anything is written.
    let host = lab.folder().join("other");
    let whole = fs::read(&backup).unwrap();
    let cut = lab.folder().join("cut.tar");
    for end in [0, 700, whole.len() / 3, whole.len() / 2, whole.len() - 20_000] {
        fs::write(&cut, &whole[..end]).unwrap();
        let refused = restore(&lab, &cut, &host);
        assert_eq!(refused.status.code(), Some(78), "{end}: {}", text(&refused));
        assert!(text(&refused).contains("nothing was changed"), "{}", text(&refused));
        assert!(!host.exists(), "cut at {end}");
    }

    // Killed at any moment, it leaves what was there or can be run again.
    for round in 0..12_u32 {
        let path = |part: &str| host.join(part).display().to_string();
        let mut command = lab.command("server", &program());
        command.args([
            "restore",
            &name,
            "--state-dir",
            &path("state"),
            "--config",
            &path("etc/netbootd.toml"),
        ]);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        let staged = host.join("state/restore.part");
        let enough = || {
            let waiting = fs::read_dir(&staged).map_or(0, Iterator::count);
            waiting as u32 > round || child_ended(child.id())
        };
        wait::until(Duration::from_secs(20), enough, || "no file of the restore".into());
        let _ = child.kill();
        child.wait().unwrap();
    }
    let restored = restore(&lab, &backup, &host);
    assert!(restored.status.success(), "{}", text(&restored));
    assert!(!host.join("state/restore.part").exists());
    is_restored(&lab, &host);

    // Over what is there already: the old files stay beside.
    let again = restore(&lab, &backup, &host);
    assert!(again.status.success(), "{}", text(&again));
    assert!(host.join("state/state.redb.before-restore").exists());
    is_restored(&lab, &host);
}

/// Whether a child has ended and waits to be collected.
fn child_ended(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.starts_with('Z'))
}
