//! The ledger on this host's disk: what is in memory is all there is.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard, RwLock};
use pxe_policy::{Claimed, Entry, Key, Ledger, LedgerChange, MacAddr, Reason, Seconds, Stage, SystemUuid};
use redb::{ReadableTable, TableDefinition, TableHandle, WriteTransaction};

use crate::durable::{Commit, Durable, LedgerKeep, Refused, saved};
use crate::file::State;

/// (machine, deployment, run) to what is known of the machine and its boot.
const GIVEN: TableDefinition<'_, (&str, &str, &str), Row<'_>> = TableDefinition::new("given");
/// Hardware address, GUID in wire order, record, name, begin of the boot, stage, when that was
/// reached, when the site noted it.
type Row<'a> = ([u8; 6], Option<[u8; 16]>, Option<&'a str>, &'a str, u64, u8, u64, Option<u64>);
/// When the brake was last released.
const BRAKE: TableDefinition<'_, (), u64> = TableDefinition::new("brake");

/// The ledger on this host's disk.
#[derive(Debug)]
pub(super) struct OnDisk {
    ledger: Arc<RwLock<Ledger>>,
    /// Entries of the ledger that are not on the disk yet.
    unsaved: Mutex<HashSet<Key>>,
    state: Arc<State>,
}

/// The ledger on the disk.
pub(super) fn read(state: &State) -> Result<Ledger, redb::Error> {
    state.make_table(GIVEN)?;
    state.make_table(BRAKE)?;
    let mut ledger = Ledger::default();
    let reading = state.read()?;
    for row in reading.open_table(GIVEN)?.iter()? {
        let (key, row) = row?;
        ledger.apply(LedgerChange::Give(entry_of(key.value(), row.value())));
    }
    if let Some(at) = reading.open_table(BRAKE)?.get(())? {
        ledger.apply(LedgerChange::Release(at.value()));
    }
    Ok(ledger)
}

impl OnDisk {
    pub(super) fn new(ledger: Arc<RwLock<Ledger>>, state: Arc<State>) -> Self {
        OnDisk { ledger, unsaved: Mutex::default(), state }
    }

    async fn give(&self, claim: impl FnOnce(&Ledger) -> Result<Claimed, Reason>) -> Result<(), Refused> {
        let (entry, undone) = {
            let mut ledger = self.ledger.write();
            // Others may have been given theirs since the decision.
            match claim(&ledger).map_err(Refused::No)? {
                Claimed::Made(entry) => {
                    let clear = || LedgerChange::Clear(entry.key.clone());
                    let undone = ledger.get(&entry.key).cloned().map_or_else(clear, LedgerChange::Give);
                    self.unsaved().insert(entry.key.clone());
                    ledger.apply(LedgerChange::Give(entry.clone()));
                    (entry, Some(undone))
                }
                Claimed::There(entry) if !self.unsaved().contains(&entry.key) => return Ok(()),
                // A machine that asks again before the disk has it waits as it did the first time.
                Claimed::There(entry) => (entry, None),
            }
        };
        let key = entry.key.clone();
        if self.save(vec![LedgerChange::Give(entry)]).await {
            self.unsaved().remove(&key);
            return Ok(());
        }
        if let Some(undone) = undone {
            self.ledger.write().apply(undone);
        }
        self.unsaved().remove(&key);
        Err(Refused::NotSaved)
    }

    fn unsaved(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.unsaved.lock()
    }

    /// On the disk first, then in memory: what is cleared may be given again.
    async fn change(&self, changes: Vec<LedgerChange>) -> bool {
        if !self.save(changes.clone()).await {
            return false;
        }
        let mut ledger = self.ledger.write();
        changes.into_iter().for_each(|change| ledger.apply(change));
        true
    }

    async fn save(&self, changes: Vec<LedgerChange>) -> bool {
        self.state
            .write(move |transaction| changes.iter().try_for_each(|change| write(transaction, change)))
            .await
    }
}

impl Durable<LedgerKeep> for OnDisk {
    fn keep(&self, change: LedgerKeep) -> Commit<'_> {
        Box::pin(async move {
            match change {
                LedgerKeep::Give { claim, mac, now, same_boot, brake } => {
                    self.give(|ledger| ledger.claim(&claim, mac, now, same_boot, brake)).await
                }
                LedgerKeep::Change(changes) => saved(self.change(changes).await),
                LedgerKeep::TakeOver(entries) => {
                    saved(self.change(entries.into_iter().map(LedgerChange::Give).collect()).await)
                }
            }
        })
    }

    fn is_away(&self) -> bool {
        false
    }
}

fn write(transaction: &WriteTransaction, change: &LedgerChange) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(GIVEN)?;
    match change {
        LedgerChange::Give(entry) => {
            table.insert(key_of(&entry.key), row_of(entry))?;
        }
        LedgerChange::Amend(entry) => {
            let known = table.get(key_of(&entry.key))?.map(|row| entry_of(key_of(&entry.key), row.value()));
            if let Some(more) = known.and_then(|known| known.with(entry)) {
                table.insert(key_of(&more.key), row_of(&more))?;
            }
        }
        LedgerChange::Clear(key) => {
            table.remove(key_of(key))?;
        }
        LedgerChange::Release(at) => {
            transaction.open_table(BRAKE)?.insert((), at)?;
        }
    }
    Ok(())
}

fn key_of(key: &Key) -> (&str, &str, &str) {
    (&key.machine, &key.deployment, &key.run)
}

fn row_of(entry: &Entry) -> Row<'_> {
    let guid = entry.guid.map(SystemUuid::wire);
    let stage = entry.stage.number();
    (
        entry.mac.octets(),
        guid,
        entry.record.as_deref(),
        &entry.name,
        entry.at,
        stage,
        entry.stage_at,
        entry.noted,
    )
}

fn entry_of((machine, deployment, run): (&str, &str, &str), row: Row<'_>) -> Entry {
    let (mac, guid, record, name, at, stage, stage_at, noted) = row;
    Entry {
        key: Key { machine: machine.to_owned(), deployment: deployment.to_owned(), run: run.to_owned() },
        guid: guid.map(SystemUuid::from_wire),
        mac: MacAddr(mac),
        record: record.map(str::to_owned),
        name: name.to_owned(),
        at,
        stage: Stage::from_number(stage),
        stage_at,
        noted,
    }
}

/// How tables of version 1 become those of version 2: an entry is no longer of a record, whose key
/// in a device file was its line, but of the machine that asked, which the entry names by its
/// hardware address.
pub(crate) fn migrate(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    const LEDGER: TableDefinition<'_, (&str, &str), ([u8; 6], &str, u64)> = TableDefinition::new("ledger");
    if !transaction.list_tables()?.any(|table| table.name() == LEDGER.name()) {
        return Ok(());
    }
    let mut ledger = Ledger::default();
    for row in transaction.open_table(LEDGER)?.iter()? {
        let (key, row) = row?;
        let ((record, deployment), (mac, name, at)) = (key.value(), row.value());
        let entry = of_record(record, deployment, MacAddr(mac), name, at);
        // A machine whose line had changed may have been given it twice: the last time counts.
        if ledger.get(&entry.key).is_none_or(|known| known.at <= entry.at) {
            ledger.apply(LedgerChange::Give(entry));
        }
    }
    let mut table = transaction.open_table(GIVEN)?;
    for entry in ledger.entries() {
        table.insert(key_of(&entry.key), row_of(entry))?;
    }
    drop(table);
    transaction.delete_table(LEDGER)?;
    Ok(())
}

fn of_record(record: &str, deployment: &str, mac: MacAddr, name: &str, at: Seconds) -> Entry {
    // A site numbers its records; an unknown machine had its hardware address there.
    let number = record.strip_prefix("configmgr/").filter(|key| key.parse::<u64>().is_ok());
    Entry {
        key: Key { machine: mac.to_string(), deployment: deployment.to_owned(), run: String::new() },
        guid: None,
        mac,
        record: number.map(|_| record.to_owned()),
        name: name.to_owned(),
        at,
        stage: Stage::Firmware,
        stage_at: at,
        noted: None,
    }
}
