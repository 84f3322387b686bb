//! A private network: namespaces for hosts, and bridges as its segments. Nothing leaves it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use nix::sched::{CloneFlags, setns};

use crate::process::run;

/// Namespaces with names of their own, and a folder; both go when this goes.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    hosts: Vec<String>,
    folder: tempfile::TempDir,
}

/// The namespace that holds every segment's bridge, and the machines plugged into them.
const SWITCH: &str = "sw";
/// Bridges pass frames on, and no packet filter looks at them on the way, whatever else this
/// machine has loaded.
const PLAIN_SWITCH: &str =
    r#"for hook in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e "$hook" ] || echo 0 > "$hook"; done"#;
/// Where `ip netns exec` looks for a namespace's own files.
const NAMESPACE_FILES: &str = "/etc/netns";

impl Lab {
    /// An empty network with one segment, `br0`.
    ///
    /// # Panics
    /// Without root, which namespaces need.
    #[allow(clippy::new_without_default)] // it makes namespaces
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let root = nix::unistd::geteuid().is_root();
        assert!(root, "root is needed: the tests make network namespaces");
        let prefix = format!("nb{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Other users may look into it, as into folders of services: the daemon may be one.
        let mode = fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(mode).tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("cannot make a folder: {error}"));
        let mut lab = Lab { prefix, hosts: Vec::new(), folder };
        lab.add_host(SWITCH);
        run(lab.command(SWITCH, "sh").args(["-c", PLAIN_SWITCH]));
        lab.add_segment("br0");
        lab
    }

    /// A folder of this network's own.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Adds a host to the network.
    pub fn add_host(&mut self, host: &str) {
        let name = self.namespace(host);
        run(Command::new("ip").args(["netns", "add", &name]));
        self.hosts.push(name);
        self.ip(host, "link set lo up");
    }

    /// Adds a segment with its bridge.
    pub fn add_segment(&self, bridge: &str) {
        self.ip(SWITCH, &format!("link add {bridge} type bridge"));
        self.ip(SWITCH, &format!("link set {bridge} up"));
    }

    /// Gives the hosts of this network names, as `/etc/hosts` does: lines such as `10.77.0.8
    /// dc1.nb.test dc1`.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn name_hosts(&self, host: &str, lines: &[&str]) {
        // `ip netns exec` puts what is there in the place of the file in /etc.
        let folder = Path::new(NAMESPACE_FILES).join(self.namespace(host));
        let text = format!("127.0.0.1 localhost\n{}\n", lines.join("\n"));
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("hosts"), text));
        written.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    }

    /// Plugs a host into a segment with an address such as `10.77.0.1/24`.
    pub fn plug(&self, host: &str, iface: &str, bridge: &str, address: &str) {
        let port = format!("{}{iface}", &host[..host.len().min(6)]);
        let (host_ns, switch_ns) = (self.namespace(host), self.namespace(SWITCH));
        run(Command::new("ip")
            .args(["-n", &switch_ns, "link", "add", &port, "type", "veth"])
            .args(["peer", "name", iface, "netns", &host_ns]));
        self.ip(SWITCH, &format!("link set {port} master {bridge} up"));
        self.ip(host, &format!("addr add {address} dev {iface}"));
        self.ip(host, &format!("link set {iface} up"));
    }

    /// Adds a port for an emulated machine; gives its name.
    pub fn add_tap(&self, bridge: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let tap = format!("tap{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.ip(SWITCH, &format!("tuntap add {tap} mode tap"));
        self.ip(SWITCH, &format!("link set {tap} master {bridge} up"));
        tap
    }

    /// Runs `ip` at the switch.
    pub fn ip_at_switch(&self, arguments: &str) {
        self.ip(SWITCH, arguments);
    }

    /// Drops what a host would receive for a UDP port, as a firewall on the way does.
    pub fn block_udp_port(&self, host: &str, iface: &str, port: u16) {
        // The host's own addresses are looked up after this rule, and not before it.
        self.ip(host, "rule add pref 5 lookup local");
        self.ip(host, "rule del pref 0");
        self.ip(host, &format!("rule add pref 1 iif {iface} ipproto udp dport {port} blackhole"));
    }

    /// Runs `ip` in a host.
    pub fn ip(&self, host: &str, arguments: &str) {
        run(Command::new("ip").arg("-n").arg(self.namespace(host)).args(arguments.split(' ')));
    }

    /// A command that will run in a host.
    pub fn command(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(host), program]);
        command
    }

    /// Runs a program in a host to its end, in the network's folder, and shows what it prints.
    ///
    /// # Panics
    /// When it cannot be started.
    #[allow(clippy::print_stderr)] // shown when a test fails
    pub fn run(&self, host: &str, words: &[&str]) -> Output {
        let output = self.command(host, words[0]).args(&words[1..]).current_dir(self.folder()).output();
        let output = output.unwrap_or_else(|error| panic!("cannot run {words:?}: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        eprintln!("{words:?}: {}{}", text(&output.stdout), text(&output.stderr));
        output
    }

    /// Waits until somebody listens on every one of these TCP ports, as seen from a host.
    ///
    /// # Panics
    /// When nobody does for a minute.
    pub fn wait_for_ports(&self, host: &str, address: &str, ports: &[u16]) {
        let open: Vec<String> = ports.iter().map(|port| format!("</dev/tcp/{address}/{port}")).collect();
        let script = format!("until bash -c '{}' 2>/dev/null; do sleep 0.1; done", open.join(" && "));
        run(self.command(host, "timeout").args(["60", "bash", "-c", &script]));
    }

    /// A thread inside a host: what it opens, and the threads it starts, are in that host's
    /// network. For stand-ins of this package.
    ///
    /// # Panics
    /// When the host's namespace cannot be entered.
    pub fn inside<T: Send + 'static>(
        &self,
        host: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let namespace = Path::new("/run/netns").join(self.namespace(host));
        thread::spawn(move || {
            let namespace =
                File::open(&namespace).unwrap_or_else(|error| panic!("{}: {error}", namespace.display()));
            setns(namespace, CloneFlags::CLONE_NEWNET)
                .unwrap_or_else(|error| panic!("cannot enter the namespace: {error}"));
            work()
        })
    }

    /// A command that will run beside the segments: an emulated machine.
    pub fn command_at_switch(&self, program: &str) -> Command {
        self.command(SWITCH, program)
    }

    fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in &self.hosts {
            // Processes in it end with their owner; the name is free at once.
            let _ = Command::new("ip").args(["netns", "del", host]).status();
            let _ = fs::remove_dir_all(Path::new(NAMESPACE_FILES).join(host)); // most have none
        }
    }
}
