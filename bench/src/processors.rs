//! Clients and servers have processors of their own, as in a network, or take turns on the servers'
//! own.
//!
//! Left to themselves a figure is the scheduler's: a server that happens to run where its client
//! does is woken without a word to another processor, and the same server elsewhere needs three
//! times as long for a block. And a virtual processor that has halted takes some 40 µs to run
//! again, so a process of the idle class spins on each where that counts, as the kernel's
//! `idle=poll` would; whatever wants to run goes before it at once. Not where disks count: the
//! hypervisor writes with the same processors, and a flush takes forty times as long when none of
//! them ever halts.

use std::process::Command;
use std::sync::OnceLock;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use netbootd_tests::{Lab, Process};

/// Processes that keep the processors from halting.
#[derive(Debug)]
pub struct Awake(#[allow(dead_code)] Vec<Process>); // held for its end

/// From now on. This process, its threads and what it starts are the clients; servers start with
/// [`server`].
pub fn apart() {
    split();
}

/// The same, and no processor halts as long as what comes back is held.
pub fn apart_and_awake() -> Awake {
    Awake(split().into_iter().map(spin).collect())
}

/// Splits the processors between clients and servers; gives all of them.
fn split() -> Vec<usize> {
    let none = Pid::from_raw(0);
    let mine = sched_getaffinity(none).unwrap_or_else(|_| CpuSet::new());
    let all: Vec<usize> = (0..CpuSet::count()).filter(|n| mine.is_set(*n).unwrap_or(false)).collect();
    if let (clients @ [_, ..], servers) = all.split_at(all.len() / 2) {
        stay_on(clients);
        let _ = SERVERS.set(servers.to_vec()); // set once, for a process runs one bench
    }
    all
}

/// This thread, a client, takes turns with the servers on their processors.
pub fn beside_servers() {
    if let Some(servers) = SERVERS.get() {
        stay_on(servers);
    }
}

/// A server's command in a host of the laboratory, on the servers' processors.
pub fn server(lab: &Lab, host: &str, program: &str) -> Command {
    let Some(servers) = SERVERS.get() else { return lab.command(host, program) };
    let mut command = lab.command(host, "taskset");
    command.args(["--cpu-list", &list(servers), program]);
    command
}

/// How many processors servers have.
pub fn of_servers() -> usize {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    SERVERS.get().map_or_else(all, Vec::len)
}

fn stay_on(processors: &[usize]) {
    let mut set = CpuSet::new();
    let chosen = processors.iter().all(|n| set.set(*n).is_ok());
    assert!(chosen && sched_setaffinity(Pid::from_raw(0), &set).is_ok(), "the processors cannot be chosen");
}

fn spin(processor: usize) -> Process {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &list(&[processor]), "chrt", "--idle", "0"]);
    Process::start("chrt", command.args(["sh", "-c", "while :; do :; done"]))
}

fn list(processors: &[usize]) -> String {
    processors.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

static SERVERS: OnceLock<Vec<usize>> = OnceLock::new();
