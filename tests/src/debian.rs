//! A Debian of its own in the network of one of the laboratory's hosts: its own files, users and
//! processes, with systemd as the first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use crate::payload::{cache, lock};
use crate::process::{Process, run};
use crate::{Lab, netbootd};

/// A running Debian. Dropping it ends it with all that runs in it.
#[derive(Debug)]
pub struct Debian {
    tree: PathBuf,
    group: PathBuf,
    init: u32,
    process: Option<Process>,
}

impl Debian {
    /// Boots a fresh one in a host.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn boot(lab: &Lab, host: &str) -> Self {
        let tree = lab.folder().join(format!("{host}-debian"));
        run(Command::new("cp").args(["-a", "--reflink=auto"]).arg(base()).arg(&tree));
        let group = control_groups().join(format!("netbootd-tests-{}-{host}", std::process::id()));
        fs::create_dir_all(&group).unwrap_or_else(|error| panic!("{}: {error}", group.display()));
        let mut inside = lab.command(host, "unshare");
        inside.args(["--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "--kill-child"]);
        inside.args(["bash", "-euc", BOOT, "boot"]).arg(&tree);
        // `ip netns exec` has a /sys of its own: the control group is entered before.
        let mut command = Command::new("bash");
        command.args(["-euc", "echo $$ >\"$1/cgroup.procs\"; shift; exec \"$@\"", "enter"]).arg(&group);
        command.arg(inside.get_program()).args(inside.get_args());
        let process = Process::start("systemd", &mut command);
        let debian = Debian { tree, group, init: first_child(&process), process: Some(process) };
        debian.wait_until("it is up", |debian| {
            let state = debian.run(&["systemctl", "is-system-running"]);
            ["running", "degraded"].contains(&text(&state.stdout).trim())
        });
        debian
    }

    /// Its files, as this host sees them.
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Runs a program in it to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--all", "--"]).args(words);
        let output = command.env("DEBIAN_FRONTEND", "noninteractive").output();
        output.unwrap_or_else(|error| panic!("cannot run {words:?}: {error}"))
    }

    /// Runs a program that must succeed, and gives what it printed.
    ///
    /// # Panics
    /// With what it printed, and the service's journal, when it fails.
    pub fn done(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{words:?} fails: {told}\n{}", self.journal());
        told
    }

    /// One property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        text(&self.run(&["systemctl", "show", "--value", "-p", name, unit]).stdout).trim().to_owned()
    }

    /// netbootd's lines in the journal.
    pub fn journal(&self) -> String {
        text(&self.run(&["journalctl", "--no-pager", "-o", "cat", "-u", "netbootd.service"]).stdout)
    }

    /// Waits until something holds.
    ///
    /// # Panics
    /// When it does not for a minute.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}: not within a minute\n{}", self.journal());
            thread::yield_now();
        }
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        self.process = None;
        // Processes of a namespace that has ended are gone soon, and only then their control groups
        // can be.
        let deadline = Instant::now() + Duration::from_secs(10);
        while remove_groups(&self.group).is_err() && Instant::now() < deadline {
            thread::yield_now();
        }
    }
}

/// Builds a package of this version from the program that the tests use.
///
/// # Panics
/// With what cargo-deb prints, when it fails.
pub fn package(folder: &Path, version: &str) -> PathBuf {
    let deb = folder.join(format!("netbootd_{version}.deb"));
    let program = PathBuf::from(netbootd::program());
    let target =
        program.ancestors().nth(2).expect("the program is in a profile's folder of the target folder");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // The stripped program has one place for all of them.
    let _lock = lock(&cache());
    run(Command::new(crate::process::tool("cargo-deb"))
        .args(["-p", "netbootd", "--no-build", "--strip", "--no-dbgsym", "--profile", "dev"])
        .args(["--fast", "--compress-type", "gz", "--compress-system", "--deb-version", version, "-o"])
        .arg(&deb)
        .current_dir(workspace)
        .env("CARGO_TARGET_DIR", target));
    deb
}

/// The files of a small Debian as this host's, made once.
fn base() -> PathBuf {
    let folder = cache();
    let _lock = lock(&folder);
    let base = folder.join("debian");
    if !base.join("usr").exists() {
        let part = folder.join("debian.part");
        // An interrupted run has left this.
        let _ = fs::remove_dir_all(&part);
        let suite = run(Command::new("bash").args(["-c", ". /etc/os-release; echo $VERSION_CODENAME"]));
        let packages = "--include=systemd,systemd-sysv,libgssapi-krb5-2";
        run(Command::new("debootstrap").args(["--variant=minbase", packages, suite.trim()]).arg(&part));
        fs::rename(&part, &base).expect("the folder can be renamed");
    }
    base
}

/// Where this host has its control groups of the second kind.
fn control_groups() -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").expect("the kernel lists its mounts");
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = fields.find(|fields| fields.get(2) == Some(&"cgroup2"));
    PathBuf::from(found.expect("systemd needs control groups (cgroup2)")[1])
}

fn remove_groups(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_groups(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

fn first_child(process: &Process) -> u32 {
    let id = process.id();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        if let Some(child) = children.split_whitespace().next().and_then(|child| child.parse().ok()) {
            return child;
        }
        assert!(Instant::now() < deadline, "no first process: {}", process.printed());
        thread::yield_now();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Makes the tree the root of the namespaces it runs in, and becomes systemd.
const BOOT: &str = r#"
tree=$1
mount --make-rprivate /
mount --bind "$tree" "$tree"
mount -t proc proc "$tree/proc"
mount -t sysfs sysfs "$tree/sys"
mount -t cgroup2 cgroup2 "$tree/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$tree/run"
mount -t tmpfs tmpfs "$tree/tmp"
mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
for device in null zero full random urandom tty; do
    touch "$tree/dev/$device"
    mount --bind "/dev/$device" "$tree/dev/$device"
done
mkdir "$tree/dev/shm" "$tree/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$tree/dev/pts"
ln -s pts/ptmx "$tree/dev/ptmx"
ln -s /proc/self/fd "$tree/dev/fd"
ln -sf /dev/null "$tree/etc/systemd/system/console-getty.service"
cd "$tree"
pivot_root . .
umount -l .
exec env -i container=tests PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --log-target=journal
"#;
