//! Identities that several machines share.

use super::specific;
use crate::cause::Cause;
use crate::diagnosis::Case;
use crate::finding::{Finding, Seen};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    case.machine.uuids().iter().rev().find_map(|uuid| {
        let macs = case.fleet.with_guid(*uuid);
        let enough = macs.len() >= SHARED || uuid.is_placeholder() && macs.len() > 1;
        enough
            .then(|| Finding::new(Cause::SharedGuid, specific::IDENTITY).with([Seen::SameGuid(*uuid, macs)]))
    })
}

/// One machine may have two network cards, or a dock.
const SHARED: usize = 3;
