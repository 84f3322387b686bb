//! ISOs: what is on them, how PCs boot them, and what is wrong with bad ones.
#![allow(clippy::unwrap_used)] // helpers of tests

mod common;
#[path = "common/distributions.rs"]
mod distributions;
#[path = "common/site.rs"]
mod site;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use distributions::ROWS;
use imagestore::ingest::{Import, Imported, IngestError, import};
use imagestore::{
    About, BootMethod, BootPath, Digest, ImageKind, ImageTree, Quiet, Store, StoreError, StoreLimits,
};
use site::Site;

impl Site {
    fn run(&self, program: &str, words: &[&str]) {
        let output = Command::new(program).args(words).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// An ISO of the folder `disc`, with a boot image for each kind of PC that is named.
    fn iso(&self, name: &str, label: &str, boots: &[&str]) {
        let mut words = vec!["-as", "mkisofs", "-quiet", "-R", "-J", "-joliet-long", "-V", label, "-o", name];
        for (n, kind) in boots.iter().enumerate() {
            if n > 0 {
                words.push("-eltorito-alt-boot");
            }
            let (option, file) =
                if *kind == "bios" { ("-b", "boot/bios.img") } else { ("-e", "boot/efi.img") };
            self.put(&format!("disc/{file}"), &[0x5a; 2048]);
            words.extend([option, file, "-no-emul-boot"]);
        }
        words.push("disc");
        self.run("xorriso", &words);
    }

    fn fetched(&self, path: &str) -> Vec<u8> {
        let tree = ImageTree::new(self.store.clone(), &self.store.catalogue().unwrap());
        let file = tree.open(&BootPath::parse(path.as_bytes()).unwrap()).unwrap();
        let mut bytes = vec![0; file.len() as usize];
        file.read_exact_at(0, &mut bytes).unwrap();
        bytes
    }
}

fn about(imported: &Imported) -> About {
    *imported.record.current().unwrap().about.clone().unwrap()
}

#[test]
fn distributions_are_recognised_with_their_kernels_and_arguments() {
    for (label, files, boots, title, boot, ways) in ROWS {
        let site = Site::new();
        for (path, text) in *files {
            site.put(&format!("disc/{path}"), text.as_bytes());
        }
        site.iso("a disc.iso", label, boots);
        let imported = site.import("a disc.iso").unwrap();
        let about = about(&imported);
        assert_eq!((about.title().as_str(), about.ways.as_slice()), (*title, *ways), "{label}");
        assert_eq!(about.iso.as_deref(), Some("a disc.iso"));
        let manifest = site.manifest(&imported);
        let found = manifest
            .boot
            .as_ref()
            .map(|boot| [boot.kernel.clone(), boot.initrds.join(" "), boot.cmdline.clone()]);
        assert_eq!(found.as_ref().map(|found| found.each_ref().map(String::as_str)), *boot, "{label}");
        // Everything that it names, and the whole ISO, is served with its own bytes.
        for (path, text) in *files {
            assert_eq!(site.fetched(&format!("a disc/{path}")), text.as_bytes(), "{label}: {path}");
        }
        assert_eq!(site.fetched("a disc/a disc.iso"), fs::read(site.path("a disc.iso")).unwrap());
    }
}

#[test]
fn files_on_a_medium_are_stretches_of_its_one_blob() {
    let site = Site::new();
    site.put("disc/live/filesystem.squashfs", &vec![7; 300_000]);
    site.put("disc/live/vmlinuz", b"kernel");
    site.put("disc/live/initrd.img", b"initrd");
    site.put("disc/live/empty", b"");
    symlink("live", site.path("disc/stable")).unwrap();
    symlink(".", site.path("disc/debian")).unwrap();
    symlink("live/vmlinuz", site.path("disc/kernel")).unwrap();
    symlink("../../etc/passwd", site.path("disc/out")).unwrap();
    site.iso("live.iso", "LIVE", &["bios"]);
    let imported = site.import("live.iso").unwrap();
    assert!(imported.findings.contains(&"out is a link to nothing on the medium and is left out".to_owned()));
    // The ISO and the manifest.
    assert_eq!(site.store.blobs().unwrap().len(), 2);
    assert_eq!(site.fetched("live/live/filesystem.squashfs"), vec![7; 300_000]);
    assert_eq!(site.fetched("live/stable/vmlinuz"), b"kernel");
    assert_eq!(site.fetched("live/kernel"), b"kernel");
    assert_eq!(site.fetched("live/live/empty"), b"");
    assert!(site.manifest(&imported).files.iter().all(|file| !file.path.starts_with("debian/")));
    let tree = ImageTree::new(site.store.clone(), &site.store.catalogue().unwrap());
    let open = |path: &str| tree.open(&BootPath::parse(path.as_bytes()).unwrap()).unwrap();
    let (kernel, initrd) = (open("live/live/vmlinuz"), open("live/live/initrd.img"));
    assert_ne!(kernel.etag(), initrd.etag());
    assert_eq!((kernel.blob(), kernel.holding_blob().is_some()), (None, true));
    let verified = site.store.verify(&imported.record.current, &mut Quiet).unwrap();
    assert_eq!((verified.blobs, verified.bad.len()), (1, 0), "the ISO is read once");
}

#[test]
fn what_nothing_boots_is_refused_with_the_reason() {
    let site = Site::new();
    site.put("disc/drivers/net.inf", b"text");
    site.iso("drivers.iso", "DRIVERS", &[]);
    let error = site.import("drivers.iso").unwrap_err().to_string();
    assert!(error.starts_with("nothing boots "), "{error}");
    assert!(
        error.contains("no kernel that netbootd knows is on it, and it has no boot image (El Torito)"),
        "{error}"
    );
    assert!(site.is_untouched());
    site.put(
        "disc/.disk/info",
        b"Debian GNU/Linux 12.7.0 \"Bookworm\" - Official amd64 NETINST 20240831-10:38",
    );
    site.put("disc/install.amd/vmlinuz", b"k");
    site.iso("debian.iso", "DEBIAN", &[]);
    let error = site.import("debian.iso").unwrap_err().to_string();
    assert!(error.contains("it is Debian 12.7.0 (amd64), which boots from a drive only"), "{error}");
    assert!(site.is_untouched());
}

/// Windows' media have a note in ISO 9660 and everything else in UDF.
#[test]
fn windows_setup_is_read_from_udf_with_the_names_of_both_images() {
    common::reader();
    let site = Site::new();
    for file in
        ["PXE/pxeboot.n12", "PXE/pxeboot.com", "PXE/bootmgr.exe", "EFI/bootmgfw.efi", "DVD/EFI/boot.sdi"]
    {
        site.put(&format!("pe/Windows/Boot/{file}"), file.as_bytes());
    }
    site.put("pe/Windows/System32/winpeshl.exe", b"MZ");
    site.put("home/Windows/explorer.exe", b"MZ home");
    site.put("pro/Windows/explorer.exe", b"MZ pro");
    let version = |image: &str, words: &[&str]| {
        let numbers = ["MAJOR=10", "MINOR=0", "BUILD=22631", "SPBUILD=2861"]
            .map(|part| format!("WINDOWS/VERSION/{part}"));
        let mut all = vec!["info", image];
        all.extend(words);
        for number in &numbers {
            all.extend(["--image-property", number]);
        }
        all.extend(["--image-property", "WINDOWS/ARCH=9"]);
        site.run("wimlib-imagex", &all);
    };
    fs::create_dir_all(site.path("disc/sources")).unwrap();
    site.run(
        "wimlib-imagex",
        &["capture", "pe", "disc/sources/boot.wim", "Microsoft Windows Setup (x64)", "--boot"],
    );
    version("disc/sources/boot.wim", &["1"]);
    site.run("wimlib-imagex", &["capture", "home", "disc/sources/install.wim", "Windows 11 Home"]);
    site.run("wimlib-imagex", &["append", "pro", "disc/sources/install.wim", "Windows 11 Pro"]);
    for image in ["1", "2"] {
        version("disc/sources/install.wim", &[image]);
    }
    site.put("disc/setup.exe", b"MZ setup");
    site.put("disc/README.TXT", b"This disc contains a \"UDF\" file system");
    site.put("disc/boot/etfsboot.com", &[0x5a; 2048]);
    site.put("disc/efi.img", &[0x5a; 2048]);
    let words = ["-quiet", "-udf", "-hide", "setup.exe", "-hide", "sources", "-V", "CCCOMA_X64FRE_EN-US_DV9"];
    let boots =
        ["-b", "boot/etfsboot.com", "-no-emul-boot", "-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot"];
    site.run("genisoimage", &[&words[..], &boots, &["-o", "Win11.iso", "disc"]].concat());

    let imported = site.import("Win11.iso").unwrap();
    let about = about(&imported);
    assert_eq!(about.title(), "Windows 11 10.0.22631.2861 (x64)");
    assert_eq!(about.editions, ["Windows 11 Home", "Windows 11 Pro"]);
    assert_eq!(about.ways, [BootMethod::Wimboot, BootMethod::UefiHttpRamdisk]);
    assert_eq!(imported.record.current().unwrap().kind, ImageKind::WinPe);
    for (path, bytes) in [
        ("setup.exe", &b"MZ setup"[..]),
        ("boot/x64/pxeboot.n12", b"PXE/pxeboot.n12"),
        ("boot/x64/bootmgfw.efi", b"EFI/bootmgfw.efi"),
        ("boot/boot.sdi", b"DVD/EFI/boot.sdi"),
    ] {
        assert_eq!(site.fetched(&format!("Win11/{path}")), bytes, "{path}");
    }
    for path in ["sources/boot.wim", "sources/install.wim"] {
        assert_eq!(
            site.fetched(&format!("Win11/{path}")),
            fs::read(site.path(&format!("disc/{path}"))).unwrap()
        );
    }
    // 7-Zip reads the same names.
    let listed = Command::new("7zz").args(["l", "-slt"]).arg(site.path("Win11.iso")).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).replace('\\', "/");
    assert!(listed.contains("Path = sources/install.wim"), "{listed}");
}

/// An ISO with a folder `aa` that holds a file `bb`, by Rock Ridge.
fn patched(site: &Site, name: &str, patch: impl FnOnce(&mut Vec<u8>)) {
    site.put("disc/aa/bb", b"text");
    site.put("disc/live/filesystem.squashfs", b"s");
    site.put("disc/live/vmlinuz", b"k");
    site.put("disc/live/initrd.img", b"i");
    site.run("xorriso", &["-as", "mkisofs", "-quiet", "-R", "-o", name, "disc"]);
    let mut bytes = fs::read(site.path(name)).unwrap();
    patch(&mut bytes);
    fs::write(site.path(name), bytes).unwrap();
}

/// Puts another name of the same length into every name of Rock Ridge.
fn rename(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let field = [&[b'N', b'M', 5 + from.len() as u8, 1, 0], from].concat();
    let places: Vec<usize> = bytes
        .windows(field.len())
        .enumerate()
        .filter(|(_, window)| *window == field)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + 5..at + field.len()].copy_from_slice(to);
    }
}

#[test]
fn bad_media_are_named_and_nothing_of_them_is_visible() {
    let site = Site::new();
    let whole = || fs::read(site.path("cut.iso")).unwrap();
    patched(&site, "cut.iso", |_| {});
    let bytes = whole();
    fs::write(site.path("cut.iso"), &bytes[..bytes.len() / 2]).unwrap();
    patched(&site, "up.iso", |bytes| rename(bytes, b"bb", b".."));
    patched(&site, "control.iso", |bytes| rename(bytes, b"bb", b"\x1b["));
    patched(&site, "slash.iso", |bytes| rename(bytes, b"bb", b"b/"));
    // The folder `aa` lies where the root does.
    patched(&site, "loop.iso", |bytes| {
        let root = 16 * 2048 + 156;
        let extent: Vec<u8> = bytes[root + 2..root + 18].to_vec();
        let name = bytes.windows(7).position(|window| window == [b'N', b'M', 7, 1, 0, b'a', b'a']).unwrap();
        let record =
            (0..name).rev().find(|at| bytes[at + 32] == 2 && bytes[at + 33..].starts_with(b"AA")).unwrap();
        bytes[record + 2..record + 18].copy_from_slice(&extent);
    });
    fs::write(site.path("text.iso"), "hello").unwrap();
    fs::write(site.path("empty.iso"), "").unwrap();
    let table = [
        ("cut.iso", "it is cut short: the volume needs"),
        ("up.iso", "it is damaged or hostile: \"aa/..\" is no name for a file"),
        ("control.iso", "\"aa/\\u{1b}[\" is no name for a file"),
        ("slash.iso", "is no name for a file"),
        ("loop.iso", "the folder \"aa\" contains itself"),
        ("text.iso", "no disk image"),
        ("empty.iso", "holds no file"),
    ];
    site.refuses(&table);
}

#[test]
fn a_large_iso_is_refused_before_a_byte_is_copied_when_there_is_no_room() {
    let site = Site::new();
    patched(&site, "large.iso", |_| {});
    let before = fs::metadata(site.path("large.iso")).unwrap().len();
    let file = fs::File::options().write(true).open(site.path("large.iso")).unwrap();
    file.set_len(20 << 30).unwrap();
    // All but the holes needs room.
    let small =
        Store::open(site.store.root(), StoreLimits { quota: Some(before / 2), keep_free: 0 }).unwrap();
    let refused = import(&small, &site.path("large.iso"), Import::default(), &mut Quiet);
    assert!(matches!(refused, Err(IngestError::Store(StoreError::NoRoom { .. }))), "{refused:?}");
    assert!(site.is_untouched());
}

/// The folder that Debian's package has, which holds a link to a folder.
#[test]
fn debians_installer_for_the_network_is_recognised_in_its_folder() {
    let site = Site::new();
    site.put("netboot/version.info", b"Debian version:  12 (bookworm)\nInstaller build: 20230607+deb12u15\n");
    site.put("netboot/debian-installer/amd64/linux", b"k");
    site.put("netboot/debian-installer/amd64/initrd.gz", b"i");
    site.put("netboot/debian-installer/amd64/pxelinux.cfg/default", b"");
    symlink("debian-installer/amd64/pxelinux.cfg", site.path("netboot/pxelinux.cfg")).unwrap();
    let imported = site.import("netboot").unwrap();
    assert_eq!(imported.findings, ["pxelinux.cfg is a link to a folder and is left out"]);
    assert_eq!(about(&imported).title(), "Debian installer 12 (amd64)");
    let manifest = site.manifest(&imported);
    let boot = manifest.boot.as_ref().unwrap();
    assert_eq!((boot.kernel.as_str(), manifest.kind), ("debian-installer/amd64/linux", ImageKind::Linux));
    assert_eq!(boot.initrds, ["debian-installer/amd64/initrd.gz"]);
    let digests: BTreeMap<&str, Digest> =
        manifest.files.iter().map(|file| (file.path.as_str(), file.digest)).collect();
    assert_eq!(digests["debian-installer/amd64/linux"], Digest::compute(b"k"));
}

/// A real ISO: Debian's package.
#[test]
fn memtest_is_a_program_for_firmware_and_a_disc_for_bios() {
    let Ok(bytes) = fs::read("/usr/lib/memtest86+/memtest86+x64.iso") else {
        panic!("the package memtest86+ is not installed: tools/install-packages");
    };
    let site = Site::new();
    site.put("memtest86+x64.iso", &bytes);
    let imported = site.import("memtest86+x64.iso").unwrap();
    let about = about(&imported);
    assert!(about.title().starts_with("memtest86+ 6."), "{}", about.title());
    assert_eq!(about.efi.as_deref(), Some("EFI/BOOT/bootx64.efi"));
    assert_eq!(
        about.ways,
        [BootMethod::Kernel, BootMethod::Uefi, BootMethod::UefiHttpRamdisk, BootMethod::IpxeSanboot]
    );
    assert!(site.fetched("memtest86+x64/EFI/BOOT/bootx64.efi").starts_with(b"MZ"));
}
