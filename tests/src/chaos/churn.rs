//! Seventy-two hours of machines that come and go, in simulated time: memory and open files stay as
//! they are, once with a few machines that come back, and once with new ones all the time.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use netbootd_config::Config;
use netbootd_dhcp::Iface;
use netbootd_dhcp::v4::{Arrival, Packet};
use netbootd_server::daemon::{self, Daemon};
use netbootd_server::dhcp_server::DhcpServer;
use netbootd_server::services::{Services, Snapshot};
use netbootd_state::file::State;
use netbootd_state::leases::Clock;
use netbootd_telemetry::event::{
    Event, Negotiated, Proto, TransferFinished, TransferOutcome, TransferStarted,
};
use pxe_policy::MacAddr;

use crate::relayed::{ACK, DISCOVER, OFFER, REQUEST, Reply, mac, question};

/// So many sessions of two hundred machines: an address, a decision, a transfer each. Gives the
/// words for the line.
///
/// # Panics
/// When a machine is not served, or when memory or open files grow.
pub fn churn(count: u32) -> String {
    stay_flat(count, MACHINES, SETTLED)
}

/// So many sessions, each of another machine: tables of machines are full before memory is looked
/// at first, and stay as they are. Gives the words for the line.
///
/// # Panics
/// When a machine is not served, or when memory or open files grow.
pub fn strangers(count: u32) -> String {
    stay_flat(count, count, FULL)
}

fn stay_flat(count: u32, machines: u32, settled: u32) -> String {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let seen = runtime.block_on(sessions(folder.path(), count, machines, settled));
    let [(_, before, files), .., (_, after, files_after)] = seen[..] else {
        panic!("memory was looked at {} times", seen.len())
    };
    let shown: Vec<String> = seen.iter().map(|(at, kb, _)| format!("{kb} kB after {at}")).collect();
    let shown = shown.join(", ");
    assert!(after <= before + before / 10, "{shown} sessions");
    assert!(files_after <= files, "{files} open files, and {files_after} later");
    format!("72 hours of {machines} machines: {shown} sessions; {files} and {files_after} files open")
}

/// After how many sessions memory was looked at, the kilobytes, and the open files.
type Look = (u32, u64, usize);

/// Memory and files once memory has settled, a few times on the way, and at the end.
async fn sessions(folder: &Path, count: u32, machines: u32, settled: u32) -> Vec<Look> {
    fs::create_dir_all(folder.join("root")).expect("the folder can be written");
    fs::write(folder.join("root/boot.efi"), "a boot program").expect("the folder can be written");
    let text = format!("[boot]\nroot = {:?}\n{CONFIGURATION}", folder.join("root"));
    let (config, _) =
        Config::parse(&text, Path::new("churn.toml"), None).expect("the configuration is right");
    let state = Arc::new(State::open(&folder.join("state")).expect("a state file"));
    let now = Arc::new(AtomicU64::new(1_000_000));
    let read = Arc::clone(&now);
    let clock = Clock::new(move || read.load(Ordering::Relaxed));
    let server = DhcpServer::open_by(&config, vec![SERVER], Arc::clone(&state), clock).expect("leases");
    let snapshot = Snapshot::new(config, None).expect("the folders are there");
    let services = Services::open(snapshot, Arc::clone(&state)).expect("the state is new");
    let daemon = Arc::new(Daemon::open(services, state).expect("the state is new"));
    let services = &daemon.services;
    tokio::spawn(daemon::follow(Arc::clone(&daemon), services.recorder.watch()));
    let net = format!("{SERVER}/24").parse().expect("an address");
    let iface = Iface { name: "lan0".into(), index: 2, mac: None, addrs: vec![net], addrs6: Vec::new() };
    let mut seen = Vec::new();
    for session in 0..count {
        now.store(1_000_000 + u64::from(session) * THREE_DAYS / u64::from(count), Ordering::Relaxed);
        one(services, &server, &iface, session % machines).await;
        let done = session + 1;
        // These sessions come faster than any machines: the disk is given their steps every two
        // seconds, and loses the rest.
        if done <= settled && done.is_multiple_of(settled.div_ceil(FLUSHES)) {
            tokio::time::sleep(daemon::FLUSH_EVERY).await;
        }
        let on_the_way = done > settled && done.is_multiple_of(count.div_ceil(LOOKS));
        if done == settled || done == count || on_the_way {
            let (resident, files) = look();
            seen.push((done, resident, files));
        }
    }
    seen
}

async fn one(services: &Services, server: &DhcpServer, iface: &Iface, n: u32) {
    let ask = async |bytes: Vec<u8>| {
        let packet = Packet::parse(&bytes).expect("a packet as firmware sends it");
        let arrival = Arrival::new(iface, SERVER, SocketAddrV4::new(RELAY, 67));
        let answer = server.answer(services, &packet, &arrival).await.expect("nothing overtakes it");
        let answer = services.commit(answer).await;
        let reply = answer.reply.as_ref().and_then(|reply| Reply::parse(&reply.bytes));
        services.recorder.record(Event::Decided(answer.event));
        reply.expect("a reply")
    };
    let offer = ask(question(n, DISCOVER, RELAY, &[])).await;
    assert_eq!(offer.kind, OFFER);
    let chosen = [&[54, 4], offer.identifier.as_slice(), &[50, 4], &offer.address.octets()].concat();
    let ack = ask(question(n, REQUEST, RELAY, &chosen)).await;
    assert_eq!((ack.kind, ack.boots), (ACK, true));
    let (id, peer) = (services.recorder.transfer_id(), SocketAddr::from((ack.address, 2070)));
    let (mac, path) = (Some(MacAddr(mac(n))), Arc::<str>::from("boot.efi"));
    assert_eq!(services.machines.mac_of(ack.address), mac);
    services.recorder.record(Event::TransferStarted(TransferStarted {
        id,
        proto: Proto::Tftp,
        peer,
        mac,
        path: Arc::clone(&path),
        size: Some(14),
        negotiated: Negotiated::default(),
        block_size: Some(1468),
        program: None,
        partial: false,
        substitute: None,
        proved: true,
        configuration: None,
    }));
    services.recorder.record(Event::TransferFinished(TransferFinished {
        id,
        proto: Proto::Tftp,
        peer,
        mac,
        path,
        partial: false,
        outcome: TransferOutcome::Completed,
        bytes: 14,
        blocks: 1,
        resends: 0,
        proved: true,
        elapsed: Duration::from_millis(1),
        detail: None,
        program: None,
    }));
}

fn look() -> (u64, usize) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(u64::MAX);
    (resident, fs::read_dir("/proc/self/fd").map_or(0, Iterator::count))
}

const CONFIGURATION: &str = "[dhcp]\nmode = \"server\"\nconflict-probe = false\n[[dhcp.subnet]]\nsubnet = \"10.78.0.0/16\"\n\
    pool = \"10.78.1.0-10.78.250.0\"\nlease-time = \"10m\"\n\
    [[rule]]\nname = \"all\"\nmatch = { class = \"pxe\" }\naction.boot = { file = \"boot.efi\" }\n";
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
/// Each comes back in turn, often enough before memory is looked at that all that is kept of it is
/// full.
const MACHINES: u32 = 200;
/// Sessions after which memory is as it will be.
const SETTLED: u32 = 10_000;
/// The same when each is another machine's: more than any table remembers.
const FULL: u32 = 100_000;
/// So often steps have been written before memory is looked at first: more of them than is kept of
/// the file in memory.
const FLUSHES: u32 = 5;
/// How often memory is looked at on the way.
const LOOKS: u32 = 4;
const THREE_DAYS: u64 = 72 * 3600;
