//! TFTP beside its peers: each server in a host of its own, the same clients in another, in turns.

use std::collections::HashMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bench::account::Account;
use bench::host;
use bench::load::{Load, Outcome};
use bench::processors;
use bench::spread::{self, Spread};
use bench::table::{Figure, HEAD, Rounds, Row, Wanted};
use clap::Parser;
use netbootd_tests::process::tool;
use netbootd_tests::{Lab, Process, netbootd};

/// Measure TFTP servers side by side.
#[derive(Parser)]
struct Args {
    /// Check that everything runs: small files, one round.
    #[arg(long)]
    smoke: bool,
    /// How many rounds each server has.
    #[arg(long)]
    rounds: Option<usize>,
    /// Measure only rows with one of these words in their names.
    words: Vec<String>,
}

fn main() {
    let Args { smoke, rounds, words } = Args::parse();
    let _awake = processors::apart_and_awake();
    let mut lab = Lab::new();
    lab.add_host("clients");
    lab.plug("clients", "eth0", "br0", "10.77.0.50/24");
    let contents = fill(&lab.folder().join("root"), smoke);
    let servers: Vec<Server> =
        (1..).zip(Kind::ALL).filter_map(|(n, kind)| Server::start(&mut lab, kind, n)).collect();
    let rounds = rounds.unwrap_or(if smoke { 1 } else { ROUNDS });
    print(HEAD.trim_end());
    let chosen =
        |case: &Case| words.is_empty() || words.iter().any(|word| case.row.name.contains(word.as_str()));
    let mut whole = true;
    let mut single = String::from(spread::HEAD);
    for case in cases(smoke).into_iter().filter(chosen) {
        let content = &contents[case.load.file.as_ref()];
        let mut told: Vec<Rounds> = servers.iter().map(|server| Rounds::new(server.kind.name())).collect();
        let mut spreads = vec![Spread::default(); servers.len()];
        // Losses are the same in every round, and the peers wait for seconds after each.
        for _ in 0..if case.load.loss > 0.0 { 1 } else { rounds } {
            for ((server, told), spread) in servers.iter().zip(&mut told).zip(&mut spreads) {
                let before = server.account.cpu();
                let outcome = case.load.run(&lab, "clients", server.address, content);
                let cpu = server.account.cpu().saturating_sub(before);
                told.figures.push(case.measure.figure(&outcome, cpu));
                spread.add(&outcome.took, outcome.again);
            }
        }
        print(case.row.line(&told).trim_end());
        for (server, spread) in servers.iter().zip(&spreads) {
            single.push_str(&spread.line(&case.row.name, server.kind.name()));
        }
        whole &= told.first().is_none_or(|own| own.lost() == 0);
    }
    print(&format!("\n{}", single.trim_end()));
    // Short of a ratio is a matter of the machine; bytes that are wrong or missing are not.
    assert!(whole, "netbootd did not give every byte");
}

/// The measure of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    /// The throughput in megabytes a second.
    Rate,
    /// Whole files a second.
    Requests,
    /// Seconds of the server's processor for a gigabyte.
    Processor,
}

#[derive(Debug, Clone)]
struct Case {
    row: Row,
    load: Load,
    measure: Measure,
}

impl Measure {
    fn figure(self, outcome: &Outcome, cpu: Duration) -> Figure {
        let value = match self {
            Measure::Rate => outcome.rate(),
            Measure::Requests => outcome.requests(),
            Measure::Processor => cpu.as_secs_f64() / (outcome.bytes as f64 / 1e9).max(1e-9),
        };
        Figure { value, whole: outcome.failed.is_empty() }
    }
}

fn cases(smoke: bool) -> Vec<Case> {
    let load = |clients, block_size, window| Load {
        clients,
        each: 1,
        file: LARGE.into(),
        block_size: Some(block_size),
        window: Some(window).filter(|window| *window > 1),
        delay: Duration::ZERO,
        loss: 0.0,
        patience: PATIENCE,
        beside: false,
    };
    let row = |name: &str, load, wanted| Case {
        row: Row { name: name.into(), wanted: Wanted::AtLeast(wanted) },
        load,
        measure: Measure::Rate,
    };
    let lossy = |window, loss| Load {
        clients: 8,
        file: if smoke { SMALL } else { LOSSY }.into(),
        loss,
        ..load(8, 1428, window)
    };
    let alone = [
        row("1 client, 1428, window 1, MB/s", load(1, 1428, 1), 1.0),
        row("1 client, 1468, window 1, MB/s", load(1, 1468, 1), 1.0),
        row("1 client, 65464, window 1, MB/s", load(1, 65_464, 1), 1.0),
        row("1 client, 1468, window 4 (UEFI), MB/s", load(1, 1468, 4), 1.8),
        row("1 client, 1468, window 16, MB/s", load(1, 1468, 16), 4.0),
        row("1 client, 1468, window 64, MB/s", load(1, 1468, 64), 3.0),
        Case {
            row: Row {
                name: "1 client, 1468, window 16, server CPU s/GB".into(),
                wanted: Wanted::AtMost(0.3),
            },
            load: load(1, 1468, 16),
            measure: Measure::Processor,
        },
    ];
    let many = [
        row("100 clients, 1428, window 16, MB/s", Load { file: SHARED.into(), ..load(100, 1428, 16) }, 2.5),
        Case {
            measure: Measure::Requests,
            ..row(
                "50 clients, 12 kB files, files/s",
                Load { file: SMALL.into(), each: 40, ..load(50, 1428, 1) },
                1.5,
            )
        },
        row(
            "1 client, 1428, window 16, 1 ms round trip, MB/s",
            Load { file: SHARED.into(), delay: Duration::from_millis(1), ..load(1, 1428, 16) },
            1.0,
        ),
        row("8 clients, 1 % lost, window 1, MB/s", lossy(1, 0.01), 5.0),
        row("8 clients, 1 % lost, window 16, MB/s", lossy(16, 0.01), 5.0),
        row("8 clients, 5 % lost, window 1, MB/s", lossy(1, 0.05), 5.0),
        row("8 clients, 5 % lost, window 16, MB/s", lossy(16, 0.05), 5.0),
    ];
    let in_turns = alone.clone().map(Case::in_turns);
    alone.into_iter().chain(in_turns).chain(many).collect()
}

impl Case {
    /// The same, with client and server in turns on one processor: without the time that it takes
    /// to wake another.
    fn in_turns(mut self) -> Self {
        self.row.name.push_str(", in turns on one processor");
        self.load.beside = true;
        self
    }
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
                    "[server]\nuser = \"root\"\nstate-dir = {:?}\nlog-file = {:?}\n[boot]\nroot = {root:?}\n[tftp]\nclamp-to-mtu = false\n[dhcp]\nmode = \"off\"\n[status]\nenabled = false\n[netboot]\nenabled = false\n{}",
                    folder.join("state"),
                    folder.join("log"),
                    host::LIMITS
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
    account: Account,
}

impl Server {
    /// None when the program is not installed; that is said.
    fn start(lab: &mut Lab, kind: Kind, n: u8) -> Option<Self> {
        let (host, address) = host::for_server(lab, kind.name(), &kind.program(), n, 24)?;
        let (folder, root) = (lab.folder(), lab.folder().join("root"));
        let mut command = processors::server(lab, &host, &kind.program());
        let process = Process::start(kind.name(), command.args(kind.words(&folder, &root, address)));
        let account = Account::open(process.id());
        let server = Server { kind, address: SocketAddr::from((address, 69)), process, account };
        // It is there once it gives a file.
        let probe = Load {
            clients: 1,
            each: 1,
            file: SMALL.into(),
            block_size: None,
            window: None,
            delay: Duration::ZERO,
            loss: 0.0,
            patience: PATIENCE,
            beside: false,
        };
        let content = Arc::new(fs::read(root.join(SMALL)).expect("it was written"));
        let came = (0..20).any(|_| probe.run(lab, "clients", server.address, &content).done == 1);
        assert!(came, "{} does not serve: {}", kind.name(), server.process.printed());
        Some(server)
    }
}

/// Writes the files; gives what they hold.
fn fill(root: &Path, smoke: bool) -> HashMap<&'static str, Arc<Vec<u8>>> {
    fs::create_dir_all(root).expect("the folder can be written");
    let sizes =
        [(LARGE, if smoke { 1 << 20 } else { 32 << 20 }), (SHARED, if smoke { 64 << 10 } else { 4 << 20 })];
    let files =
        sizes.into_iter().chain([(LOSSY, 256 << 10), (SMALL, 12_000)]).map(|(name, size): (&str, u32)| {
            let bytes: Vec<u8> = (0..size).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            fs::write(root.join(name), &bytes).expect("the folder can be written");
            (name, Arc::new(bytes))
        });
    files.collect()
}

#[allow(clippy::print_stdout)] // its output
fn print(text: &str) {
    println!("{text}");
}

const LARGE: &str = "large.bin";
/// For many clients at once.
const SHARED: &str = "shared.bin";
/// Long enough that every transfer loses something, and short enough that a server which waits for
/// seconds each time ends.
const LOSSY: &str = "lossy.bin";
const SMALL: &str = "small.bin";
const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);
