//! Taking in folders, disk images and Windows images that Debian's wimtools make.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

mod common;
#[path = "common/site.rs"]
mod site;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use imagestore::ingest::{Import, IngestError, import, roles_of};
use imagestore::wim::{Archive, Wim};
use imagestore::{Digest, ImageKind, Limits, Observer, Quiet, Store, StoreError};
use site::Site;

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

fn wimlib(words: &[&str], folder: &Path) {
    common::reader();
    let output = Command::new("wimlib-imagex").args(words).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A Windows PE as far as its boot files go.
fn windows_pe(site: &Site, without: &[&str]) {
    for (at, file) in
        ["pxeboot.com", "pxeboot.n12", "abortpxe.com", "wdsnbp.com", "wdsmgfw.efi", "bootmgr.exe"]
            .iter()
            .enumerate()
    {
        if !without.contains(file) {
            site.put(&format!("pe/Windows/Boot/PXE/{file}"), &noise(at as u32, 30_000));
        }
    }
    site.put("pe/Windows/Boot/EFI/bootmgfw.efi", &noise(20, 1_500_000));
    site.put("pe/Windows/Boot/EFI_EX/bootmgfw_EX.efi", &noise(21, 1_400_000));
    site.put("pe/Windows/Boot/DVD/EFI/boot.sdi", &noise(22, 300_000));
    site.put("pe/Windows/Boot/Fonts/wgl4_boot.ttf", &noise(23, 40_000));
    site.put("pe/Windows/System32/big.dll", &noise(24, 9_000_000));
}

fn netboot_set(site: &Site, top: &str) {
    site.put(&format!("{top}/NBImageInfo.plist"), b"<plist/>");
    site.put(&format!("{top}/i386/booter"), &noise(31, 700_000));
    site.put(&format!("{top}/i386/x86_64/kernelcache"), &noise(32, 1_000_000));
    site.put(&format!("{top}/NetInstall.dmg"), &noise(33, 12_000_000));
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
    assert_eq!(manifest.files[2].digest, Digest::of(b"kernel"));
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
    assert_eq!(manifest.files[0].digest, Digest::of(&fs::read(&path).unwrap()));
    let taken = |file: &fs::File| file.metadata().unwrap().blocks() * 512;
    let blob = site.store.blob(&manifest.files[0].digest).unwrap();
    assert_eq!(blob.len(), 300 << 20);
    assert!(taken(blob.file().unwrap().0) < 1 << 20, "the holes are not filled");
    let mut out = fs::File::options().create_new(true).read(true).write(true).open(site.path("out")).unwrap();
    blob.copy_to_file(&mut out, &mut Quiet).unwrap();
    assert!(taken(&out) < 1 << 20);
    assert_eq!(Digest::of(&fs::read(site.path("out")).unwrap()), manifest.files[0].digest);
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
    // Whoever lists all blobs fails here.
    let in_the_way = site.store.root().join("blobs/zz");
    fs::write(&in_the_way, b"").unwrap();
    site.put("two/a", b"bytes of an image");
    site.put("two/b", b"others");
    let limited = Store::open(site.store.root(), Limits { quota: Some(1 << 30), keep_free: 0 }).unwrap();
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
fn boot_files_come_out_of_a_windows_image_whatever_its_compression() {
    for form in
        ["--compress=none", "--compress=XPRESS", "--compress=LZX", "--compress=LZMS", "--solid", "--pipable"]
    {
        let site = Site::new();
        windows_pe(&site, &["wdsnbp.com"]);
        wimlib(
            &["capture", "pe", "boot.wim", "WinPE", form, "--image-property", "WINDOWS/ARCH=9"],
            site.folder.path(),
        );
        let imported = site.import("boot.wim").unwrap();
        assert_eq!(imported.record.current().unwrap().kind, ImageKind::WinPe);
        assert_eq!(
            imported.findings,
            [
                "wdsnbp.com is missing: BIOS PCs that the site must approve",
                "boot.stl is missing: UEFI PCs with Windows 11 24H2 and later",
            ]
        );
        let manifest = site.manifest(&imported);
        let digest = |path: &str| manifest.files.iter().find(|file| file.path == path).unwrap().digest;
        assert_eq!(digest("boot/x64/pxeboot.n12"), Digest::of(&noise(1, 30_000)), "{form}");
        assert_eq!(digest("boot/x64/bootmgfw.efi"), Digest::of(&noise(20, 1_500_000)));
        assert_eq!(digest("boot/boot.sdi"), Digest::of(&noise(22, 300_000)));
        assert_eq!(digest("boot/fonts/wgl4_boot.ttf"), Digest::of(&noise(23, 40_000)));
        assert_eq!(digest("sources/boot.wim"), Digest::of(&fs::read(site.path("boot.wim")).unwrap()));
        let roles = roles_of(manifest.files.iter().map(|file| file.path.as_str()));
        let open: Vec<&str> = roles.iter().filter(|(_, filled)| !filled).map(|(role, _)| role.name).collect();
        assert_eq!(open, ["wdsnbp.com", "boot.stl"]);
    }
}

#[test]
fn a_netboot_set_comes_out_of_a_windows_image_as_files() {
    for top in ["set/Sierra Install.nbi", "set"] {
        for form in ["--compress=LZX", "--solid"] {
            let site = Site::new();
            netboot_set(&site, top);
            wimlib(&["capture", "set", "mac.wim", "Mac Set", form], site.folder.path());
            let imported = site.import("mac.wim").unwrap();
            let name = if top == "set" { "Mac Set" } else { "Sierra Install" };
            assert_eq!(
                (imported.name.as_str(), imported.record.current().unwrap().kind),
                (name, ImageKind::Nbi)
            );
            let manifest = site.manifest(&imported);
            let paths: Vec<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
            assert_eq!(
                paths,
                ["NBImageInfo.plist", "NetInstall.dmg", "i386/booter", "i386/x86_64/kernelcache"]
            );
            assert_eq!(manifest.files[1].digest, Digest::of(&noise(33, 12_000_000)));
            // The same set as a folder is the same bytes: nothing is stored twice, and both are one version.
            let blobs = site.store.blobs().unwrap();
            let folder = import(
                &site.store,
                &site.path(top),
                Import { name: Some(name.into()), ..Import::default() },
                &mut Quiet,
            );
            assert_eq!(folder.unwrap().record.versions.len(), 1);
            assert_eq!(site.store.blobs().unwrap(), blobs);
        }
    }
}

#[test]
fn a_split_image_is_read_from_its_first_part() {
    let site = Site::new();
    netboot_set(&site, "set/A.nbi");
    wimlib(&["capture", "set", "whole.wim", "--compress=XPRESS"], site.folder.path());
    wimlib(&["split", "whole.wim", "part.swm", "3"], site.folder.path());
    assert!(site.path("part2.swm").exists());
    let imported = site.import("part.swm").unwrap();
    assert_eq!(site.manifest(&imported).files[1].digest, Digest::of(&noise(33, 12_000_000)));
    fs::remove_file(site.path("part2.swm")).unwrap();
    let site2 = Store::open(&site.path("other"), Limits::default()).unwrap();
    let error = import(&site2, &site.path("part.swm"), Import::default(), &mut Quiet).unwrap_err();
    assert!(error.to_string().contains("part.swm"), "{error}");
}

#[test]
fn damaged_windows_images_are_refused_and_leave_nothing() {
    let site = Site::new();
    netboot_set(&site, "set/A.nbi");
    wimlib(&["capture", "set", "good.wim", "--compress=LZX"], site.folder.path());
    let good = fs::read(site.path("good.wim")).unwrap();
    site.put("zero.wim", b"");
    site.put("text.wim", b"this is no Windows image");
    let mut refused = 0;
    for name in ["zero.wim", "text.wim"] {
        let error = site.import(name).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        assert!(site.is_untouched());
    }
    for part in 1..8 {
        site.put("cut.wim", &good[..good.len() * part / 8]);
        assert!(site.import("cut.wim").is_err());
        assert!(site.is_untouched());
    }
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        site.put("bad.wim", &bad);
        // A flipped bit in what is not looked at harms nobody; all else is caught by the image's own checksums.
        match site.import("bad.wim") {
            Err(_) => {
                refused += 1;
                assert!(site.is_untouched(), "byte {at}");
            }
            Ok(imported) => {
                assert_eq!(
                    site.manifest(&imported).files[1].digest,
                    Digest::of(&noise(33, 12_000_000)),
                    "byte {at}"
                );
                site.store.write().unwrap().remove(&imported.name, None).unwrap();
                site.store.write().unwrap().collect().unwrap();
            }
        }
    }
    assert!(refused > 30, "{refused}");
}

#[test]
fn an_image_with_nothing_to_boot_says_so() {
    let site = Site::new();
    site.put("docs/readme.txt", b"hello");
    wimlib(&["capture", "docs", "docs.wim"], site.folder.path());
    let error = site.import("docs.wim").unwrap_err().to_string();
    assert!(error.ends_with("docs.wim holds neither a NetBoot set nor Windows' boot files"), "{error}");
}

#[test]
fn an_archive_finds_its_files_in_any_case_and_verifies() {
    let site = Site::new();
    windows_pe(&site, &[]);
    wimlib(&["capture", "pe", "boot.wim", "--compress=LZX"], site.folder.path());
    let wim = Wim::open(&site.path("boot.wim")).unwrap();
    assert!(wim.find("/windows/boot/pxe/PXEBOOT.N12").is_some());
    assert!(wim.find("/windows/boot/pxe/none").is_none());
    wim.verify().unwrap();
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
    assert_eq!(site.manifest(&imported).files[0].digest, Digest::of(&dmg));
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

/// Puts another name of the same length into the metadata of an uncompressed image, and mends its checksum.
fn rename_inside(wim: &Path, from: &str, to: &str) {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let (from, to) = (wide(from), wide(to));
    let mut bytes = fs::read(wim).unwrap();
    let number = |bytes: &[u8], at: usize| {
        usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
    };
    // The header names the lookup table; of its entries the one with flag 2 is the metadata.
    let (table, length) = (number(&bytes, 56), number(&bytes, 48) & 0x00ff_ffff_ffff_ffff);
    let entry = (table..table + length).step_by(50).find(|at| bytes[at + 7] & 2 != 0).unwrap();
    let (size, at) = (number(&bytes, entry) & 0x00ff_ffff_ffff_ffff, number(&bytes, entry + 8));
    let found = bytes[at..at + size].windows(from.len()).position(|name| name == from).unwrap();
    bytes[at + found..at + found + to.len()].copy_from_slice(&to);
    let metadata = wim.with_extension("metadata");
    fs::write(&metadata, &bytes[at..at + size]).unwrap();
    let sum = Command::new("sha1sum").arg(&metadata).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap();
    for (n, byte) in bytes[entry + 30..entry + 50].iter_mut().enumerate() {
        *byte = u8::from_str_radix(&sum[2 * n..2 * n + 2], 16).unwrap();
    }
    fs::write(wim, bytes).unwrap();
}

#[test]
fn hostile_names_in_a_windows_image_lead_nowhere() {
    for hostile in ["..", "/x", ".\\", "a:"] {
        let site = Site::new();
        netboot_set(&site, "set/A.nbi");
        site.put("set/A.nbi/zz/evil.txt", b"evil");
        wimlib(&["capture", "set", "names.wim", "--compress=none"], site.folder.path());
        rename_inside(&site.path("names.wim"), "zz", hostile);
        let before = fs::read_dir(site.folder.path()).unwrap().count();
        match site.import("names.wim") {
            Ok(imported) => {
                let manifest = site.manifest(&imported);
                assert!(
                    manifest.files.iter().all(|file| !file.path.contains("evil")),
                    "{hostile}: {manifest:?}"
                );
                assert_eq!(manifest.files.len(), 4, "the rest of the set is whole");
            }
            Err(error) => {
                assert!(
                    error.to_string().contains("evil") || error.to_string().contains("names.wim"),
                    "{hostile}: {error}"
                );
                assert!(site.is_untouched(), "{hostile}");
            }
        }
        assert_eq!(fs::read_dir(site.folder.path()).unwrap().count(), before, "{hostile}");
    }
}
