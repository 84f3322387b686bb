//! Identities that several machines share.

use pxe_policy::{Evidence, SystemUuid};

use super::specific;
use crate::case::Case;
use crate::cause::Cause;
use crate::finding::{Finding, Seen};

pub(super) fn guid(case: &Case<'_>) -> Option<Finding> {
    case.machine.uuids().iter().rev().find_map(|uuid| {
        let (macs, boots) = case.fleet.with_guid(*uuid);
        let enough = boots >= SHARED || macs.len() > CARDS || uuid.is_placeholder() && macs.len() > 1;
        enough
            .then(|| Finding::new(Cause::SharedGuid, specific::IDENTITY).with([Seen::SameGuid(*uuid, macs)]))
    })
}

/// The machine boots by a record of another one, which has the same GUID and boots as well: not two
/// network cards of one machine, of which one boots.
pub(super) fn record(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let decided = boot.offer.iter().chain(&boot.named).map(|(_, decided)| decided);
    let mut listed = decided.flat_map(|decided| &decided.evidence).filter_map(|evidence| match evidence {
        Evidence::OtherAddress { macs, .. } => Some((macs, evidence)),
        _ => None,
    });
    let (macs, evidence) = listed.next()?;
    let uuid = boot.uuid?;
    let booted = case.fleet.booted_with(uuid);
    let owner = booted.iter().find(|mac| macs.contains(mac))?;
    let seen = [Seen::Decision(evidence.clone()), Seen::SameGuid(uuid, vec![*owner, case.mac])];
    booted.contains(&case.mac).then(|| Finding::new(Cause::AnothersRecord, specific::IDENTITY + 1).with(seen))
}

/// One hardware address with the GUIDs of several machines; BIOS and UEFI of one machine may write
/// its GUID in two byte orders.
pub(super) fn adapter(case: &Case<'_>) -> Option<Finding> {
    let mut uuids: Vec<SystemUuid> = Vec::new();
    for uuid in case.machine.uuids().iter().filter(|uuid| !uuid.is_placeholder()) {
        let swapped = SystemUuid::from_network_order(uuid.wire());
        if !uuids.contains(uuid) && !uuids.contains(&swapped) {
            uuids.push(*uuid);
        }
    }
    let several = uuids.len() > 1;
    several.then(|| Finding::new(Cause::SharedAdapter, specific::IDENTITY - 5).with([Seen::Guids(uuids)]))
}

/// One machine may fetch files by two network cards, or by a dock.
const SHARED: usize = 3;
/// Firmware of servers asks by each of their network cards, one after the other.
const CARDS: usize = 4;
