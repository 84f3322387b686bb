//! One record of a machine, small enough that 175,000 of them fit into memory.

use pxe_policy::{Deployment, MacAddr, Record, SystemUuid};
use serde::{Deserialize, Serialize};

use crate::configmgr::wire::System;

/// A row of `SMS_R_System`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) id: u32,
    pub(super) uuid: Option<SystemUuid>,
    pub(super) macs: Box<[MacAddr]>,
    pub(super) name: Box<str>,
    site: Option<Box<str>>,
    created: Option<Box<str>>,
    /// Obsolete or decommissioned records take no part.
    pub(super) retired: bool,
}

/// A device as the file holds it.
#[derive(Serialize, Deserialize)]
struct Row<'a>(
    Option<String>,
    Vec<String>,
    #[serde(borrow)] std::borrow::Cow<'a, str>,
    Option<String>,
    Option<String>,
    bool,
);

impl Device {
    /// Of a row of the site; None where its id is none of a record.
    pub(super) fn of_row(row: &System) -> Option<Self> {
        let macs = row.macaddresses.iter().flatten().take(MAX_ADDRESSES);
        let mut macs: Vec<MacAddr> = macs.filter_map(|mac| mac.parse().ok()).collect();
        macs.dedup();
        Some(Device {
            id: u32::try_from(row.resourceid).ok().filter(|id| *id != 0)?,
            uuid: row.smbiosguid.as_deref().and_then(|guid| guid.parse().ok()),
            macs: macs.into(),
            name: cut(row.name()).into(),
            site: row.smsassignedsites.as_ref().and_then(|sites| sites.first()).map(|site| cut(site).into()),
            created: row.creationdate.as_deref().map(|created| cut(created).into()),
            retired: row.is_retired(),
        })
    }

    /// Of the file; None where it holds no device.
    pub(super) fn read(id: u32, bytes: &[u8]) -> Option<Self> {
        let Row(uuid, macs, name, site, created, retired) = serde_json::from_slice(bytes).ok()?;
        Some(Device {
            id,
            uuid: uuid.and_then(|uuid| uuid.parse().ok()),
            macs: macs.iter().filter_map(|mac| mac.parse().ok()).collect(),
            name: name.into(),
            site: site.map(Into::into),
            created: created.map(Into::into),
            retired,
        })
    }

    /// The row for the file.
    pub(super) fn written(&self) -> Vec<u8> {
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let row = Row(
            self.uuid.map(|uuid| uuid.to_string()),
            self.macs.iter().map(MacAddr::to_string).collect(),
            (&*self.name).into(),
            text(&self.site),
            text(&self.created),
            self.retired,
        );
        serde_json::to_vec(&row).unwrap_or_default() // strings always have a JSON form
    }

    /// As policy sees it.
    pub(super) fn record(&self, deployments: Vec<Deployment>) -> Record {
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        Record {
            key: self.id.to_string(),
            name: self.name.to_string(),
            site: text(&self.site),
            created: text(&self.created),
            retired: self.retired,
            deployments,
            ..Record::default()
        }
    }
}

fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_TEXT).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// Addresses of one record: a laptop with its docks has some ten.
const MAX_ADDRESSES: usize = 64;
/// Characters of a name; a NetBIOS name has 15.
const MAX_TEXT: usize = 64;
