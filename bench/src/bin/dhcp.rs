//! DHCP beside its peers: each server in a host of its own, the same machines behind a relay in
//! another, in turns.
//!
//! A server's rate is the highest, of those asked for by perfdhcp, at which fewer than one exchange
//! in a hundred is lost. How long an exchange takes, and what it costs, is measured at half the
//! server's own rate by a generator that compares every answer.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use bench::account::Account;
use bench::dora::{Building, Exchanges};
use bench::host;
use bench::processors;
use clap::Parser;
use netbootd_tests::{Lab, Process, netbootd};

/// Measure DHCP servers side by side.
#[derive(Parser)]
struct Args {
    /// Check that everything runs, without figures.
    #[arg(long)]
    smoke: bool,
    /// Measure netbootd alone, at this many exchanges a second.
    #[arg(long, value_name = "RATE")]
    at: Option<u32>,
    /// How many rounds each server has.
    #[arg(default_value_t = ROUNDS)]
    rounds: usize,
}

fn main() {
    let Args { smoke, at: asked_rate, rounds } = Args::parse();
    processors::apart();
    let mut lab = Lab::new();
    lab.add_host("relay");
    lab.plug("relay", "eth0", "br0", &format!("{RELAY}/16"));
    let servers: Vec<Server> =
        (1..).zip(Kind::ALL).filter_map(|(n, kind)| Server::start(&mut lab, kind, n)).collect();
    if smoke {
        return look(&lab, &servers);
    }
    if let Some(rate) = asked_rate {
        return at(&lab, &servers[0], rate, rounds);
    }
    let mut figures: Vec<Figures> = servers.iter().map(|_| Figures::default()).collect();
    for _ in 0..rounds {
        for (server, figures) in servers.iter().zip(&mut figures) {
            figures.rates.push(server.climb(&lab));
        }
    }
    for _ in 0..rounds {
        for (server, figures) in servers.iter().zip(&mut figures) {
            let rate = (middle(&figures.rates) / 2.0) as u32;
            let (exchanges, cpu) = server.switch_on(&lab, rate.max(1), rate * SECONDS);
            figures.faults.extend(exchanges.faults.iter().take(3).cloned());
            figures.lost += exchanges.lost;
            figures.p99.push(exchanges.percentile(99).as_secs_f64() * 1e3);
            figures.cpu.push(cpu.as_secs_f64() * 1e6 / exchanges.times.len().max(1) as f64);
        }
    }
    print(&report(&servers, &figures));
}

/// A short look: every machine gets an address, and no two the same.
fn look(lab: &Lab, servers: &[Server]) {
    for server in servers {
        let (exchanges, _) = server.switch_on(lab, 100, 200);
        let p99 = exchanges.percentile(99).as_secs_f64() * 1e3;
        print(&format!("{}: {} exchanges, p99 {p99:.1} ms", server.kind.name(), exchanges.times.len()));
        if server.kind == Kind::Netbootd {
            assert_eq!((exchanges.lost, exchanges.faults), (0, Vec::new()), "{}", server.process.printed());
        }
    }
}

/// How long exchanges with netbootd take at this rate, round by round.
fn at(lab: &Lab, server: &Server, rate: u32, rounds: usize) {
    print("| p50, ms | p90 | p99 | max | CPU µs an exchange | lost |\n| --- | --- | --- | --- | --- | --- |");
    for _ in 0..rounds {
        let (exchanges, cpu) = server.switch_on(lab, rate, rate * SECONDS);
        let [p50, p90, p99, max] =
            [50, 90, 99, 100].map(|part| exchanges.percentile(part).as_secs_f64() * 1e3);
        let cpu = cpu.as_secs_f64() * 1e6 / exchanges.times.len().max(1) as f64;
        print(&format!("| {p50:.2} | {p90:.2} | {p99:.2} | {max:.2} | {cpu:.0} | {} |", exchanges.lost));
    }
}

/// The figures of one server, a value for each round.
#[derive(Debug, Default)]
struct Figures {
    /// Exchanges a second in each round.
    rates: Vec<f64>,
    /// Milliseconds, at half the rate.
    p99: Vec<f64>,
    /// Microseconds of the server's processor for an exchange.
    cpu: Vec<f64>,
    lost: usize,
    faults: Vec<String>,
}

/// Which peers a row is about.
type Fits = fn(Kind) -> bool;

fn report(servers: &[Server], figures: &[Figures]) -> String {
    let mut text = String::from(
        "| server | a lease before its ACK | exchanges/s | p99 at half of that, ms | CPU µs an exchange | lost there |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for (server, figures) in servers.iter().zip(figures) {
        text.push_str(&format!(
            "| {} | {} | {:.0} | {:.2} | {:.0} | {} |\n",
            server.kind.name(),
            server.kind.keeps(),
            middle(&figures.rates),
            middle(&figures.p99),
            middle(&figures.cpu),
            figures.lost
        ));
        for fault in &figures.faults {
            text.push_str(&format!("\n{}: {fault}\n", server.kind.name()));
        }
    }
    text.push_str(
        "\n| what | netbootd | best peer | ratio | wanted | |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    let best = |fits: Fits| {
        let peers = (1..servers.len()).filter(|n| fits(servers[*n].kind));
        peers.max_by(|a, b| middle(&figures[*a].rates).total_cmp(&middle(&figures[*b].rates)))
    };
    let own = middle(&figures[0].rates);
    let rows: [(&str, Fits); 2] = [
        ("exchanges/s", |_| true),
        ("exchanges/s, beside leases that outlive a power cut", Kind::is_durable),
    ];
    for (name, fits) in rows {
        let Some(peer) = best(fits) else { continue };
        let rate = middle(&figures[peer].rates);
        let ratio = own / rate.max(1e-9);
        let pass = if ratio >= RATIO { "pass" } else { "short" };
        let peer = servers[peer].kind.name();
        text.push_str(&format!(
            "| {name} | {own:.0} | {peer} {rate:.0} | {ratio:.2} | >= {RATIO} | {pass} |\n"
        ));
    }
    let p99 = middle(&figures[0].p99);
    let pass = if p99 < P99 && figures[0].lost == 0 { "pass" } else { "short" };
    text.push_str(&format!(
        "| p99 of an exchange at {:.0}/s, ms | {p99:.2} | | | < {P99} | {pass} |\n",
        own / 2.0
    ));
    text
}

fn middle(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The servers, netbootd first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Netbootd,
    Dnsmasq,
    /// It remembers its leases while it runs.
    DnsmasqForgetful,
    Kea,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Netbootd, Kind::Dnsmasq, Kind::DnsmasqForgetful, Kind::Kea];

    fn name(self) -> &'static str {
        match self {
            Kind::Netbootd => "netbootd",
            Kind::Dnsmasq => "dnsmasq",
            Kind::DnsmasqForgetful => "dnsmasq --leasefile-ro",
            Kind::Kea => "kea-dhcp4, memfile",
        }
    }

    /// The durability of a lease when its ACK leaves.
    fn keeps(self) -> &'static str {
        match self {
            Kind::Netbootd | Kind::Dnsmasq => "on the disk (fsync)",
            Kind::DnsmasqForgetful => "in memory",
            Kind::Kea => "in a file (no fsync)",
        }
    }

    fn is_durable(self) -> bool {
        matches!(self, Kind::Netbootd | Kind::Dnsmasq)
    }

    fn program(self) -> String {
        match self {
            Kind::Netbootd => netbootd::program(),
            Kind::Dnsmasq | Kind::DnsmasqForgetful => "dnsmasq".into(),
            Kind::Kea => "kea-dhcp4".into(),
        }
    }

    /// The words that serve addresses in the foreground; the configuration is written to `folder`.
    fn words(self, folder: &Path) -> Vec<String> {
        let config = folder.join("config");
        match self {
            Kind::Netbootd => {
                let text = format!(
                    "[server]\nuser = \"root\"\nstate-dir = {:?}\nlog-file = {:?}\ninterfaces = [\"eth0\"]\n\
                     [boot]\nroot = {folder:?}\n[dhcp]\nmode = \"server\"\nconflict-probe = false\n\
                     [[dhcp.subnet]]\nsubnet = \"{NETWORK}\"\npool = \"{POOL}\"\n\
                     [[rule]]\nname = \"all\"\naction.boot.file = \"boot.efi\"\n{}",
                    folder.join("state"),
                    folder.join("log"),
                    host::LIMITS,
                );
                fs::write(&config, text).expect("the folder can be written");
                fs::write(folder.join("boot.efi"), b"boot").expect("the folder can be written");
                vec!["serve".into(), "--config".into(), config.display().to_string()]
            }
            Kind::Dnsmasq | Kind::DnsmasqForgetful => {
                let (first, last) = POOL.split_once('-').expect("a range");
                let text = format!(
                    "port=0\nuser=root\nno-ping\nquiet-dhcp\ndhcp-authoritative\ndhcp-lease-max=100000\n\
                     dhcp-range={first},{last},255.255.0.0,1h\ndhcp-boot=boot.efi\ndhcp-leasefile={}\n{}",
                    folder.join("leases").display(),
                    if self == Kind::DnsmasqForgetful { "leasefile-ro\n" } else { "" }
                );
                fs::write(&config, text).expect("the folder can be written");
                vec!["--no-daemon".into(), format!("--conf-file={}", config.display())]
            }
            Kind::Kea => {
                // As many threads as the machine at hand has; one at a time is its default and
                // slower.
                let text = format!(
                    r#"{{"Dhcp4": {{
                        "interfaces-config": {{"interfaces": ["eth0"], "dhcp-socket-type": "udp"}},
                        "multi-threading": {{"enable-multi-threading": true}},
                        "lease-database": {{"type": "memfile", "persist": true, "name": "{}", "lfc-interval": 0}},
                        "valid-lifetime": 3600,
                        "subnet4": [{{"subnet": "{NETWORK}", "pools": [{{"pool": "{POOL}"}}], "boot-file-name": "boot.efi"}}],
                        "loggers": [{{"name": "kea-dhcp4", "severity": "ERROR", "output_options": [{{"output": "stderr"}}]}}]
                    }}}}"#,
                    folder.join("leases").display()
                );
                fs::write(&config, text).expect("the folder can be written");
                vec!["-c".into(), config.display().to_string()]
            }
        }
    }
}

struct Server {
    kind: Kind,
    address: Ipv4Addr,
    process: Process,
    account: Account,
    /// Other numbers are other machines: nobody's first exchange is another's second, as long as
    /// the pool has addresses.
    next: std::cell::Cell<u32>,
}

impl Server {
    /// None when the program is not installed; that is said.
    fn start(lab: &mut Lab, kind: Kind, n: u8) -> Option<Self> {
        let (host, address) = host::for_server(lab, kind.name(), &kind.program(), n, 16)?;
        let folder = lab.folder().join(&host);
        fs::create_dir(&folder).expect("the folder can be written");
        let mut command = processors::server(lab, &host, &kind.program());
        command.args(kind.words(&folder)).env("KEA_PIDFILE_DIR", &folder).env("KEA_LOCKFILE_DIR", "none");
        let process = Process::start(kind.name(), &mut command);
        let account = Account::open(process.id());
        let server = Server { kind, address, process, account, next: std::cell::Cell::new(1) };
        let came = (0..10).any(|_| server.switch_on(lab, 1, 1).0.lost == 0);
        assert!(came, "{} does not serve: {}", kind.name(), server.process.printed());
        Some(server)
    }

    /// New machines, and what they cost. When there would be more than the pool holds, those that
    /// began are switched on once more.
    fn switch_on(&self, lab: &Lab, rate: u32, machines: u32) -> (Exchanges, Duration) {
        let next = self.next.get();
        let first = if next + machines > NEW_MACHINES { 1 } else { next };
        self.next.set(first + machines);
        let before = self.account.cpu();
        let exchanges = Building { rate, machines, first }.switch_on(lab, "relay", RELAY, self.address);
        (exchanges, self.account.cpu().saturating_sub(before))
    }

    /// The highest rate at which less than a hundredth is lost: doubled until more is, then halved
    /// between.
    fn climb(&self, lab: &Lab) -> f64 {
        let (mut reached, mut lost) = (0, FIRST_RATE);
        while lost <= LAST_RATE && self.answers(lab, lost) {
            (reached, lost) = (lost, lost * 2);
        }
        for _ in 0..HALVINGS {
            let between = (reached + lost) / 2;
            if self.answers(lab, between) { reached = between } else { lost = between }
        }
        f64::from(reached)
    }

    /// Whether perfdhcp gets what it asks for.
    fn answers(&self, lab: &Lab, rate: u32) -> bool {
        let mut command = lab.command("relay", "perfdhcp");
        command.args(["-4", "-l", &RELAY.to_string(), "-r", &rate.to_string(), "-R", MACHINES]);
        command.args(["-p", &SECONDS.to_string(), "-W", "1000000"]);
        // As x64 UEFI firmware asks.
        command.args(["-o", "60,505845436c69656e743a417263683a30303030373a554e44493a303033303136"]);
        command.args(["-o", "93,0007", "-o", "94,01030a", "-o", "97,004e42000000001000800000aabbccddee"]);
        let output = command.arg(self.address.to_string()).output().expect("perfdhcp is installed");
        let text = String::from_utf8_lossy(&output.stdout);
        let counts = |word: &str| -> Vec<u64> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(word));
            lines.filter_map(|count| count.trim().parse().ok()).collect()
        };
        let (sent, received) = (counts("sent packets:"), counts("received packets:"));
        let (Some(begun), Some(done)) = (sent.first(), received.get(1)) else {
            panic!("perfdhcp says: {text}{}", String::from_utf8_lossy(&output.stderr));
        };
        let asked = u64::from(rate) * u64::from(SECONDS);
        // Requests that perfdhcp did not come to send count as unanswered.
        done * 100 >= (*begun).max(asked) * 99
    }
}

#[allow(clippy::print_stdout)] // its output
fn print(text: &str) {
    println!("{text}");
}

const RELAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
const NETWORK: &str = "10.77.0.0/16";
const POOL: &str = "10.77.4.0-10.77.250.255";
/// Of perfdhcp; it chooses among them.
const MACHINES: &str = "5000";
/// The pool's 63,232 addresses without those of perfdhcp's machines.
const NEW_MACHINES: u32 = 58_000;
const ROUNDS: usize = 3;
/// How long one measurement takes, in seconds.
const SECONDS: u32 = 3;
const FIRST_RATE: u32 = 125;
const LAST_RATE: u32 = 32_000;
const HALVINGS: u32 = 3;
const RATIO: f64 = 3.0;
/// The limit of the 99th percentile, in milliseconds.
const P99: f64 = 5.0;
