use std::task::{Context, Poll, Waker};

use pxe_policy::{Brake, MachineId};
use redb::{Database, TableDefinition};

use super::*;

fn deployed(n: u8) -> Deployed {
    Deployed {
        id: "PS120083".into(),
        purpose: Purpose::Required,
        machine: MachineId { macs: vec![mac(n)], ..MachineId::default() },
        name: format!("pc-{n}"),
        ..Deployed::default()
    }
}

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

fn open(folder: &std::path::Path) -> LedgerStore {
    LedgerStore::open(Arc::new(State::open(folder).unwrap())).unwrap()
}

#[tokio::test]
async fn who_asks_twice_is_told_by_neither_answer_before_the_disk_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let state = Arc::new(State::open(folder.path()).unwrap());
    let store = LedgerStore::open(Arc::clone(&state)).unwrap();
    let (holds, held) = std::sync::mpsc::channel();
    let (lets_go, let_go) = std::sync::mpsc::channel::<()>();
    let busy = state.write(move |_| {
        holds.send(()).unwrap();
        let_go.recv().unwrap();
        Ok(())
    });
    let mut busy = Box::pin(busy);
    let mut context = Context::from_waker(Waker::noop());
    assert!(busy.as_mut().poll(&mut context).is_pending());
    held.recv().unwrap();
    let (settings, machine) = (Settings::default(), deployed(1));
    let mut first = Box::pin(store.give(&machine, mac(1), &settings, 1000));
    let mut second = Box::pin(store.give(&machine, mac(1), &settings, 1001));
    assert_eq!(first.as_mut().poll(&mut context), Poll::Pending);
    assert_eq!(second.as_mut().poll(&mut context), Poll::Pending);
    lets_go.send(()).unwrap();
    assert!(busy.await);
    assert_eq!((first.await, second.await), (Ok(()), Ok(())));
}

#[tokio::test]
async fn what_was_given_is_there_after_a_restart_and_the_brake_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let brake = Some(Brake { boots: 2, within: Duration::from_secs(600) });
    let settings = Settings { brake, ..Settings::default() };
    assert_eq!(store.give(&deployed(1), mac(1), &settings, 1000).await, Ok(()));
    assert_eq!(store.give(&deployed(1), mac(1), &settings, 1000).await, Ok(()), "the same boot");
    assert_eq!(store.give(&deployed(2), mac(2), &settings, 1000).await, Ok(()));
    assert_eq!(store.give(&deployed(3), mac(3), &settings, 1000).await, Err(Reason::Brake));
    drop(store);
    let store = open(folder.path());
    let later = Settings { same_boot: Duration::ZERO, ..settings.clone() };
    assert_eq!(store.give(&deployed(1), mac(1), &later, 1001).await, Err(Reason::AlreadyRun));
    assert!(store.release(1001).await);
    assert_eq!(store.clear(&Which { mac: Some(mac(1)), deployment: None }).await.unwrap().len(), 1);
    let every = Which { mac: None, deployment: Some("PS120083".into()) };
    assert_eq!(store.clear(&every).await.unwrap().len(), 1);
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.with(|ledger| ledger.entries().count()), 0);
    assert_eq!(store.give(&deployed(3), mac(3), &settings, 1000).await, Ok(()));
}

#[tokio::test]
async fn everything_that_an_entry_holds_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let settings = Settings::default();
    let guid = "4C4C4544-0057-5810-804A-C3C04F463732".parse().ok();
    let mut claim = deployed(1);
    claim.run = "spring".into();
    claim.machine.record = Some("configmgr/16777219".into());
    claim.site = Some(pxe_policy::SiteMemory { noted: false, age: 0, notes: true });
    assert_eq!(store.give(&claim, mac(1), &settings, 1000).await, Ok(()));
    claim.machine.guid = guid;
    claim.stage = pxe_policy::Stage::Program;
    assert_eq!(store.give(&claim, mac(1), &settings, 1900).await, Ok(()), "iPXE, a slow link later");
    let before = store.with(Ledger::clone);
    let entry = before.entries().next().unwrap().clone();
    assert_eq!((entry.guid, entry.at, entry.stage_at, entry.noted), (guid, 1000, 1900, Some(1000)));
    drop(store);
    assert_eq!(open(folder.path()).with(Ledger::clone), before);
}

#[tokio::test]
async fn what_a_request_tells_of_an_entry_is_kept_and_brings_none_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(store.give(&deployed(1), mac(1), &Settings::default(), 1000).await, Ok(()));
    let mut claim = deployed(1);
    claim.machine.guid = "4C4C4544-0057-5810-804A-C3C04F463732".parse().ok();
    let learned = store.with(|ledger| ledger.learn(&claim, 9000));
    store.amend(learned.clone()).await;
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.with(|ledger| ledger.entries().next().unwrap().guid), claim.machine.guid);
    store.clear(&Which::default()).await.unwrap();
    store.amend(learned).await;
    drop(store);
    assert_eq!(open(folder.path()).with(|ledger| ledger.entries().count()), 0);
}

#[tokio::test]
async fn what_another_server_does_not_give_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, settings) = (open(folder.path()), Settings::default());
    let count = || store.with(|ledger| ledger.entries().count());
    let begin = async |now| store.begin(&deployed(1), mac(1), &settings, now).await.unwrap().unwrap();
    let begun = begin(1000).await;
    assert_eq!(count(), 1);
    store.settle(begun, false).await;
    assert_eq!(count(), 0);
    // Asked twice, and answered once.
    let (first, second) = (begin(2000).await, begin(2001).await);
    store.settle(second, true).await;
    store.settle(first, false).await;
    assert_eq!(count(), 1);
}

/// Writes a state file as version 1 had it.
fn of_version_1(folder: &std::path::Path, entries: &[(&str, &str, u8, u64)]) {
    const LEDGER: TableDefinition<'_, (&str, &str), ([u8; 6], &str, u64)> = TableDefinition::new("ledger");
    const VERSION: TableDefinition<'_, &str, u64> = TableDefinition::new("schema");
    let database = Database::create(folder.join("state.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(LEDGER).unwrap();
        for (record, deployment, n, at) in entries {
            table.insert((*record, *deployment), (mac(*n).octets(), "pc", *at)).unwrap();
        }
        transaction.open_table(VERSION).unwrap().insert("version", 1).unwrap();
    }
    transaction.commit().unwrap();
}

#[tokio::test]
async fn what_was_given_by_line_or_record_stays_given_to_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    of_version_1(
        folder.path(),
        &[
            ("devices/line 2", "PS120083", 1, 1000),
            // The file was sorted once: the same machine, given twice.
            ("devices/line 3", "PS120083", 1, 500),
            ("configmgr/16777219", "PS120083", 2, 1000),
            ("configmgr/02:00:00:00:00:03", "PS120083", 3, 1000),
        ],
    );
    let (store, settings) = (open(folder.path()), Settings::default());
    let records: Vec<(u64, Option<String>)> =
        store.with(|ledger| ledger.entries().map(|entry| (entry.at, entry.record.clone())).collect());
    assert_eq!(records, [(1000, None), (1000, Some("configmgr/16777219".into())), (1000, None)]);
    for n in 1..=3 {
        let given = store.give(&deployed(n), mac(n), &settings, 5000).await;
        assert_eq!(given, Err(Reason::AlreadyRun), "{n}");
    }
    // With another adapter, by its record.
    let mut docked = deployed(9);
    docked.machine.record = Some("configmgr/16777219".into());
    assert_eq!(store.give(&docked, mac(9), &settings, 5000).await, Err(Reason::AlreadyRun));
    assert_eq!(store.give(&deployed(4), mac(4), &settings, 5000).await, Ok(()));
    drop(store);
    assert_eq!(open(folder.path()).with(|ledger| ledger.entries().count()), 4);
}
