//! Junk as fast as one processor sends it, while machines boot that netbootd has on the other: what
//! that costs them.
//!
//! The flood, the wire and the machines have one processor, with and without a flood, and netbootd
//! has another: that one is the free one. A second processor of the server would take over what the
//! kernel does for each datagram, as the flood's does here.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};
use nix::unistd::Pid;

use super::clients::{Ended, tftp};
use super::machines::Machines;
use super::seed::Seed;
use super::site::{FLEET, RELAY, SERVER, Site};
use crate::relayed::{DISCOVER, question};
use crate::wait;

/// A site whose machines are known is switched on in turn, [`A_SECOND`] machines a second, for so
/// many seconds: without a flood, under one of junk, and under one that is junk by half and
/// well-formed questions of made-up machines behind the same relay by the other half. Gives the
/// words for the line.
///
/// # Panics
/// When a flood of junk costs a fifth of the boots or more, or when netbootd stops serving.
/// Well-formed packets have to be read and looked up before they are ignored: their cost is
/// reported, not judged.
pub fn flood(seconds: u32) -> String {
    let mut scene = Scene::open(Site::new(None, 0, "").limited());
    let lasting = Duration::from_secs(seconds.into());
    let machines = Arc::clone(&scene.machines);
    let boots = || {
        let (on, served) = machines.at_rate(KNOWN, A_SECOND, lasting);
        f64::from(served) / f64::from(on)
    };
    // From here on all of them are known.
    let (_, known) =
        machines.at_rate(KNOWN, A_SECOND / 2, Duration::from_secs(2 * u64::from(KNOWN / A_SECOND)));
    assert!(
        known > KNOWN * 9 / 10,
        "{known} of {KNOWN} have booted once: {}",
        scene.site.process().printed()
    );
    let alone = boots();
    let (junk, junk_rate) = scene.under(Kind::Junk, boots);
    let (mixed, mixed_rate) = scene.under(Kind::Mixed, boots);
    scene.close();
    let line = format!(
        "of {A_SECOND} boots a second {alone:.3} alone, {junk:.3} under {junk_rate:.0} junk datagrams a second, {mixed:.3} under {mixed_rate:.0} \
         of which half are well-formed"
    );
    assert!(junk >= 0.8 * alone, "{line}");
    line
}

/// How many machines get an address in so many seconds when each is switched on as soon as another
/// has one, alone and under junk: for comparison, since then the machines themselves take the
/// processor that the flood comes from. Gives the words for the line.
///
/// # Panics
/// When netbootd stops serving.
pub fn flood_at_full_speed(seconds: u32) -> String {
    // Each time anew: a pool that is given away would stop them before any flood does.
    let measured = |flood: Option<Kind>| {
        let mut scene = Scene::open(Site::new(None, 0, ""));
        let machines = Arc::clone(&scene.machines);
        let boots = || {
            let stop = AtomicBool::new(false);
            let told = thread::scope(|scope| {
                let switched_on = scope.spawn(|| machines.switch_on(0, &stop));
                wait::pass(Duration::from_secs(seconds.into()));
                stop.store(true, Ordering::Relaxed);
                switched_on.join().expect("the machines go on").len()
            });
            told as f64 / f64::from(seconds)
        };
        let measured = match flood {
            None => (boots(), 0.0),
            Some(kind) => scene.under(kind, boots),
        };
        scene.close();
        measured
    };
    let (alone, _) = measured(None);
    let (flooded, rate) = measured(Some(Kind::Junk));
    format!(
        "{alone:.0} addresses a second alone, {flooded:.0} under {rate:.0} junk datagrams a second: {:.2} of it",
        flooded / alone.max(1.0)
    )
}

/// netbootd on a processor of its own, and everybody else on another.
struct Scene {
    site: Site,
    machines: Arc<Machines>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing that netbootd could answer.
    Junk,
    /// Half of it could be anybody's.
    Mixed,
}

impl Scene {
    fn open(mut site: Site) -> Self {
        site.lab.add_host("junk");
        site.lab.plug("junk", "lan0", "br0", "10.77.0.66/24");
        let machines = Arc::new(Machines::new(&site.lab, FLEET));
        // A process stays on the processor of its starter.
        run_on(1);
        site.start();
        run_on(0);
        Scene { site, machines }
    }

    /// Does something during a flood; gives its outcome, and how many datagrams a second the flood
    /// had.
    fn under<T>(&mut self, kind: Kind, action: impl FnOnce() -> T) -> (T, f64) {
        let ending = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ending);
        let flooding = self.site.lab.inside("junk", move || send(kind, &ended));
        let outcome = action();
        ending.store(true, Ordering::Relaxed);
        (outcome, flooding.join().expect("the junk goes on"))
    }

    fn close(self) {
        let read = self.site.lab.inside(FLEET, || tftp("PS100005/boot/x64/bootmgfw.efi", |_| true));
        assert!(
            matches!(read.join(), Ok(Ended::Whole(_))),
            "it serves afterwards:\n{}",
            self.site.process().printed()
        );
        let mut all = CpuSet::new();
        (0..CpuSet::count()).for_each(|processor| all.set(processor).expect("there is room for each"));
        let _ = sched_setaffinity(Pid::from_raw(0), &all); // what comes next has them all again
    }
}

/// Keeps this thread, and what it starts, on one processor. With a single one there is nothing to
/// keep apart.
fn run_on(processor: usize) {
    let mut only = CpuSet::new();
    if only.set(processor).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &only);
    }
}

/// Sends until the end; gives how many a second.
fn send(kind: Kind, ending: &AtomicBool) -> f64 {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    let mut seed = Seed::new(9);
    let mut datagrams: Vec<Vec<u8>> = (0..BATCH).map(|n| datagram(kind, n, &mut seed)).collect();
    let ports = [67, 69, 4011];
    let to: Vec<Option<SockaddrIn>> = (0..BATCH)
        .map(|n| if is_question(kind, n) { 67 } else { ports[n % 3] })
        .map(|port| Some(SockaddrIn::from(SocketAddrV4::new(SERVER, port))))
        .collect();
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let (began, mut sent) = (Instant::now(), 0);
    while !ending.load(Ordering::Relaxed) {
        // No made-up machine is heard of twice.
        for (_, bytes) in datagrams.iter_mut().enumerate().filter(|(n, _)| is_question(kind, *n)) {
            let number = (seed.next() as u32 | MADE_UP).to_be_bytes();
            bytes[4..8].copy_from_slice(&number);
            bytes[30..34].copy_from_slice(&number);
        }
        let slices: Vec<[IoSlice<'_>; 1]> = datagrams.iter().map(|bytes| [IoSlice::new(bytes)]).collect();
        let many = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &to, [], MsgFlags::empty());
        // Word that a port is closed comes as an error now and then.
        sent += many.map_or(0, Iterator::count);
    }
    sent as f64 / began.elapsed().as_secs_f64()
}

fn datagram(kind: Kind, n: usize, seed: &mut Seed) -> Vec<u8> {
    if is_question(kind, n) {
        return question(MADE_UP, DISCOVER, RELAY, &[]);
    }
    let mut bytes = seed.bytes(300);
    // Some of it begins like a question of a machine, some like a read request.
    match n % 3 {
        0 => bytes[..4].copy_from_slice(&[1, 1, 6, 0]),
        1 => bytes[..2].copy_from_slice(&[0, 1]),
        _ => {}
    }
    bytes
}

fn is_question(kind: Kind, n: usize) -> bool {
    kind == Kind::Mixed && n.is_multiple_of(2)
}

/// Sent by one call.
const BATCH: usize = 60;
/// Numbers from here on are of machines that there are not.
const MADE_UP: u32 = 1 << 31;
/// Machines of the site.
const KNOWN: u32 = 2000;
/// Of them: a building of ten thousand within ten seconds.
const A_SECOND: u32 = 1000;
