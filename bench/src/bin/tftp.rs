//! TFTP beside its peers: each server in a host of its own, the same clients in another, in turns. Words choose the rows that have them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bench::load::{Load, Outcome};
use netbootd_tests::process::tool;
use netbootd_tests::{Lab, Process, netbootd};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let smoke = words.iter().any(|word| word == "--smoke");
    let named: Vec<&String> = words.iter().filter(|word| !word.starts_with("--")).collect();
    let mut lab = Lab::new();
    lab.add_host("clients");
    lab.plug("clients", "eth0", "br0", "10.77.0.50/24");
    let contents = fill(&lab.folder().join("root"), smoke);
    let servers: Vec<Server> =
        (1..).zip(Kind::ALL).filter_map(|(n, kind)| Server::start(&mut lab, kind, n)).collect();
    let asked = words.iter().find_map(|word| word.strip_prefix("--rounds=")?.parse().ok());
    let rounds = asked.unwrap_or(if smoke { 1 } else { ROUNDS });
    let mut table = String::from(
        "| load | netbootd | best peer | ratio | wanted | |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    let wanted = |row: &Row| named.is_empty() || named.iter().any(|name| row.name.contains(name.as_str()));
    for row in rows().into_iter().filter(wanted) {
        let content = &contents[usize::from(row.load.file == SMALL)];
        let mut figures: Vec<Vec<Figure>> = vec![Vec::new(); servers.len()];
        for _ in 0..rounds {
            for (server, figures) in servers.iter().zip(&mut figures) {
                let before = server.cpu();
                let outcome = row.load.run(&lab, "clients", server.address, content);
                let cpu = server.cpu().saturating_sub(before);
                figures.push(Figure::of(row.measure, &outcome, cpu));
            }
        }
        table.push_str(&row.told(&servers, &figures));
    }
    print(&table);
}

/// What a row compares. More is better, but for the time of the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    /// Megabytes a second.
    Rate,
    /// Whole files a second.
    Requests,
    /// Seconds of the server's processor for a gigabyte.
    Processor,
}

/// One round of one server.
#[derive(Debug, Clone, Copy)]
struct Figure {
    value: f64,
    whole: bool,
}

struct Row {
    name: &'static str,
    load: Load,
    measure: Measure,
    wanted: f64,
}

impl Figure {
    fn of(measure: Measure, outcome: &Outcome, cpu: Duration) -> Self {
        let value = match measure {
            Measure::Rate => outcome.rate(),
            Measure::Requests => outcome.requests(),
            Measure::Processor => cpu.as_secs_f64() / (outcome.bytes as f64 / 1e9).max(1e-9),
        };
        Figure { value, whole: outcome.failed.is_empty() }
    }
}

impl Row {
    /// A line of the table: netbootd is the first server.
    fn told(&self, servers: &[Server], figures: &[Vec<Figure>]) -> String {
        let middle = |figures: &Vec<Figure>| {
            let mut values: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        let shown = |n: usize| {
            let lost = figures[n].iter().filter(|figure| !figure.whole).count();
            let lost = if lost > 0 {
                format!(" ({lost} of {} rounds not whole)", figures[n].len())
            } else {
                String::new()
            };
            format!("{:.2}{lost}", middle(&figures[n]))
        };
        let less = self.measure == Measure::Processor;
        let better = |a: &usize, b: &usize| {
            let (a, b) = (middle(&figures[*a]), middle(&figures[*b]));
            if less { b.total_cmp(&a) } else { a.total_cmp(&b) }
        };
        let Some(peer) = (1..servers.len()).max_by(better) else { return String::new() };
        let ratio = middle(&figures[0]) / middle(&figures[peer]).max(1e-9);
        let pass = figures[0].iter().all(|figure| figure.whole)
            && if less { ratio <= self.wanted } else { ratio >= self.wanted };
        format!(
            "| {} | {} | {} {} | {ratio:.2} | {} {} | {} |\n",
            self.name,
            shown(0),
            servers[peer].kind.name(),
            shown(peer),
            if less { "<=" } else { ">=" },
            self.wanted,
            if pass { "pass" } else { "short" }
        )
    }
}

fn rows() -> Vec<Row> {
    let load = |clients, block_size, window| Load {
        clients,
        each: 1,
        file: LARGE,
        block_size: Some(block_size),
        window: Some(window).filter(|window| *window > 1),
        delay: Duration::ZERO,
        loss: 0.0,
    };
    let row = |name, load, wanted| Row { name, load, measure: Measure::Rate, wanted };
    let lossy = |window, loss| Load { clients: 8, file: SMALL, each: 8, loss, ..load(8, 1428, window) };
    vec![
        row("1 client, 1428, window 1, MB/s", load(1, 1428, 1), 1.0),
        row("1 client, 1468, window 1, MB/s", load(1, 1468, 1), 1.0),
        row("1 client, 65464, window 1, MB/s", load(1, 65_464, 1), 1.0),
        row("1 client, 1468, window 4 (UEFI), MB/s", load(1, 1468, 4), 1.8),
        row("1 client, 1468, window 16, MB/s", load(1, 1468, 16), 4.0),
        row("1 client, 1468, window 64, MB/s", load(1, 1468, 64), 3.0),
        row("100 clients, 1428, window 16, MB/s", load(100, 1428, 16), 2.5),
        Row {
            measure: Measure::Processor,
            ..row("1 client, 1468, window 16, server CPU s/GB", load(1, 1468, 16), 0.3)
        },
        Row {
            measure: Measure::Requests,
            ..row(
                "50 clients, 12 kB files, files/s",
                Load { file: SMALL, each: 40, ..load(50, 1428, 1) },
                1.5,
            )
        },
        row(
            "1 client, 1428, window 16, 1 ms round trip, MB/s",
            Load { delay: Duration::from_millis(1), ..load(1, 1428, 16) },
            1.0,
        ),
        row("8 clients, 1 % lost, window 1, MB/s", lossy(1, 0.01), 5.0),
        row("8 clients, 1 % lost, window 16, MB/s", lossy(16, 0.01), 5.0),
        row("8 clients, 5 % lost, window 1, MB/s", lossy(1, 0.05), 5.0),
        row("8 clients, 5 % lost, window 16, MB/s", lossy(16, 0.05), 5.0),
    ]
}

/// The servers, netbootd first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Netbootd,
    Hpa,
    Atftpd,
    Dnsmasq,
    Crate,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Netbootd, Kind::Hpa, Kind::Atftpd, Kind::Dnsmasq, Kind::Crate];

    fn name(self) -> &'static str {
        match self {
            Kind::Netbootd => "netbootd",
            Kind::Hpa => "tftpd-hpa",
            Kind::Atftpd => "atftpd",
            Kind::Dnsmasq => "dnsmasq",
            Kind::Crate => "tftpd (crate)",
        }
    }

    fn program(self) -> String {
        match self {
            Kind::Netbootd => netbootd::program(),
            Kind::Hpa => "in.tftpd".into(),
            Kind::Atftpd => tool("atftpd"),
            Kind::Dnsmasq => "dnsmasq".into(),
            Kind::Crate => tool("tftpd"),
        }
    }

    /// The words that serve a folder in the foreground.
    fn words(self, folder: &Path, root: &Path, address: Ipv4Addr) -> Vec<String> {
        let root = root.display().to_string();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match self {
            Kind::Netbootd => {
                let config = folder.join("bench.toml");
                let text = format!(
                    "[server]\nstate-dir = {:?}\nlog-file = {:?}\n[boot]\nroot = {root:?}\n[dhcp]\nmode = \"off\"\n[status]\nenabled = false\n[netboot]\nenabled = false\n",
                    folder.join("state"),
                    folder.join("log")
                );
                fs::write(&config, text).expect("the folder can be written");
                words(&["serve", "--config", &config.display().to_string()])
            }
            Kind::Hpa => words(&[
                "--foreground",
                "--listen",
                "--address",
                "0.0.0.0:69",
                "--user",
                "root",
                "--secure",
                &root,
            ]),
            Kind::Atftpd => words(&[
                "--daemon",
                "--no-fork",
                "--user",
                "root",
                "--group",
                "root",
                "--maxthread",
                "500",
                &root,
            ]),
            Kind::Dnsmasq => words(&[
                "--no-daemon",
                "--conf-file=/dev/null",
                "--port=0",
                "--enable-tftp",
                "--user=root",
                "--tftp-max=500",
                &format!("--tftp-root={root}"),
            ]),
            Kind::Crate => words(&["-i", &address.to_string(), "-p", "69", "-d", &root]),
        }
    }
}

struct Server {
    kind: Kind,
    address: SocketAddr,
    process: Process,
}

impl Server {
    /// None when the program is not installed; that is said.
    fn start(lab: &mut Lab, kind: Kind, n: u8) -> Option<Self> {
        let there = Command::new("sh").args(["-c", &format!("command -v {}", kind.program())]).output();
        if !there.is_ok_and(|there| there.status.success()) {
            print(&format!("{} is not installed", kind.name()));
            return None;
        }
        let host = format!("s{n}");
        let address = Ipv4Addr::new(10, 77, 0, n);
        lab.add_host(&host);
        lab.plug(&host, "eth0", "br0", &format!("{address}/24"));
        let (folder, root) = (lab.folder(), lab.folder().join("root"));
        let mut command = lab.command(&host, &kind.program());
        let process = Process::start(kind.name(), command.args(kind.words(&folder, &root, address)));
        let server = Server { kind, address: SocketAddr::from((address, 69)), process };
        // It is there once it gives a file.
        let probe = Load {
            clients: 1,
            each: 1,
            file: SMALL,
            block_size: None,
            window: None,
            delay: Duration::ZERO,
            loss: 0.0,
        };
        let content = Arc::new(fs::read(root.join(SMALL)).expect("it was written"));
        let came = (0..20).any(|_| probe.run(lab, "clients", server.address, &content).done == 1);
        assert!(came, "{} does not serve: {}", kind.name(), server.process.printed());
        Some(server)
    }

    /// The processor's time of the server and of the children that it has waited for (proc(5)).
    fn cpu(&self) -> Duration {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 =
            fields.get(11..15).unwrap_or_default().iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }
}

/// A large file and a small one; gives what they hold.
fn fill(root: &Path, smoke: bool) -> [Arc<Vec<u8>>; 2] {
    fs::create_dir_all(root).expect("the folder can be written");
    let sizes = [(LARGE, if smoke { 1 << 20 } else { 16 << 20 }), (SMALL, 12_000)];
    sizes.map(|(name, size): (&str, u32)| {
        let bytes: Vec<u8> = (0..size).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        fs::write(root.join(name), &bytes).expect("the folder can be written");
        Arc::new(bytes)
    })
}

#[allow(clippy::print_stdout)] // its output
fn print(text: &str) {
    println!("{text}");
}

const LARGE: &str = "large.bin";
const SMALL: &str = "small.bin";
const ROUNDS: usize = 5;
