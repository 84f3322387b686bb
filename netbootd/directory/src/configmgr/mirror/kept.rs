//! The copy of the site on the disk: its rows, and how it is read at the start.

use std::sync::Arc;

use netbootd_net::with_causes;
use netbootd_state::site_file::{SiteChange, SiteFile};
use tracing::warn;

use super::Mirror;
use super::content::{Content, ContentRows};
use super::device::Device;
use super::model::Model;
use super::places::{PlaceRows, Places};
use super::status::{Meta, Status};
use crate::configmgr::tables::{TableRows, Tables};

/// A collection as the file holds it: the site's stamp, and the members.
type Members = (Option<String>, Vec<u32>);

impl Mirror {
    /// Reads the file, unless that was done for this site. Blocks.
    pub(super) fn load(&self, url: &str) {
        if self.status.lock().is_loaded(url) {
            return;
        }
        let file =
            match self.file.lock().take().map_or_else(|| SiteFile::open(&self.folder).map(Arc::new), Ok) {
                Ok(file) => Some(file),
                Err(error) => {
                    warn!("the copy of the site is kept in memory alone: {}", with_causes(&error));
                    None
                }
            };
        let mut status = Status { url: url.to_owned(), loaded: true, ..Status::default() };
        let model = match &file {
            Some(file) => read(file, &mut status),
            None => Model::default(),
        };
        *self.model.write() = model;
        *self.status.lock() = status;
        *self.file.lock() = file;
    }

    /// Writes changes to the file. Changes that cannot be written are read from the site after a
    /// restart.
    pub(super) async fn save(&self, changes: Vec<SiteChange>) {
        let file = self.file.lock().clone();
        let Some(file) = file.filter(|_| !changes.is_empty()) else { return };
        let written = tokio::task::spawn_blocking(move || file.write(&changes)).await;
        let error = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => with_causes(&error),
            Err(error) => error.to_string(),
        };
        warn!("the copy of the site is not written any more: {error}");
        *self.file.lock() = None;
    }

    /// The row about the copy's age.
    pub(super) fn meta(&self) -> SiteChange {
        let meta = self.status.lock().meta();
        (META.to_owned(), Some(serde_json::to_vec(&meta).unwrap_or_default()))
    }
}

impl Status {
    fn is_loaded(&self, url: &str) -> bool {
        self.loaded && self.url == url
    }
}

/// The row of a device.
pub(super) fn device(device: &Device) -> SiteChange {
    (device_key(device.id), Some(device.written()))
}

/// A device that is gone.
pub(super) fn no_device(id: u32) -> SiteChange {
    (device_key(id), None)
}

/// The members of a collection.
pub(super) fn members(collection: &str, stamp: Option<&str>, members: &[u32]) -> SiteChange {
    let row = serde_json::to_vec(&(stamp, members)).unwrap_or_default();
    (format!("{MEMBERS}{collection}"), Some(row))
}

/// A collection that nothing is deployed to any more.
pub(super) fn no_members(collection: &str) -> SiteChange {
    (format!("{MEMBERS}{collection}"), None)
}

/// The tables, and their bytes.
pub(super) fn tables(rows: &TableRows) -> Vec<u8> {
    serde_json::to_vec(rows).unwrap_or_default()
}

/// The row of the tables.
pub(super) fn tables_row(bytes: Vec<u8>) -> SiteChange {
    (TABLES.to_owned(), Some(bytes))
}

/// The row of boundaries and servers.
pub(super) fn places(rows: &PlaceRows) -> SiteChange {
    (PLACES.to_owned(), Some(serde_json::to_vec(rows).unwrap_or_default()))
}

/// The row of boot images and their content.
pub(super) fn content(rows: &ContentRows) -> SiteChange {
    (CONTENT.to_owned(), Some(serde_json::to_vec(rows).unwrap_or_default()))
}

/// The copy in a file, which is emptied when it is of another site or cannot be read.
fn read(file: &SiteFile, status: &mut Status) -> Model {
    let mut model = Model::default();
    let (mut meta, mut bad) = (None, 0);
    let read = file.each(|key, value| {
        if take_row(&mut model, &mut meta, key, value).is_none() {
            bad += 1;
        }
    });
    if let Err(error) = &read {
        warn!("the copy of the site cannot be read and is made anew: {}", with_causes(error));
    }
    // Rows that are unreadable are missing: the copy is not whole then.
    let is_good = read.is_ok() && bad == 0 && meta.is_some_and(|meta| status.restore(&meta));
    if is_good {
        return model;
    }
    if let Err(error) = file.clear() {
        warn!("the copy of the site cannot be emptied: {}", with_causes(&error));
    }
    Model::default()
}

fn take_row(model: &mut Model, meta: &mut Option<Meta>, key: &str, value: &[u8]) -> Option<()> {
    if let Some(id) = key.strip_prefix(DEVICE) {
        model.put(Device::read(id.parse().ok()?, value)?);
    } else if let Some(collection) = key.strip_prefix(MEMBERS) {
        let (stamp, members): Members = serde_json::from_slice(value).ok()?;
        let change = model.members.change(collection, &members);
        model.members.apply(collection, &change);
        model.members.seal(collection, members, stamp);
    } else if key == TABLES {
        let rows: TableRows = serde_json::from_slice(value).ok()?;
        model.tables = Arc::new(Tables::of_rows(&rows));
    } else if key == PLACES {
        model.places = Arc::new(Places::of_rows(&serde_json::from_slice(value).ok()?));
    } else if key == CONTENT {
        model.content = Arc::new(Content::of_rows(&serde_json::from_slice(value).ok()?));
    } else if key == META {
        *meta = Some(serde_json::from_slice(value).ok()?);
    }
    Some(())
}

fn device_key(id: u32) -> String {
    format!("{DEVICE}{id}")
}

const DEVICE: &str = "device/";
const MEMBERS: &str = "members/";
const TABLES: &str = "tables";
const PLACES: &str = "places";
const CONTENT: &str = "content";
const META: &str = "meta";
