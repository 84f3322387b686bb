//! Read requests in the names of a network's addresses: nobody acknowledges them. Machines boot beside them, and memory comes back.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::clients::{Ended, tftp};
use super::machines::Machines;
use super::site::{FILE, FLEET, SERVER, Site};
use crate::spoof::Spoofer;

/// So many forged requests, [`A_SECOND`] a second: half of them in the names of a network behind a router, half in those of the server's own
/// link. Gives the words for the line.
///
/// # Panics
/// When fewer than 98 of 100 machines boot, or when memory grows beyond bounds or does not come back.
pub fn forged_reads(count: u32) -> String {
    let seen = under_forged_reads(count, A_SECOND, "");
    let line = format!(
        "{} of {} boots while {} requests were forged, {:.0} a second; {} MB before, {} MB at the most, {} MB after; {} unproved at the most, \
         {} evicted",
        seen.booted,
        seen.boots,
        seen.forged,
        seen.a_second,
        seen.before >> 10,
        seen.most >> 10,
        seen.after >> 10,
        seen.unproved,
        seen.evicted
    );
    assert!(seen.booted * 100 >= seen.boots * 98, "{line}");
    assert!(seen.most < seen.before + MOST_MEMORY && seen.after < seen.before + MEMORY_KEPT, "{line}");
    line
}

/// The short form: fewer places, and every machine boots.
///
/// # Panics
/// When one does not.
pub fn forged_reads_briefly() {
    let seen = under_forged_reads(6000, BRIEF, "[limits]\nunproved-transfers = 500\n");
    assert_eq!(seen.booted, seen.boots);
    assert!(seen.evicted > 0 && seen.unproved <= 502, "{} evicted, {} unproved", seen.evicted, seen.unproved);
}

struct Seen {
    boots: u32,
    booted: u32,
    forged: u64,
    a_second: f64,
    /// Kilobytes.
    before: u64,
    most: u64,
    after: u64,
    unproved: u64,
    evicted: u64,
}

fn under_forged_reads(count: u32, a_second: f64, limits: &str) -> Seen {
    let mut site = Site::new(None, 0, "").with_addresses(ADDRESSES).limited();
    site.configure(&format!("log-level = \"info\"\n{limits}"));
    site.lab.add_host("hostile");
    site.lab.plug("hostile", "lan0", "br0", "10.77.0.66/24");
    site.lab.ip("server", "addr add 10.79.0.1/16 dev lan0");
    site.lab.ip("server", "route add 10.99.0.0/16 via 10.77.0.66");
    site.start();
    let boot = |site: &Site, n: u32| {
        let machines = Machines::new(&site.lab, FLEET);
        site.lab
            .inside(FLEET, move || {
                machines.ask(n).is_some() && matches!(tftp(BOOT_FILE, |_| true), Ended::Whole(_))
            })
            .join()
            .is_ok_and(|booted| booted)
    };
    assert!(boot(&site, 0), "it serves: {}", site.process().printed());
    let process = site.process().id();
    let before = resident(process);
    let (forged, ending) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let flood = {
        let (forged, ended) = (Arc::clone(&forged), Arc::clone(&ending));
        site.lab.inside("hostile", move || forge(count, a_second, &forged, &ended))
    };
    let began = Instant::now();
    let (mut boots, mut booted, mut most, mut unproved) = (0, 0, before, 0);
    while !flood.is_finished() {
        boots += 1;
        booted += u32::from(boot(&site, boots));
        most = most.max(resident(process));
        unproved = unproved.max(unproved_transfers(&site));
    }
    ending.store(true, Ordering::Relaxed);
    flood.join().expect("the flood goes on");
    let came = forged.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    // What nobody acknowledges leaves by itself, and its memory with it.
    let deadline = Instant::now() + PATIENCE;
    while a_second > BRIEF && unproved_transfers(&site) > 0 {
        assert!(Instant::now() < deadline, "{} transfers are left", unproved_transfers(&site));
        thread::sleep(Duration::from_millis(100));
    }
    assert!(boot(&site, u32::MAX >> 2), "it serves afterwards: {}", site.process().printed());
    Seen {
        boots,
        booted,
        forged: forged.load(Ordering::Relaxed),
        a_second: came,
        before,
        most,
        after: resident(process),
        unproved,
        evicted: metric(&site, "netbootd_file_requests_total{proto=\"tftp\",outcome=\"evicted\"}"),
    }
}

fn forge(count: u32, a_second: f64, forged: &AtomicU64, ending: &AtomicBool) {
    let spoofer = Spoofer::new();
    let server = SocketAddr::from((SERVER, 69));
    let plain = [b"\0\x01", FILE.as_bytes(), b"\0octet\0"].concat();
    let asking = [&plain[..], b"tsize\x000\0blksize\x001468\0"].concat();
    let began = Instant::now();
    let mut sent = 0_u32;
    while sent < count && !ending.load(Ordering::Relaxed) {
        let due = ((began.elapsed().as_secs_f64() * a_second) as u32).min(count);
        while sent < due {
            let [_, _, high, low] = (sent / 2).wrapping_mul(40_503).to_be_bytes();
            let network = if sent.is_multiple_of(2) { 99 } else { 79 };
            let from =
                SocketAddr::from((Ipv4Addr::new(10, network, high, low.max(2)), 2000 + (sent % 997) as u16));
            spoofer.send(from, server, if sent % 4 < 2 { &plain } else { &asking });
            sent += 1;
        }
        forged.store(sent.into(), Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
    }
}

/// In kilobytes.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(u64::MAX >> 20)
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
/// Kilobytes that the flood may take, and that may stay.
const MOST_MEMORY: u64 = 150 << 10;
const MEMORY_KEPT: u64 = 60 << 10;
