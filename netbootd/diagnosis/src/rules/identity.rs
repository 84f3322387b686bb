//! Identities that several machines share.

use pxe_policy::SystemUuid;

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
