//! HTTP beside nginx: each server in a host of its own, the same clients in another, in turns.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bench::account::Account;
use bench::client_error::ClientError;
use bench::host;
use bench::http_client::{Client, Expected};
use bench::processes;
use bench::processors;
use bench::table::{Figure, HEAD, Rounds, Row, Wanted};
use clap::Parser;
use netbootd_tests::{Lab, Process, netbootd};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pxe_policy::with_causes;

/// Measure HTTP servers side by side.
#[derive(Parser)]
struct Args {
    /// Check that everything runs: small files, one round.
    #[arg(long)]
    smoke: bool,
    /// Measure only rows with one of these words in their names.
    words: Vec<String>,
}

fn main() -> ExitCode {
    let Args { smoke, words } = Args::parse();
    let _awake = processors::apart_and_awake();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    // Thousands of connections, on both sides.
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most); // the rows that need it fail then
    }
    let mut lab = Lab::new();
    lab.add_host("clients");
    lab.plug("clients", "eth0", "br0", "10.77.0.50/24");
    let files = Files::write(&lab.folder().join("root"), smoke);
    let servers: Vec<Server> =
        (1..).zip(Kind::ALL).filter_map(|(n, kind)| Server::start(&mut lab, kind, n)).collect();
    let rounds = if smoke { 1 } else { ROUNDS };
    let mut table = String::from(HEAD);
    let mut all_whole = true;
    for (work, rows) in works(smoke) {
        if !rows.iter().any(|(row, _)| chosen(&row.name)) {
            continue;
        }
        let mut told: Vec<Vec<Rounds>> = rows
            .iter()
            .map(|_| servers.iter().map(|server| Rounds::new(server.kind.name())).collect())
            .collect();
        // Memory that was taken once is not taken a second time.
        for _ in 0..if matches!(work, Work::Idle { .. }) { 1 } else { rounds } {
            for (n, server) in servers.iter().enumerate() {
                let spent = work.run(&lab, server, &files);
                if let Some(error) = &spent.failed {
                    print(&format!("{}: {}", server.kind.name(), with_causes(error)));
                    all_whole = false;
                }
                for ((_, measure), told) in rows.iter().zip(&mut told) {
                    let figure = Figure { value: measure.figure(&spent), whole: spent.failed.is_none() };
                    told[n].figures.push(figure);
                }
            }
        }
        for ((row, _), told) in rows.iter().zip(&told) {
            let line = row.line(told);
            print(line.trim_end());
            table.push_str(&line);
        }
    }
    print(&format!("\n{table}"));
    if all_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The work of the clients.
#[derive(Debug, Clone)]
enum Work {
    /// Connections that ask once and then keep silent.
    Idle { connections: usize },
    /// Clients that fetch one file each, at the same time.
    Whole { file: usize, clients: usize },
    /// Clients that ask again and again over one connection each.
    Small { clients: usize, each: usize },
    /// One client that reads a file by ranges, over one connection.
    Ranges { count: u64 },
}

/// The cost of one fetch of all files.
#[derive(Debug, Default)]
struct Spent {
    bytes: u64,
    requests: u64,
    elapsed: Duration,
    cpu: Duration,
    /// Growth of the server's resident memory, in kilobytes.
    memory: u64,
    failed: Option<ClientError>,
}

/// The figure of a row.
#[derive(Debug, Clone, Copy)]
enum Measure {
    /// The throughput in megabytes a second.
    Rate,
    /// Seconds of the server's processors for a gigabyte.
    CpuByGigabyte,
    /// Requests in a second of the server's processors.
    RequestsByCpu,
    /// Kilobytes of the server's memory for a connection.
    MemoryByConnection,
}

impl Measure {
    fn figure(self, spent: &Spent) -> f64 {
        let (elapsed, cpu) = (spent.elapsed.as_secs_f64().max(1e-9), spent.cpu.as_secs_f64().max(1e-9));
        match self {
            Measure::Rate => spent.bytes as f64 / 1e6 / elapsed,
            Measure::CpuByGigabyte => cpu / (spent.bytes as f64 / 1e9).max(1e-9),
            Measure::RequestsByCpu => spent.requests as f64 / cpu,
            Measure::MemoryByConnection => spent.memory as f64 / spent.requests.max(1) as f64,
        }
    }
}

/// Each load with the rows that it fills.
fn works(smoke: bool) -> Vec<(Work, Vec<(Row, Measure)>)> {
    let row = |name: &str, wanted, measure| (Row { name: name.into(), wanted }, measure);
    let least = Wanted::AtLeast;
    let (connections, clients, each, count) = if smoke { (50, 10, 20, 20) } else { (5000, 100, 1500, 4096) };
    vec![
        (
            Work::Idle { connections },
            vec![row(
                "5,000 idle keep-alive connections, kB each",
                Wanted::Nothing,
                Measure::MemoryByConnection,
            )],
        ),
        (
            Work::Whole { file: LARGE, clients: 1 },
            vec![
                row("one stream of 2 GiB, MB/s", least(1.0), Measure::Rate),
                row("one stream of 2 GiB, server CPU s/GB", Wanted::AtMost(1.1), Measure::CpuByGigabyte),
            ],
        ),
        (
            Work::Whole { file: MIDDLE, clients },
            vec![
                row("100 streams of 32 MiB, MB/s", least(1.0), Measure::Rate),
                row("100 streams of 32 MiB, server CPU s/GB", Wanted::AtMost(1.1), Measure::CpuByGigabyte),
            ],
        ),
        (
            Work::Small { clients: 32, each },
            vec![row("1 kB files, requests in a second of server CPU", least(0.8), Measure::RequestsByCpu)],
        ),
        (
            Work::Ranges { count },
            vec![row("ranges of 256 kB over one connection, MB/s", least(1.0), Measure::Rate)],
        ),
    ]
}

impl Work {
    fn run(&self, lab: &Lab, server: &Server, files: &Files) -> Spent {
        let memory = processes::resident(server.process.id());
        let cpu = server.account.cpu();
        let (work, files, address, process) =
            (self.clone(), files.clone(), server.address, server.process.id());
        let done = lab.inside("clients", move || {
            let started = Instant::now();
            let mut spent = Spent::default();
            match work.fetch(&files, address) {
                Ok(Fetched { bytes, requests, open }) => {
                    spent = Spent { bytes, requests, ..spent };
                    spent.memory = processes::resident(process).saturating_sub(memory);
                    drop(open);
                }
                Err(error) => spent.failed = Some(error),
            }
            spent.elapsed = started.elapsed();
            spent
        });
        let mut spent = done.join().unwrap_or_else(|_| panic!("the clients do not run"));
        spent.cpu = server.account.cpu().saturating_sub(cpu);
        spent
    }

    fn fetch(&self, files: &Files, server: SocketAddr) -> Result<Fetched, ClientError> {
        let small = &files.0[SMALL];
        match *self {
            Work::Idle { connections } => {
                let mut open = Vec::with_capacity(connections);
                for _ in 0..connections {
                    let mut client = Client::connect(server, 4096)?;
                    client.ask(NAMES[SMALL], None)?;
                    client.read_answer(small, None)?;
                    open.push(client);
                }
                Ok(Fetched { bytes: 0, requests: connections as u64, open })
            }
            Work::Whole { file, clients } => {
                let expected = files.0[file].clone();
                at_once(clients, move || {
                    let mut client = Client::connect(server, BUFFER)?;
                    client.ask(NAMES[file], None)?;
                    Ok((client.read_answer(&expected, None)?, 1))
                })
            }
            Work::Small { clients, each } => {
                let expected = small.clone();
                // Few threads, so that the clients' own switches do not count.
                at_once(THREADS, move || {
                    let clients: Result<Vec<Client>, ClientError> =
                        (0..clients / THREADS).map(|_| Client::connect(server, 4096)).collect();
                    let mut clients = clients?;
                    let mut bytes = 0;
                    for _ in 0..each {
                        clients.iter_mut().try_for_each(|client| client.ask(NAMES[SMALL], None))?;
                        for client in &mut clients {
                            bytes += client.read_answer(&expected, None)?;
                        }
                    }
                    Ok((bytes, (each * clients.len()) as u64))
                })
            }
            Work::Ranges { count } => {
                let (expected, mut client) = (&files.0[LARGE], Client::connect(server, BUFFER)?);
                let mut bytes = 0;
                for n in 0..count {
                    let start = n * RANGE % (expected.len - RANGE);
                    let range = start..start + RANGE;
                    client.ask(NAMES[LARGE], Some(range.clone()))?;
                    bytes += client.read_answer(expected, Some(range))?;
                }
                Ok(Fetched { bytes, requests: count, open: Vec::new() })
            }
        }
    }
}

/// The bytes that clients have fetched, and the connections that are still open.
struct Fetched {
    bytes: u64,
    requests: u64,
    open: Vec<Client>,
}

/// Runs a client in so many threads; gives the bytes and requests of all.
fn at_once(
    threads: usize,
    client: impl Fn() -> Result<(u64, u64), ClientError> + Clone + Send + 'static,
) -> Result<Fetched, ClientError> {
    let running: Vec<_> = (0..threads).map(|_| thread::spawn(client.clone())).collect();
    let mut fetched = Fetched { bytes: 0, requests: 0, open: Vec::new() };
    for thread in running {
        let (bytes, requests) = thread.join().unwrap_or(Err(ClientError::Panicked))?;
        fetched.bytes += bytes;
        fetched.requests += requests;
    }
    Ok(fetched)
}

/// The servers, netbootd first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Netbootd,
    Nginx,
}

impl Kind {
    const ALL: [Kind; 2] = [Kind::Netbootd, Kind::Nginx];

    fn name(self) -> &'static str {
        match self {
            Kind::Netbootd => "netbootd",
            Kind::Nginx => "nginx",
        }
    }

    fn program(self) -> String {
        match self {
            Kind::Netbootd => netbootd::program(),
            Kind::Nginx => "nginx".into(),
        }
    }

    /// The words that serve a folder in the foreground.
    fn words(self, folder: &Path, root: &Path) -> Vec<String> {
        let (folder, root) = (folder.display(), root.display());
        let workers = processors::of_servers();
        let file = format!("{folder}/{}.conf", self.name());
        let text = match self {
            Kind::Netbootd => format!(
                "[server]\nuser = \"root\"\nstate-dir = \"{folder}/state\"\nlog-file = \"{folder}/log\"\n[boot]\nroot = \"{root}\"\n\
                 [http]\nmax-connections = 8192\n[tftp]\nenabled = false\n[dhcp]\nmode = \"off\"\n\
                 [status]\nenabled = false\n[netboot]\nenabled = false\n{}",
                host::LIMITS
            ),
            // As Debian has it, but without its log of each request: netbootd writes a line only
            // where it tells something new.
            Kind::Nginx => format!(
                "daemon off;\nuser root;\nworker_processes {workers};\npid {folder}/nginx.pid;\nerror_log stderr;\n\
                 events {{ worker_connections 8192; }}\n\
                 http {{ sendfile on; tcp_nopush on; access_log off; default_type application/octet-stream;\n\
                 keepalive_timeout 65; keepalive_requests 1000000000; server {{ listen 80; root {root}; }} }}\n"
            ),
        };
        fs::write(&file, text).expect("the folder can be written");
        let words: &[&str] = match self {
            Kind::Netbootd => &["serve", "--config", &file],
            Kind::Nginx => &["-c", &file],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
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
        let folder = lab.folder();
        let mut command = processors::server(lab, &host, &kind.program());
        let process = Process::start(kind.name(), command.args(kind.words(&folder, &folder.join("root"))));
        lab.wait_for_ports("clients", &address.to_string(), &[80]);
        let account = Account::open(process.id());
        Some(Server { kind, address: SocketAddr::from((address, 80)), process, account })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        processes::end(self.process.id());
    }
}

/// The contents of the files, in the order of [`NAMES`].
#[derive(Debug, Clone)]
struct Files(Vec<Expected>);

impl Files {
    fn write(root: &Path, smoke: bool) -> Self {
        fs::create_dir_all(root).expect("the folder can be written");
        let pattern: Arc<[u8]> =
            (0..PATTERN).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let sizes = if smoke { [40 << 20, 1 << 20, 1000] } else { [2 << 30, 32 << 20, 1000] };
        let files = NAMES.iter().zip(sizes).map(|(name, len)| {
            let mut file = File::create(root.join(name)).expect("the folder can be written");
            let mut left: u64 = len;
            while left > 0 {
                let length = left.min(pattern.len() as u64);
                file.write_all(&pattern[..length as usize]).expect("the disk has room");
                left -= length;
            }
            // Written back now, not while it is measured.
            file.sync_all().expect("the disk has room");
            Expected::new(&pattern, len)
        });
        Files(files.collect())
    }
}

#[allow(clippy::print_stdout)] // its output
fn print(text: &str) {
    println!("{text}");
}

const NAMES: [&str; 3] = ["large.bin", "middle.bin", "small.bin"];
const LARGE: usize = 0;
const MIDDLE: usize = 1;
const SMALL: usize = 2;
/// No power of two, so that a page in the wrong place is seen.
const PATTERN: u32 = (1 << 20) - 3;
const RANGE: u64 = 256 << 10;
/// A stream's buffer at its client, in bytes.
const BUFFER: usize = 256 << 10;
const THREADS: usize = 2;
const ROUNDS: usize = 5;
