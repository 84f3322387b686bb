//! A content library of two drives, with what goes wrong in real ones.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use imagestore::ingest::{Import, import_content};
use imagestore::library::ContentLibrary;
use imagestore::{Digest, ImageKind, Limits, Quiet, Store};

struct Site {
    folder: tempfile::TempDir,
    store: Store,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in [
            "D/SCCMContentLib/PkgLib",
            "D/SCCMContentLib/DataLib",
            "D/SCCMContentLib/FileLib",
            "E/SCCMContentLib/FileLib",
        ] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        let store = Store::open(&folder.path().join("store"), Limits::default()).unwrap();
        Site { folder, store }
    }

    fn library(&self) -> ContentLibrary {
        ContentLibrary::open(&self.root(), &[self.folder.path().join("E/SCCMContentLib")]).unwrap()
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("D/SCCMContentLib")
    }

    fn package(&self, id: &str, wide: bool) {
        let text = format!("[Packages]\r\n{id}\r\n[Info]\r\nVersion=1\r\n");
        let bytes = if wide {
            [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
        } else {
            text.into_bytes()
        };
        fs::write(self.root().join("PkgLib").join(format!("{}.INI", id.split('.').next().unwrap())), bytes)
            .unwrap();
    }

    /// Puts a file into a content; gives where its bytes are.
    fn file(&self, drive: &str, id: &str, path: &str, bytes: &[u8]) -> PathBuf {
        let hex = Digest::of(bytes).to_string().to_uppercase();
        let ini = self.root().join("DataLib").join(id).join(format!("{path}.INI"));
        fs::create_dir_all(ini.parent().unwrap()).unwrap();
        fs::write(ini, format!("[File]\r\nHash={hex}\r\nSize={}\r\nAttributes=20\r\n", bytes.len())).unwrap();
        let place = self.folder.path().join(drive).join("SCCMContentLib/FileLib").join(&hex[..4]).join(&hex);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, bytes).unwrap();
        place
    }

    fn take(
        &self,
        id: &str,
    ) -> Result<Option<imagestore::ingest::Imported>, imagestore::ingest::IngestError> {
        let library = self.library();
        import_content(&self.store, &library, &library.content(id).unwrap(), Import::default(), &mut Quiet)
    }

    fn text(&self, imported: &imagestore::ingest::Imported, path: &str) -> String {
        let manifest = self.store.manifest(&imported.record.current).unwrap();
        let file = manifest.files.iter().find(|file| file.path == path).unwrap();
        let mut bytes = Vec::new();
        self.store.blob(&file.digest).unwrap().copy_to(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

#[test]
fn a_netboot_set_is_served_where_it_lies() {
    let site = Site::new();
    site.package("PS100005.9", true);
    site.file("D", "PS100005.9", "Sierra.nbi/NBImageInfo.plist", b"<plist/>");
    site.file("D", "PS100005.9", "Sierra.nbi/i386/booter", b"booter");
    let root = site.file("E", "PS100005.9", "Sierra.nbi/NetInstall.dmg", b"a root image");
    assert_eq!(site.library().ids().unwrap(), ["PS100005.9"]);
    let imported = site.take("PS100005.9").unwrap().unwrap();
    assert_eq!((imported.name.as_str(), imported.record.current().unwrap().kind), ("Sierra", ImageKind::Nbi));
    assert_eq!(site.text(&imported, "NetInstall.dmg"), "a root image");
    assert_eq!(site.store.blobs().unwrap().len(), 1, "the manifest and no copy");
    let whole = site.store.scrub(&mut Quiet).unwrap();
    assert!(whole.bad.is_empty() && whole.missing.is_empty());

    // The file goes: nothing serves it, and it is found again where it comes back.
    let digest = Digest::of(b"a root image");
    fs::remove_file(&root).unwrap();
    assert!(site.store.blob(&digest).is_err());
    assert_eq!(site.store.scrub(&mut Quiet).unwrap().missing, [digest]);
    site.file("D", "PS100005.9", "Sierra.nbi/NetInstall.dmg", b"a root image");
    let again = site.take("PS100005.9").unwrap().unwrap();
    assert_eq!(
        (again.record.current, site.text(&again, "NetInstall.dmg").as_str()),
        (imported.record.current, "a root image")
    );
    site.store.write().unwrap().remove("Sierra", None).unwrap();
    site.store.write().unwrap().collect().unwrap();
    assert_eq!(fs::read_dir(site.store.root().join("foreign")).unwrap().count(), 0);
    assert!(fs::read_dir(site.root().join("FileLib")).unwrap().count() > 0, "nothing is ever written there");
}

#[test]
fn a_missing_file_and_a_wrong_hash_are_named() {
    let site = Site::new();
    site.package("PS100006.1", false);
    site.file("D", "PS100006.1", "A.nbi/NBImageInfo.plist", b"<plist/>");
    let gone = site.file("D", "PS100006.1", "A.nbi/gone.dmg", b"gone");
    fs::remove_file(gone).unwrap();
    let imported = site.take("PS100006.1").unwrap().unwrap();
    assert_eq!(imported.findings, [format!("A.nbi/gone.dmg: no drive has {}", Digest::of(b"gone"))]);

    site.package("PS100007.1", false);
    site.file("D", "PS100007.1", "B.nbi/NBImageInfo.plist", b"<plist>b</plist>");
    let wrong = site.file("D", "PS100007.1", "B.nbi/root.dmg", b"right");
    fs::write(wrong, b"wrong").unwrap();
    let error = site.take("PS100007.1").unwrap_err().to_string();
    assert_eq!(
        error,
        format!("the blob {} is not what the file in the content library holds", Digest::of(b"right"))
    );
    assert!(!site.store.catalogue().unwrap().images.contains_key("B"));
}

#[test]
fn a_set_inside_a_windows_image_is_unpacked_and_a_package_of_documents_is_nothing() {
    let site = Site::new();
    let set = site.folder.path().join("set/Mojave.nbi/i386");
    fs::create_dir_all(&set).unwrap();
    fs::write(set.join("booter"), "booter").unwrap();
    fs::write(set.parent().unwrap().join("NBImageInfo.plist"), "<plist/>").unwrap();
    let made = Command::new("wimlib-imagex")
        .args(["capture", "set", "mac.wim", "--compress=LZX"])
        .current_dir(site.folder.path())
        .output()
        .unwrap();
    assert!(made.status.success());
    let wim = fs::read(site.folder.path().join("mac.wim")).unwrap();
    site.package("PS100008.3", false);
    site.file("E", "PS100008.3", "mac.wim", &wim);
    let imported = site.take("PS100008.3").unwrap().unwrap();
    assert_eq!(imported.name, "Mojave");
    assert_eq!(site.text(&imported, "i386/booter"), "booter");
    site.package("PS100009.1", false);
    site.file("D", "PS100009.1", "readme.txt", b"hello");
    assert!(site.take("PS100009.1").unwrap().is_none());
    assert!(ContentLibrary::open(Path::new("/nonexistent"), &[]).is_err());
}
