//! netbootd in a host of the laboratory.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::process::Process;
use crate::{Lab, object_storage, wait};

/// A running netbootd at 10.77.0.1 on `br0`.
#[derive(Debug)]
pub struct Netbootd {
    process: Process,
    root: PathBuf,
}

/// netbootd's own address of IPv4.
pub const SERVER: &str = "10.77.0.1";

/// The full DHCP service for both segments.
pub const ADDRESSES: &str = r#"
[dhcp]
mode = "server"

[[dhcp.subnet]]
subnet = "10.77.0.0/24"
pool = "10.77.0.100-10.77.0.199"

[[dhcp.subnet]]
subnet = "10.78.0.0/24"
pool = "10.78.0.100-10.78.0.199"
router = "10.78.0.254"
"#;

impl Netbootd {
    /// Adds the host, without starting anything; gives the boot folder.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn prepare(lab: &mut Lab) -> PathBuf {
        lab.add_host("server");
        lab.plug("server", "lan0", "br0", &format!("{SERVER}/24"));
        let root = lab.folder().join("root");
        fs::create_dir_all(&root).expect("the folder can be written");
        root
    }

    /// Starts it on the boot folder with this configuration besides `[server]` and `[boot]`.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(lab: &Lab, root: &Path, configuration: &str) -> Self {
        Self::start_with(lab, root, configuration, &[])
    }

    /// The same, with an environment.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start_with(lab: &Lab, root: &Path, configuration: &str, environment: &[(&str, PathBuf)]) -> Self {
        let mut command = lab.command("server", &program());
        command.envs(environment.iter().cloned());
        Self::begin(lab, root, configuration, &mut command)
    }

    /// The same, with so many open files.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start_with_files(lab: &Lab, root: &Path, configuration: &str, files: u32) -> Self {
        let mut command = lab.command("server", "prlimit");
        command.args([format!("--nofile={files}:{files}"), program()]);
        Self::begin(lab, root, configuration, &mut command)
    }

    /// The same where a package puts things: the network's folder is /etc/netbootd, the boot folder
    /// /srv/netboot, and the state /var/lib/netbootd, for this process alone.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start_at_usual_paths(lab: &Lab, root: &Path, configuration: &str) -> Self {
        // `ip netns exec` has given the process mounts of its own.
        let script = "set -e
            cp -a /etc \"$1/etc\"
            mkdir -p \"$1/etc/netbootd\" \"$1/state\"
            mount --bind \"$1/etc\" /etc
            mount -t tmpfs tmpfs /srv
            mkdir /srv/netboot
            mount --bind \"$2\" /srv/netboot
            mount -t tmpfs tmpfs /var/lib
            mkdir /var/lib/netbootd
            mount --bind \"$1/state\" /var/lib/netbootd
            mount --bind \"$1\" /etc/netbootd
            shift 2
            exec \"$@\"";
        let mut command = lab.command("server", "sh");
        command.args(["-c", script, "sh"]).arg(lab.folder()).arg(root).arg(program());
        fs::write(
            lab.folder().join("netbootd.toml"),
            head("/var/lib/netbootd", "/srv/netboot") + configuration,
        )
        .expect("the folder can be written");
        Self::serve(root, "/etc/netbootd/netbootd.toml", &mut command)
    }

    fn begin(lab: &Lab, root: &Path, configuration: &str, command: &mut Command) -> Self {
        let (file, state) = (lab.folder().join("netbootd.toml"), lab.folder().join("state"));
        let head = head(&state.display().to_string(), &root.display().to_string());
        fs::write(&file, head + configuration).expect("the folder can be written");
        Self::serve(root, &file.display().to_string(), command)
    }

    fn serve(root: &Path, file: &str, command: &mut Command) -> Self {
        command.args(["serve", "--config", file]).envs(object_storage::KEYS);
        let process = Process::start("netbootd", command);
        process.wait_for(" ready ", Duration::from_secs(20));
        Netbootd { process, root: root.to_owned() }
    }

    /// The daemon's process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The boot folder of the server.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The answer of `netbootd status` about a machine, or about all with a word; null without an
    /// answer.
    ///
    /// # Panics
    /// When the command cannot be started.
    pub fn status(&self, lab: &Lab, who: &str) -> Value {
        let config = lab.folder().join("netbootd.toml").display().to_string();
        let mut command = lab.command("server", &program());
        let output = command.args(["status", who, "--json", "--config", &config]).output();
        let output = output.unwrap_or_else(|error| panic!("netbootd status: {error}"));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// The same once it fits: what a machine does is known a moment later.
    ///
    /// # Panics
    /// When it does not fit within ten seconds.
    pub fn status_when(&self, lab: &Lab, who: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let ask = || Some(self.status(lab, who)).filter(&fits);
        wait::for_some(Duration::from_secs(10), ask, || {
            format!("{:#}\n{}", self.status(lab, who), self.log())
        })
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.process.printed()
    }

    /// Waits for a line in its log that has all of these words: what is told to a client may be
    /// logged a moment later.
    ///
    /// # Panics
    /// When none comes.
    pub fn logged(&self, words: &[&str]) {
        self.process.wait_for_line(words, Duration::from_secs(10));
    }

    /// The same for so many seconds: for what follows a machine's start.
    ///
    /// # Panics
    /// When none comes.
    pub fn logged_within(&self, words: &[&str], seconds: u64) {
        self.process.wait_for_line(words, Duration::from_secs(seconds));
    }

    /// Waits for a word in its log.
    pub fn wait_for(&self, word: &str, patience: Duration) {
        self.process.wait_for(word, patience);
    }
}

/// The first tables of a configuration. Whether the host has a user for netbootd is no matter of
/// most tests, and their folders are root's.
fn head(state: &str, root: &str) -> String {
    format!(
        "[server]\nuser = \"root\"\nstate-dir = {state:?}\nlog-level = \"debug\"\ninterfaces = [\"lan0\"]\n[boot]\nroot = {root:?}\n"
    )
}

/// Writes a file with a secret, which nobody else on this host may read.
///
/// # Panics
/// When it cannot be written.
pub fn write_secret(path: &Path, secret: &str) {
    let file = fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(secret.as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// The built program. Tests of this package do not have cargo's variable for another package's
/// program.
pub fn program() -> String {
    let built = std::env::current_exe().ok();
    let folder =
        built.as_deref().and_then(|exe| exe.ancestors().find(|path| path.join("netbootd").is_file()));
    folder.map_or_else(|| "netbootd".to_owned(), |folder| folder.join("netbootd").display().to_string())
}
