use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::{FileEntry, Quiet, StoreLimits};

fn put(store: &Store, name: &str, kind: ImageKind, at: Option<&str>, files: &[&str]) -> Digest {
    let mut writer = store.write().unwrap();
    let take = |path: &&str| {
        let bytes = format!("{name} {path}");
        let (digest, size) = writer.put(Path::new(path), &mut bytes.as_bytes(), &mut Quiet).unwrap();
        FileEntry::whole(*path, digest, size)
    };
    let manifest = Manifest { kind, files: files.iter().map(take).collect(), boot: None };
    let labels = at.map(|at| BTreeMap::from([(AT.to_owned(), at.to_owned())])).unwrap_or_default();
    let version = Version {
        manifest: manifest.digest(),
        kind,
        files: files.len(),
        size: manifest.size(),
        labels,
        source: String::new(),
        at: 0,
        about: None,
    };
    writer.commit(name, &manifest, version, &mut Quiet).unwrap();
    manifest.digest()
}

fn text(tree: &ImageTree, path: &str) -> Result<String, OpenError> {
    let file = tree.open(&BootPath::parse(path.as_bytes()).unwrap())?;
    let mut bytes = vec![0; file.len() as usize];
    file.read_exact_at(0, &mut bytes).unwrap();
    Ok(String::from_utf8(bytes).unwrap())
}

#[test]
fn an_image_is_below_its_name_and_wherever_its_label_says() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreLimits::default()).unwrap();
    put(
        &store,
        "WinPE",
        ImageKind::WinPe,
        Some("., images/pe"),
        &["boot/x64/wdsnbp.com", "sources/boot.wim"],
    );
    let mac = put(&store, "Sierra Install", ImageKind::Nbi, None, &["i386/booter"]);
    let tree = ImageTree::new(store.clone(), &store.catalogue().unwrap());
    let wanted = "WinPE boot/x64/wdsnbp.com";
    for path in ["WinPE/boot/x64/wdsnbp.com", "\\Boot\\x64\\WDSNBP.com", "/images/PE/boot/x64/wdsnbp.com"] {
        assert_eq!(text(&tree, path).unwrap(), wanted, "{path}");
    }
    assert_eq!(
        text(&tree, "NetBoot/Images/Sierra Install.nbi/i386/booter").unwrap(),
        "Sierra Install i386/booter"
    );
    assert!(matches!(text(&tree, "boot/x64/none"), Err(OpenError::NotFound)));
    assert!(store.leased().unwrap().contains(&mac));
    let booter = store.manifest(&mac).unwrap().files[0].digest;
    store.withdraw(&booter).unwrap();
    assert!(matches!(text(&tree, "Sierra Install/i386/booter"), Err(OpenError::Withdrawn)));
}

/// A replica of a store.
#[derive(Debug)]
struct Replica(Store);

impl crate::Origin for Replica {
    fn fetch(
        &self,
        digest: &Digest,
        to: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let blob = self.0.blob(digest).map_err(std::io::Error::other)?;
        let mut bytes = Vec::new();
        blob.copy_to(&mut bytes)?;
        to(&bytes)
    }
}

#[test]
fn a_blob_that_was_cut_short_is_withdrawn_and_comes_from_where_it_is_too() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] =
        ["here", "there"].map(|name| Store::open(&folder.path().join(name), StoreLimits::default()).unwrap());
    for store in [&here, &there] {
        put(store, "WinPE", ImageKind::WinPe, None, &["boot.wim"]);
    }
    let catalogue = here.catalogue().unwrap();
    let digest = here.manifest(&catalogue.images["WinPE"].current).unwrap().files[0].digest;
    let cut = || {
        let path = here.blob_path(&digest);
        let _ = std::fs::remove_file(&path); // it is in quarantine the second time
        std::fs::write(&path, "Win").unwrap();
    };
    cut();
    let alone = ImageTree::new(here.clone(), &catalogue);
    assert!(matches!(text(&alone, "WinPE/boot.wim"), Err(OpenError::Withdrawn)));
    assert!(here.root().join("quarantine").join(digest.to_string()).exists());
    cut();
    let cache = Arc::new(Cache::new(here.clone(), Arc::new(Replica(there)), 1 << 20));
    let tree = ImageTree::with_cache(here.clone(), Some(cache), &catalogue);
    assert_eq!(text(&tree, "WinPE/boot.wim").unwrap(), "WinPE boot.wim");
}

#[test]
fn a_machine_that_runs_from_a_version_goes_on_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreLimits::default()).unwrap();
    let old = put(&store, "Sierra", ImageKind::Nbi, None, &["root.dmg"]);
    let new = put(&store, "Sierra", ImageKind::Nbi, None, &["root.dmg", "more"]);
    assert_ne!(old, new);
    let tree = ImageTree::new(store.clone(), &store.catalogue().unwrap());
    let version =
        |path: &str, held| tree.open_version(&BootPath::parse(path.as_bytes()).unwrap(), held).unwrap().1;
    assert_eq!(version("Sierra/root.dmg", None), new);
    assert_eq!(version("Sierra/root.dmg", Some(old)), old);
    assert_eq!(version("Sierra/more", Some(old)), new, "the old one has no such file");
    assert_eq!(version("Sierra/root.dmg", Some(Digest::compute(b"gone"))), new);
}
