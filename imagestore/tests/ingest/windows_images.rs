//! Windows images that Debian's wimtools make.

use std::fs;
use std::path::Path;
use std::process::Command;

use imagestore::ingest::{Import, import, roles_of};
use imagestore::wim::{Archive, Wim};
use imagestore::{Digest, ImageKind, Quiet, Store, StoreLimits, WindowsRole};

use super::site::Site;
use super::{common, noise};

pub(super) fn wimlib(words: &[&str], folder: &Path) {
    common::reader();
    let output = Command::new("wimlib-imagex").args(words).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A Windows PE as far as its boot files go.
pub(super) fn windows_pe(site: &Site, without: &[&str]) {
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
                "wdsmgfw_EX.efi is missing: UEFI PCs that the site must approve, and that trust Microsoft's CA of 2023 only",
                "boot.stl is missing: UEFI PCs with Windows 11 24H2 and later",
            ]
        );
        let manifest = site.manifest(&imported);
        let digest = |path: &str| manifest.files.iter().find(|file| file.path == path).unwrap().digest;
        assert_eq!(digest("boot/x64/pxeboot.n12"), Digest::compute(&noise(1, 30_000)), "{form}");
        assert_eq!(digest("boot/x64/bootmgfw.efi"), Digest::compute(&noise(20, 1_500_000)));
        assert_eq!(digest("boot/boot.sdi"), Digest::compute(&noise(22, 300_000)));
        assert_eq!(digest("boot/fonts/wgl4_boot.ttf"), Digest::compute(&noise(23, 40_000)));
        assert_eq!(digest("sources/boot.wim"), Digest::compute(&fs::read(site.path("boot.wim")).unwrap()));
        let roles = roles_of(manifest.files.iter().map(|file| file.path.as_str()));
        let open: Vec<&str> = roles.iter().filter(|(_, filled)| !filled).map(|(role, _)| role.name).collect();
        assert_eq!(open, ["wdsnbp.com", "wdsmgfw_EX.efi", "boot.stl"]);
    }
}

/// An INF file of a network card's driver, in the form of its vendor.
fn driver(site: &Site, name: &str, class: &str, vendor: &str, id: &str) {
    let text = format!(
        "[Version]\r\nSignature=\"$WINDOWS NT$\"\r\nClass={class}\r\nProvider=%V%\r\n\
         [Models]\r\n%D%=I,PCI\\VEN_{id}&DEV_1533\r\n[Strings]\r\nV=\"{vendor}\"\r\n"
    );
    let wide: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let folder = format!("pe/Windows/System32/DriverStore/FileRepository/{name}_amd64_1");
    site.put(&format!("{folder}/{name}"), &wide);
}

#[test]
fn both_generations_come_out_of_a_windows_image_and_it_is_described() {
    let site = Site::new();
    windows_pe(&site, &[]);
    site.put("pe/Windows/Boot/PXE_EX/wdsmgfw_EX.efi", &noise(40, 30_000));
    site.put("pe/Windows/Boot/EFI/boot.stl", &noise(41, 9_000));
    site.put("pe/Windows/Boot/EFI_EX/boot.stl", &noise(42, 9_100));
    site.put("pe/Windows/Boot/Fonts_EX/wgl4_boot_EX.ttf", &noise(43, 41_000));
    site.put("pe/sms/bin/x64/TSBootShell.exe", &noise(44, 10_000));
    driver(&site, "e1r68x64.inf", "Net", "Intel", "8086");
    driver(&site, "disk.inf", "DiskDrive", "Microsoft", "10EC");
    wimlib(
        &[
            "capture",
            "pe",
            "boot.wim",
            "WinPE",
            "--image-property",
            "WINDOWS/ARCH=9",
            "--image-property",
            "WINDOWS/VERSION/MAJOR=10",
            "--image-property",
            "WINDOWS/VERSION/MINOR=0",
            "--image-property",
            "WINDOWS/VERSION/BUILD=26100",
            "--image-property",
            "WINDOWS/LANGUAGES/LANGUAGE=de-DE",
            "--image-property",
            "WINDOWS/LANGUAGES/DEFAULT=de-DE",
        ],
        site.folder.path(),
    );
    let imported = site.import("boot.wim").unwrap();
    assert_eq!(imported.findings, ["no driver for Realtek network cards (PCI vendor 10EC)"]);
    let manifest = site.manifest(&imported);
    let digest = |path: &str| manifest.files.iter().find(|file| file.path == path).map(|file| file.digest);
    for (path, content) in [
        ("boot/x64/bootmgfw.efi", noise(20, 1_500_000)),
        ("boot/x64/bootmgfw_EX.efi", noise(21, 1_400_000)),
        ("boot/x64/wdsmgfw_EX.efi", noise(40, 30_000)),
        ("boot/boot.stl", noise(41, 9_000)),
        ("boot/boot_EX.stl", noise(42, 9_100)),
        ("boot/fonts/wgl4_boot.ttf", noise(23, 40_000)),
        ("boot/fonts_ex/wgl4_boot.ttf", noise(43, 41_000)),
    ] {
        assert_eq!(digest(path), Some(Digest::compute(&content)), "{path}");
    }
    let about = imported.record.current().unwrap().about.clone().unwrap();
    assert_eq!(about.title(), "ConfigMgr boot image 10.0.26100 (x64)");
    let facts = about.windows.unwrap();
    assert_eq!(facts.role, WindowsRole::ConfigmgrBootImage);
    assert_eq!(
        (facts.languages, facts.generations),
        (vec!["de-DE".into()], vec!["2011".into(), "2023".into()])
    );
    assert_eq!((facts.network_drivers, facts.network_driver_names), (1, vec!["Intel (e1r68x64.inf)".into()]));
}

/// XML whose entities would grow to gigabytes, in the place of an image's own.
#[test]
fn a_wim_whose_xml_is_a_bomb_is_imported_as_it_is_or_refused_at_once() {
    let site = Site::new();
    windows_pe(&site, &[]);
    wimlib(&["capture", "pe", "boot.wim", "WinPE", "--compress=none"], site.folder.path());
    let mut bytes = fs::read(site.path("boot.wim")).unwrap();
    let entities: String =
        (1..20).map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10))).collect();
    let deep = "<a>".repeat(50_000);
    for body in [format!("&e19;{}", ""), deep] {
        let xml = format!(
            "\u{feff}<?xml version=\"1.0\"?><!DOCTYPE WIM [<!ENTITY e0 \"lol\">{entities}]>\
             <WIM><IMAGE INDEX=\"1\"><NAME>{body}</NAME></IMAGE></WIM>"
        );
        let xml: Vec<u8> = xml.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let at = u64::try_from(bytes.len()).unwrap();
        let length = u64::try_from(xml.len()).unwrap();
        // The header's entry for the XML: its length with flags, its place, its length once more.
        let flags = bytes[79];
        bytes[72..80].copy_from_slice(&length.to_le_bytes());
        bytes[79] = flags;
        bytes[80..88].copy_from_slice(&at.to_le_bytes());
        bytes[88..96].copy_from_slice(&length.to_le_bytes());
        let bomb = [bytes.clone(), xml].concat();
        site.put("bomb.wim", &bomb);
        match site.import("bomb.wim") {
            Ok(imported) => assert_eq!(imported.record.current().unwrap().kind, ImageKind::WinPe),
            Err(error) => assert!(error.to_string().contains("bomb.wim"), "{error}"),
        }
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
            assert_eq!(manifest.files[1].digest, Digest::compute(&noise(33, 12_000_000)));
            // The same set as a folder is the same bytes: nothing is stored twice, and both are one
            // version.
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
    assert_eq!(site.manifest(&imported).files[1].digest, Digest::compute(&noise(33, 12_000_000)));
    fs::remove_file(site.path("part2.swm")).unwrap();
    let site2 = Store::open(&site.path("other"), StoreLimits::default()).unwrap();
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
        // A flipped bit in what is not looked at harms nobody; all else is caught by the image's
        // own checksums.
        match site.import("bad.wim") {
            Err(_) => {
                refused += 1;
                assert!(site.is_untouched(), "byte {at}");
            }
            Ok(imported) => {
                assert_eq!(
                    site.manifest(&imported).files[1].digest,
                    Digest::compute(&noise(33, 12_000_000)),
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

/// Puts another name of the same length into the metadata of an uncompressed image, and mends its
/// checksum.
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
