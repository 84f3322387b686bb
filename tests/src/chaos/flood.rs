//! Junk on every port as fast as one processor sends it, while machines boot: what that costs them is printed, not judged.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};

use super::clients::{Ended, tftp};
use super::machines::Machines;
use super::seed::Seed;
use super::site::{FLEET, SERVER, Site};

/// Machines boot for so many seconds without a flood, and for as long with one. Gives the words for the line.
///
/// # Panics
/// When netbootd does not go on serving.
pub fn flood(seconds: u32) -> String {
    let mut site = Site::new(None, 0, "");
    site.lab.add_host("junk");
    site.lab.plug("junk", "lan0", "br0", "10.77.0.66/24");
    let machines = Machines::new(&site.lab, FLEET);
    site.start();
    let lasting = Duration::from_secs(seconds.into());
    let alone = boots(&machines, 0, lasting);
    let ending = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&ending);
    let flooding = site.lab.inside("junk", move || send_junk(&ended));
    let flooded = boots(&machines, 1_000_000, lasting);
    ending.store(true, Ordering::Relaxed);
    let rate = flooding.join().expect("the junk goes on");
    let read = site.lab.inside(FLEET, || tftp("PS100005/boot/x64/bootmgfw.efi", |_| true));
    assert!(
        matches!(read.join(), Ok(Ended::Whole(_))),
        "it serves afterwards:\n{}",
        site.process().printed()
    );
    format!(
        "{:.0} addresses a second alone, {:.0} under {rate:.0} junk datagrams a second: {:.2} of it",
        alone / lasting.as_secs_f64(),
        flooded / lasting.as_secs_f64(),
        flooded / alone.max(1.0)
    )
}

/// How many machines get an address in a while.
fn boots(machines: &Machines, first: u32, lasting: Duration) -> f64 {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let switched_on = scope.spawn(|| machines.switch_on(first, &stop));
        thread::sleep(lasting);
        stop.store(true, Ordering::Relaxed);
        switched_on.join().expect("the machines go on").len() as f64
    })
}

/// Sends until the end; gives how many a second.
fn send_junk(ending: &AtomicBool) -> f64 {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    let mut seed = Seed::new(9);
    let junk: Vec<Vec<u8>> = (0..BATCH)
        .map(|n| {
            let mut bytes = seed.bytes(300);
            // Some of it begins like a question of a machine, some like a read request.
            match n % 3 {
                0 => bytes[..4].copy_from_slice(&[1, 1, 6, 0]),
                1 => bytes[..2].copy_from_slice(&[0, 1]),
                _ => {}
            }
            bytes
        })
        .collect();
    let ports = [67, 69, 4011];
    let to: Vec<Option<SockaddrIn>> =
        (0..BATCH).map(|n| Some(SockaddrIn::from(SocketAddrV4::new(SERVER, ports[n % 3])))).collect();
    let slices: Vec<[IoSlice<'_>; 1]> = junk.iter().map(|bytes| [IoSlice::new(bytes)]).collect();
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let (began, mut sent) = (Instant::now(), 0);
    while !ending.load(Ordering::Relaxed) {
        let many = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &to, [], MsgFlags::empty());
        // Word that a port is closed comes as an error now and then.
        sent += many.map_or(0, Iterator::count);
    }
    sent as f64 / began.elapsed().as_secs_f64()
}

/// Sent by one call.
const BATCH: usize = 60;
