//! SIGKILL, or the loss of power, at any instant under load: nothing of a reply that left is
//! forgotten, no blob is damaged.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imagestore::{Quiet, Store, StoreLimits};

use super::clients::readers;
use super::machines::{Machines, Told};
use super::macs::{self, Chosen, Macs};
use super::power::Disk;
use super::seed::Seed;
use super::site::{FILE, FLEET, Site};
use crate::netbootd;
use crate::process::stand_still;
use crate::wait;

/// An event of the kill suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Kill,
    PowerLoss,
}

/// Kills netbootd so many times, with a new state after some. Gives the words for the line.
///
/// # Panics
/// When something is lost or damaged.
pub fn kills(count: u32) -> String {
    all(Blow::Kill, count)
}

/// Takes the power away so many times. Gives the words for the line.
///
/// # Panics
/// When something is lost or damaged.
pub fn power_losses(count: u32) -> String {
    all(Blow::PowerLoss, count)
}

/// The work between the kills.
#[derive(Debug, Default)]
struct Counted {
    leases: usize,
    entries: usize,
    choices: usize,
    images: usize,
    files: usize,
    starting: Vec<Duration>,
}

fn all(blow: Blow, count: u32) -> String {
    let mut counted = Counted::default();
    for batch in 0..count.div_ceil(BATCH) {
        series(blow, u64::from(batch) + 1, BATCH.min(count - batch * BATCH), &mut counted);
    }
    let Counted { leases, entries, choices, images, files, mut starting } = counted;
    starting.sort_unstable();
    let start = starting.get(starting.len() / 2).copied().unwrap_or_default();
    format!(
        "{leases} leases, {entries} ledger entries, {choices} choices of Macs and {images} images told before, {files} files read; \
         none lost, no blob damaged; ready after {} ms",
        start.as_millis()
    )
}

/// Blows one after the other on one state.
fn series(blow: Blow, seed: u64, count: u32, counted: &mut Counted) {
    let mut seed = Seed::new(seed);
    let disk = (blow == Blow::PowerLoss).then(|| Disk::new(400));
    let state = disk.as_ref().map(|disk| disk.path().join("state"));
    let mut site = Site::new(state.as_deref(), MACHINES * count, "");
    let (machines, macs) = (Machines::new(&site.lab, FLEET), Macs::new(&site.lab, FLEET));
    let mut importer = Importer::new(&site);
    let (mut told, mut checked, mut chosen) = (Vec::<Told>::new(), 0, Vec::<Chosen>::new());
    for round in 0..count {
        if round % 5 == 4 {
            // While it starts.
            site.spawn();
            wait::pass(seed.instant(STARTING));
        } else {
            counted.starting.push(site.start());
            check(&site, &machines, &told, checked);
            macs::check(&site, &chosen);
            checked = told.len();
            let (stop, longest) = (AtomicBool::new(false), seed.instant(LOADED));
            thread::scope(|scope| {
                let choosing = scope.spawn(|| macs.choose(round * MACHINES, &stop));
                let switched_on = scope.spawn(|| machines.switch_on(round * MACHINES, &stop));
                let (content, ending) = (site.content.clone(), std::sync::Arc::new(AtomicBool::new(false)));
                let ended = std::sync::Arc::clone(&ending);
                let reading = site.lab.inside(FLEET, move || readers(FILE, &content, &ended));
                let began = Instant::now();
                while began.elapsed() < longest {
                    importer.go_on(&mut seed);
                    wait::pass(Duration::from_millis(2));
                }
                if let Some(disk) = &disk {
                    // A host without power tells nobody anything, and a file system that is told to
                    // stop may still say that it has synced.
                    site.stand_still();
                    importer.stand_still();
                    disk.lose_power();
                }
                site.kill();
                stop.store(true, Ordering::Relaxed);
                ending.store(true, Ordering::Relaxed);
                told.extend(switched_on.join().expect("the machines go on"));
                chosen.extend(choosing.join().expect("the Macs go on"));
                counted.files += reading.join().expect("the readers go on");
            });
        }
        site.kill();
        importer.kill();
        if let Some(disk) = &disk {
            disk.restore();
        }
        importer.check(round);
    }
    site.start();
    check(&site, &machines, &told, 0);
    macs::check(&site, &chosen);
    counted.choices += chosen.len();
    counted.leases += told.len();
    counted.entries += told.iter().filter(|told| told.boots).count();
    counted.images += importer.committed.len();
}

/// Every reply that left is still true: of the ledger all, of the leases those from a number on.
fn check(site: &Site, machines: &Machines, told: &[Told], from: usize) {
    let ledger = site.ledger();
    let ledger: std::collections::HashSet<&str> = ledger.iter().map(String::as_str).collect();
    let lost: Vec<&Told> = told
        .iter()
        .filter(|told| told.boots && !ledger.contains(format!("pc-{}", told.n).as_str()))
        .collect();
    assert!(lost.is_empty(), "not in the ledger: {lost:?}\n{}", site.process().printed());
    let lost = machines.confirm(&told[from..]);
    assert!(lost.is_empty(), "leases lost: {lost:?}\n{}", site.process().printed());
}

/// Images that are taken into the store, one after the other, by a process of their own.
struct Importer {
    store: PathBuf,
    folder: PathBuf,
    number: u32,
    running: Option<Child>,
    committed: Vec<String>,
}

impl Importer {
    fn new(site: &Site) -> Self {
        let folder = site.lab.folder().join("sources");
        fs::create_dir_all(&folder).expect("the folder can be written");
        let store = site.state.join("images");
        Importer { store, folder, number: 0, running: None, committed: Vec::new() }
    }

    fn name(&self) -> String {
        format!("image-{}", self.number)
    }

    /// Starts the next one when the last one is done.
    fn go_on(&mut self, seed: &mut Seed) {
        if let Some(child) = &mut self.running {
            match child.try_wait().expect("the import is a child") {
                None => return,
                Some(status) => self.ended(status.success()),
            }
        }
        self.number += 1;
        let source = self.folder.join(self.name());
        fs::create_dir_all(&source).expect("the folder can be written");
        for file in ["boot.wim", "boot.sdi", "bcd"] {
            fs::write(source.join(file), seed.bytes(150_000)).expect("the folder can be written");
        }
        let mut command = Command::new(netbootd::program());
        command.args(["image", "import", "--name", &self.name(), "--store"]).arg(&self.store).arg(&source);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.running = Some(child.expect("netbootd can be run"));
    }

    fn stand_still(&self) {
        self.running.iter().for_each(|child| stand_still(child.id()));
    }

    fn ended(&mut self, well: bool) {
        self.running = None;
        if well {
            self.committed.push(self.name());
        }
        let _ = fs::remove_dir_all(self.folder.join(self.name())); // it only takes room
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill(); // it may have ended by itself
            let well = child.wait().is_ok_and(|status| status.success());
            self.ended(well);
        }
    }

    /// Committed images are whole; the next writer sweeps the rest.
    fn check(&self, round: u32) {
        let store = Store::open(&self.store, StoreLimits::default()).expect("the store opens");
        let catalogue = store.catalogue().unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        let lost: Vec<&String> =
            self.committed.iter().filter(|name| !catalogue.images.contains_key(*name)).collect();
        assert!(lost.is_empty(), "round {round}: not in the catalogue: {lost:?}");
        let scrubbed = store.scrub(&mut Quiet).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert!(scrubbed.bad.is_empty() && scrubbed.missing.is_empty(), "round {round}: {scrubbed:?}");
        drop(store.write().expect("nobody writes"));
        let left = fs::read_dir(self.store.join("incoming")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "round {round}: leftovers are swept");
    }
}

impl Drop for Importer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Blows on one state.
const BATCH: u32 = 50;
/// Machines that are switched on between two blows, about.
const MACHINES: u32 = 400;
/// The longest load between two kills.
const LOADED: Duration = Duration::from_millis(400);
/// As long as a start takes.
const STARTING: Duration = Duration::from_millis(250);
