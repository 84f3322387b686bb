//! Configuration Manager's AdminService: what the site knows of a machine, and what it deploys to
//! it.
//!
//! The site's tables (deployments, task sequences, boot images, unknown computers, duplicates) are
//! read as a whole now and then; a machine costs two lookups and, for each record found, its
//! collections and what it was last given. With a [`Mirror`] most machines cost no question at all.
//! Everything is read-only.

pub mod client;
mod fault;
mod mirror;
mod rights;
mod secure_boot;
mod tables;
pub mod wire;
mod writes;

pub use mirror::{ContentState, Group, Held, Mirror, MirrorView, Paging, Place, Shapes, Shared, SiteImage};
pub use tables::{Bodies, Tables};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use pxe_policy::{
    Answer, DirectoryAnswer, Identifier, Identity, MacAddr, Record, SystemUuid, Trouble, TroubleKind,
};
use tokio::sync::{Mutex, OnceCell};

use crate::address::host_and_port;
use crate::certificates::Seen;
use crate::configured::{Configured, OpenError};
use crate::directory::{Asking, Directory, PackageTypes, in_memory};
use crate::links::Links;
use crate::settings::{self, Account, Endpoint};
use client::{Client, SiteError};
use fault::SiteFault;
use mirror::Cadence;
use wire::{LastPxe, Membership, NetworkAdapter, Package, System};

/// A site of Configuration Manager, asked through its AdminService.
#[derive(Debug)]
pub struct ConfigMgr {
    client: Client,
    /// For what nobody waits for: the copy of the site.
    background: Client,
    mirror: OnceLock<Arc<Mirror>>,
    settings: settings::ConfigMgr,
    /// Answers of the copy up to this age are used as they are.
    cache: Duration,
    fresh: Duration,
    tables: Mutex<Option<(Arc<Tables>, Instant)>>,
    /// Whether the site can filter by one address of many.
    any_filter: OnceCell<bool>,
}

impl Configured for settings::ConfigMgr {
    fn name(&self) -> &'static str {
        "configmgr"
    }

    fn open(&self, fresh: Duration) -> Result<Box<dyn Directory>, OpenError> {
        Ok(Box::new(ConfigMgr::open(self, fresh).map_err(OpenError::new)?))
    }

    fn files(&self) -> Vec<(&Path, &'static str)> {
        let ca = self.ca.as_deref().map(|file| (file, "an authority's certificate"));
        ca.into_iter().chain(self.account.files()).collect()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |part, address: &str| {
            let (host, port) = host_and_port(address, 443);
            Endpoint { part, host, port, ca: self.ca.clone() }
        };
        let others = self.certificates.iter().map(|server| endpoint("site", server));
        std::iter::once(endpoint("configmgr", &self.url)).chain(others).collect()
    }

    fn account(&self) -> Option<&Account> {
        Some(&self.account)
    }
}

impl Directory for ConfigMgr {
    fn ask<'a>(&'a self, who: &'a Identity) -> Asking<'a, Result<DirectoryAnswer, Trouble>> {
        Box::pin(self.current(who))
    }

    fn at_once(&self, name: &str, who: &Identity) -> Option<Answer> {
        let skipped = DirectoryAnswer { skipped: true, ..DirectoryAnswer::default() };
        if who.is_mac && !self.settings.macs {
            return Some(in_memory(name, skipped));
        }
        self.answering()?.at_once(name, who, self.cache)
    }

    fn while_away(&self, name: &str, who: &Identity, stale: Duration) -> Option<Answer> {
        self.answering()?.while_away(name, who, stale)
    }

    fn trouble(&self) -> Option<Trouble> {
        self.mirror.get()?.trouble()
    }

    fn attach(&self, mirror: &Arc<Mirror>) {
        if self.settings.mirror {
            let _ = self.mirror.set(Arc::clone(mirror)); // a snapshot is attached once
        }
    }

    fn rights<'a>(&'a self, links: &'a mut Links) -> Option<Asking<'a, ()>> {
        Some(Box::pin(ConfigMgr::rights(self, links)))
    }

    fn mirror(&self) -> Option<&Arc<Mirror>> {
        self.mirror.get()
    }

    fn sync(&self) -> Option<Asking<'_, Result<Duration, Trouble>>> {
        let mirror = self.mirror.get()?;
        let changes = (self.cache / 2).clamp(CHANGES_AT_MOST, CHANGES_AT_LEAST);
        Some(Box::pin(mirror.sync(&self.background, Cadence { changes, sweep: SWEEP_EVERY })))
    }

    fn links<'a>(&'a self, links: &'a mut Links) -> Asking<'a, Option<()>> {
        Box::pin(async move {
            let (url, settings) = (self.client.url(), &self.settings);
            let host = url.host_str().unwrap_or_default();
            let port = url.port_or_known_default().unwrap_or(443);
            links.reach(host, port).await?;
            links.certificate(host, port, settings.ca.as_deref()).await?;
            if settings.account.uses_kerberos() {
                links.ticket(settings.account.clone(), self.client.service().to_owned()).await?;
            }
            let sites = self.client.list::<serde_json::Value>("SMS_Site", "", &["SiteCode", "Version"]).await;
            let shown = |sites: Vec<serde_json::Value>| match sites.first() {
                Some(site) => Ok(format!("site {} version {}", site["sitecode"], site["version"])),
                None => Err(Trouble::new(TroubleKind::Forbidden, SiteFault::NoSite)),
            };
            links.note("authentication", sites.and_then(shown))?;
            let tables = self.tables().await;
            let shown = |tables: Arc<Tables>| format!("{} task sequence deployments", tables.deployments());
            links.note("query", tables.map(shown))?;
            match &settings.secure_boot {
                Some(inventory) => {
                    let rows = secure_boot::inventory_rows(&self.client, inventory).await;
                    links.note("inventory", rows)
                }
                None => Some(()),
            }
        })
    }

    fn package_types(&self) -> Option<Asking<'_, PackageTypes>> {
        Some(Box::pin(ConfigMgr::package_types(self)))
    }

    fn certificates(&self) -> Option<Asking<'_, Vec<Seen>>> {
        Some(Box::pin(secure_boot::certificates(&self.client)))
    }
}

impl ConfigMgr {
    /// Of a configuration; tables are read again when they are older than `fresh`. Nothing is asked
    /// yet.
    pub fn open(settings: &settings::ConfigMgr, fresh: Duration) -> Result<Self, SiteError> {
        Ok(ConfigMgr {
            client: Client::open(settings)?,
            background: Client::open(settings)?.paced(BACKGROUND_PACE),
            mirror: OnceLock::new(),
            cache: fresh,
            settings: settings.clone(),
            fresh: fresh.max(Duration::from_secs(10)),
            tables: Mutex::new(None),
            any_filter: OnceCell::new(),
        })
    }

    /// How the site is spoken to.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The copy, where it may answer: it holds no inventory of the authorities that machines trust.
    fn answering(&self) -> Option<&Arc<Mirror>> {
        self.mirror.get().filter(|_| self.settings.secure_boot.is_none())
    }

    /// The site's word on a machine now: on the records that the copy has, else looked up.
    async fn current(&self, who: &Identity) -> Result<DirectoryAnswer, Trouble> {
        if let Some(mirror) = self.answering()
            && let Some(said) = mirror.confirmed(&self.client, who, self.cache).await?
        {
            return Ok(said);
        }
        self.lookup(who).await
    }

    /// The site's record of a machine.
    async fn lookup(&self, who: &Identity) -> Result<DirectoryAnswer, Trouble> {
        let tables = self.tables().await?;
        let (uuid, mac, left_out) = tables.screen(who);
        let (by_uuid, by_mac) = tokio::try_join!(self.by_uuid(uuid), self.by_mac(mac))?;
        let mut said = DirectoryAnswer { decides: true, left_out, ..DirectoryAnswer::default() };
        for system in by_uuid {
            said.by_uuid.push(self.record(&tables, system).await?);
        }
        for system in by_mac {
            // Most machines are found by both.
            let twin = said.by_uuid.iter().find(|record| record.key == system.key());
            let record = match twin {
                Some(twin) => twin.clone(),
                None => self.record(&tables, system).await?,
            };
            said.by_mac.push(record);
        }
        let known = |records: &[Record]| records.iter().any(|record| !record.retired);
        if who.is_mac {
            said.unknown = tables.unknown_macs.clone();
            return Ok(said);
        }
        if !known(&said.by_uuid) && !known(&said.by_mac) && self.serves_unknown(&tables) {
            said.unknown = match tables.unknown_object(who.arch) {
                Some(object) => Some(self.unknown_record(&tables, object.clone(), who.uuid).await?),
                None => None,
            };
        }
        Ok(said)
    }

    /// The site's tables, no older than they may be.
    pub async fn tables(&self) -> Result<Arc<Tables>, Trouble> {
        // Requests that arrive while the tables are being read wait here.
        let mut kept = self.tables.lock().await;
        if let Some((tables, at)) = &*kept
            && at.elapsed() < self.fresh
        {
            return Ok(Arc::clone(tables));
        }
        let tables = Arc::new(Tables::read(&self.client).await?);
        *kept = Some((Arc::clone(&tables), Instant::now()));
        Ok(tables)
    }

    /// The types of the packages that hold boot images and operating systems, by package id. All
    /// other packages are software.
    pub async fn package_types(&self) -> Result<BTreeMap<String, u32>, Trouble> {
        let mut types = BTreeMap::new();
        for (class, usual) in Package::CLASSES {
            let packages: Vec<Package> = match self.client.list(class, "", Package::FIELDS).await {
                // A class that the site does not know counts as software, which is used in the same
                // way.
                Err(trouble) if usual != Package::BOOT_IMAGE && trouble.kind == TroubleKind::Malformed => {
                    continue;
                }
                packages => packages?,
            };
            types.extend(packages.into_iter().map(|one| (one.packageid, one.packagetype.unwrap_or(usual))));
        }
        // Every site has boot images of its own; none means that the account's role hides them.
        if !types.values().any(|package| *package == Package::BOOT_IMAGE) {
            return Err(Trouble::new(TroubleKind::Forbidden, SiteFault::NoBootImage));
        }
        Ok(types)
    }

    async fn by_uuid(&self, uuid: Option<SystemUuid>) -> Result<Vec<System>, Trouble> {
        let Some(uuid) = uuid else { return Ok(Vec::new()) };
        let text = uuid.to_string().to_ascii_uppercase();
        self.client.list(System::CLASS, &format!("SMBIOSGUID eq '{text}'"), System::FIELDS).await
    }

    async fn by_mac(&self, mac: Option<MacAddr>) -> Result<Vec<System>, Trouble> {
        let Some(mac) = mac else { return Ok(Vec::new()) };
        if *self.any_filter.get_or_try_init(|| self.can_filter_any()).await? {
            return self.client.list(System::CLASS, &any_mac(mac), System::FIELDS).await;
        }
        // An older site: by way of the adapters of the hardware inventory.
        let adapters: Vec<NetworkAdapter> = self
            .client
            .list(NetworkAdapter::CLASS, &format!("MACAddress eq '{}'", site_form(mac)), &["ResourceID"])
            .await?;
        let mut systems = Vec::new();
        for adapter in adapters.iter().take(MAX_RECORDS) {
            let filter = format!("ResourceId eq {}", adapter.resourceid);
            systems.extend(self.client.list::<System>(System::CLASS, &filter, System::FIELDS).await?);
        }
        Ok(systems)
    }

    async fn can_filter_any(&self) -> Result<bool, Trouble> {
        let probe = any_mac(MacAddr([0; 6]));
        match self.client.list::<System>(System::CLASS, &probe, &["ResourceId"]).await {
            Ok(_) => Ok(true),
            // It understood who asks, and not what.
            Err(trouble) if matches!(trouble.kind, TroubleKind::Failed | TroubleKind::Malformed) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    async fn record(&self, tables: &Tables, system: System) -> Result<Record, Trouble> {
        let id = system.resourceid;
        let trusts = async {
            match &self.settings.secure_boot {
                Some(inventory) => secure_boot::inventoried(&self.client, inventory, id).await,
                None => None,
            }
        };
        let (record, trusts) = tokio::join!(self.record_with(tables, system, |_| true), trusts);
        Ok(Record { trusts, ..record? })
    }

    /// All unknown machines share the object; what it was given, one of them was, which its GUID
    /// tells.
    async fn unknown_record(
        &self,
        tables: &Tables,
        object: System,
        uuid: Option<SystemUuid>,
    ) -> Result<Record, Trouble> {
        let is_own = |given: &LastPxe| {
            let guid = given.smbiosguid.as_deref().and_then(|guid| guid.parse::<SystemUuid>().ok());
            guid.is_some() && guid == uuid
        };
        self.record_with(tables, object, is_own).await
    }

    async fn record_with(
        &self,
        tables: &Tables,
        system: System,
        counts: impl Fn(&LastPxe) -> bool,
    ) -> Result<Record, Trouble> {
        let id = system.resourceid;
        let of_it = |class: &str| format!("{class} eq {id}");
        let (collections, given) = (of_it("ResourceID"), of_it("ResourceId"));
        let (collections, given) = tokio::try_join!(
            self.client.list::<Membership>(Membership::CLASS, &collections, &["CollectionID"]),
            self.client.list::<LastPxe>(LastPxe::CLASS, &given, LastPxe::FIELDS),
        )?;
        let mut deployments = tables.deployments_of(collections.iter().map(|one| one.collectionid.as_str()));
        for deployment in &mut deployments {
            let last = given.iter().find(|given| given.advertisementid == deployment.id && counts(given));
            deployment.last_pxe = last.map(|given| given.lastpxeadvertisementtime.clone());
        }
        Ok(Record {
            key: system.key(),
            name: system.name().to_owned(),
            site: system.smsassignedsites.as_ref().and_then(|sites| sites.first().cloned()),
            created: system.creationdate.clone(),
            retired: system.is_retired(),
            deployments,
            ..Record::default()
        })
    }

    fn serves_unknown(&self, tables: &Tables) -> bool {
        let point = self.settings.distribution_point.as_deref();
        self.settings.unknown_computers.unwrap_or_else(|| tables.serves_unknown(point))
    }
}

/// As the site writes an address; other forms find nothing.
fn site_form(mac: MacAddr) -> String {
    mac.to_string().to_ascii_uppercase()
}

fn any_mac(mac: MacAddr) -> String {
    format!("MACAddresses/any(m: m eq '{}')", site_form(mac))
}

/// A machine's identifiers without those in the site's own list of duplicates; the third part lists
/// the removed ones.
pub type Screened = (Option<SystemUuid>, Option<MacAddr>, Vec<Identifier>);

/// Between the starts of two requests for the copy: a tenth of what a site takes from one address
/// in a second.
const BACKGROUND_PACE: Duration = Duration::from_millis(50);
/// How often changes are read: twice while answers count as they are, within these bounds.
const CHANGES_AT_MOST: Duration = Duration::from_secs(1);
const CHANGES_AT_LEAST: Duration = Duration::from_secs(30);
/// How often every device is read.
const SWEEP_EVERY: Duration = Duration::from_secs(86_400);
/// More adapters than that share an address only by mistake.
const MAX_RECORDS: usize = 8;

#[cfg(test)]
mod tests;
