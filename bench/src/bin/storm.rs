//! A boot storm: ten thousand simulated machines are switched on at once, from the first DISCOVER
//! to the last byte, against one netbootd; then the same with one datagram in a hundred lost.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bench::account::Account;
use bench::fleet::{self, Boot, Kind, RELAY, Site};
use bench::processes;
use bench::processors;
use clap::Parser;
use netbootd_tests::{Lab, Process, netbootd};
use pxe_policy::with_causes;

/// Switch a fleet of simulated machines on at once.
#[derive(Parser)]
struct Args {
    /// Check that everything runs: a hundred machines, without loss.
    #[arg(long)]
    smoke: bool,
    /// How many machines are switched on.
    #[arg(long)]
    machines: Option<u32>,
}

fn main() {
    let Args { smoke, machines } = Args::parse();
    let machines = machines.unwrap_or(if smoke { 100 } else { 10_000 });
    processors::apart();
    print(
        "| storm | done | p50, s | p95, s | max, s | p95/p50 | MB/s | server CPU s/GB | kB a session | |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    );
    let mut lost = storm("no loss", machines, false);
    if !smoke {
        lost += storm("1 % lost", machines, true);
    }
    assert_eq!(lost, 0, "machines did not boot");
}

/// One storm against a netbootd of its own; gives how many machines did not boot.
fn storm(name: &str, machines: u32, lossy: bool) -> usize {
    let mut lab = Lab::new();
    for (host, address) in [("server", SERVER), ("fleet", ROUTER)] {
        lab.add_host(host);
        lab.plug(host, "eth0", "br0", &format!("{address}/24"));
    }
    let subnet = "10.78.0.0/16";
    let ip = |host: &str, words: &[&str]| run(lab.command(host, "ip").args(words));
    ip("server", &["route", "add", subnet, "via", &ROUTER.to_string()]);
    ip("fleet", &["addr", "add", &format!("{RELAY}/32"), "dev", "lo"]);
    // Every address of the subnet is the fleet's own.
    ip("fleet", &["route", "add", "local", subnet, "dev", "lo"]);
    if lossy {
        let lose =
            ["-A", "INPUT", "-m", "statistic", "--mode", "random", "--probability", "0.01", "-j", "DROP"];
        for host in ["server", "fleet"] {
            run(lab.command(host, "iptables").args(lose));
        }
    }
    let site = fill(lab.folder().as_path());
    let config = configure(lab.folder().as_path());
    let mut command = processors::server(&lab, "server", &netbootd::program());
    let process = Process::start("netbootd", command.args(["serve", "--config", &config]));
    lab.wait_for_ports("server", &SERVER.to_string(), &[80]);
    let account = Account::open(process.id());
    let before = processes::anonymous(process.id());
    let (bytes, server) = (site.bytes(machines), process.id());
    let fleet = lab.inside("fleet", move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut fullest = before;
        let boots = runtime.block_on(fleet::boot(site, machines, |under_way| {
            if under_way % LOOK_EVERY == 0 {
                fullest = fullest.max(processes::anonymous(server));
            }
        }))?;
        Ok::<_, std::io::Error>((boots, fullest))
    });
    let (boots, fullest) = fleet.join().expect("the fleet runs").expect("the fleet has its sockets");
    let cost = Cost {
        cpu: account.cpu(),
        bytes,
        session: fullest.saturating_sub(before) as f64 / f64::from(machines),
    };
    report(name, &boots, &cost)
}

/// The cost of the storm.
struct Cost {
    cpu: Duration,
    bytes: u64,
    /// Kilobytes of resident memory at the fullest, for each machine that was switched on.
    session: f64,
}

fn report(name: &str, boots: &[Boot], cost: &Cost) -> usize {
    let mut lost = 0;
    for (kind, who) in [
        (None, name.to_owned()),
        (Some(Kind::Pc), "of them PCs".into()),
        (Some(Kind::Mac), "of them Macs".into()),
    ] {
        let of_kind = boots.iter().filter(|boot| kind.is_none_or(|kind| boot.kind == kind));
        let (done, failed): (Vec<_>, Vec<_>) = of_kind.map(|boot| &boot.took).partition(|took| took.is_ok());
        let mut times: Vec<f64> =
            done.iter().filter_map(|took| took.as_ref().ok()).map(Duration::as_secs_f64).collect();
        times.sort_by(f64::total_cmp);
        let at = |part: f64| {
            times
                .get(((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1)))
                .copied()
                .unwrap_or_default()
        };
        let fairness = at(0.95) / at(0.5).max(1e-9);
        let numbers = format!("{:.2} | {:.2} | {:.2} | {fairness:.2}", at(0.5), at(0.95), at(1.0));
        let of = done.len() + failed.len();
        if kind.is_some() {
            print(&format!("| {who} | {} of {of} | {numbers} | | | | |", done.len()));
            continue;
        }
        let pass = failed.is_empty() && fairness <= 1.5 && cost.session <= 32.0;
        let gigabytes = cost.bytes as f64 / 1e9;
        print(&format!(
            "| {who} | {} of {of} | {numbers} | {:.0} | {:.2} | {:.1} | {} |",
            done.len(),
            gigabytes * 1e3 / at(1.0).max(1e-9),
            cost.cpu.as_secs_f64() / gigabytes,
            cost.session,
            if pass { "pass" } else { "short" }
        ));
        lost = failed.len();
        for error in failed.iter().filter_map(|took| took.as_ref().err()).take(5) {
            print(&format!("  lost: {}", with_causes(error)));
        }
    }
    lost
}

/// Writes what they boot.
fn fill(folder: &Path) -> Site {
    let nbi = folder.join("share/Storm.nbi");
    fs::create_dir_all(nbi.join("i386/x86_64")).expect("the folder can be written");
    fs::create_dir_all(folder.join("root")).expect("the folder can be written");
    let list = "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>Name</key><string>Storm</string>\
                <key>Index</key><integer>77</integer><key>Type</key><string>HTTP</string><key>IsInstall</key><true/>\
                <key>IsDefault</key><true/><key>Architectures</key><array><string>i386</string></array>\
                <key>BootFile</key><string>booter</string><key>RootPath</key><string>NetInstall.dmg</string></dict></plist>";
    fs::write(nbi.join("NBImageInfo.plist"), list).expect("the folder can be written");
    fs::write(nbi.join("NetInstall.dmg"), b"root").expect("the folder can be written");
    let write = |at: &Path, size: u32| {
        let bytes: Vec<u8> = (0..size).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        fs::write(at, &bytes).expect("the folder can be written");
        bytes
    };
    Site {
        server: SERVER,
        program: write(&folder.join("root").join(fleet::PROGRAM), 64 << 10),
        image: write(&folder.join("root").join(fleet::IMAGE.trim_start_matches('/')), 512 << 10),
        booter: write(&nbi.join("i386/booter"), 64 << 10),
        kernel: write(&nbi.join("i386/x86_64/kernelcache"), 256 << 10),
    }
}

fn configure(folder: &Path) -> String {
    let text = format!(
        "[server]\nuser = \"root\"\nstate-dir = {:?}\nlog-file = {:?}\n[boot]\nroot = {:?}\n[status]\nenabled = false\n\
         [tftp]\nmax-transfers = 20000\n[http]\nmax-connections = 20000\n\
         [dhcp]\nmode = \"server\"\nconflict-probe = false\n\
         [[dhcp.subnet]]\nsubnet = \"10.78.0.0/16\"\npool = \"10.78.1.0-10.78.200.0\"\n\
         [[rule]]\nname = \"pcs\"\nmatch = {{ class = \"pxe\" }}\naction.boot = {{ file = {:?} }}\n\
         [[netboot.share]]\nname = \"NetBootSP0\"\nfolder = {:?}\n",
        folder.join("state"),
        folder.join("log"),
        folder.join("root"),
        fleet::PROGRAM,
        folder.join("share"),
    );
    let config = folder.join("storm.toml");
    fs::write(&config, text).expect("the folder can be written");
    config.display().to_string()
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[allow(clippy::print_stdout)] // its output
fn print(text: &str) {
    println!("{text}");
}

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
/// Memory is looked at once in so many boots.
const LOOK_EVERY: usize = 100;
