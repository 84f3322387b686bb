use std::collections::BTreeMap;

use super::*;
use crate::{FileEntry, ImageKind};

fn version(manifest: &Manifest) -> Version {
    Version {
        manifest: manifest.digest(),
        kind: manifest.kind,
        files: manifest.files.len(),
        size: manifest.size(),
        labels: BTreeMap::new(),
        source: "test".into(),
        at: 0,
        about: None,
    }
}

fn put(store: &Store, name: &str, files: &[(&str, &[u8])]) -> Manifest {
    let mut writer = store.write().unwrap();
    let files = files
        .iter()
        .map(|(path, bytes)| {
            let (digest, size) = writer.put(Path::new(path), &mut &**bytes, &mut Quiet).unwrap();
            FileEntry::whole(*path, digest, size)
        })
        .collect();
    let manifest = Manifest { kind: ImageKind::Raw, files, boot: None };
    writer.commit(name, &manifest, version(&manifest), &mut Quiet).unwrap();
    manifest
}

fn store(limits: StoreLimits) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store"), limits).unwrap();
    (folder, store)
}

#[test]
fn a_committed_image_is_read_back_and_stored_once() {
    let (_folder, store) = store(StoreLimits::default());
    let manifest = put(&store, "one", &[("a", b"same"), ("b/c", b"same"), ("d", b"")]);
    assert_eq!(manifest.files[0].digest, manifest.files[1].digest);
    assert_eq!(store.blobs().unwrap().len(), 3, "two contents and the manifest");
    let blob = store.blob(&manifest.files[0].digest).unwrap();
    let mut bytes = [0; 4];
    blob.read_exact_at(0, &mut bytes).unwrap();
    assert_eq!((&bytes, blob.etag()), (b"same", format!("\"{}\"", manifest.files[0].digest).into()));
    let catalogue = store.catalogue().unwrap();
    assert_eq!(catalogue.images["one"].current, manifest.digest());
    assert_eq!(store.manifest(&manifest.digest()).unwrap(), manifest);
}

#[test]
fn an_update_is_a_new_version_and_the_old_one_can_come_back() {
    let (_folder, store) = store(StoreLimits::default());
    let old = put(&store, "one", &[("a", b"old")]);
    let serving = store.blob(&old.files[0].digest).unwrap();
    let new = put(&store, "one", &[("a", b"new!")]);
    let current = || store.catalogue().unwrap().images["one"].current;
    assert_eq!((current(), store.catalogue().unwrap().images["one"].versions.len()), (new.digest(), 2));
    let labels = [("site".to_owned(), "Berlin".to_owned())];
    store.write().unwrap().tag("one", Some(old.digest()), &labels).unwrap();
    assert_eq!(current(), old.digest());
    assert_eq!(store.catalogue().unwrap().images["one"].current().unwrap().labels["site"], "Berlin");
    store.write().unwrap().remove("one", Some(old.digest())).unwrap();
    assert_eq!(current(), new.digest());
    store.write().unwrap().collect().unwrap();
    let mut bytes = [0; 3];
    serving.read_exact_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"old", "a transfer in flight finishes on the old one");
    assert!(matches!(store.blob(&old.files[0].digest), Err(StoreError::Blob { what: "missing", .. })));
}

#[test]
fn only_what_nothing_leads_to_is_collected() {
    let (_folder, store) = store(StoreLimits::default());
    let kept = put(&store, "kept", &[("a", b"kept"), ("b", b"shared")]);
    let leased = put(&store, "gone", &[("a", b"leased"), ("b", b"shared")]);
    store.lease(&leased.digest()).unwrap();
    store.write().unwrap().remove("gone", None).unwrap();
    assert_eq!(store.write().unwrap().collect().unwrap(), Collected { blobs: 0, bytes: 0, kept: 5 });
    let lease = store.root().join("leases").join(leased.digest().to_string());
    let old = SystemTime::now() - LEASE - Duration::from_secs(1);
    File::options().write(true).open(&lease).unwrap().set_modified(old).unwrap();
    let collected = store.write().unwrap().collect().unwrap();
    assert_eq!((collected.blobs, collected.kept), (2, 3));
    assert!(kept.files.iter().all(|file| store.contains(&file.digest)));
    assert!(!lease.exists());
}

#[test]
fn a_bad_blob_is_withdrawn_and_comes_back_with_the_next_ingest() {
    let (_folder, store) = store(StoreLimits::default());
    let manifest = put(&store, "one", &[("a", b"good"), ("b", b"other")]);
    let path = store.blob_path(&manifest.files[0].digest);
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"evil").unwrap();
    let scrubbed = store.scrub(&mut Quiet).unwrap();
    let bad = vec![manifest.files[0].digest];
    assert_eq!((scrubbed.blobs, &scrubbed.bad, &scrubbed.missing), (3, &bad, &bad));
    assert_eq!(store.verify(&manifest.digest(), &mut Quiet).unwrap().missing, bad);
    put(&store, "one", &[("a", b"good"), ("b", b"other")]);
    assert_eq!(
        store.scrub(&mut Quiet).unwrap(),
        Scrubbed { bad: Vec::new(), missing: Vec::new(), ..scrubbed }
    );
}

#[test]
fn there_is_one_writer_and_it_sweeps_what_another_left() {
    let (_folder, store) = store(StoreLimits::default());
    let writer = store.write().unwrap();
    assert!(matches!(store.write(), Err(StoreError::Busy)));
    drop(writer);
    let left = store.root().join("incoming/999");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("0"), b"half").unwrap();
    drop(store.write().unwrap());
    assert!(!left.exists());
}

#[test]
fn a_long_ingest_that_cannot_fit_is_refused_before_it_starts() {
    let (_folder, store) = store(StoreLimits { quota: Some(1000), keep_free: 0 });
    put(&store, "one", &[("a", &[7; 500])]);
    let mut writer = store.write().unwrap();
    assert!(writer.reserve(100).is_ok());
    let refused = writer.reserve(500).unwrap_err();
    assert!(matches!(refused, StoreError::NoRoom { need: 600, .. }));
    assert!(refused.to_string().contains("of the 1000 bytes of store.quota"), "{refused}");
    let kept = Store::open(store.root(), StoreLimits { quota: None, keep_free: u64::MAX }).unwrap();
    drop(writer);
    let refused = kept.write().unwrap().reserve(1).unwrap_err();
    assert!(matches!(refused, StoreError::NoRoom { need: 1, have: 0, .. }));
    let words = format!("bytes free, of which store.keep-free keeps {}", u64::MAX);
    assert!(refused.to_string().contains(&words), "{refused}");
    let full = Store::open(store.root(), StoreLimits::default()).unwrap();
    let refused = full.write().unwrap().reserve(u64::MAX / 2).unwrap_err();
    assert!(refused.to_string().ends_with("may be used: that is what the disk has free"), "{refused}");
}

#[test]
fn a_name_is_one_component() {
    let (_folder, store) = store(StoreLimits::default());
    for name in ["", "..", "a/b", "a\\b", "a\0b", "nul"] {
        let manifest = Manifest { kind: ImageKind::Raw, files: Vec::new(), boot: None };
        let refused = store.write().unwrap().commit(name, &manifest, version(&manifest), &mut Quiet);
        assert!(matches!(refused, Err(StoreError::Name(_))), "{name:?}");
    }
    assert!(matches!(store.write().unwrap().remove("x", None), Err(StoreError::NoImage(_))));
}

#[test]
fn a_read_error_half_way_leaves_nothing() {
    struct Broken(usize);
    impl io::Read for Broken {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 2 { Err(io::Error::other("bad sector")) } else { Ok(buf.len()) }
        }
    }
    let (_folder, store) = store(StoreLimits::default());
    let mut writer = store.write().unwrap();
    let failed = writer.put(Path::new("disk.dmg"), &mut Broken(0), &mut Quiet).unwrap_err();
    assert_eq!(failed.to_string(), "cannot read disk.dmg");
    drop(writer);
    assert_eq!(store.blobs().unwrap(), []);
    assert_eq!(fs::read_dir(store.root().join("incoming")).unwrap().count(), 0);
}
