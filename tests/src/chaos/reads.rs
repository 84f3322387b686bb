//! Read requests in the names of a network's addresses: nobody acknowledges them. Machines boot
//! beside them, and memory comes back.

use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::clients::{Ended, tftp};
use super::machines::Machines;
use super::site::{FILE, FLEET, SERVER, Site};
use crate::spoof::Spoofer;
use crate::wait;

/// So many forged requests, [`A_SECOND`] a second: half of them in the names of a network behind a
/// router, half in those of the server's own link. Gives the words for the line.
///
/// # Panics
/// When fewer boot than 98 of 100 of those that do without the flood, or when memory grows beyond
/// bounds or does not come back.
pub fn forged_reads(count: u32) -> String {
    let seen = under_forged_reads(count, A_SECOND, "");
    let line = seen.line();
    assert!(seen.flooded.rate() >= seen.quiet.rate() * 0.98, "{line}");
    assert!(seen.most < seen.before + MOST_MEMORY && seen.after < seen.before + MEMORY_KEPT, "{line}");
    assert!(seen.at_rest < seen.own + seen.records + MEMORY_AT_REST, "{line}");
    assert!(seen.records < MOST_RECORDS, "{line}");
    assert!(seen.sockets < MOST_SOCKETS, "{line}");
    line
}

/// The short form: fewer places, and every machine boots.
///
/// # Panics
/// When one does not.
pub fn forged_reads_briefly() {
    let seen = under_forged_reads(6000, BRIEF, "[limits]\nunproved-transfers = 500\n");
    assert_eq!(seen.flooded.booted, seen.flooded.on);
    assert!(seen.evicted > 0 && seen.unproved <= 502, "{} evicted, {} unproved", seen.evicted, seen.unproved);
    assert!(seen.sockets < 200, "{} sockets for {} transfers", seen.sockets, seen.unproved);
}

struct Seen {
    quiet: Boots,
    flooded: Boots,
    forged: u64,
    a_second: f64,
    /// Kilobytes that were resident before the load.
    before: u64,
    most: u64,
    after: u64,
    /// Kilobytes of them that are not pages of the program, before the load.
    own: u64,
    /// Those of them that the machines added that booted before the load: leases, boots, steps.
    records: u64,
    /// The same, the least within [`REST`] after the load.
    at_rest: u64,
    unproved: u64,
    evicted: u64,
    /// Open files beyond those before the flood.
    sockets: usize,
}

impl Seen {
    /// The words for the line of the fault suite.
    fn line(&self) -> String {
        let megabytes = |kilobytes: u64| format!("{:.1} MB", kilobytes as f64 / 1024.0);
        format!(
            "{} quiet; {} while {} requests were forged, {:.0} a second; {} before, {} at the most, {} after, own memory {} before, \
             {} when the senders were forgotten, of which {} are records of as many machines as before; {} unproved and {} more open \
             files at the most, {} evicted",
            self.quiet,
            self.flooded,
            self.forged,
            self.a_second,
            megabytes(self.before),
            megabytes(self.most),
            megabytes(self.after),
            megabytes(self.own),
            megabytes(self.at_rest),
            megabytes(self.records),
            self.unproved,
            self.sockets,
            self.evicted,
        )
    }
}

/// Machines that are switched on one after the other, [`BOOTS_A_SECOND`] of them if each is done by
/// then.
#[derive(Default)]
struct Boots {
    on: u32,
    booted: u32,
    lasted: Duration,
    took: Vec<Duration>,
}

impl Boots {
    /// Those that booted, of each that could have in that time.
    fn rate(&self) -> f64 {
        f64::from(self.booted) / (self.lasted.as_secs_f64() * BOOTS_A_SECOND).max(1.0)
    }

    fn switch_on(&mut self, site: &Site, n: u32, began: Instant) {
        let due = Duration::from_secs_f64(f64::from(self.on) / BOOTS_A_SECOND);
        wait::pass(due.saturating_sub(began.elapsed()));
        self.on += 1;
        let since = Instant::now();
        if boot(site, n) {
            self.booted += 1;
            self.took.push(since.elapsed());
        }
        self.lasted = began.elapsed().max(Duration::from_secs_f64(f64::from(self.on) / BOOTS_A_SECOND));
    }
}

impl fmt::Display for Boots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut took = self.took.clone();
        took.sort_unstable();
        let percentile =
            |part: usize| took.get(took.len() * part / 100).map_or(0.0, Duration::as_secs_f64) * 1e3;
        let rate = f64::from(self.booted) / self.lasted.as_secs_f64().max(0.001);
        write!(
            f,
            "{} of {} boots, {rate:.1} a second, median {:.0} ms, 95th percentile {:.0} ms",
            self.booted,
            self.on,
            percentile(50),
            percentile(95)
        )
    }
}

fn under_forged_reads(count: u32, a_second: f64, limits: &str) -> Seen {
    let mut site = Site::new(None, 0, "").with_addresses(ADDRESSES).limited();
    site.configure(&format!("log-level = \"info\"\n{limits}"));
    site.lab.add_host("hostile");
    site.lab.plug("hostile", "lan0", "br0", "10.77.0.66/24");
    site.lab.ip("server", "addr add 10.79.0.1/16 dev lan0");
    site.lab.ip("server", "route add 10.99.0.0/16 via 10.77.0.66");
    site.start();
    assert!(boot(&site, 0), "it serves: {}", site.process().printed());
    let process = site.process().id();
    let first = own_memory(process);
    let mut quiet = Boots::default();
    let began = Instant::now();
    while a_second > BRIEF && quiet.on < QUIET {
        quiet.switch_on(&site, 1 + quiet.on, began);
    }
    let (before, files_before) = (resident(process), open_files(process));
    let own = own_memory(process);
    let records = own.saturating_sub(first);
    let (forged, ending) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let flood = {
        let (forged, ended) = (Arc::clone(&forged), Arc::clone(&ending));
        site.lab.inside("hostile", move || forge(count, a_second, &forged, &ended))
    };
    let mut flooded = Boots::default();
    let began = Instant::now();
    let (mut most, mut unproved, mut files) = (before, 0, files_before);
    while !flood.is_finished() {
        flooded.switch_on(&site, FLOODED + flooded.on, began);
        most = most.max(resident(process));
        files = files.max(open_files(process));
        unproved = unproved.max(unproved_transfers(&site));
    }
    ending.store(true, Ordering::Relaxed);
    flood.join().expect("the flood goes on");
    let came = forged.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    // Transfers that nobody acknowledges end by themselves and free their memory.
    if a_second > BRIEF {
        let left = || format!("{} transfers are left", unproved_transfers(&site));
        wait::until(PATIENCE, || unproved_transfers(&site) == 0, left);
    }
    assert!(boot(&site, u32::MAX >> 2), "it serves afterwards: {}", site.process().printed());
    let after = resident(process);
    let mut at_rest = own_memory(process);
    let deadline = Instant::now() + REST;
    while a_second > BRIEF && at_rest > own + records + MEMORY_AT_REST && Instant::now() < deadline {
        wait::pass(Duration::from_secs(1)); // the least memory within that time counts
        at_rest = at_rest.min(own_memory(process));
    }
    Seen {
        quiet,
        flooded,
        forged: forged.load(Ordering::Relaxed),
        a_second: came,
        before,
        most,
        after,
        own,
        records,
        at_rest,
        unproved,
        evicted: metric(&site, "netbootd_file_requests_total{proto=\"tftp\",outcome=\"evicted\"}"),
        sockets: files.saturating_sub(files_before),
    }
}

/// A machine gets its address and fetches its boot file.
fn boot(site: &Site, n: u32) -> bool {
    let machines = Machines::new(&site.lab, FLEET);
    let boots = move || machines.ask(n).is_some() && matches!(tftp(BOOT_FILE, |_| true), Ended::Whole(_));
    site.lab.inside(FLEET, boots).join().is_ok_and(|booted| booted)
}

fn forge(count: u32, a_second: f64, forged: &AtomicU64, ending: &AtomicBool) {
    let spoofer = Spoofer::new();
    let server = SocketAddr::from((SERVER, 69));
    let plain = [b"\0\x01", FILE.as_bytes(), b"\0octet\0"].concat();
    let asking = [&plain[..], b"tsize\x000\0blksize\x001468\0"].concat();
    let missing = b"\0\x01boot/missing.img\0octet\0";
    let began = Instant::now();
    let mut sent = 0_u32;
    while sent < count && !ending.load(Ordering::Relaxed) {
        let due = ((began.elapsed().as_secs_f64() * a_second) as u32).min(count);
        while sent < due {
            let [_, _, high, low] = (sent / 2).wrapping_mul(40_503).to_be_bytes();
            let network = if sent.is_multiple_of(2) { 99 } else { 79 };
            let from =
                SocketAddr::from((Ipv4Addr::new(10, network, high, low.max(2)), 2000 + (sent % 997) as u16));
            let request: &[u8] = match sent % 16 {
                6 => missing,
                kind if kind % 4 < 2 => &plain,
                _ => &asking,
            };
            spoofer.send(from, server, request);
            sent += 1;
        }
        forged.store(sent.into(), Ordering::Relaxed);
        wait::pass(Duration::from_millis(1));
    }
}

/// Kilobytes of memory that a process holds.
fn resident(process: u32) -> u64 {
    of_status(process, "VmRSS:")
}

/// Kilobytes of memory that a process holds, without the pages of its program.
fn own_memory(process: u32) -> u64 {
    of_status(process, "RssAnon:")
}

fn of_status(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(u64::MAX >> 20)
}

fn open_files(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

/// A metric's value; 0 for one that nothing has counted yet.
fn metric(site: &Site, name: &str) -> u64 {
    let asked = site.lab.inside("server", || {
        let mut stream = TcpStream::connect("127.0.0.1:9167")?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map(|_| text)
    });
    let text = asked.join().expect("the status port").expect("the status port answers");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    value.unwrap_or_default() as u64
}

/// TFTP transfers in which nothing was acknowledged yet.
fn unproved_transfers(site: &Site) -> u64 {
    metric(site, "netbootd_unproved_transfers ")
}

const A_SECOND: f64 = 20_000.0;
/// In the short form.
const BRIEF: f64 = 3000.0;
const BOOT_FILE: &str = "PS100005/boot/x64/bootmgfw.efi";
const ADDRESSES: &str = "[dhcp]\nmode = \"server\"\nconflict-probe = false\n[[dhcp.subnet]]\nsubnet = \"10.78.0.0/16\"\n\
                         pool = \"10.78.1.0-10.78.250.0\"\n";
const PATIENCE: Duration = Duration::from_secs(30);
/// Kilobytes that may be taken, and that may stay at once: some 10 MB of tables of senders and of
/// next hops, which have a bound.
const MOST_MEMORY: u64 = 24 << 10;
const MEMORY_KEPT: u64 = 24 << 10;
/// Kilobytes that may stay beside the records of the machines that booted meanwhile.
const MEMORY_AT_REST: u64 = 2 << 10;
/// Kilobytes that the records of the machines before the flood may take.
const MOST_RECORDS: u64 = 12 << 10;
/// Senders are forgotten after a minute; they are looked for each half minute.
const REST: Duration = Duration::from_secs(150);
/// Ports that unproved transfers share, of IPv4, and what boots take meanwhile.
const MOST_SOCKETS: usize = 600;
/// How many machines are switched on a second, and how many before the flood: as many as under it.
const BOOTS_A_SECOND: f64 = 10.0;
const QUIET: u32 = 500;
/// The first machine under the flood.
const FLOODED: u32 = 1000;
