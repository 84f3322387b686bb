//! A content library of two drives, with what goes wrong in real ones.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use imagestore::ingest::{Import, PackageUse, import_content};
use imagestore::library::{ContentLibrary, Packages};
use imagestore::{BootPath, Digest, ImageKind, ImageTree, OpenError, Quiet, Store, StoreLimits};

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
        let store = Store::open(&folder.path().join("store"), StoreLimits::default()).unwrap();
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
        let hex = Digest::compute(bytes).to_string().to_uppercase();
        let ini = self.root().join("DataLib").join(id).join(format!("{path}.INI"));
        fs::create_dir_all(ini.parent().unwrap()).unwrap();
        fs::write(ini, format!("[File]\r\nHash={hex}\r\nSize={}\r\nAttributes=20\r\n", bytes.len())).unwrap();
        let place = self.folder.path().join(drive).join("SCCMContentLib/FileLib").join(&hex[..4]).join(&hex);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, bytes).unwrap();
        place
    }

    fn import(
        &self,
        id: &str,
    ) -> Result<Option<imagestore::ingest::Imported>, imagestore::ingest::IngestError> {
        self.take_as(PackageUse::Unknown, id)
    }

    fn take_as(
        &self,
        package: PackageUse,
        id: &str,
    ) -> Result<Option<imagestore::ingest::Imported>, imagestore::ingest::IngestError> {
        let library = self.library();
        let wanted = Import { package, ..Import::default() };
        import_content(&self.store, &library, &library.content(id).unwrap(), wanted, &mut Quiet)
    }

    /// Puts a Windows image into a content; its files are folders of the site's folder.
    fn wim(&self, id: &str, name: &str, files: &[(&str, &[u8])], properties: &[&str]) {
        let source = self.folder.path().join(format!("{id}-source"));
        for (path, bytes) in files {
            let path = source.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let place = self.folder.path().join(format!("{id}.wim"));
        common::reader();
        let mut command = Command::new("wimlib-imagex");
        command.arg("capture").arg(&source).arg(&place).arg(format!("Image of {id}"));
        for property in properties {
            command.args(["--image-property", property]);
        }
        assert!(command.output().unwrap().status.success());
        self.package(id, false);
        self.file("D", id, name, &fs::read(place).unwrap());
    }

    fn tree(&self) -> ImageTree {
        ImageTree::new(self.store.clone(), &self.store.catalogue().unwrap())
    }

    /// A file as clients have it.
    fn fetched(&self, path: &str) -> Result<Vec<u8>, OpenError> {
        let file = self.tree().open(&BootPath::parse(path.as_bytes()).unwrap())?;
        let mut bytes = Vec::new();
        file.copy_to(&mut bytes).unwrap();
        Ok(bytes)
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
    let imported = site.import("PS100005.9").unwrap().unwrap();
    assert_eq!((imported.name.as_str(), imported.record.current().unwrap().kind), ("Sierra", ImageKind::Nbi));
    assert_eq!(site.text(&imported, "NetInstall.dmg"), "a root image");
    assert_eq!(site.store.blobs().unwrap().len(), 1, "the manifest and no copy");
    let whole = site.store.scrub(&mut Quiet).unwrap();
    assert!(whole.bad.is_empty() && whole.missing.is_empty());

    // The file goes: nothing serves it, and it is found again where it comes back.
    let digest = Digest::compute(b"a root image");
    fs::remove_file(&root).unwrap();
    assert!(site.store.blob(&digest).is_err());
    assert_eq!(site.store.scrub(&mut Quiet).unwrap().missing, [digest]);
    site.file("D", "PS100005.9", "Sierra.nbi/NetInstall.dmg", b"a root image");
    let again = site.import("PS100005.9").unwrap().unwrap();
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
    let imported = site.import("PS100006.1").unwrap().unwrap();
    assert_eq!(imported.findings, [format!("A.nbi/gone.dmg: no drive has {}", Digest::compute(b"gone"))]);

    site.package("PS100007.1", false);
    site.file("D", "PS100007.1", "B.nbi/NBImageInfo.plist", b"<plist>b</plist>");
    let wrong = site.file("D", "PS100007.1", "B.nbi/root.dmg", b"right");
    fs::write(wrong, b"wrong").unwrap();
    let error = site.import("PS100007.1").unwrap_err().to_string();
    assert_eq!(
        error,
        format!("the blob {} is not what the file in the content library holds", Digest::compute(b"right"))
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
    common::reader();
    let made = Command::new("wimlib-imagex")
        .args(["capture", "set", "mac.wim", "--compress=LZX"])
        .current_dir(site.folder.path())
        .output()
        .unwrap();
    assert!(made.status.success());
    let wim = fs::read(site.folder.path().join("mac.wim")).unwrap();
    site.package("PS100008.3", false);
    site.file("E", "PS100008.3", "mac.wim", &wim);
    let imported = site.import("PS100008.3").unwrap().unwrap();
    assert_eq!(imported.name, "Mojave");
    assert_eq!(site.text(&imported, "i386/booter"), "booter");
    site.package("PS100009.1", false);
    site.file("D", "PS100009.1", "readme.txt", b"hello");
    assert!(site.import("PS100009.1").unwrap().is_none());
    assert!(ContentLibrary::open(Path::new("/nonexistent"), &[]).is_err());
}

#[test]
fn versions_are_numbers_and_one_unreadable_package_hides_no_other() {
    let site = Site::new();
    let pkg = site.root().join("PkgLib");
    fs::write(pkg.join("PS100005.INI"), "[Packages]\r\nPS100005.10\r\nPS100005.9\r\n").unwrap();
    fs::write(pkg.join("PS100004.INI"), "[Packages]\r\nPS100004.2\r\n").unwrap();
    fs::create_dir(pkg.join("PS100006.INI")).unwrap();
    assert_eq!(site.library().ids().unwrap(), ["PS100004.2", "PS100005.9", "PS100005.10"]);
    let mut packages = Packages::default();
    let library = site.library();
    assert!(packages.refresh(&library).unwrap());
    let troubles: Vec<String> = packages.troubles().map(|(name, _)| name).collect();
    assert_eq!(troubles, ["PS100006.INI"]);
    fs::remove_dir(pkg.join("PS100006.INI")).unwrap();
    site.package("PS100006.1", true);
    assert!(packages.refresh(&library).unwrap());
    assert_eq!((packages.troubles().count(), packages.contents().len()), (0, 3));
    let read = library.work().read;
    assert!(!packages.refresh(&library).unwrap());
    assert_eq!(library.work().read, read, "nothing has changed and nothing is read");
}

#[test]
fn a_package_file_that_is_being_written_takes_nothing_back() {
    let site = Site::new();
    site.package("PS100005.9", false);
    let (library, mut packages) = (site.library(), Packages::default());
    packages.refresh(&library).unwrap();
    fs::write(site.root().join("PkgLib/PS100005.INI"), "").unwrap();
    packages.refresh(&library).unwrap();
    assert_eq!(packages.contents().len(), 1, "it may be written this moment");
    packages.refresh(&library).unwrap();
    assert_eq!(packages.contents().len(), 0, "it stays empty");
    site.package("PS100005.10", false);
    packages.refresh(&library).unwrap();
    fs::remove_file(site.root().join("PkgLib/PS100005.INI")).unwrap();
    packages.refresh(&library).unwrap();
    assert_eq!(packages.contents().len(), 0, "a package that is removed is gone at once");
}

#[test]
fn two_packages_with_sets_of_one_name_are_two_images() {
    let site = Site::new();
    for (id, bytes) in [("PS100005.1", "first"), ("PS100006.3", "second")] {
        site.package(id, false);
        site.file("D", id, "NetBoot.nbi/NBImageInfo.plist", b"<plist/>");
        site.file("D", id, "NetBoot.nbi/i386/booter", bytes.as_bytes());
    }
    let names = ["PS100005.1", "PS100006.3"].map(|id| site.import(id).unwrap().unwrap().name);
    assert_eq!(names, ["NetBoot", "NetBoot.PS100006"]);
    assert_eq!(site.fetched("NetBoot/Images/NetBoot.nbi/i386/booter").unwrap(), b"first");
    assert_eq!(site.fetched("NetBoot/Images/NetBoot.PS100006.nbi/i386/booter").unwrap(), b"second");
    // The next version of the second is the second's.
    site.file("D", "PS100006.10", "NetBoot.nbi/NBImageInfo.plist", b"<plist/>");
    site.file("D", "PS100006.10", "NetBoot.nbi/i386/booter", b"third");
    assert_eq!(site.import("PS100006.10").unwrap().unwrap().name, "NetBoot.PS100006");
    assert_eq!(site.fetched("NetBoot/i386/booter").unwrap(), b"first");
}

const BOOT_FILES: [(&str, &[u8]); 2] =
    [("Windows/Boot/EFI/bootmgfw.efi", b"efi"), ("Windows/Boot/PXE/pxeboot.n12", b"bios")];

#[test]
fn a_full_windows_is_a_file_of_its_package_and_not_windows_pe() {
    let site = Site::new();
    let files = |mark: &'static [u8]| [&BOOT_FILES[..], &[("Windows/System32/ntoskrnl.exe", mark)]].concat();
    site.wim("PS100020.1", "install.wim", &files(b"client"), &["WINDOWS/INSTALLATIONTYPE=Client"]);
    site.wim("PS100021.1", "install.wim", &files(b"server"), &["WINDOWS/INSTALLATIONTYPE=Server Core"]);
    site.wim("PS100022.1", "install.wim", &files(b"says nothing"), &[]);
    for id in ["PS100020", "PS100021", "PS100022"] {
        let taken = site.import(&format!("{id}.1")).unwrap().unwrap();
        let kind = taken.record.current().unwrap().kind;
        assert_eq!((taken.name.as_str(), kind), (id, ImageKind::Raw));
        assert!(taken.findings[0].contains("is not Windows PE: install.wim is served as it is"));
        let whole = fs::read(site.folder.path().join(format!("{id}.1.wim"))).unwrap();
        assert_eq!(site.fetched(&format!("{id}/install.wim")).unwrap(), whole);
        assert_eq!(site.fetched(&format!("\\SMSImages\\{id}\\INSTALL.wim")).unwrap(), whole);
        // Not even when the operator says that it is a boot image.
        let said = site.take_as(PackageUse::BootImage, &format!("{id}.1")).unwrap().unwrap();
        let expected = if id == "PS100022" { ImageKind::WinPe } else { ImageKind::Raw };
        assert_eq!(said.record.current().unwrap().kind, expected, "{id}");
    }
    assert_eq!(site.store.catalogue().unwrap().images.len(), 4, "none replaces another");
}

#[test]
fn windows_pe_is_known_by_its_own_words_and_is_served_as_distribution_points_spell_it() {
    let site = Site::new();
    let marked = [&BOOT_FILES[..], &[("Windows/System32/winpeshl.exe", b"shell")]].concat();
    site.wim("PS100005.9", "boot.PS100005.wim", &BOOT_FILES, &["WINDOWS/INSTALLATIONTYPE=WindowsPE"]);
    site.wim("PS100006.1", "boot.wim", &marked, &[]);
    site.wim("PS100007.1", "boot.wim", &marked, &["WINDOWS/ARCH=0"]);
    let names = ["PS100005.9", "PS100006.1", "PS100007.1"].map(|id| {
        let taken = site.import(id).unwrap().unwrap();
        assert_eq!(taken.record.current().unwrap().kind, ImageKind::WinPe, "{id}");
        taken.name
    });
    assert_eq!(names, ["boot.PS100005", "boot", "boot.PS100007"]);
    for (id, package) in [("PS100005.9", "PS100005"), ("PS100006.1", "PS100006")] {
        let whole = fs::read(site.folder.path().join(format!("{id}.wim"))).unwrap();
        for path in [
            format!("\\SMSImages\\{package}\\boot.{package}.wim"),
            format!("smsimages/{}/boot.wim", package.to_lowercase()),
            format!("{package}/boot.wim"),
        ] {
            assert_eq!(site.fetched(&path).unwrap(), whole, "{path}");
        }
    }
    assert_eq!(site.fetched("boot.PS100007/boot/x86/pxeboot.n12").unwrap(), b"bios");
    // A package that the site calls an operating system is a file, whatever is in it.
    site.wim("PS100008.1", "capture.wim", &marked, &[]);
    let taken = site.take_as(PackageUse::Files, "PS100008.1").unwrap().unwrap();
    assert_eq!((taken.name.as_str(), taken.record.current().unwrap().kind), ("PS100008", ImageKind::Raw));
}

#[test]
fn disk_images_of_a_package_are_served_under_its_id_where_they_lie() {
    let site = Site::new();
    site.package("PS100030.2", false);
    let place = site.file("E", "PS100030.2", "media/Tools.iso", b"an iso");
    site.file("D", "PS100030.2", "Mac.dmg", b"a disk image");
    site.file("D", "PS100030.2", "readme.txt", b"hello");
    let taken = site.import("PS100030.2").unwrap().unwrap();
    assert_eq!(taken.name, "PS100030");
    assert_eq!(site.fetched("PS100030/media/Tools.iso").unwrap(), b"an iso");
    assert_eq!(site.fetched("PS100030/Mac.dmg").unwrap(), b"a disk image");
    assert!(matches!(site.fetched("PS100030/readme.txt"), Err(OpenError::NotFound)));
    assert_eq!(site.store.blobs().unwrap().len(), 1, "the manifest and no copy");
    assert!(place.exists());

    // The system image that a Mac's task sequence applies: inside a .wim, and no set.
    site.wim("PS100031.1", "System.wim", &[("OSX.dmg", b"a system"), ("notes.txt", b"-")], &[]);
    let taken = site.take_as(PackageUse::Files, "PS100031.1").unwrap().unwrap();
    assert_eq!((taken.name.as_str(), taken.record.current().unwrap().kind), ("PS100031", ImageKind::Raw));
    assert_eq!(site.fetched("PS100031/OSX.dmg").unwrap(), b"a system");
}

#[test]
fn a_file_that_a_machine_runs_from_is_readable_after_the_site_removed_it() {
    let site = Site::new();
    site.package("PS100005.1", false);
    site.file("D", "PS100005.1", "Sierra.nbi/NBImageInfo.plist", b"<plist/>");
    let root = site.file("D", "PS100005.1", "Sierra.nbi/NetInstall.dmg", b"a root image");
    site.import("PS100005.1").unwrap().unwrap();
    let (digest, tree) = (Digest::compute(b"a root image"), site.tree());
    let path = BootPath::parse(b"Sierra/NetInstall.dmg").unwrap();
    site.store.keep_open(&tree.open(&path).unwrap());
    let writer = fs::File::options().write(true).open(&root).unwrap();
    fs::remove_file(root).unwrap();
    let mut bytes = Vec::new();
    tree.open(&path).unwrap().copy_to(&mut bytes).unwrap();
    assert_eq!(bytes, b"a root image");
    assert!(!site.store.contains(&digest), "nobody else is sent to it");
    let booter = BootPath::parse(b"Sierra/NBImageInfo.plist").unwrap();
    let place = tree.open(&booter).unwrap();
    assert_eq!(place.len(), 8);
    // A write through an open handle before the last name goes makes it another file.
    (&writer).write_all(b"another root").unwrap();
    writer.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(tree.open(&path).is_err());
}

#[test]
fn an_image_that_its_source_took_back_is_announced_to_nobody_and_stays_readable() {
    let site = Site::new();
    site.package("PS100005.1", false);
    site.file("D", "PS100005.1", "Sierra.nbi/NBImageInfo.plist", b"<plist/>");
    let taken = site.import("PS100005.1").unwrap().unwrap();
    let retire = || site.store.write().unwrap().retire(&["Sierra".into()], 7, "removed by the site").unwrap();
    assert_eq!((retire(), retire()), (1, 0));
    let path = BootPath::parse(b"Sierra/NBImageInfo.plist").unwrap();
    let tree = site.tree();
    assert!(tree.images().is_empty());
    assert!(matches!(tree.open_announced(&path), Err(OpenError::NotFound)));
    assert!(tree.open(&path).is_ok());
    let bytes = site.file("D", "PS100005.1", "Sierra.nbi/NBImageInfo.plist", b"<plist/>");
    fs::remove_file(&bytes).unwrap();
    assert_eq!(site.store.scrub(&mut Quiet).unwrap().missing, [], "it is gone on purpose");
    site.file("D", "PS100005.1", "Sierra.nbi/NBImageInfo.plist", b"<plist/>");
    assert_eq!(site.import("PS100005.1").unwrap().unwrap().record, taken.record, "distributed again");
    assert!(site.tree().open_announced(&path).is_ok());
}
