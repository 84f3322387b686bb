use imagestore::{Quiet, StoreLimits};

use super::*;

struct Site {
    _folder: tempfile::TempDir,
    store: Store,
    uploads: Uploads,
}

fn site(limits: StoreLimits) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store"), limits).unwrap();
    Site { _folder: folder, store, uploads: Uploads::default() }
}

fn announced(file: &str, size: u64) -> Announced {
    Announced { file: file.into(), size, sha256: None, image: None, modified: "1".into() }
}

#[test]
fn pieces_come_in_order_and_go_on_after_a_restart() {
    let Site { store, uploads, _folder } = site(StoreLimits::default());
    let wanted = Announced { sha256: Some(Digest::compute(b"hello, disk")), ..announced("rescue.img", 11) };
    let id = uploads.begin(&store, &wanted, SystemTime::now()).unwrap().id;
    assert_eq!(uploads.put(&store, &id, 0, b"hello").unwrap().offset, 5);
    assert!(matches!(uploads.finish(&store, &id), Err(UploadError::Incomplete { offset: 5, size: 11 })));
    // The same piece again, one with a gap before it, and one that is too long.
    for offset in [0, 6] {
        let refused = uploads.put(&store, &id, offset, b"hello");
        assert!(matches!(refused, Err(UploadError::Offset { offset: 5, .. })), "{refused:?}");
    }
    let refused = uploads.put(&store, &id, 5, b", disk and more");
    assert!(matches!(refused, Err(UploadError::TooLong { size: 11, sent: 20 })), "{refused:?}");
    // Another process, which uploads the same file.
    let uploads = Uploads::default();
    let again = uploads.begin(&store, &wanted, SystemTime::now()).unwrap();
    assert_eq!((again.id.as_str(), again.offset, again.state), (id.as_str(), 5, "receiving"));
    uploads.put(&store, &id, 5, b", disk").unwrap();
    uploads.finish(&store, &id).unwrap();
    assert!(matches!(uploads.finish(&store, &id), Err(UploadError::Busy)));
    assert!(matches!(uploads.remove(&store, &id), Err(UploadError::Busy)));
    let imported = uploads.import(&store, &id, &mut Quiet, SystemTime::now()).unwrap();
    assert_eq!(imported.name, "rescue");
    let version = imported.record.current().unwrap();
    assert_eq!((version.size, version.source.as_str()), (11, "rescue.img (uploaded)"));
    assert!(uploads.list(&store).is_empty() && ids(&store).is_empty());
}

#[test]
fn other_bytes_than_announced_are_refused_and_begin_anew() {
    let Site { store, uploads, _folder } = site(StoreLimits::default());
    let wanted = Announced { sha256: Some(Digest::compute(b"right")), ..announced("a.img", 5) };
    let id = uploads.begin(&store, &wanted, SystemTime::now()).unwrap().id;
    uploads.put(&store, &id, 0, b"wrong").unwrap();
    uploads.finish(&store, &id).unwrap();
    let refused = uploads.import(&store, &id, &mut Quiet, SystemTime::now());
    assert!(matches!(refused, Err(UploadError::Digest { .. })), "{refused:?}");
    let view = uploads.view(&store, &id).unwrap();
    assert!(view.state == "failed" && view.error.unwrap().contains("SHA-256"));
    assert!(store.catalogue().unwrap().images.is_empty());
    let again = uploads.begin(&store, &wanted, SystemTime::now()).unwrap();
    assert_eq!((again.offset, again.state), (0, "receiving"));
}

#[test]
fn names_sizes_room_and_number_are_bounded() {
    let keep_free = StoreLimits { keep_free: 0, quota: Some(1 << 20) };
    let Site { store, uploads, _folder } = site(keep_free);
    for name in ["", ".", "..", ".hidden", "a/b.iso", "a\\b.iso", "a\0", &"x".repeat(300)] {
        let refused = uploads.begin(&store, &announced(name, 1), SystemTime::now());
        assert!(matches!(refused, Err(UploadError::Name(_))), "{name:?}: {refused:?}");
    }
    let now = SystemTime::now();
    assert!(matches!(uploads.begin(&store, &announced("a.iso", 0), now), Err(UploadError::Empty)));
    let large = uploads.begin(&store, &announced("a.iso", u64::MAX), now);
    assert!(matches!(large, Err(UploadError::Store(StoreError::NoRoom { .. }))), "{large:?}");
    for n in 0..MOST {
        uploads.begin(&store, &announced(&format!("{n}.iso"), 10), now).unwrap();
    }
    assert!(matches!(uploads.begin(&store, &announced("more.iso", 10), now), Err(UploadError::TooMany)));
    for unknown in ["", "../../etc", "0", &"f".repeat(ID_DIGITS)] {
        assert!(matches!(uploads.put(&store, unknown, 0, b"x"), Err(UploadError::Unknown(_))));
        assert!(matches!(uploads.remove(&store, unknown), Err(UploadError::Unknown(_))));
    }
}

#[test]
fn what_nobody_continues_for_a_day_is_removed() {
    let Site { store, uploads, _folder } = site(StoreLimits::default());
    let now = SystemTime::now();
    let id = uploads.begin(&store, &announced("a.iso", 10), now).unwrap().id;
    uploads.put(&store, &id, 0, b"12345").unwrap();
    uploads.sweep(&store, now + KEPT / 2);
    assert_eq!(uploads.list(&store).len(), 1);
    // A clock that went back removes nothing.
    uploads.sweep(&store, now - KEPT);
    assert_eq!(uploads.list(&store).len(), 1);
    uploads.sweep(&store, now + KEPT + Duration::from_secs(60));
    assert!(ids(&store).is_empty());
}
