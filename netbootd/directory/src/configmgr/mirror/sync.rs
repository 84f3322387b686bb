//! Bringing the copy of the site up to date: single machines that have just booted, the changes of
//! every cycle, and a whole reading of the devices now and then. One page is asked for at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use netbootd_state::site_file::SiteChange;
use pxe_policy::{Trouble, TroubleKind};
use tracing::{info, warn};

use super::answer::MOST_AT_ONCE;
use super::device::Device;
use super::members::Change;
use super::shapes::Shapes;
use super::status::At;
use super::sweep::{Key, Paging, Sweep};
use super::{Mirror, kept, machines};
use crate::configmgr::client::Client;
use crate::configmgr::fault::SiteFault;
use crate::configmgr::tables::{TableRows, Tables};
use crate::configmgr::wire::{Collection, Membership, System};

/// How far the reading is; one task has it at a time.
#[derive(Debug, Default)]
pub(super) struct Progress {
    sweep: Option<(Sweep, Option<String>)>,
    /// Devices that the last sweep did not see, and that may have moved between its pages.
    missed: HashSet<u32>,
    /// When the last cycle of changes began.
    began: Option<Instant>,
    /// When collections without a stamp were read.
    unstamped: Option<Instant>,
    /// The tables as they were written last.
    tables: Vec<u8>,
}

/// How often what is read.
#[derive(Debug, Clone, Copy)]
pub(in crate::configmgr) struct Cadence {
    /// The cycles of changes.
    pub(in crate::configmgr) changes: Duration,
    /// The whole readings of devices.
    pub(in crate::configmgr) sweep: Duration,
}

impl Mirror {
    /// Does what is due, and gives the time until something is due again.
    pub(in crate::configmgr) async fn sync(
        self: &Arc<Self>,
        client: &Client,
        cadence: Cadence,
    ) -> Result<Duration, Trouble> {
        let mut progress = self.progress.lock().await;
        let synced = self.advance(client, cadence, &mut progress).await;
        let mut status = self.status.lock();
        status.trouble = synced.as_ref().err().cloned();
        synced
    }

    async fn advance(
        self: &Arc<Self>,
        client: &Client,
        cadence: Cadence,
        progress: &mut Progress,
    ) -> Result<Duration, Trouble> {
        let (this, url) = (Arc::clone(self), client.url().to_string());
        let loaded = tokio::task::spawn_blocking(move || this.load(&url)).await;
        loaded.map_err(|error| Trouble::new(TroubleKind::Failed, error))?;
        let shapes = self.shapes(client).await?;
        let most = if shapes.several { MOST_AT_ONCE } else { 1 };
        for _ in 0..AGAIN_AT_ONCE {
            let ids = self.again.lock().take(most);
            if ids.is_empty() {
                break;
            }
            let machines = machines::read(client, &ids).await?;
            let changes = self.take(&machines);
            self.save(changes).await;
        }
        let since = |at: Instant| at.elapsed();
        let until_changes =
            progress.began.map_or(Duration::ZERO, |began| cadence.changes.saturating_sub(since(began)));
        if until_changes.is_zero() {
            progress.began = Some(Instant::now());
            if let Err(trouble) = self.changes(client, shapes, progress).await {
                progress.began = None;
                return Err(trouble);
            }
        }
        if progress.sweep.is_none() {
            let swept = self.status.lock().swept;
            let age = swept.map(|at| at.age(Instant::now(), SystemTime::now()));
            if age.is_some_and(|age| age < cadence.sweep) {
                return Ok(until_changes.min(cadence.changes));
            }
            progress.sweep = Some((Sweep::begin(shapes.paging, devices(), 0), None));
        }
        self.sweep(client, shapes, progress).await?;
        Ok(Duration::ZERO)
    }

    async fn shapes(&self, client: &Client) -> Result<Shapes, Trouble> {
        let known = self.status.lock().shapes;
        if let Some(shapes) = known {
            return Ok(shapes);
        }
        let shapes = Shapes::test(client).await?;
        info!(?shapes, "the site serves these forms of question");
        self.status.lock().shapes = Some(shapes);
        Ok(shapes)
    }

    /// Reads what changes often: tables, new devices, obsolete ones, memberships that moved.
    async fn changes(&self, client: &Client, shapes: Shapes, progress: &mut Progress) -> Result<(), Trouble> {
        let begun = At::now();
        let rows = TableRows::read(client).await?;
        let tables = Arc::new(Tables::of_rows(&rows));
        self.warn_of_fewer(&tables);
        let collections: Vec<Collection> = client.list(Collection::CLASS, "", Collection::FIELDS).await?;
        let collections: HashMap<&str, &Collection> =
            collections.iter().map(|one| (one.collectionid.as_str(), one)).collect();
        self.status.lock().counted = collections.get(ALL_SYSTEMS).and_then(|all| all.membercount);
        // Each part is written at once: the next cycle finds in memory what this one has put there.
        let new = self.new_devices(client, shapes).await?;
        self.save(new).await;
        let obsolete = self.obsolete(client, shapes).await?;
        self.save(obsolete).await;
        let unstamped = progress.unstamped.is_none_or(|at| at.elapsed() >= UNSTAMPED_EVERY);
        for id in tables.collections() {
            let row = collections.get(id).copied();
            let stamp = row.and_then(|row| row.lastmemberchangetime.clone());
            let is_current = match self.model.read().members.stamp(id) {
                None => false,
                Some(_) if stamp.is_none() => !unstamped,
                Some(old) => old == stamp.as_deref(),
            };
            if !is_current {
                let counted = row.and_then(|row| row.membercount);
                let members = self.members(client, shapes, id, stamp, counted).await?;
                self.save(vec![members]).await;
            }
        }
        if unstamped {
            let around = self.around(client).await?;
            self.save(around).await;
            progress.unstamped = Some(Instant::now());
        }
        let mut changes = self.forget_collections(&tables);
        let bytes = kept::tables(&rows);
        if bytes != progress.tables {
            changes.push(kept::tables_row(bytes.clone()));
            progress.tables = bytes;
        }
        self.model.write().tables = tables;
        self.status.lock().synced = Some(begun);
        changes.push(self.meta());
        self.save(changes).await;
        Ok(())
    }

    /// Most deployments gone at once is a changed role more often than a site's will. They start
    /// nothing any more either way.
    fn warn_of_fewer(&self, tables: &Tables) {
        let (of, left) = (self.model.read().tables.deployments(), tables.deployments());
        if of >= FEW_DEPLOYMENTS && left * 2 < of {
            warn!(left, of, "the site shows fewer deployments; check the role of the account");
        }
    }

    /// Devices that were made since the last cycle: their ids are higher.
    async fn new_devices(&self, client: &Client, shapes: Shapes) -> Result<Vec<SiteChange>, Trouble> {
        let last = self.model.read().devices().map(|device| device.id).max();
        let (Some(last), Paging::Keyset, true) = (last, shapes.paging, self.status.lock().whole) else {
            return Ok(Vec::new());
        };
        let mut sweep = Sweep::begin(shapes.paging, devices(), last);
        let mut changes = Vec::new();
        loop {
            let (rows, _) = self.page(client, &sweep, None).await?;
            let ended = sweep.take(&ids(&rows), false).map_err(|_| no_paging(System::CLASS))?;
            changes.extend(self.put(&rows));
            if ended {
                return Ok(changes);
            }
        }
    }

    /// Marks what became obsolete, where the site filters by that.
    async fn obsolete(&self, client: &Client, shapes: Shapes) -> Result<Vec<SiteChange>, Trouble> {
        if !shapes.obsolete {
            return Ok(Vec::new());
        }
        let rows: Vec<System> = client.list(System::CLASS, "Obsolete eq 1", &["ResourceId"]).await?;
        let mut model = self.model.write();
        let mut changes = Vec::new();
        for id in ids(&rows) {
            if let Some(device) = model.device(id).filter(|device| !device.retired) {
                let mut device = device.clone();
                device.retired = true;
                changes.push(kept::device(&device));
                model.put(device);
            }
        }
        Ok(changes)
    }

    /// Reads the members of a collection.
    async fn members(
        &self,
        client: &Client,
        shapes: Shapes,
        collection: &str,
        stamp: Option<String>,
        counted: Option<u64>,
    ) -> Result<SiteChange, Trouble> {
        let key = Key { field: "ResourceID", filter: format!("CollectionID eq '{collection}'") };
        let mut sweep = Sweep::begin(shapes.paging, key, 0);
        let mut link: Option<String> = None;
        loop {
            let query = [sweep.query(), vec![("$select", "ResourceID,CollectionID".to_owned())]].concat();
            let (rows, next) = client.page::<Membership>(Membership::CLASS, &query, link.as_deref()).await?;
            let mut ids: Vec<u32> =
                rows.iter().filter_map(|row| u32::try_from(row.resourceid).ok()).collect();
            ids.dedup();
            let ended = sweep.take(&ids, next.is_some()).map_err(|_| no_paging(Membership::CLASS))?;
            if ended {
                break;
            }
            link = next.filter(|_| shapes.paging == Paging::Links);
        }
        let members = sweep.ids();
        if let (true, Some(counted @ 1..)) = (members.is_empty(), counted) {
            let fault = SiteFault::Hidden { class: Membership::CLASS, counted };
            return Err(Trouble::new(TroubleKind::Forbidden, fault));
        }
        let (change, total) = {
            let model = self.model.read();
            (model.members.change(collection, &members), model.members.total())
        };
        if total + change.added.len() > MAX_MEMBERS {
            let fault = SiteFault::TooManyMembers { most: MAX_MEMBERS };
            return Err(Trouble::new(TroubleKind::TooLarge, fault));
        }
        let Change { added, removed } = change;
        // In parts, so that decisions never wait for long.
        for part in added.chunks(PART) {
            let change = Change { added: part.to_vec(), removed: Vec::new() };
            self.model.write().members.apply(collection, &change);
        }
        for part in removed.chunks(PART) {
            let change = Change { added: Vec::new(), removed: part.to_vec() };
            self.model.write().members.apply(collection, &change);
        }
        let row = kept::members(collection, stamp.as_deref(), &members);
        self.model.write().members.seal(collection, members, stamp);
        Ok(row)
    }

    fn forget_collections(&self, tables: &Tables) -> Vec<SiteChange> {
        let deployed: HashSet<&str> = tables.collections().collect();
        let mut model = self.model.write();
        let gone: Vec<String> =
            model.members.ids().filter(|id| !deployed.contains(id)).map(str::to_owned).collect();
        gone.iter().for_each(|id| model.members.forget(id));
        gone.iter().map(|id| kept::no_members(id)).collect()
    }

    /// Reads one more page of all devices.
    async fn sweep(&self, client: &Client, shapes: Shapes, progress: &mut Progress) -> Result<(), Trouble> {
        let Some((mut sweep, link)) = progress.sweep.take() else { return Ok(()) };
        let read = self.page(client, &sweep, link.as_deref()).await;
        let (rows, next) = match read {
            Ok(page) => page,
            Err(trouble) => {
                // The same page again, after a pause.
                progress.sweep = Some((sweep, link));
                return Err(trouble);
            }
        };
        let ended = match sweep.take(&ids(&rows), next.is_some()) {
            Ok(ended) => ended,
            Err(error) => {
                let other = shapes.without_paging(error);
                warn!(%error, ?other, "the devices of the site are read in another way");
                self.status.lock().shapes = other;
                return other.map(drop).ok_or_else(|| no_paging(System::CLASS));
            }
        };
        let changes = self.put(&rows);
        self.save(changes).await;
        if !ended {
            progress.sweep = Some((sweep, next.filter(|_| shapes.paging == Paging::Links)));
            return Ok(());
        }
        self.end_sweep(sweep, progress).await
    }

    async fn end_sweep(&self, sweep: Sweep, progress: &mut Progress) -> Result<(), Trouble> {
        let known: Vec<u32> = self.model.read().devices().map(|device| device.id).collect();
        let (accepted, counted) = {
            let status = self.status.lock();
            (status.accepted, status.counted)
        };
        let ended = sweep.end(known.into_iter(), &progress.missed, accepted);
        let mut changes = Vec::with_capacity(ended.removed.len() + 1);
        for id in &ended.removed {
            self.model.write().remove(*id);
            changes.push(kept::no_device(*id));
        }
        progress.missed = ended.missed;
        let devices = self.model.read().len();
        if let (0, Some(counted @ 1..)) = (devices, counted) {
            let fault = SiteFault::Hidden { class: System::CLASS, counted };
            return Err(Trouble::new(TroubleKind::Forbidden, fault));
        }
        {
            let mut status = self.status.lock();
            (status.whole, status.swept, status.accepted) = (true, Some(At::now()), false);
            if status.held != ended.held
                && let Some(held) = ended.held
            {
                warn!(
                    missing = held.missing,
                    of = held.of,
                    "the site does not show these records any more; they are kept until `netbootd site accept`"
                );
            }
            status.held = ended.held;
        }
        info!(devices, removed = ended.removed.len(), "every device of the site was read");
        changes.push(self.meta());
        self.save(changes).await;
        Ok(())
    }

    /// One page of devices.
    async fn page(
        &self,
        client: &Client,
        sweep: &Sweep,
        link: Option<&str>,
    ) -> Result<(Vec<System>, Option<String>), Trouble> {
        let query = [sweep.query(), vec![("$select", System::FIELDS.join(","))]].concat();
        client.page(System::CLASS, &query, link).await
    }

    /// Puts rows into the copy, in parts. Gives what the file has to learn.
    fn put(&self, rows: &[System]) -> Vec<SiteChange> {
        let devices: Vec<Device> = rows.iter().filter_map(Device::of_row).collect();
        let mut changes = Vec::new();
        for part in devices.chunks(PART) {
            let mut model = self.model.write();
            for device in part {
                if model.put(device.clone()) {
                    changes.push(kept::device(device));
                }
            }
        }
        changes
    }
}

fn devices() -> Key {
    Key { field: "ResourceId", filter: String::new() }
}

fn ids(rows: &[System]) -> Vec<u32> {
    let mut ids: Vec<u32> = rows.iter().filter_map(|row| u32::try_from(row.resourceid).ok()).collect();
    ids.dedup();
    ids
}

fn no_paging(class: &'static str) -> Trouble {
    Trouble::new(TroubleKind::Malformed, SiteFault::NoPaging { class })
}

/// The collection of all machines.
const ALL_SYSTEMS: &str = "SMS00001";
/// Rows that are put in while decisions wait.
const PART: usize = 64;
/// Requests for machines that boot, between two other ones.
const AGAIN_AT_ONCE: usize = 5;
/// How often collections are read that the account sees no stamp of.
const UNSTAMPED_EVERY: Duration = Duration::from_secs(300);
/// Sites with fewer deployments are set up or taken down.
const FEW_DEPLOYMENTS: usize = 10;
/// Six bytes each; a site of 175,000 devices with a hundred deployments to a tenth of them has
/// 1,750,000.
const MAX_MEMBERS: usize = 8_000_000;
