use std::cell::Cell;
use std::fs;
use std::path::Path;

use imagestore::ingest::{Import, import};
use imagestore::{Digest, Quiet, Store, StoreLimits};

use super::*;

const MONTH: Duration = Duration::from_secs(30 * 86_400);
const DAY: Seconds = 86_400;
const START: Seconds = 20_000 * DAY;

/// A store with an image of five files; with its manifest that is six blobs.
fn images(folder: &Path) -> (Store, Arc<Images>) {
    let source = folder.join("tools");
    fs::create_dir(&source).unwrap();
    for n in 0..5 {
        fs::write(source.join(format!("{n}.efi")), format!("program {n}")).unwrap();
    }
    let store = Store::open(&folder.join("images"), StoreLimits::default()).unwrap();
    import(&store, &source, Import::default(), &mut Quiet).unwrap();
    let images = Arc::new(Images::open(store.clone(), None).unwrap());
    (store, images)
}

fn scrub(folder: &Path) -> Scrub {
    Scrub::open(Arc::new(State::open(&folder.join("state")).unwrap())).unwrap()
}

/// Writes other bytes of the same length, as a disk may.
fn damage(store: &Store, blob: &Digest) {
    let name = blob.to_string();
    let path = store.root().join("blobs").join(&name[..2]).join(&name);
    let length = fs::metadata(&path).unwrap().len();
    fs::remove_file(&path).unwrap();
    fs::write(&path, vec![b'?'; usize::try_from(length).unwrap()]).unwrap();
}

#[tokio::test]
async fn everything_is_read_again_once_a_month_and_what_the_disk_has_damaged_is_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let (store, images) = images(folder.path());
    let scrub = scrub(folder.path());
    let blobs = store.digests().unwrap();
    let at = async |now| scrub.go_on(&images, MONTH, now, || false).await;
    assert_eq!(at(START).await, None, "it was read when it came");
    damage(&store, &blobs[2]);
    let mut rounds = Vec::new();
    // A year, looked at every hour.
    for hour in 0..365 * 24 {
        if let Some(found) = at(START + hour * 3600).await {
            rounds.push((hour / 24, found));
        }
    }
    let first = Found { read: 6, damaged: 1 };
    let later = Found { read: 5, damaged: 0 };
    assert_eq!(rounds[0], (30, first));
    assert_eq!(rounds.len(), 12);
    assert!(rounds[1..].iter().all(|(_, found)| *found == later), "{rounds:?}");
    assert!(!store.contains(&blobs[2]));
    assert!(store.root().join("quarantine").join(blobs[2].to_string()).exists());
}

#[tokio::test]
async fn a_restart_goes_on_where_the_last_run_was() {
    let folder = tempfile::tempdir().unwrap();
    let (store, images) = images(folder.path());
    scrub(folder.path()).go_on(&images, MONTH, START, || false).await;
    let due = START + 31 * DAY;
    let left = Cell::new(2);
    let stops = || left.replace(left.get() - 1) == 0;
    let found = scrub(folder.path()).go_on(&images, MONTH, due, stops).await;
    assert_eq!(found, Some(Found { read: 2, damaged: 0 }));
    let blobs = store.digests().unwrap();
    // The first one was read in this round already, the last one was not.
    damage(&store, &blobs[0]);
    damage(&store, &blobs[5]);
    let found = scrub(folder.path()).go_on(&images, MONTH, due + DAY, || false).await;
    assert_eq!(found, Some(Found { read: 4, damaged: 1 }));
    assert!(store.contains(&blobs[0]) && !store.contains(&blobs[5]));
    let found = scrub(folder.path()).go_on(&images, MONTH, due + 30 * DAY, || false).await;
    assert_eq!(
        found,
        Some(Found { read: 5, damaged: 1 }),
        "a month after this round began, not after it ended"
    );
}

#[test]
fn a_clock_that_went_back_does_not_end_reading_for_years() {
    let done = Round { begun: START, done: true, read: None };
    assert_eq!(due(done, START + DAY, MONTH), done);
    assert_eq!(
        due(done, START - 1000 * DAY, MONTH),
        Round { begun: START - 1000 * DAY, done: false, read: None }
    );
    let half = Round { done: false, ..done };
    assert_eq!(due(half, START + 400 * DAY, MONTH), half, "a round that takes longer goes on to its end");
}
