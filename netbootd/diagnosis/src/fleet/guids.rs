//! The GUIDs of the fleet, with the hardware addresses that they come with.

use std::time::SystemTime;

use pxe_policy::{MacAddr, SystemUuid};

use super::{Fleet, Holder, MAX_CARDS, MAX_MACHINES, lately};
use crate::machine::Machine;

impl Fleet {
    pub(super) fn learn_guid(&mut self, uuid: SystemUuid, mac: MacAddr, at: SystemTime) {
        let holders = self.guids.get_or_insert_mut(uuid, Vec::new);
        let boots = holders.iter().any(|holder| holder.mac == mac && holder.boots);
        holders.retain(|holder| holder.mac != mac && lately(holder.seen, at));
        holders.push(Holder { mac, seen: at, boots });
        if holders.len() > MAX_MACHINES {
            holders.remove(0);
        }
    }

    pub(super) fn learn_boots(&mut self, mac: MacAddr, machine: &Machine) {
        let uuid = machine.boot().and_then(|boot| boot.uuid);
        let holders = uuid.and_then(|uuid| self.guids.get_mut(&uuid)).into_iter().flatten();
        holders.filter(|holder| holder.mac == mac).for_each(|holder| holder.boots = true);
    }

    /// The hardware addresses that were seen with a GUID in the last day, the given one among
    /// them, and how many of them fetched files.
    pub(crate) fn with_guid(&self, uuid: SystemUuid) -> (Vec<MacAddr>, usize) {
        let holders = self.guids.peek(&uuid).map(Vec::as_slice).unwrap_or_default();
        let boots = holders.iter().filter(|holder| holder.boots).count();
        (holders.iter().map(|holder| holder.mac).collect(), boots)
    }

    /// The hardware addresses that came with a GUID in the last day and fetched files.
    pub(crate) fn booted_with(&self, uuid: SystemUuid) -> Vec<MacAddr> {
        let holders = self.guids.peek(&uuid).into_iter().flatten();
        holders.filter(|holder| holder.boots).map(|holder| holder.mac).collect()
    }

    /// Another network card of a machine that spoke since: the same GUID, and no GUID that many
    /// machines have.
    pub(crate) fn other_card(
        &self,
        uuids: &[SystemUuid],
        mac: MacAddr,
        since: SystemTime,
    ) -> Option<MacAddr> {
        let own = uuids.iter().filter(|uuid| !uuid.is_placeholder());
        let mut cards = own.filter_map(|uuid| self.guids.peek(uuid)).filter(|macs| macs.len() <= MAX_CARDS);
        cards.find_map(|macs| {
            macs.iter().find(|holder| holder.mac != mac && holder.seen > since).map(|holder| holder.mac)
        })
    }
}
