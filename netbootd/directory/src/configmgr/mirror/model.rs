//! The site as it is kept in memory: devices by their identifiers, their collections, and the
//! tables that are joined with them. No clock, no network.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use pxe_policy::{DirectoryAnswer, Identity, MacAddr, Purpose, Record, SystemUuid};

use serde::Serialize;

use super::content::Content;
use super::device::Device;
use super::members::Members;
use super::places::Places;
use crate::configmgr::tables::Tables;

/// A copy of the site.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) tables: Arc<Tables>,
    pub(super) members: Members,
    pub(super) places: Arc<Places>,
    pub(super) content: Arc<Content>,
    devices: HashMap<u32, Device>,
    by_uuid: HashMap<SystemUuid, Vec<u32>>,
    by_mac: HashMap<MacAddr, Vec<u32>>,
}

/// An identifier that several live records have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// The word `mac` or `guid`.
    pub kind: &'static str,
    /// As the site's list of duplicates takes it.
    pub value: String,
    /// The names of the records.
    pub names: Vec<String>,
}

/// The copy's knowledge of a machine.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// No live record: the site has to be asked.
    Nothing,
    /// These records, and nothing that must be current.
    Answer(Box<DirectoryAnswer>),
    /// The records with these ids, and a Required deployment among them: the site must confirm it.
    Confirm(Vec<u32>, Box<DirectoryAnswer>),
}

impl Model {
    /// The copy's knowledge of a machine.
    pub(super) fn look_up(&self, who: &Identity) -> Known {
        let (uuid, mac, left_out) = self.tables.screen(who);
        let by_uuid = uuid.and_then(|uuid| self.by_uuid.get(&uuid)).map(Vec::as_slice).unwrap_or_default();
        let by_mac = mac.and_then(|mac| self.by_mac.get(&mac)).map(Vec::as_slice).unwrap_or_default();
        let records = |ids: &[u32]| -> Vec<Record> {
            ids.iter().take(MAX_RECORDS).filter_map(|id| self.record(*id)).collect()
        };
        let said = DirectoryAnswer {
            by_uuid: records(by_uuid),
            by_mac: records(by_mac),
            decides: true,
            left_out,
            ..DirectoryAnswer::default()
        };
        let all = || said.by_uuid.iter().chain(&said.by_mac);
        if !all().any(|record| !record.retired) {
            return Known::Nothing;
        }
        if !all().any(is_required) {
            return Known::Answer(Box::new(said));
        }
        let mut ids = [by_uuid, by_mac].concat();
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(MAX_RECORDS);
        Known::Confirm(ids, Box::new(said))
    }

    /// The ids of the records that a machine is found by.
    pub(super) fn ids(&self, who: &Identity) -> Vec<u32> {
        let by_uuid = who.uuid.and_then(|uuid| self.by_uuid.get(&uuid));
        let found = by_uuid.into_iter().chain(self.by_mac.get(&who.mac)).flatten();
        found.copied().take(MAX_RECORDS).collect()
    }

    /// Puts a device in, instead of the one with its id. False when it is as it was.
    pub(super) fn put(&mut self, device: Device) -> bool {
        match self.devices.get(&device.id) {
            Some(old) if *old == device => return false,
            Some(_) => drop(self.remove(device.id)),
            None => {}
        }
        if let Some(uuid) = device.uuid {
            self.by_uuid.entry(uuid).or_insert_with(|| Vec::with_capacity(1)).push(device.id);
        }
        for mac in &device.macs {
            self.by_mac.entry(*mac).or_insert_with(|| Vec::with_capacity(1)).push(device.id);
        }
        self.devices.insert(device.id, device);
        true
    }

    /// Removes a device. Its memberships go with their collections' lists.
    pub(super) fn remove(&mut self, id: u32) -> Option<Device> {
        let device = self.devices.remove(&id)?;
        if let Some(uuid) = device.uuid {
            drop_id(&mut self.by_uuid, &uuid, id);
        }
        for mac in &device.macs {
            drop_id(&mut self.by_mac, mac, id);
        }
        Some(device)
    }

    /// One device by its id.
    pub(super) fn device(&self, id: u32) -> Option<&Device> {
        self.devices.get(&id)
    }

    /// Every device, in no order.
    pub(super) fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// How many devices there are.
    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }

    /// Identifiers that records of different machines have, and that the site's list of duplicates
    /// has not: a dongle that many were installed with, or a board without a GUID of its own.
    pub(super) fn shared(&self) -> Vec<Shared> {
        let live = |ids: &[u32]| -> Vec<&Device> {
            ids.iter().filter_map(|id| self.devices.get(id)).filter(|device| !device.retired).collect()
        };
        let names = |devices: &[&Device]| devices.iter().map(|device| device.name.to_string()).collect();
        let differ = |devices: &[&Device]| {
            let guids: HashSet<SystemUuid> = devices.iter().filter_map(|device| device.uuid).collect();
            guids.len() > 1
        };
        let by_mac = self.by_mac.iter().filter(|(mac, ids)| ids.len() > 1 && !self.tables.lists_mac(**mac));
        let macs = by_mac.filter_map(|(mac, ids)| {
            let devices = live(ids);
            let value = mac.to_string().to_ascii_uppercase();
            differ(&devices).then(|| Shared { kind: "mac", value, names: names(&devices) })
        });
        let by_uuid =
            self.by_uuid.iter().filter(|(uuid, ids)| ids.len() > 1 && !self.tables.lists_guid(**uuid));
        let guids = by_uuid.filter_map(|(uuid, ids)| {
            let devices = live(ids);
            let value = uuid.to_string().to_ascii_uppercase();
            let others: HashSet<&str> = devices.iter().map(|device| &*device.name).collect();
            (others.len() > 1).then(|| Shared { kind: "guid", value, names: names(&devices) })
        });
        let mut shared: Vec<Shared> = macs.chain(guids).collect();
        shared.sort_by(|a, b| b.names.len().cmp(&a.names.len()).then(a.value.cmp(&b.value)));
        shared
    }

    fn record(&self, id: u32) -> Option<Record> {
        let deployments = self.tables.deployments_of(self.members.of(id));
        Some(self.devices.get(&id)?.record(deployments))
    }
}

/// Whether a record has a deployment that must be current. One that PXE does not see starts
/// nothing.
fn is_required(record: &Record) -> bool {
    let live = !record.retired;
    live && record.deployments.iter().any(|one| one.for_pxe && one.purpose == Purpose::Required)
}

fn drop_id<K: Eq + Hash>(map: &mut HashMap<K, Vec<u32>>, key: &K, id: u32) {
    if let Some(ids) = map.get_mut(key) {
        ids.retain(|one| *one != id);
        if ids.is_empty() {
            map.remove(key);
        }
    }
}

/// Records of one identifier: more share it only by mistake, such as a dongle that a department
/// images with.
const MAX_RECORDS: usize = 16;
