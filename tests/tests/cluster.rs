//! Several servers that share a database and images, while links are cut and servers killed: real PostgreSQL, a real S3 server.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

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

use netbootd_tests::fleet::{Fleet, Told, mac};
use netbootd_tests::mac::sha256;
use netbootd_tests::netbootd::program;
use netbootd_tests::object_storage::KEYS;
use netbootd_tests::postgres::DATABASE;
use netbootd_tests::{Authority, Lab, ObjectStorage, Postgres, Process};

const NAMES: [&str; 3] = ["one", "two", "three"];
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
/// As the configuration below says, with the second that times are rounded to, and as long as a machine waits for an answer.
const SAME_BOOT: Duration = Duration::from_millis(2000 + 1000 + 1500);

/// Three servers, a database behind them, and what they are told to be.
struct Site {
    lab: Lab,
    authority: Authority,
    database: Postgres,
    more: String,
}

fn address(server: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 1 + u8::try_from(server).unwrap())
}

impl Site {
    fn new() -> Self {
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

    fn config(&self, server: usize) -> PathBuf {
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

    fn start(&self, server: usize) -> Process {
        let mut command = self.lab.command(NAMES[server], &program());
        command.args(["serve", "--config"]).arg(self.config(server)).envs(KEYS);
        let process = Process::start(NAMES[server], &mut command);
        process.wait_for(" ready ", Duration::from_secs(30));
        process
    }

    fn run(&self, server: usize, words: &[&str]) -> Output {
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
    fn publish(&self, machines: u16) {
        let lines: String =
            (0..machines).map(|n| format!("pc-{n},{},linux,reimage,required\n", mac(n))).collect();
        let file = self.lab.folder().join("devices.csv");
        fs::write(&file, format!("name,mac,image,deployment,purpose\n{lines}")).unwrap();
        let published = self.run(0, &["device", "publish", &file.display().to_string()]);
        assert!(published.status.success());
    }

    /// Asks until it is said.
    fn says(&self, server: usize, words: &[&str], wanted: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !String::from_utf8_lossy(&self.run(server, words).stdout).contains(wanted) {
            assert!(Instant::now() < deadline, "{words:?} does not say {wanted}");
        }
    }

    /// Cuts a server's link to the database, or mends it.
    fn link(&self, server: usize, state: &str) {
        self.lab.ip("sw", &format!("link set {}db0 {state}", NAMES[server]));
    }

    fn fleet(&self, machines: u16, servers: &[usize]) -> Running {
        let fleet = Fleet { machines, relay: RELAY, servers: servers.iter().map(|n| address(*n)).collect() };
        let ((told, heard), stop) = (channel(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = self.lab.inside("relay", move || fleet.run(&told, &stopped));
        Running { heard, stop, thread: Some(thread), all: Vec::new() }
    }
}

/// Machines that boot, with everything that they were told.
struct Running {
    heard: Receiver<Told>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    all: Vec<Told>,
}

impl Running {
    /// Waits until so much more was told that fits.
    fn until(&mut self, what: &str, count: usize, fits: impl Fn(&Told) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(90);
        let mut seen = 0;
        while seen < count {
            let left = deadline.saturating_duration_since(Instant::now());
            let told = self.heard.recv_timeout(left).unwrap_or_else(|_| panic!("{what}: {seen} of {count}"));
            seen += usize::from(fits(&told));
            self.all.push(told);
        }
    }

    /// Waits until every machine was told something that fits.
    fn every(&mut self, what: &str, machines: u16, fits: impl Fn(&Told) -> bool) {
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

    fn end(mut self) -> Vec<Told> {
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
fn no_lease_twice(all: &[Told]) {
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

/// Nobody is told its Required deployment in two boots; gives how many were told.
fn no_deployment_twice(all: &[Told]) -> usize {
    let mut first: BTreeMap<u16, Instant> = BTreeMap::new();
    for told in all.iter().filter(|told| !told.boot_file.is_empty()) {
        assert!(told.boot_file.starts_with("linux/"), "{told:?}");
        let first = first.entry(told.machine).or_insert(told.at);
        let after = told.at.duration_since(*first);
        assert!(after <= SAME_BOOT, "machine {} is given its deployment again after {after:?}", told.machine);
    }
    first.len()
}

#[test]
fn what_one_server_gave_all_know_also_one_that_was_cut_off_meanwhile() {
    const MACHINES: u16 = 3;
    let site = Site::new();
    site.publish(MACHINES);
    let servers = [site.start(0), site.start(1)];
    let two = &servers[1];
    site.link(1, "down");
    two.wait_for("the shared database is away", Duration::from_secs(20));
    let mut fleet = site.fleet(MACHINES, &[0]);
    fleet.every("the first boot", MACHINES, |told| !told.boot_file.is_empty());
    fleet.every("the second boot", MACHINES, |told| told.boot_file.is_empty());
    let mut all = fleet.end();
    assert_eq!(no_deployment_twice(&all), usize::from(MACHINES));

    // It knows nothing of the leases, and cannot ask: it gives none.
    let fleet = site.fleet(MACHINES, &[1]);
    two.wait_for("shared-state-away", Duration::from_secs(20));
    assert_eq!(fleet.end(), []);
    site.link(1, "up");
    let mut fleet = site.fleet(MACHINES, &[1]);
    fleet.every("a boot at the other server", MACHINES, |told| told.boot_file.is_empty());
    two.wait_for("already-run", Duration::from_secs(5));

    // Away once more: leases that it knows of now are confirmed, for the rest of their time.
    site.link(1, "down");
    fleet.until("leases without the database", 6, |told| {
        told.lasts < Duration::from_secs(3600) && told.boot_file.is_empty()
    });
    all.extend(fleet.end());
    assert_eq!(no_deployment_twice(&all), usize::from(MACHINES));
    no_lease_twice(&all);
    let ledger = site.database.sql(&site.lab, "SELECT count(*) FROM netbootd.ledger");
    assert_eq!(ledger, MACHINES.to_string());
}

#[test]
fn a_server_starts_without_the_database_and_takes_over_what_it_had_kept_itself() {
    const MACHINES: u16 = 2;
    let mut site = Site::new();
    site.publish(MACHINES);
    // Before there was a database.
    let config = site.config(0);
    let with = fs::read_to_string(&config).unwrap();
    let devices = site.lab.folder().join("devices.csv").display().to_string();
    let (alone, _) = with.split_once("[database]").unwrap();
    let alone = alone.replace("shared = true", &format!("file = {devices:?}"));
    fs::write(&config, alone).unwrap();
    let mut command = site.lab.command(NAMES[0], &program());
    let server = Process::start("alone", command.args(["serve", "--config"]).arg(&config));
    server.wait_for(" ready ", Duration::from_secs(30));
    let mut fleet = site.fleet(MACHINES, &[0]);
    fleet.every("the first boot", MACHINES, |told| !told.boot_file.is_empty());
    let mut all = fleet.end();
    drop(server);

    site.database.crash();
    let server = site.start(0);
    let fleet = site.fleet(MACHINES, &[0]);
    server.wait_for("shared-state-away", Duration::from_secs(20));
    all.extend(fleet.end());
    site.database.begin(&site.lab);
    server.wait_for("what this host had kept itself is in the shared database now", Duration::from_secs(30));
    let mut fleet = site.fleet(MACHINES, &[0]);
    fleet.every("the second boot", MACHINES, |told| told.boot_file.is_empty());
    all.extend(fleet.end());
    assert_eq!(no_deployment_twice(&all), usize::from(MACHINES));
    no_lease_twice(&all);
}

#[test]
fn what_an_operator_says_at_one_server_all_know() {
    let site = Site::new();
    site.publish(1);
    let servers = [site.start(0), site.start(1)];
    let mut fleet = site.fleet(1, &[0]);
    fleet.every("the first boot", 1, |told| !told.boot_file.is_empty());
    let mut all = fleet.end();
    assert!(site.run(0, &["pending", "approve", "02:00:00:00:00:01"]).status.success());
    site.says(1, &["pending", "list"], "approved");
    site.says(1, &["ledger", "list"], "reimage");
    assert!(site.run(1, &["ledger", "clear", "--deployment", "reimage"]).status.success());
    let mut fleet = site.fleet(1, &[0]);
    fleet.every("once more", 1, |told| !told.boot_file.is_empty());
    all.extend(fleet.end());
    no_lease_twice(&all);
    drop(servers);
    // Without a server the commands ask the database.
    site.says(2, &["ledger", "list"], "reimage");
    site.says(2, &["doctor"], "here, with tables of this version");
    site.says(2, &["explain", "--mac", &mac(0)], "reimage");
}

#[test]
fn tables_of_a_newer_version_and_a_wrong_password_are_refused_with_words() {
    let site = Site::new();
    site.publish(1);
    assert_eq!(site.database.sql(&site.lab, "SELECT version FROM netbootd.schema"), "1");
    site.database.sql(&site.lab, "UPDATE netbootd.schema SET version = 99");
    let refused = site.run(1, &["serve"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && words.contains("its tables are of version 99, from a newer netbootd"),
        "{words}"
    );
    site.database.sql(&site.lab, "UPDATE netbootd.schema SET version = 1");
    fs::write(&site.database.password_file, "wrong").unwrap();
    let refused = site.run(1, &["ledger", "list"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("password authentication failed"), "{words}");
}

/// Boots machines again and again while a link is cut, a server killed and the database crashes.
fn survives(machines: u16) {
    let mut site = Site::new();
    let storage = ObjectStorage::seaweedfs(&mut site.lab, None);
    site.more = format!(
        "[store]\nwatch = \"1s\"\n[store.remote]\nurl = \"s3://images/site\"\nendpoint = {:?}\nregion = \"lab\"\nallow-http = true\n",
        storage.endpoint
    );
    let image = site.lab.folder().join("payload");
    fs::create_dir_all(&image).unwrap();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    fs::write(image.join("root.img"), bytes).unwrap();
    let wanted = sha256(&image.join("root.img"));
    assert!(site.run(0, &["image", "import", &image.display().to_string()]).status.success());
    assert!(site.run(0, &["image", "push", "payload"]).status.success());
    site.publish(machines);
    let mut servers: Vec<Option<Process>> = (0..3).map(|n| Some(site.start(n))).collect();
    for server in servers.iter().flatten() {
        server.wait_for("images of the object storage read", Duration::from_secs(20));
    }
    let step = usize::from(machines);
    let mut fleet = site.fleet(machines, &[0, 1, 2]);
    fleet.until("all is well", step / 2, |_| true);
    site.link(1, "down");
    fleet.until("a link is cut", step, |_| true);
    servers[2] = None;
    fleet.until("a server is killed", step, |_| true);
    site.database.crash();
    // Nobody may be given anything new; who has a lease goes on with it.
    fleet.until("the database is gone", step / 2, |told| told.lasts < Duration::from_secs(3600));
    let image_served_right = |server: usize| {
        let out = site.lab.folder().join("got");
        let mut curl = site.lab.command("relay", "curl");
        let url = format!("http://{}/payload/root.img", address(server));
        curl.args(["-sS", "-f", "--max-time", "60", "-o"]).arg(&out).arg(url);
        assert!(curl.status().unwrap().success(), "server {server}");
        assert_eq!(sha256(&out), wanted, "server {server}");
    };
    image_served_right(0);
    site.database.begin(&site.lab);
    servers[2] = Some(site.start(2));
    site.link(1, "up");
    for server in 0..3 {
        let by = address(server);
        fleet.until("all is well again", 3, |told| {
            told.server == by && told.lasts == Duration::from_secs(3600)
        });
        image_served_right(server);
    }
    let since = Instant::now();
    fleet.every("everybody boots once more", machines, |told| {
        told.boot_file.is_empty() && told.lasts == Duration::from_secs(3600) && told.at > since
    });
    let all = fleet.end();
    no_lease_twice(&all);
    let given = no_deployment_twice(&all);
    let ledger: usize = site.database.sql(&site.lab, "SELECT count(*) FROM netbootd.ledger").parse().unwrap();
    let by: Vec<usize> =
        (0..3).map(|n| all.iter().filter(|told| told.server == address(n)).count()).collect();
    eprintln!("{} boots, by server {by:?}; {given} of {ledger} deployments told", all.len());
    // Written down before it is told: what was told is there, and who was given nothing has an answer that was lost on its way.
    assert_eq!(ledger, usize::from(machines), "everybody's is written down, once");
    assert!(given <= ledger);
}

#[test]
fn sixty_machines_survive_cut_links_and_killed_servers() {
    survives(60);
}

#[test]
#[ignore = "minutes: part of make nightly"]
fn five_hundred_machines_survive_cut_links_and_killed_servers() {
    survives(500);
}
