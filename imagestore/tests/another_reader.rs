//! Windows images as another program writes and reads them: 7-Zip shares no code with wimlib.
#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use imagestore::ingest::{Import, import};
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
