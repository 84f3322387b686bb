//! The program itself, asked as imagestore asks it, about images that wimlib's own command has
//! made.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // helpers of tests

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tempfile::TempDir;
use wim_protocol::{Command, Entry, Frame, Image, Packed, ReaderLimits, Request, Units};

fn run(folder: &Path, words: &[&str]) {
    let output = Program::new(words[0]).args(&words[1..]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn units(text: &str) -> Units {
    text.encode_utf16().collect()
}

fn request(command: Command) -> Request {
    Request { parts: vec![Vec::new()], limits: ReaderLimits { memory: 1 << 30, seconds: 60 }, command }
}

/// Starts the program and hands it images, and bytes that should be a request.
fn start(images: &[&Path], request: &[u8], target: Option<&File>) -> Child {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = Program::new(env!("CARGO_BIN_EXE_netbootd-wim"))
        .env_clear()
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let images: Vec<File> = images.iter().map(|path| File::open(path).unwrap()).collect();
    let handed: Vec<i32> = images.iter().chain(target).map(AsRawFd::as_raw_fd).collect();
    let first = [IoSlice::new(&[0])];
    sendmsg::<()>(ours.as_raw_fd(), &first, &[ControlMessage::ScmRights(&handed)], MsgFlags::empty(), None)
        .unwrap();
    (&ours).write_all(request).unwrap();
    ours.shutdown(Shutdown::Write).unwrap();
    child
}

/// The reader's answer: frames, each with the bytes that follow it, or its complaint.
fn answer(mut child: Child) -> Result<Vec<(Frame, Vec<u8>)>, String> {
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    if !output.status.success() {
        return Err(format!("{}: {words}", output.status));
    }
    assert_eq!(words, "");
    let (mut rest, mut frames) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        let frame = Frame::read(&mut rest).unwrap();
        let size = if let Frame::File { size, .. } = &frame { usize::try_from(*size).unwrap() } else { 0 };
        let (data, after) = rest.split_at(size);
        frames.push((frame, data.to_vec()));
        rest = after;
    }
    assert_eq!(frames.pop().map(|(frame, _)| frame), Some(Frame::Done));
    Ok(frames)
}

fn ask(image: &Path, command: Command) -> Result<Vec<(Frame, Vec<u8>)>, String> {
    answer(start(&[image], &request(command).encode(), None))
}

fn listed(image: &Path) -> (Vec<Image>, Vec<Entry>) {
    let (mut images, mut entries) = (Vec::new(), Vec::new());
    for (frame, _) in ask(image, Command::List).unwrap() {
        match frame {
            Frame::Image(image) => images.push(image),
            Frame::Entry(entry) => entries.push(entry),
            other => panic!("{other:?}"),
        }
    }
    (images, entries)
}

/// A folder with a text, noise, an empty file, and a hard and a symbolic link to the text.
fn set(form: &[&str]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().join("set");
    fs::create_dir_all(top.join("Windows/Boot")).unwrap();
    fs::write(top.join("Windows/Boot/text"), "hello ".repeat(10_000)).unwrap();
    fs::hard_link(top.join("Windows/Boot/text"), top.join("again")).unwrap();
    symlink("again", top.join("link")).unwrap();
    fs::write(top.join("empty"), "").unwrap();
    let mut state = 1_u32;
    let noise = (0..300_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    fs::write(top.join("noise"), noise.collect::<Vec<_>>()).unwrap();
    run(folder.path(), &[&["wimlib-imagex", "capture", "set", "x.wim", "Name"], form].concat());
    let image = folder.path().join("x.wim");
    (folder, image)
}

const FORMS: [&[&str]; 6] = [
    &["--compress=none"],
    &["--compress=XPRESS"],
    &["--compress=LZX"],
    &["--compress=LZMS"],
    &["--solid"],
    &["--pipable"],
];

const PROPERTIES: [&str; 5] = [
    "--boot",
    "--image-property",
    "WINDOWS/ARCH=12",
    "--image-property",
    "WINDOWS/INSTALLATIONTYPE=WindowsPE",
];

#[test]
fn everything_in_an_image_is_listed_and_comes_out_as_it_went_in() {
    for form in FORMS {
        let (folder, image) = set(&[form, &PROPERTIES].concat());
        let (images, entries) = listed(&image);
        let (name, installation) = (units("Name"), units("WindowsPE"));
        let expected = Image { index: 1, boot: true, architecture: 12, name, installation };
        assert_eq!(images, [expected], "{form:?}");
        let entry = |path: &str| entries.iter().find(|entry| entry.path == units(path)).unwrap();
        let (text, again) = (entry("/Windows/Boot/text"), entry("/again"));
        assert_eq!((text.size, text.links, again.links), (60_000, 2, 2));
        assert_eq!((text.link_group, text.sha1), (again.link_group, again.sha1));
        assert_eq!((entry("/link").attributes & 0x400, entry("/link").reparse_tag), (0x400, 0xa000_000c));
        assert_eq!(entry("/Windows").attributes & 0x10, 0x10);
        assert_eq!((entry("/empty").size, entry("/empty").sha1), (0, [0; 20]));

        let all = ask(&image, Command::Extract { image: 1, paths: Vec::new() }).unwrap();
        let mut paths = Vec::new();
        for (frame, data) in all {
            let Frame::File { path: Some(path), .. } = frame else { panic!("{frame:?}") };
            let path = String::from_utf16(&path).unwrap();
            assert!(data == fs::read(folder.path().join("set").join(&path[1..])).unwrap(), "{form:?} {path}");
            paths.push(path);
        }
        paths.sort();
        assert_eq!(paths, ["/Windows/Boot/text", "/again", "/empty", "/noise"]);

        let some = [units("/noise"), units("/again"), units("/noise")];
        let sent = ask(&image, Command::Extract { image: 1, paths: some.to_vec() }).unwrap();
        let sizes: Vec<usize> = sent.iter().map(|(_, data)| data.len()).collect();
        assert_eq!(sizes, [300_000, 60_000, 300_000]);
    }
}

#[test]
fn one_file_goes_to_a_descriptor_and_no_byte_more_than_was_asked_for() {
    let (folder, image) = set(&["--compress=LZX"]);
    let target = File::create(folder.path().join("target")).unwrap();
    let write = |size| {
        let command = Command::Write { image: 1, path: units("/noise"), size };
        answer(start(&[&image], &request(command).encode(), Some(&target)))
    };
    let refused = write(200_000).unwrap_err();
    assert!(refused.contains("the file has another size now"), "{refused}");
    assert_eq!(target.metadata().unwrap().len(), 0);
    assert_eq!(write(300_000).unwrap(), []);
    let (written, noise) =
        (fs::read(folder.path().join("target")), fs::read(folder.path().join("set/noise")));
    assert!(written.unwrap() == noise.unwrap());
}

/// Gives the only file of an uncompressed image a second stream of the same bytes; wimlib captures
/// such streams on NTFS alone.
fn add_stream(image: &Path, name: &str) {
    let mut bytes = fs::read(image).unwrap();
    let number = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let size = |bytes: &[u8], at: usize| (number(bytes, at) & ((1 << 56) - 1)) as usize;
    let (table, length) = (number(&bytes, 0x38) as usize, size(&bytes, 0x30));
    let is_metadata = |at: &usize| bytes[at + 7] & 2 != 0;
    let row = (table..table + length).step_by(50).find(is_metadata).unwrap();
    let at = number(&bytes, row + 8) as usize;
    let mut metadata = bytes[at..at + size(&bytes, row)].to_vec();
    // The table of rights, and behind it the root folder, which says where its entries are.
    let root = u32::from_le_bytes(metadata[..4].try_into().unwrap()).next_multiple_of(8) as usize;
    let file = number(&metadata, root + 16) as usize;
    let behind = file + (number(&metadata, file) as usize).next_multiple_of(8);
    metadata[file + 96] = 1;
    let name: Vec<u8> = units(name).into_iter().flat_map(u16::to_le_bytes).collect();
    let mut stream = vec![0; 16];
    stream.extend(&metadata[file + 64..file + 84]);
    stream.extend((name.len() as u16).to_le_bytes());
    stream.extend(&name);
    stream.resize((stream.len() + 2).next_multiple_of(8), 0);
    let stream_length = stream.len() as u64;
    stream[..8].copy_from_slice(&stream_length.to_le_bytes());
    metadata.splice(behind..behind, stream);
    let (place, length) = (bytes.len() as u64, metadata.len() as u64);
    bytes.extend(&metadata);
    fs::write(image.with_extension("metadata"), &metadata).unwrap();
    let sum = Program::new("sha1sum").arg(image.with_extension("metadata")).output().unwrap().stdout;
    bytes[row..row + 7].copy_from_slice(&length.to_le_bytes()[..7]);
    bytes[row + 8..row + 16].copy_from_slice(&place.to_le_bytes());
    bytes[row + 16..row + 24].copy_from_slice(&length.to_le_bytes());
    for (to, hex) in bytes[row + 30..row + 50].iter_mut().zip(sum.chunks(2)) {
        *to = u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap();
    }
    fs::write(image, bytes).unwrap();
}

#[test]
fn named_streams_are_listed_and_are_not_among_a_files_bytes() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("set")).unwrap();
    fs::write(folder.path().join("set/file"), "seven b").unwrap();
    run(folder.path(), &["wimlib-imagex", "capture", "set", "x.wim", "--compress=none"]);
    let image = folder.path().join("x.wim");
    add_stream(&image, "Zone.Identifier");
    let (_, entries) = listed(&image);
    let file = entries.iter().find(|entry| entry.path == units("/file")).unwrap();
    assert_eq!((file.size, file.streams.len()), (7, 1));
    assert_eq!((&file.streams[0].name, file.streams[0].size), (&units("Zone.Identifier"), 7));
    let sent = ask(&image, Command::Extract { image: 1, paths: vec![units("/file")] }).unwrap();
    assert_eq!(sent[0].1, b"seven b");
}

#[test]
fn names_are_what_they_are_in_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().join("set");
    fs::create_dir(&top).unwrap();
    // Half of a surrogate pair, as wimlib writes it; Windows takes such names.
    let half = OsStr::from_bytes(b"half \xed\xa0\x80.txt");
    let odd = OsStr::new("\u{1f5a5} \u{e9}:*?");
    for (name, text) in [(odd, "one"), (half, "two"), (OsStr::new("back\\slash"), "three")] {
        fs::write(top.join(name), text).unwrap();
    }
    run(folder.path(), &["wimlib-imagex", "capture", "set", "x.wim", "\u{fc}"]);
    let image = folder.path().join("x.wim");
    let (images, entries) = listed(&image);
    assert_eq!(images[0].name, units("\u{fc}"));
    let half = [units("/half "), vec![0xd800], units(".txt")].concat();
    let paths: Vec<Units> = entries.into_iter().map(|entry| entry.path).collect();
    for path in [&half, &units("/\u{1f5a5} \u{e9}:*?"), &units("/back\\slash")] {
        assert!(paths.contains(path), "{path:x?} is not in {paths:x?}");
    }
    // No file of Windows has a backslash in its name: wimlib takes it for a slash.
    let paths = vec![half, units("/\u{1f5a5} \u{e9}:*?")];
    let sent = ask(&image, Command::Extract { image: 1, paths }).unwrap();
    assert_eq!(sent.into_iter().map(|(_, data)| data).collect::<Vec<_>>(), [b"two", b"one"]);
}

#[test]
fn damage_is_found_and_named() {
    for form in FORMS {
        let (_folder, image) = set(&[form, &["--check"]].concat());
        assert_eq!(ask(&image, Command::Verify).unwrap(), []);
        let mut bytes = fs::read(&image).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&image, &bytes).unwrap();
        let error = ask(&image, Command::Verify).unwrap_err();
        assert!(error.contains("[ERROR] "), "{form:?}: {error}");
        assert!(ask(&image, Command::Extract { image: 1, paths: Vec::new() }).is_err(), "{form:?}");
        fs::write(&image, &bytes[..middle]).unwrap();
        assert!(ask(&image, Command::List).is_err());
    }
}

#[test]
fn what_is_no_request_is_refused_with_words() {
    let (_folder, image) = set(&["--compress=none"]);
    let whole = request(Command::List).encode();
    let mut other = whole.clone();
    other[12] = 9;
    let missing = Command::Extract { image: 1, paths: vec![units("/none")] };
    let image_2 = Command::Extract { image: 2, paths: vec![] };
    for (bytes, images, words) in [
        (&[][..], vec![image.as_path()], "a request is cut short"),
        (&whole[..20], vec![&image], "cut short"),
        (&other, vec![&image], "not a message of this version"),
        (&whole, vec![], "not as many images"),
        (&whole, vec![&image, &image], "not as many images"),
        (&request(missing).encode(), vec![&image], "The path does not exist"),
        (&request(image_2).encode(), vec![&image], "image"),
        (&request(Command::Write { image: 1, path: vec![], size: 1 }).encode(), vec![], "no file to write"),
    ] {
        let error = answer(start(&images, bytes, None)).unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn while_it_reads_it_has_no_rights_and_its_limits_are_set() {
    let (_folder, image) = set(&["--compress=LZX"]);
    // More than a pipe holds: it waits for somebody to read.
    let command = Command::Extract { image: 1, paths: vec![units("/noise"); 20] };
    let mut child = start(&[&image], &request(command).encode(), None);
    let mut first = [0; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let said = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    };
    assert_eq!((said("NoNewPrivs"), said("Seccomp"), said("Threads")), ("1".into(), "2".into(), "1".into()));
    // Root reads files of others by CAP_DAC_OVERRIDE.
    assert_eq!(u64::from_str_radix(&said("CapEff"), 16).unwrap() & !2, 0);
    assert_eq!((said("CapEff"), said("CapInh")), (said("CapPrm"), said("CapAmb")));
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    for (name, most) in [
        ("Max address space", "1073741824"),
        ("Max cpu time", "60"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
    ] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert_eq!(line.split_whitespace().take(2).collect::<Vec<_>>(), [most; 2], "{name}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn more_memory_than_its_limit_is_an_error_and_not_the_machines_end() {
    let (_folder, image) = set(&["--solid", "--solid-chunk-size=64M"]);
    let mut asked = request(Command::Extract { image: 1, paths: vec![units("/noise")] });
    assert!(answer(start(&[&image], &asked.encode(), None)).is_ok());
    asked.limits.memory = 48 << 20;
    let error = answer(start(&[&image], &asked.encode(), None)).unwrap_err();
    assert!(error.to_lowercase().contains("memory"), "{error}");
}

#[test]
fn a_compressed_resource_comes_out_whole_and_an_impossible_one_not_at_all() {
    for (form, compression) in [("--compress=XPRESS", 1), ("--compress=LZX", 2), ("--compress=LZMS", 3)] {
        let (folder, image) = set(&[form, "--boot"]);
        for n in 0..1500 {
            fs::write(folder.path().join(format!("set/file {n}")), "").unwrap();
        }
        run(folder.path(), &["wimlib-imagex", "capture", "set", "x.wim", "Name", "--boot", form]);
        let bytes = fs::read(&image).unwrap();
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        // The metadata of what boots, as the header has it.
        let (packed, at, size) = (number(96) & (u64::MAX >> 8), number(104), number(112));
        assert!(size > packed && size > 100_000, "{form}: {size} in {packed}");
        let chunk = u32::from_le_bytes(bytes[20..24].try_into().unwrap());
        let resource = Packed { compression, chunk, at, packed, size };
        let sent = ask(&image, Command::Unpack(resource)).unwrap();
        assert_eq!(sent[0].0, Frame::File { path: None, size });
        let name: Vec<u8> = "file 1499".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(sent[0].1.windows(name.len()).any(|bytes| bytes == name), "{form}");
        for wrong in [
            Packed { size: 0, ..resource },
            Packed { size: u64::MAX, ..resource },
            Packed { packed: u64::MAX, ..resource },
            Packed { packed: 3, ..resource },
            Packed { at: u64::MAX, ..resource },
            Packed { at: bytes.len() as u64 - 1, ..resource },
            Packed { at: 0, ..resource },
            Packed { chunk: 0, ..resource },
            Packed { chunk: u32::MAX, ..resource },
            Packed { compression: 9, ..resource },
        ] {
            assert!(ask(&image, Command::Unpack(wrong)).is_err(), "{form}: {wrong:?}");
        }
    }
}
