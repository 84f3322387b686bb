//! A Configuration Manager site of 175,000 machines behind a web server that wants Kerberos: how
//! long the first copy of it takes and how large netbootd is then, what a cycle without changes
//! costs, how long a decision from the copy takes, and how soon ten thousand known machines that
//! are switched on at once are answered. `--smoke` has a thousand machines.

use std::fs;
use std::hint::black_box;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::account::Account;
use bench::processes;
use netbootd_config::Config;
use netbootd_directory::configmgr::Mirror;
use netbootd_server::explain::request;
use netbootd_server::services::{Services, Snapshot};
use netbootd_state::file::State;
use netbootd_tests::admin_service::whole::{self, LARGEST, Size, guid, mac};
use netbootd_tests::admin_service::{Web, whole::is_deployed};
use netbootd_tests::netbootd::program;
use netbootd_tests::{AdminService, DirectorySite, Domain, Process, firmware, wait};
use pxe_policy::{ArchType, Class};
use serde_json::Value;

fn main() {
    let smoke = std::env::args().any(|word| word == "--smoke");
    let size = if smoke {
        Size { devices: 1000, collections: 20, deployments: 20, boundaries: 30 }
    } else {
        LARGEST
    };
    let mut site = DirectorySite::new();
    site.lab.add_host("fleet");
    site.lab.plug("fleet", "eth0", "br0", &format!("{ROUTER}/24"));
    site.lab.ip("server", &format!("route add {RELAY}/32 via {ROUTER}"));
    site.lab.ip("fleet", &format!("addr add {RELAY}/32 dev lo"));
    let controller = site.authority.sign("dc1", "DNS:dc1.nb.test,IP:10.77.0.8", 30);
    let domain = Domain::start(&mut site.lab, &controller, &[]);
    let certificate = site.authority.sign("cm01", "DNS:cm01.nb.test", 30);
    let admin = AdminService::start(&mut site.lab, &domain, Web::with(&certificate));
    whole::fill(&admin, size);
    admin.page_by(1000);
    let image = site.root.join("PS100005/boot/x64");
    fs::create_dir_all(&image).expect("the boot folder can be written");
    fs::write(image.join("bootmgfw.efi"), "boot").expect("the boot folder can be written");
    let config = configure(&site, &domain);
    let mut command = site.lab.command("server", &program());
    command.env("KRB5_CONFIG", domain.kerberos_config());
    let started = Instant::now();
    let netbootd = Process::start("netbootd", command.args(["serve", "--config", &config]));
    let copy = || -> Value {
        let mut command = site.lab.command("server", &program());
        let output = command.args(["site", "status", "--json", "--config", &config]).output();
        output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok()).unwrap_or_default()
    };
    let is_whole = || copy()["whole"] == true;
    wait::until(Duration::from_secs(900), is_whole, || format!("{:#}\n{}", copy(), netbootd.printed()));
    let first = started.elapsed();
    let resident = processes::resident(netbootd.id());
    print("| what | figure | wanted |\n| --- | --- | --- |");
    print(&format!(
        "| first copy of {} devices, {} memberships | {:.0} s | 600 s |",
        copy()["devices"],
        copy()["memberships"],
        first.as_secs_f64()
    ));
    print(&format!("| resident memory then | {:.0} MB | 300 MB |", resident as f64 / 1024.0));

    let account = Account::open(netbootd.id());
    let (before, cycles) = (account.cpu(), if smoke { 1 } else { 4 });
    wait::pass(CYCLE * cycles);
    let cost = (account.cpu() - before) / cycles;
    print(&format!("| processor time of a cycle with nothing new | {:.2} s | 1 s |", cost.as_secs_f64()));

    let machines: Vec<u32> = (0..size.devices).filter(|n| is_deployed(size, *n)).collect();
    let (required, available): (Vec<u32>, Vec<u32>) =
        machines.into_iter().partition(|n| whole::is_required(size, *n));
    let count = if smoke { 100 } else { 10_000 };
    for (what, machines) in [("Available", &available), ("Required, each confirmed", &required)] {
        let machines: Vec<u32> = machines.iter().copied().take(count).collect();
        let (of, mut times) = (machines.len(), storm(&site, machines));
        times.sort_unstable();
        let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
        let seconds = |part| at(part).map_or(f64::NAN, Duration::as_secs_f64);
        print(&format!(
            "| {} of {of} known machines switched on at once are answered, {what}: median, p99, all | {:.2} s, {:.2} s, {:.2} s | 5 s |",
            times.len(),
            seconds(50),
            seconds(99),
            seconds(100)
        ));
    }
    let state = site.lab.folder().join("state");
    drop(netbootd);
    let times = decisions(&site, &config, &state, &available);
    let at = |part: usize| times[(times.len() - 1) * part / 1000].as_secs_f64() * 1e6;
    print(&format!(
        "| a decision from the copy: median, p99 | {:.1} µs, {:.1} µs | p99 under 100 µs |",
        at(500),
        at(990)
    ));
}

/// Sends the DISCOVER of every machine as one relay, and again each second to those that are not
/// answered; the times of the answers.
fn storm(site: &DirectorySite, machines: Vec<u32>) -> Vec<Duration> {
    let fleet = site.lab.inside("fleet", move || {
        let socket = UdpSocket::bind((RELAY, 67)).expect("the relay has its port");
        let sender = socket.try_clone().expect("a socket can be cloned");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket has a timeout");
        let started = Instant::now();
        let mut times: Vec<Option<Duration>> = vec![None; machines.len()];
        let (mut answered, mut asked) = (0, Instant::now() - AGAIN);
        while answered < machines.len() && started.elapsed() < PATIENCE {
            if asked.elapsed() >= AGAIN {
                asked = Instant::now();
                for (at, n) in machines.iter().enumerate() {
                    if times[at].is_some() {
                        continue;
                    }
                    let _ = sender.send_to(&discover(at, *n), (SERVER, 67)); // it is repeated
                    if at % 64 == 0 {
                        answered += receive(&socket, &mut times, started, true);
                    }
                }
            }
            answered += receive(&socket, &mut times, started, false);
        }
        times.into_iter().flatten().collect::<Vec<_>>()
    });
    fleet.join().expect("the fleet runs")
}

/// Takes the answers that are there, and waits for one if it may.
fn receive(socket: &UdpSocket, times: &mut [Option<Duration>], started: Instant, at_once: bool) -> usize {
    let mut new = 0;
    socket.set_nonblocking(at_once).expect("a socket is switched");
    let mut bytes = [0; 2048];
    while let Ok(length) = socket.recv(&mut bytes) {
        let Some(xid) = bytes[..length].get(4..8).and_then(|xid| xid.try_into().ok()) else { continue };
        let Some(time) = times.get_mut(u32::from_be_bytes(xid) as usize) else { continue };
        if time.is_none() {
            *time = Some(started.elapsed());
            new += 1;
        }
        socket.set_nonblocking(true).expect("a socket is switched");
    }
    socket.set_nonblocking(false).expect("a socket is switched");
    new
}

/// The question of machine `n`, with its place in the list as transaction.
fn discover(at: usize, n: u32) -> Vec<u8> {
    let mut packet = firmware::discover(mac(n).octets());
    packet[4..8].copy_from_slice(&(at as u32).to_be_bytes());
    packet[3] = 1; // a hop
    packet[24..28].copy_from_slice(&RELAY.octets());
    packet.pop();
    let uuid: pxe_policy::SystemUuid = guid(n).parse().expect("it is a GUID");
    packet.extend([97, 17, 0]);
    packet.extend(uuid.wire());
    packet.push(255);
    packet
}

/// Decisions in this process, from the copy that the daemon left on the disk.
fn decisions(site: &DirectorySite, config: &str, state: &Path, machines: &[u32]) -> Vec<Duration> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    fs::copy(state.join("site.redb"), folder.path().join("site.redb")).expect("the copy is there");
    let text = fs::read_to_string(config).expect("the configuration is there");
    let text = text.replace("[policy]\n", "[policy]\ncache = \"1h\"\n");
    let (config, _) =
        Config::parse(&text, Path::new(config), None).unwrap_or_else(|findings| panic!("{findings}"));
    let mirror = Arc::new(Mirror::new(folder.path().to_owned()));
    let snapshot = Snapshot::new(config, None).unwrap_or_else(|error| panic!("{error}")).mirroring(&mirror);
    let state = Arc::new(State::open(&folder.path().join("state")).expect("a state file can be made"));
    let services = Services::open(snapshot, state).expect("a state file can be used");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    // The site is not there; the file is read before it is asked.
    let _ = runtime.block_on(services.snapshot.load_full().directories.sync());
    let ask = |n: u32| {
        let request = request(mac(n), guid(n).parse().ok(), ArchType::X64_UEFI, Class::Pxe);
        let started = Instant::now();
        let answers = runtime.block_on(services.consult(&request));
        black_box(services.judge(&request, &answers));
        let took = started.elapsed();
        assert!(answers.iter().all(|answer| answer.said.is_ok()), "{answers:?}");
        took
    };
    let mut times: Vec<Duration> = (0..20_000).map(|n| ask(machines[n * 7 % machines.len()])).collect();
    times.sort_unstable();
    let _ = site;
    times
}

fn configure(site: &DirectorySite, domain: &Domain) -> String {
    let folder = site.lab.folder();
    let path = |name: &str| folder.join(name);
    let keytab: PathBuf = domain.keytab("netbootd.keytab");
    let text = format!(
        "[server]\nuser = \"root\"\nstate-dir = {:?}\nlog-file = {:?}\n[boot]\nroot = {:?}\n[policy]\n\
         [configmgr]\nurl = \"https://cm01.nb.test/AdminService\"\nca = {:?}\nkeytab = {keytab:?}\n",
        path("state"),
        path("log"),
        site.root,
        path("ca.pem"),
    );
    let config = path("site.toml");
    fs::write(&config, text).expect("the folder can be written");
    config.display().to_string()
}

#[allow(clippy::print_stdout)] // its output
fn print(text: &str) {
    println!("{text}");
}

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
/// How often changes are read with the usual cache.
const CYCLE: Duration = Duration::from_secs(30);
/// Firmware repeats a question after some seconds.
const AGAIN: Duration = Duration::from_secs(2);
/// As long as a machine waits before it starts from its disk.
const PATIENCE: Duration = Duration::from_secs(60);
