//! Windows images as other programs write and read them: wimlib's own command, and 7-Zip, which shares
//! no code with wimlib.
#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use imagestore::ingest::{Import, import};
use imagestore::wim::overlay::{Added, HEADER, overlay};
use imagestore::wim::{Archive, Wim};
use imagestore::{Digest, Quiet, Store, StoreLimits};

fn run(folder: &Path, words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Text, noise, an empty file and one that spans many of an archive's pieces, in a NetBoot set.
fn netboot_set(folder: &Path) {
    common::reader();
    let mut state = 7_u32;
    let mut noise = |length: usize| {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|_| next()).collect::<Vec<u8>>()
    };
    let top = folder.join("set/High Sierra.nbi");
    fs::create_dir_all(top.join("i386/x86_64")).unwrap();
    fs::write(top.join("NBImageInfo.plist"), "<plist/>").unwrap();
    fs::write(top.join("i386/booter"), noise(700_001)).unwrap();
    fs::write(top.join("i386/x86_64/kernelcache"), [noise(100_000), vec![0; 900_000]].concat()).unwrap();
    fs::write(top.join("i386/PlatformSupport.plist"), "").unwrap();
    let lines: String = (0..400_000).map(|n| format!("line {n} of the root\n")).collect();
    fs::write(top.join("NetInstall.dmg"), [lines.into_bytes(), noise(500_000)].concat()).unwrap();
}

/// Path and size of every file, as the other program lists them.
fn listed(folder: &Path, wim: &str) -> BTreeMap<String, u64> {
    let text = run(folder, &["7zz", "l", "-slt", "-ba", wim]);
    let field = |entry: &str, name: &str| {
        entry.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
    };
    let files = text.split("\n\n").filter(|entry| field(entry, "Folder = ") == "-");
    files.map(|entry| (field(entry, "Path = "), field(entry, "Size = ").parse().unwrap())).collect()
}

#[test]
fn what_is_stored_is_what_another_program_reads() {
    for form in ["--compress=none", "--compress=XPRESS", "--compress=LZX", "--compress=LZMS", "--solid"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        netboot_set(folder);
        run(folder, &["wimlib-imagex", "capture", "set", "mac.wim", form]);
        let wim = Wim::open(&folder.join("mac.wim")).unwrap();
        let ours: BTreeMap<String, u64> = wim
            .entries()
            .iter()
            .map(|file| (file.path.trim_start_matches('/').to_owned(), file.size))
            .collect();
        assert_eq!(ours, listed(folder, "mac.wim"), "{form}");

        let store = Store::open(&folder.join("store"), StoreLimits::default()).unwrap();
        let imported = import(&store, &folder.join("mac.wim"), Import::default(), &mut Quiet).unwrap();
        run(folder, &["7zz", "x", "-y", "-ooracle", "mac.wim"]);
        let manifest = store.manifest(&imported.record.current).unwrap();
        assert_eq!(manifest.files.len(), ours.len());
        for file in &manifest.files {
            let bytes = fs::read(folder.join("oracle/High Sierra.nbi").join(&file.path)).unwrap();
            assert_eq!(
                (file.size, file.digest),
                (bytes.len() as u64, Digest::compute(&bytes)),
                "{form}: {}",
                file.path
            );
        }
    }
}

#[test]
fn what_another_program_writes_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    netboot_set(folder);
    run(&folder.join("set"), &["7zz", "a", "-twim", "../other.wim", "High Sierra.nbi"]);
    let store = Store::open(&folder.join("store"), StoreLimits::default()).unwrap();
    let imported = import(&store, &folder.join("other.wim"), Import::default(), &mut Quiet).unwrap();
    let manifest = store.manifest(&imported.record.current).unwrap();
    assert_eq!(manifest.files.len(), 5);
    for file in &manifest.files {
        let bytes = fs::read(folder.join("set/High Sierra.nbi").join(&file.path)).unwrap();
        assert_eq!(file.digest, Digest::compute(&bytes), "{}", file.path);
    }
}

/// As large as a small Mac's image: 300 MB, half of which compress.
#[test]
fn three_hundred_megabytes_come_out_as_another_program_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    netboot_set(folder);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let piece: Vec<u8> =
        (0..125_000).flat_map(|_| noise()).chain(std::iter::repeat_n(7, 1_000_000)).collect();
    let mut root = fs::File::create(folder.join("set/High Sierra.nbi/NetInstall.dmg")).unwrap();
    for n in 0..150_u8 {
        root.write_all(&[n; 64]).and_then(|()| root.write_all(&piece)).unwrap();
    }
    drop(root);
    for form in ["--compress=XPRESS", "--compress=LZX"] {
        run(folder, &["wimlib-imagex", "capture", "set", "mac.wim", form, "--threads=2"]);
        let store = Store::open(&folder.join(form), StoreLimits { quota: None, keep_free: 0 }).unwrap();
        let imported = import(&store, &folder.join("mac.wim"), Import::default(), &mut Quiet).unwrap();
        let manifest = store.manifest(&imported.record.current).unwrap();
        let file = manifest.files.iter().find(|file| file.path == "NetInstall.dmg").unwrap();
        assert_eq!(file.size, 150 * 2_000_064);
        let read =
            run(folder, &["sh", "-c", "7zz x -so mac.wim 'High Sierra.nbi/NetInstall.dmg' | sha256sum"]);
        assert!(read.starts_with(&file.digest.to_string()), "{form}: {read}");
        fs::remove_dir_all(folder.join(form)).unwrap();
        fs::remove_file(folder.join("mac.wim")).unwrap();
    }
}

/// The reader's list and bytes equal those of wimlib's own command.
#[test]
fn every_name_and_byte_is_as_wimlibs_own_command_has_it() {
    for form in ["--compress=none", "--compress=XPRESS", "--compress=LZX", "--compress=LZMS", "--solid"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        netboot_set(folder);
        let top = folder.join("set/High Sierra.nbi");
        fs::write(top.join("\u{e9}\u{1f5a5}"), "a name beyond ASCII").unwrap();
        fs::hard_link(top.join("i386/booter"), top.join("again")).unwrap();
        std::os::unix::fs::symlink("again", top.join("link")).unwrap();
        run(folder, &["wimlib-imagex", "capture", "set", "mac.wim", "Name", form]);
        run(folder, &["wimlib-imagex", "apply", "mac.wim", "1", "oracle"]);
        let wim = Wim::open(&folder.join("mac.wim")).unwrap();
        assert_eq!(wim.images()[0].name, "Name");
        let mut ours: Vec<&str> = wim.entries().iter().map(|entry| entry.path.as_str()).collect();
        ours.sort_unstable();
        let listed = run(folder, &["wimlib-imagex", "dir", "mac.wim", "1"]);
        let is_folder = |path: &&str| folder.join("oracle").join(&path[1..]).is_dir();
        let mut theirs: Vec<&str> = listed.lines().filter(|path| !is_folder(path)).collect();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{form}");
        let files: Vec<_> = wim.entries().iter().filter(|entry| !entry.link).collect();
        let read = wim.read(&files, &mut |entry, stream| {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes)?;
            assert!(bytes == fs::read(folder.join("oracle").join(&entry.path[1..]))?, "{}", entry.path);
            Ok(())
        });
        read.unwrap();
        let linked: Vec<_> = wim.entries().iter().filter(|entry| entry.links == 2).collect();
        assert_eq!((linked.len(), linked[0].link_group), (2, linked[1].link_group));
        let link = wim.find("/HIGH SIERRA.NBI/LINK").unwrap();
        assert_eq!((link.link, link.reparse_tag), (true, Some(0xa000_000c)));
    }
}

/// As boot media need it: what is added is there for other programs, and all else is as it was.
#[test]
fn files_are_added_to_a_bootable_image_without_a_change_of_its_bytes() {
    common::reader();
    let (bootstrap, variables) = (b"[MediaInfo]\r\n".as_slice(), b"a secret".as_slice());
    let added = [
        Added { name: "TsmBootstrap.ini", bytes: bootstrap },
        Added { name: "Variables.dat", bytes: variables },
    ];
    // The folder is there, its parent is, none is, or a file of the name is; and one has the same
    // bytes as what is added.
    let trees: [&[(&str, &[u8])]; 4] = [
        &[("sms/data/other.dat", b"other"), ("sms/data/zz", b"zz")],
        &[("SMS/bin/x64/TsBootShell.exe", b"shell")],
        &[("Windows/System32/winpeshl.exe", b"winpeshl"), ("copy", bootstrap)],
        &[("Sms/Data/TSMBOOTSTRAP.INI", b"former"), ("sms2/x", b"x"), ("a", b"a")],
    ];
    let forms = ["--compress=none", "--compress=XPRESS", "--compress=LZX", "--compress=LZMS"];
    for (tree, form) in trees.iter().zip(forms) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let many = (0..300).map(|n| (format!("many/name of file {n}"), vec![n as u8; 1000]));
        let files = tree.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).chain(many);
        for (path, bytes) in files {
            let path = folder.join("set").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        run(folder, &["wimlib-imagex", "capture", "set", "boot.wim", "PE", "--boot", "--check", form]);
        let before = fs::read(folder.join("boot.wim")).unwrap();
        let overlay = overlay(&Wim::open(&folder.join("boot.wim")).unwrap(), &["sms", "data"], &added);
        let overlay = overlay.unwrap();
        let bytes = [overlay.header.as_slice(), &before[HEADER..], &overlay.tail].concat();
        fs::write(folder.join("with.wim"), bytes).unwrap();

        run(folder, &["wimlib-imagex", "verify", "with.wim"]);
        run(folder, &["wimlib-imagex", "apply", "boot.wim", "1", "before"]);
        run(folder, &["wimlib-imagex", "apply", "with.wim", "1", "after"]);
        run(folder, &["7zz", "x", "-y", "-oother", "with.wim"]);
        let find = |top: &str| run(folder, &["find", top, "-type", "f", "-printf", "%P\n"]);
        let paths = |top: &str| find(top).lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let new = |path: &String| {
            path.to_ascii_lowercase().starts_with("sms/data/") && {
                let name = path.rsplit('/').next().unwrap();
                added.iter().any(|file| file.name == name)
            }
        };
        let is_replaced = |path: &String| path.eq_ignore_ascii_case("sms/data/TsmBootstrap.ini");
        let expected: BTreeSet<String> =
            paths("before").into_iter().filter(|path| !is_replaced(path)).collect();
        for top in ["after", "other"] {
            let (added_there, kept): (BTreeSet<_>, BTreeSet<_>) = paths(top).into_iter().partition(new);
            assert_eq!(added_there.len(), 2, "{form}: {added_there:?}");
            assert_eq!(kept, expected, "{form}");
            for path in kept {
                let bytes = fs::read(folder.join(top).join(&path)).unwrap();
                assert!(bytes == fs::read(folder.join("before").join(&path)).unwrap(), "{form}: {path}");
            }
            for path in added_there {
                let expected = if path.ends_with(".ini") { bootstrap } else { variables };
                assert_eq!(fs::read(folder.join(top).join(&path)).unwrap(), expected, "{form}: {path}");
            }
        }
        let info = run(folder, &["wimlib-imagex", "info", "with.wim"]);
        assert!(info.contains("Boot Index:     1"), "{info}");
    }
}

#[test]
fn an_image_that_no_boot_manager_starts_gets_no_files() {
    common::reader();
    let added = [Added { name: "a", bytes: b"a" }];
    for (words, expected) in [
        (&["--compress=LZX"][..], "says of no part that it boots"),
        (&["--boot", "--solid"], "solid"),
        (&["--boot", "--pipable"], "pipable"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("set")).unwrap();
        fs::write(folder.path().join("set/file"), "x".repeat(100_000)).unwrap();
        let capture = ["wimlib-imagex", "capture", "set", "boot.wim", "PE"];
        run(folder.path(), &[&capture, words].concat());
        let made = overlay(&Wim::open(&folder.path().join("boot.wim")).unwrap(), &["sms"], &added);
        // wimlib keeps the metadata of a solid image apart from its files.
        match made {
            Err(error) => assert!(error.to_string().contains(expected), "{words:?}: {error}"),
            Ok(_) => assert_eq!(expected, "solid"),
        }
    }
}

/// Each byte of the header, the table of resources and the metadata, changed: an error or an overlay.
#[test]
fn lying_tables_of_an_image_end_nothing() {
    common::reader();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir_all(folder.join("set/sms/data")).unwrap();
    fs::write(folder.join("set/sms/data/file"), "a file").unwrap();
    run(folder, &["wimlib-imagex", "capture", "set", "boot.wim", "PE", "--boot", "--compress=none"]);
    let good = fs::read(folder.join("boot.wim")).unwrap();
    let wim = Wim::open(&folder.join("boot.wim")).unwrap();
    let added = [Added { name: "a", bytes: b"a" }];
    let (mut made, mut refused) = (0, 0);
    for at in 0..good.len() {
        for value in [0xff, 0x80, good[at] ^ 4] {
            let mut bytes = good.clone();
            bytes[at] = value;
            // The same file: the reader is not asked about an image that is not compressed.
            fs::write(folder.join("boot.wim"), bytes).unwrap();
            match overlay(&wim, &["sms", "data"], &added) {
                Ok(_) => made += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(made > 0 && refused > 100, "{made} {refused}");
}
