//! Imports of folders, disk images and Windows images.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/site.rs"]
mod site;
mod windows_images;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use imagestore::ingest::{Import, IngestError, import};
use imagestore::{Digest, ImageKind, Observer, Quiet, Store, StoreError, StoreLimits};
use site::Site;
use windows_images::{wimlib, windows_pe};

fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Half of it repeats, so that compression has something to do.
        bytes.extend(state.to_be_bytes());
        bytes.extend(b"same");
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn a_folder_is_taken_in_once() {
    let site = Site::new();
    site.put("linux/vmlinuz", b"kernel");
    site.put("linux/boot/initrd.img", b"initrd");
    symlink("vmlinuz", site.path("linux/default")).unwrap();
    let imported = site.import("linux").unwrap();
    assert_eq!(
        (imported.name.as_str(), imported.record.current().unwrap().kind),
        ("linux", ImageKind::Linux)
    );
    let manifest = site.manifest(&imported);
    let paths: Vec<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["boot/initrd.img", "default", "vmlinuz"]);
    assert_eq!(manifest.files[2].digest, Digest::compute(b"kernel"));
    let blobs = site.store.blobs().unwrap();
    let written = |store: &Store| {
        let stamps =
            store.blobs().unwrap().into_iter().map(|(digest, _)| store.blob(&digest).unwrap().modified());
        stamps.collect::<Vec<_>>()
    };
    let before = written(&site.store);
    assert_eq!(site.import("linux").unwrap().record, imported.record);
    assert_eq!(
        (site.store.blobs().unwrap(), written(&site.store)),
        (blobs, before),
        "no blob is written again"
    );
}

#[test]
fn every_bad_folder_is_named_and_nothing_of_it_is_visible() {
    let site = Site::new();
    site.put("twins/Boot.efi", b"a");
    site.put("twins/boot.EFI", b"b");
    site.put("out/a", b"a");
    symlink("/etc/hostname", site.path("out/link")).unwrap();
    site.put("dangling/a", b"a");
    symlink("nowhere", site.path("dangling/link")).unwrap();
    site.put("names/a:b", b"a");
    fs::create_dir(site.path("empty")).unwrap();
    assert!(Command::new("mkfifo").arg(site.path("fifo.wim")).status().unwrap().success());
    site.put("bytes/a", b"a");
    fs::write(site.path("bytes").join(OsStr::from_bytes(b"gr\xf6sse.efi")), b"b").unwrap();
    let table = [
        ("twins", "\"Boot.efi\" and \"boot.EFI\" differ in case only"),
        ("out", "out/link leads out of the folder or to nothing"),
        ("dangling", "dangling/link leads out of the folder or to nothing"),
        ("names", "\"a:b\" cannot be served"),
        ("empty", "empty holds no file"),
        ("fifo.wim", "fifo.wim is neither a file nor a folder"),
        ("bytes", "sse.efi is not UTF-8; rename it"),
        ("none", "none"),
    ];
    site.refuses(&table);
}

#[test]
fn a_name_that_is_not_utf8_is_refused_and_no_other_is_made_of_it() {
    let site = Site::new();
    for name in [&b"gr\xf6sse.efi"[..], b"gr\xf6sse"] {
        let path = site.path("x").with_file_name(OsStr::from_bytes(name));
        if name.ends_with(b".efi") {
            fs::write(&path, b"a program").unwrap();
        } else {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("a"), b"a").unwrap();
        }
        let refused = import(&site.store, &path, Import::default(), &mut Quiet).unwrap_err().to_string();
        assert!(refused.contains("is not UTF-8; rename it"), "{refused}");
        assert!(site.is_untouched());
    }
    let named = Import { name: Some("größe".into()), ..Import::default() };
    let folder = site.path("x").with_file_name(OsStr::from_bytes(b"gr\xf6sse"));
    assert_eq!(import(&site.store, &folder, named, &mut Quiet).unwrap().name, "größe");
}

#[test]
fn what_has_no_bytes_is_left_out_of_a_folder_with_a_note() {
    let site = Site::new();
    site.put("mixed/a", b"a");
    assert!(Command::new("mkfifo").arg(site.path("mixed/fifo")).status().unwrap().success());
    let _socket = UnixListener::bind(site.path("mixed/socket")).unwrap();
    let device = site.path("mixed/null");
    let made = Command::new("mknod").arg(&device).args(["c", "1", "3"]).status().unwrap();
    assert!(made.success(), "tests run as root");
    let imported = site.import("mixed").unwrap();
    assert_eq!(
        imported.findings,
        [
            "fifo is a FIFO and is left out",
            "null is a character device and is left out",
            "socket is a socket and is left out",
        ]
    );
    assert_eq!(site.manifest(&imported).files.len(), 1);
}

#[test]
fn a_sparse_file_keeps_its_holes() {
    let site = Site::new();
    let path = site.put("disk.img", b"begins");
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(300 << 20).unwrap();
    file.write_all_at(&noise(1, 100_000), 150 << 20).unwrap();
    let imported = site.import("disk.img").unwrap();
    let manifest = site.manifest(&imported);
    assert_eq!(manifest.files[0].digest, Digest::compute(&fs::read(&path).unwrap()));
    let taken = |file: &fs::File| file.metadata().unwrap().blocks() * 512;
    let blob = site.store.blob(&manifest.files[0].digest).unwrap();
    assert_eq!(blob.len(), 300 << 20);
    assert!(taken(blob.file().unwrap().0) < 1 << 20, "the holes are not filled");
    let mut out = fs::File::options().create_new(true).read(true).write(true).open(site.path("out")).unwrap();
    blob.copy_to_file(&mut out, &mut Quiet).unwrap();
    assert!(taken(&out) < 1 << 20);
    assert_eq!(Digest::compute(&fs::read(site.path("out")).unwrap()), manifest.files[0].digest);
}

#[test]
fn an_import_that_is_cancelled_leaves_nothing() {
    struct Impatient(u64);
    impl Observer for Impatient {
        fn bytes(&mut self, count: u64) {
            self.0 += count;
        }
        fn is_cancelled(&self) -> bool {
            self.0 > 1_000_000
        }
    }
    let site = Site::new();
    site.put("folder/a", &noise(1, 100_000));
    site.put("folder/b", &noise(2, 20_000_000));
    windows_pe(&site, &[]);
    wimlib(&["capture", "pe", "boot.wim", "WinPE", "--image-property", "WINDOWS/ARCH=9"], site.folder.path());
    for name in ["folder", "folder/b", "boot.wim"] {
        let cancelled = import(&site.store, &site.path(name), Import::default(), &mut Impatient(0));
        assert!(matches!(cancelled, Err(IngestError::Store(StoreError::Cancelled))), "{name}: {cancelled:?}");
        assert!(site.is_untouched(), "{name}");
    }
    let taken = site.import("folder").unwrap();
    let verified = site.store.verify(&taken.record.current, &mut Impatient(0)).unwrap();
    assert!(verified.cancelled && verified.bad.is_empty());
    assert!(site.store.scrub(&mut Impatient(0)).unwrap().bad.is_empty(), "nothing is withdrawn unread");
}

#[test]
fn an_import_looks_at_no_blob_of_other_images() {
    let site = Site::new();
    site.put("one/a", b"bytes of an image");
    site.import("one").unwrap();
    // A reader that lists all blobs fails here.
    let in_the_way = site.store.root().join("blobs/zz");
    fs::write(&in_the_way, b"").unwrap();
    site.put("two/a", b"bytes of an image");
    site.put("two/b", b"others");
    let limited = Store::open(site.store.root(), StoreLimits { quota: Some(1 << 30), keep_free: 0 }).unwrap();
    import(&limited, &site.path("two"), Import::default(), &mut Quiet).unwrap();
    let counted = limited.used().unwrap();
    fs::remove_file(in_the_way).unwrap();
    let there: u64 = limited.blobs().unwrap().iter().map(|(_, size)| size).sum();
    assert_eq!(counted, there);
    limited.write().unwrap().remove("two", None).unwrap();
    limited.write().unwrap().collect().unwrap();
    let there: u64 = limited.blobs().unwrap().iter().map(|(_, size)| size).sum();
    assert_eq!(limited.used().unwrap(), there);
}

#[test]
fn disk_images_are_taken_as_they_are_when_they_are_whole() {
    let site = Site::new();
    let mut dmg = noise(40, 100_000);
    let mut koly = vec![0; 512];
    koly[..4].copy_from_slice(b"koly");
    koly[32..40].copy_from_slice(&90_000_u64.to_be_bytes());
    koly[216..224].copy_from_slice(&90_000_u64.to_be_bytes());
    koly[224..232].copy_from_slice(&10_000_u64.to_be_bytes());
    dmg.extend(&koly);
    site.put("Mac.dmg", &dmg);
    let imported = site.import("Mac.dmg").unwrap();
    assert_eq!(imported.findings, ["an Apple disk image (UDIF)"]);
    assert_eq!(site.manifest(&imported).files[0].digest, Digest::compute(&dmg));
    site.put("short.dmg", &[&dmg[..50_000], &koly].concat());
    let error = site.import("short.dmg").unwrap_err().to_string();
    assert!(
        error.contains("short.dmg: it is cut short: the trailer speaks of 100512 bytes, there are 50512"),
        "{error}"
    );
    site.put("text.dmg", b"hello");
    assert!(site.import("text.dmg").unwrap_err().to_string().contains("no disk image"));
    site.put("empty.iso", b"");
    assert!(site.import("empty.iso").unwrap_err().to_string().contains("holds no file"));
}
