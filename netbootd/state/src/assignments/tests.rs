use super::*;
use crate::ledger::LedgerStore;
use pxe_policy::{ArchType, Class, Settings, Stage};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const NOW: Seconds = 1_760_000_000;

fn once() -> Lasts {
    Lasts { once: true, until: None }
}

fn file() -> Target {
    Target::File("memtest.efi".into())
}

#[tokio::test]
async fn a_device_is_there_after_a_restart_and_gone_once_removed() {
    let folder = tempfile::tempdir().unwrap();
    let open = || AssignmentStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
    let store = open();
    let update = DeviceUpdate {
        name: Some(" kiosk-7 ".into()),
        tags: Some(vec!["lab".into(), "berlin".into(), "lab".into()]),
        boot: Some(Some(Target::Image("debian".into()))),
        ..DeviceUpdate::default()
    };
    store.update(MAC, update).await.unwrap();
    store.boot_next(MAC, file(), once(), NOW).await.unwrap();
    drop(store);
    let store = open();
    let device = store.view(MAC, &Ledger::default(), NOW).unwrap();
    assert_eq!((device.name.as_str(), device.tags.join(" ")), ("kiosk-7", "berlin lab".into()));
    assert_eq!(device.boot, Some(Target::Image("debian".into())));
    let next = device.next.unwrap();
    assert_eq!((next.target, next.used, next.expired), (file(), None, false));
    // Fields that are not named stay.
    let note = DeviceUpdate { note: Some("door".into()), ..DeviceUpdate::default() };
    store.update(MAC, note).await.unwrap();
    assert_eq!(store.view(MAC, &Ledger::default(), NOW).unwrap().name, "kiosk-7");
    assert_eq!((store.remove(MAC).await, store.remove(MAC).await), (Ok(true), Ok(false)));
    drop(store);
    assert!(open().with(Assignments::is_empty));
}

#[tokio::test]
async fn a_machine_that_is_no_device_is_forgotten_with_its_next_boot() {
    let store = AssignmentStore::open(Arc::new(State::in_memory().unwrap())).unwrap();
    store.boot_next(MAC, Target::Disk, once(), NOW).await.unwrap();
    let first = store.with(|known| known.get(MAC).unwrap().next.clone().unwrap().number);
    store.boot_next(MAC, Target::Disk, once(), NOW).await.unwrap();
    let second = store.with(|known| known.get(MAC).unwrap().next.clone().unwrap().number);
    assert!(second > first, "two in one second are two");
    assert_eq!((store.cancel(MAC).await, store.cancel(MAC).await), (Ok(true), Ok(false)));
    assert!(store.with(Assignments::is_empty));
    store.boot_next(MAC, Target::Disk, once(), NOW - 100).await.unwrap();
    let after_the_clock_was_set_back = store.with(|known| known.get(MAC).unwrap().next.clone().unwrap());
    assert!(after_the_clock_was_set_back.number > second);
}

#[tokio::test]
async fn what_cannot_be_kept_changes_nothing() {
    let store = AssignmentStore::open(Arc::new(State::in_memory().unwrap())).unwrap();
    let past = Lasts { once: true, until: Some(NOW - 1) };
    assert_eq!(store.boot_next(MAC, file(), past, NOW).await, Err(NotChanged::Expired));
    let name = DeviceUpdate { name: Some("a\u{1b}".into()), ..DeviceUpdate::default() };
    assert!(matches!(store.update(MAC, name).await, Err(NotChanged::Invalid(_))));
    assert!(store.with(Assignments::is_empty));
}

/// An operator who clears the ledger lets deployments run again, and no next boot that was used.
#[tokio::test]
async fn a_next_boot_that_was_given_stays_used_whatever_is_cleared() {
    let state = Arc::new(State::in_memory().unwrap());
    let ledger = LedgerStore::open(Arc::clone(&state)).unwrap();
    let store = AssignmentStore::open(state).unwrap();
    store.boot_next(MAC, file(), once(), NOW).await.unwrap();
    let request = BootRequest::asking(MAC, None, ArchType::X64_UEFI, Class::Pxe);
    let device = store.find(&request).unwrap();
    let claim = device.next.as_ref().unwrap().claim(&device, Stage::Firmware);
    ledger.give(&claim, MAC, &Settings::default(), NOW).await.unwrap();
    let used = || ledger.with(|ledger| store.view(MAC, ledger, NOW).unwrap().next.unwrap().used);
    assert_eq!(used(), Some(NOW));
    assert_eq!(ledger.clear(&crate::ledger::Which::default()).await, Some(Vec::new()));
    assert_eq!(used(), Some(NOW));
}
