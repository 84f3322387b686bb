//! Several servers that share a database, and machines that boot at them: what must hold whatever
//! breaks.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

mod fetching;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::fleet::{Fleet, Told, mac};
use crate::netbootd::program;
use crate::object_storage::KEYS;
use crate::postgres::DATABASE;
use crate::{Authority, Lab, Postgres, Process};
pub use fetching::{Fetched, Fetching, Wanted};

/// The hosts of the three servers.
pub const NAMES: [&str; 3] = ["one", "two", "three"];
/// The relay between them and the machines.
pub const RELAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
/// As the configuration below says, with the second that times are rounded to, and as long as a
/// machine waits for an answer.
pub const SAME_BOOT: Duration = Duration::from_millis(2000 + 1000 + 1500);

/// Three servers, a database behind them, and their configuration.
#[derive(Debug)]
pub struct Site {
    /// The private network of the servers.
    pub lab: Lab,
    authority: Authority,
    /// The database behind them.
    pub database: Postgres,
    /// More of their configuration.
    pub more: String,
}

/// The address of one server.
pub fn address(server: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 1 + u8::try_from(server).unwrap())
}

impl Site {
    /// The network and its database; no server runs yet.
    #[allow(clippy::new_without_default)] // it makes namespaces
    pub fn new() -> Self {
        let mut lab = Lab::new();
        lab.add_segment("back");
        for (n, name) in NAMES.iter().enumerate() {
            lab.add_host(name);
            lab.plug(name, "lan0", "br0", &format!("{}/16", address(n)));
            lab.plug(name, "db0", "back", &format!("10.79.0.{}/24", n + 1));
            let boot = lab.folder().join(name).join("root/linux/boot/x64");
            fs::create_dir_all(&boot).unwrap();
            fs::write(boot.join("bootmgfw.efi"), "boot").unwrap();
        }
        lab.add_host("relay");
        lab.plug("relay", "eth0", "br0", &format!("{RELAY}/16"));
        let authority = Authority::new(&lab.folder());
        let database = Postgres::start(&mut lab, &authority);
        Site { lab, authority, database, more: String::new() }
    }

    /// Writes a server's configuration.
    pub fn config(&self, server: usize) -> PathBuf {
        let folder = self.lab.folder().join(NAMES[server]);
        let text = format!(
            "[server]\nstate-dir = {state:?}\nlog-level = \"debug\"\ninterfaces = [\"lan0\"]\n[boot]\nroot = {root:?}\n\
             [dhcp]\nmode = \"server\"\nconflict-probe = false\n[[dhcp.subnet]]\nsubnet = \"10.77.0.0/16\"\npool = \"10.77.4.0-10.77.7.255\"\nlease-time = \"1h\"\n\
             [limits]\nrelays = \"{RELAY}\"\nmachine-packets = {{ at-once = 100000, per-second = 1000 }}\nreply-bytes = {{ at-once = 1000000000, per-second = 10000000 }}\n\
             [policy]\nsame-boot = \"2s\"\n[devices]\nshared = true\n\
             [database]\nurl = \"postgresql://netbootd@{DATABASE}/netbootd\"\npassword-file = {password:?}\nca = {ca:?}\ndeadline = \"1500ms\"\n{more}",
            state = folder.join("state").display().to_string(),
            root = folder.join("root").display().to_string(),
            password = self.database.password_file.display().to_string(),
            ca = self.authority.certificate().display().to_string(),
            more = self.more,
        );
        let file = folder.join("netbootd.toml");
        fs::write(&file, text).unwrap();
        file
    }

    /// Starts one server of the cluster.
    pub fn start(&self, server: usize) -> Process {
        let mut command = self.lab.command(NAMES[server], &program());
        command.args(["serve", "--config"]).arg(self.config(server)).envs(KEYS);
        let process = Process::start(NAMES[server], &mut command);
        process.wait_for(" ready ", Duration::from_secs(30));
        process
    }

    /// Runs a command on a server's host.
    pub fn run(&self, server: usize, words: &[&str]) -> Output {
        let config = self.config(server).display().to_string();
        let mut command = self.lab.command(NAMES[server], &program());
        let output = command.args(words).args(["--config", &config]).envs(KEYS).output().unwrap();
        eprintln!(
            "{words:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// A Required deployment for each of so many machines, for all servers.
    pub fn publish(&self, machines: u16) {
        let lines: String =
            (0..machines).map(|n| format!("pc-{n},{},linux,reimage,required\n", mac(n))).collect();
        let file = self.lab.folder().join("devices.csv");
        fs::write(&file, format!("name,mac,image,deployment,purpose\n{lines}")).unwrap();
        let published = self.run(0, &["device", "publish", &file.display().to_string()]);
        assert!(published.status.success());
    }

    /// Asks until it is said.
    pub fn says(&self, server: usize, words: &[&str], wanted: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !String::from_utf8_lossy(&self.run(server, words).stdout).contains(wanted) {
            assert!(Instant::now() < deadline, "{words:?} does not say {wanted}");
        }
    }

    /// Cuts a port of the switch, such as `onedb0`, or mends it.
    pub fn port(&self, port: &str, state: &str) {
        self.lab.ip("sw", &format!("link set {port} {state}"));
    }

    /// Cuts a server's link to the database, or mends it.
    pub fn link(&self, server: usize, state: &str) {
        self.port(&format!("{}db0", NAMES[server]), state);
    }

    /// Switches machines on, behind a relay that knows these servers.
    pub fn fleet(&self, machines: u16, servers: &[usize]) -> Running {
        let fleet = Fleet { machines, relay: RELAY, servers: servers.iter().map(|n| address(*n)).collect() };
        let ((told, heard), stop) = (channel(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = self.lab.inside("relay", move || fleet.run(&told, &stopped));
        Running { heard, stop, thread: Some(thread), all: Vec::new() }
    }
}

/// Machines that boot, with all their replies.
#[derive(Debug)]
pub struct Running {
    heard: Receiver<Told>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    all: Vec<Told>,
}

impl Running {
    /// Waits until so many more replies fit.
    pub fn until(&mut self, what: &str, count: usize, fits: impl Fn(&Told) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(90);
        let mut seen = 0;
        while seen < count {
            let left = deadline.saturating_duration_since(Instant::now());
            let told = self.heard.recv_timeout(left).unwrap_or_else(|_| panic!("{what}: {seen} of {count}"));
            seen += usize::from(fits(&told));
            self.all.push(told);
        }
    }

    /// Waits until every machine has a reply that fits.
    pub fn every(&mut self, what: &str, machines: u16, fits: impl Fn(&Told) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(90);
        let mut missing: BTreeSet<u16> = (0..machines).collect();
        while !missing.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let told = self.heard.recv_timeout(left).unwrap_or_else(|_| panic!("{what}: not {missing:?}"));
            if fits(&told) {
                missing.remove(&told.machine);
            }
            self.all.push(told);
        }
    }

    /// Switches them off; returns all their replies.
    pub fn end(mut self) -> Vec<Told> {
        self.halt();
        let mut all = std::mem::take(&mut self.all);
        all.extend(self.heard.try_iter());
        all
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// No address belongs to two machines at a time.
pub fn no_lease_twice(all: &[Told]) {
    let mut holders: BTreeMap<Ipv4Addr, (u16, Instant)> = BTreeMap::new();
    for told in all {
        let until = told.at + told.lasts;
        let before = holders.insert(told.address, (told.machine, until));
        if let Some((machine, end)) = before {
            assert!(
                machine == told.machine || end <= told.at,
                "{} is told to machines {machine} and {}",
                told.address,
                told.machine
            );
        }
    }
}

/// No machine gets its Required deployment in two boots; returns how many got one.
pub fn no_deployment_twice(all: &[Told]) -> usize {
    let mut first: BTreeMap<u16, Instant> = BTreeMap::new();
    for told in all.iter().filter(|told| !told.boot_file.is_empty()) {
        assert!(told.boot_file.starts_with("linux/"), "{told:?}");
        let first = first.entry(told.machine).or_insert(told.at);
        let after = told.at.duration_since(*first);
        assert!(after <= SAME_BOOT, "machine {} is given its deployment again after {after:?}", told.machine);
    }
    first.len()
}
