//! A directory that accepts and never answers, or answers a byte at a time: who is known elsewhere
//! boots, and nothing piles up.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::machines::Machines;
use super::site::{FLEET, ROUTER, Site};
use crate::netbootd::write_secret;
use crate::wait;

/// So many machines ask while the directory hangs one way and then the other. Gives the words for
/// the line.
///
/// # Panics
/// When they do not boot, or the memory grows.
pub fn hanging_directories(count: u32) -> String {
    let words = [("silent", None), ("dripping", Some(Duration::from_millis(20)))].map(|(name, drip)| {
        let mut site = Site::new(None, 4 * count, "");
        let asked = hang(&site, drip);
        let folder = site.lab.folder();
        write_secret(&folder.join("password"), "secret");
        site.configure(&format!(
            "[policy]\ndeadline = \"300ms\"\n[active-directory]\nurl = \"ldaps://{ROUTER}\"\nbind = \"simple\"\n\
             user = \"cn=reader\"\nbase = \"DC=nb,DC=test\"\npassword-file = {:?}\n",
            folder.join("password")
        ));
        site.start();
        let machines = Machines::new(&site.lab, FLEET);
        assert!(machines.ask(0).is_some_and(|told| told.boots), "{}", site.process().printed());
        let before = resident(site.process().id());
        for n in 1..count {
            let told = machines.ask(2 * n);
            assert!(told.is_some_and(|told| told.boots), "machine {n}: {}", site.process().printed());
        }
        let grown = resident(site.process().id()).saturating_sub(before);
        assert!(grown < 32 << 10, "{grown} kB more for {count} machines");
        let asked = asked.load(Ordering::Relaxed);
        assert!(asked > 0, "the directory is asked");
        format!("{name}: all booted, {asked} connections, {grown} kB more")
    });
    words.join("; ")
}

/// Starts it where the clients are; gives how often somebody has connected.
fn hang(site: &Site, drip: Option<Duration>) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let listening = site.lab.inside(FLEET, move || {
        let listener =
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, 636)).expect("nobody else has the port here");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || hold(stream, drip));
            }
        });
    });
    listening.join().expect("the directory listens");
    asked
}

/// Keeps a connection for as long as the other end does.
fn hold(mut stream: TcpStream, drip: Option<Duration>) {
    let Some(every) = drip else {
        let mut buf = [0; 1024];
        while stream.read(&mut buf).is_ok_and(|count| count > 0) {}
        return;
    };
    // A TLS record as long as one may be, never finished.
    for byte in [0x16, 3, 3, 0x40, 0].into_iter().chain(std::iter::repeat(0)) {
        if stream.write_all(&[byte]).is_err() {
            return;
        }
        wait::pass(every);
    }
}

/// Kilobytes of memory that a process holds.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(u64::MAX)
}
