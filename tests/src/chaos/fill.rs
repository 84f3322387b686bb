//! The state's disk is full: no reply leaves for a change that cannot be written, and everything
//! goes on once there is room.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use super::machines::Machines;
use super::power::Disk;
use super::site::{FLEET, Site};
use crate::relayed::mac;
use crate::wait;

/// Fills the disk so many times. Gives the words for the line.
///
/// # Panics
/// When a reply leaves whose change is not written, or none leaves once there is room.
pub fn full_state_disk(count: u32) -> String {
    let disk = Disk::new(24);
    let mut site = Site::new(Some(&disk.path().join("state")), MACHINES, "log-level = \"debug\"\n");
    let machines = Machines::new(&site.lab, FLEET);
    site.start();
    let (mut told, mut next) = (Vec::new(), 0);
    for number in 1..=count {
        let ballast = disk.path().join("ballast");
        fill(&ballast);
        // Earlier writes left some room in the file itself.
        let refused = loop {
            assert!(next < MACHINES, "the ledger takes as many as on an empty disk");
            next += 2;
            match machines.ask(next - 2) {
                Some(machine) => told.push(machine),
                None => break next - 2,
            }
        };
        let words = usize::try_from(number).unwrap_or(usize::MAX);
        site.process().wait_for_count("reason=ledger-not-saved", words, PATIENCE);
        let (mac, other) = (text(refused), text(refused + 2));
        let named = || {
            let finding = &site.status(&mac)["finding"];
            finding["cause"] == "ledger-not-saved"
                && finding["evidence"].to_string().contains("the disk of the state folder")
        };
        wait::until(PATIENCE, named, || format!("{:#}", site.status(&mac)));
        std::fs::remove_file(&ballast).expect("the disk can be emptied");
        let machine = machines.ask(refused).expect("there is room again");
        assert!(machine.boots, "it is given what it was not given before:\n{}", site.process().printed());
        told.push(machine);
        // A machine that comes while there is room.
        next += 2;
        told.extend(machines.ask(refused + 2));
        for mac in [mac, other] {
            let is_well = || site.status(&mac)["finding"].is_null();
            wait::until(PATIENCE, is_well, || format!("{:#}", site.status(&mac)));
        }
    }
    site.kill();
    disk.restore();
    site.start();
    let ledger = site.ledger();
    let lost: Vec<_> =
        told.iter().filter(|told| told.boots && !ledger.contains(&format!("pc-{}", told.n))).collect();
    assert!(lost.is_empty(), "not in the ledger: {lost:?}");
    assert_eq!(machines.confirm(&told), [], "leases lost");
    drop(site);
    format!("{} machines told, all of it written; what was not written was told to nobody", told.len())
}

fn text(n: u32) -> String {
    mac(n).map(|byte| format!("{byte:02x}")).join(":")
}

/// Writes until nothing more fits.
fn fill(ballast: &std::path::Path) {
    let mut file = File::create(ballast).expect("the disk takes a name");
    for size in [64 << 10, 1 << 10] {
        while file.write_all(&vec![7; size]).and_then(|()| file.sync_data()).is_ok() {}
    }
}

const MACHINES: u32 = 20_000;
const PATIENCE: Duration = Duration::from_secs(20);
