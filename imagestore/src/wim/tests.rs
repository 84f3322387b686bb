//! Readers that do not do what they should.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    /// A reader that takes its request and then does as a shell is told.
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("image.wim"), "an image").unwrap();
        let program = folder.path().join("reader");
        fs::write(&program, format!("#!/bin/sh\ncat >/dev/null\n{script}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        Site { folder }
    }

    /// With one file of three bytes in it.
    fn wim(&self) -> Wim {
        let entry = ArchiveEntry { image: 1, path: "/a".into(), size: 3, ..ArchiveEntry::default() };
        Wim {
            program: self.folder.path().join("reader"),
            parts: parts(&self.folder.path().join("image.wim")).unwrap(),
            images: Vec::new(),
            entries: vec![entry],
        }
    }

    fn read(&self) -> Result<Vec<u8>, String> {
        let wim = self.wim();
        let entries: Vec<&ArchiveEntry> = wim.entries().iter().collect();
        let mut bytes = Vec::new();
        let read = wim.read(&entries, &mut |_, stream| stream.read_to_end(&mut bytes).map(drop));
        read.map(|()| bytes).map_err(|error| error.to_string())
    }

    fn written(&self) -> Result<Vec<u8>, String> {
        let (wim, place) = (self.wim(), self.folder.path().join("written"));
        let to = File::create(&place).unwrap();
        let written = wim.start_writing(&wim.entries()[0], to).and_then(Writing::finish);
        written.map(|()| fs::read(place).unwrap()).map_err(|error| error.to_string())
    }
}

fn script(frames: &[(Frame, &str)]) -> String {
    let mut bytes = Vec::new();
    for (frame, data) in frames {
        frame.write(&mut bytes).unwrap();
        bytes.extend(data.as_bytes());
    }
    let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("printf '{octal}'")
}

fn file(size: u64) -> Frame {
    Frame::File { path: None, size }
}

#[test]
fn an_answer_is_taken_when_it_is_what_was_asked_for() {
    let good = Site::new(&script(&[(file(3), "abc"), (Frame::Done, "")]));
    assert_eq!(good.read().unwrap(), b"abc");
    assert_eq!(Site::new(&script(&[(Frame::Done, "")])).written().unwrap(), b"");
    assert!(Site::new(&script(&[(Frame::Done, "")])).wim().verify().is_ok());
}

#[test]
fn no_length_and_no_answer_of_a_reader_is_trusted() {
    let frames = |frames: &[(Frame, &str)]| script(frames);
    for (script, words) in [
        (String::new(), "netbootd-wim: a frame is cut short"),
        ("exit 3".into(), "netbootd-wim ended with exit status: 3"),
        ("kill -KILL $$".into(), "netbootd-wim ended with signal: 9"),
        ("echo '[ERROR] no such file' >&2; exit 1".into(), "no such file"),
        (frames(&[(file(4), "abcd"), (Frame::Done, "")]), "an answer to something else"),
        (frames(&[(file(u64::MAX), "abcd")]), "an answer to something else"),
        (frames(&[(Frame::Done, "")]), "an answer to something else"),
        (frames(&[(file(3), "ab")]), "/a ends after 2 of 3 bytes"),
        (frames(&[(file(3), "abc")]), "a frame is cut short"),
        (frames(&[(file(3), "abc"), (file(3), "abc")]), "an answer to something else"),
        (format!("{}; exit 1", frames(&[(file(3), "abc"), (Frame::Done, "")])), "exit status: 1"),
        ("printf '\\001\\377\\377\\377\\377'".into(), "a frame of 4294967295, more than 1048576"),
        ("printf '\\077\\000\\000\\000\\000'".into(), "frame 63 is unknown"),
        ("while :; do printf '\\077aaaaaaaa'; done".into(), "a frame of"),
    ] {
        let refused = Site::new(&script).read().unwrap_err();
        assert!(refused.contains("image.wim: ") && refused.contains(words), "{script}: {refused}");
    }
    // One that goes on after a wrong answer is ended.
    let waits = Site::new(&format!("{}; exec sleep 1000", frames(&[(file(5), "abcde")])));
    assert!(waits.read().unwrap_err().contains("an answer to something else"));
    for command in ["exit 1".to_owned(), frames(&[(file(3), "abc")]), frames(&[])] {
        assert!(Site::new(&command).written().is_err(), "{command}");
        assert!(Site::new(&command).wim().verify().is_err(), "{command}");
    }
}

#[test]
fn a_reader_that_cannot_be_started_is_named() {
    let site = Site::new("");
    fs::remove_file(site.folder.path().join("reader")).unwrap();
    let refused = site.read().unwrap_err();
    assert!(refused.contains("cannot start") && refused.contains("/reader"), "{refused}");
    assert!(WimError::NoReader.to_string().contains("netbootd-wim is neither beside netbootd"));
}

#[test]
fn the_parts_of_a_split_image_are_found_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.swm", "a2.swm", "a10.SWM", "b.swm", "a.wim"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let names = |first: &str| -> Vec<String> {
        let parts = parts(&folder.path().join(first)).unwrap();
        parts.iter().map(|part| part.path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("a.swm"), ["a.swm", "a10.SWM", "a2.swm"]);
    assert_eq!(names("a.wim"), ["a.wim"]);
}
