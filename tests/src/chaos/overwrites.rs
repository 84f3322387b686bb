//! Boot files that are changed while clients read them: a client gets all of one version, or is
//! told.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::clients::{Ended, http, tftp};
use super::seed::Seed;
use super::site::{FLEET, SERVER, Site};
use super::stops::Between;
use crate::netbootd::program;
use crate::store::{image, text};

/// So many times, by TFTP, by HTTP and by HTTP ranges each: a file is overwritten in place in the
/// middle of a transfer, a file is replaced by `netbootd file put`, and the source of an image is
/// overwritten. Gives the words for the line.
///
/// # Panics
/// When a client gets all of a file that was overwritten, or when one does not get all of the
/// version that it began with otherwise.
pub fn overwrites(count: u32) -> String {
    let mut site = Site::new(None, 0, "");
    let stock = site.lab.folder().join("stock");
    fs::create_dir(&stock).expect("the folder can be written");
    fs::write(stock.join("stock.img"), version(0)).expect("the folder can be written");
    let imported = image(&site.state.join("images"), &["import", &text(&stock), "--label", "at=."]);
    assert!(imported.status.success(), "the folder is taken into the store");
    site.start();
    let mut seed = Seed::new(23);
    for round in 0..count {
        for way in [Overwrite::Tftp, Overwrite::Http, Overwrite::Ranges] {
            let at = usize::try_from(seed.next() % EARLY).unwrap_or_default();
            overwritten(&site, way, at, round);
            replaced(&site, way, at, round);
            let source = stock.join("stock.img");
            let stored = read(&site, way, "stock.img", at, move || {
                overwrite(&source, round, round + 1);
            });
            assert!(stored == Ended::Whole(version(0)), "{way:?}: {}", site.process().printed());
        }
    }
    let transfers = 3 * count;
    format!(
        "{transfers} of {transfers} transfers of an overwritten file ended with an error, as many of a replaced one and of an image were \
         whole"
    )
}

/// How a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overwrite {
    Tftp,
    Http,
    Ranges,
}

fn overwritten(site: &Site, way: Overwrite, at: usize, round: u32) {
    let (old, new) = (2 * round, 2 * round + 1);
    put(&site.lab.folder(), old);
    // A client that reads all of it by HTTP gets the current version, for its ranges too.
    assert!(
        read_quietly(site, Overwrite::Http) == Ended::Whole(version(old)),
        "{}",
        site.process().printed()
    );
    let place = site.lab.folder().join("root").join(NAME);
    let expected = expected(round, old, new);
    let ended = read(site, way, NAME, at, move || overwrite(&place, round, new));
    assert!(!matches!(ended, Ended::Whole(_)), "{way:?} at {at}: {}", site.process().printed());
    // Once nobody writes, all of the new one comes.
    for way in [Overwrite::Http, way] {
        let anew = read_quietly(site, way);
        assert!(anew == Ended::Whole(expected.clone()), "{way:?}: {}", site.process().printed());
    }
}

fn replaced(site: &Site, way: Overwrite, at: usize, round: u32) {
    let (old, new) = (2 * round, 2 * round + 1);
    put(&site.lab.folder(), old);
    assert!(
        read_quietly(site, Overwrite::Http) == Ended::Whole(version(old)),
        "{}",
        site.process().printed()
    );
    let folder = site.lab.folder();
    let ended = read(site, way, NAME, at, move || put(&folder, new));
    assert!(ended == Ended::Whole(version(old)), "{way:?} at {at}: {}", site.process().printed());
    // A machine that reads by ranges goes on with what it began with.
    let then = if way == Overwrite::Ranges { old } else { new };
    assert!(read_quietly(site, way) == Ended::Whole(version(then)), "{way:?}: {}", site.process().printed());
}

fn read_quietly(site: &Site, way: Overwrite) -> Ended {
    read(site, way, NAME, usize::MAX, || {})
}

/// Reads a file, and does something once so much of it has come.
fn read(
    site: &Site,
    way: Overwrite,
    name: &'static str,
    at: usize,
    change: impl FnOnce() + Send + 'static,
) -> Ended {
    let reader = site.lab.inside(FLEET, move || {
        let mut change = Some(change);
        let between: Between = Box::new(move |have| {
            if have > at
                && let Some(change) = change.take()
            {
                change();
            }
            true
        });
        match way {
            Overwrite::Tftp => tftp(name, between),
            Overwrite::Http => http(name, between),
            Overwrite::Ranges => by_ranges(name, between),
        }
    });
    reader.join().expect("the client goes on")
}

/// Every four bytes of a version are its number.
fn version(number: u32) -> Vec<u8> {
    number.to_be_bytes().repeat(LENGTH / 4)
}

/// In turns: as `cp` does, cut to nothing and written anew; without the cut; and nothing but the
/// end.
fn overwrite(place: &Path, round: u32, number: u32) {
    let file = fs::File::options().write(true).truncate(round.is_multiple_of(3)).open(place);
    let mut file = file.expect("the file can be opened");
    let written = match round % 3 {
        2 => file.write_all_at(&number.to_be_bytes(), LENGTH as u64 - 4),
        _ => file.write_all(&version(number)),
    };
    written.expect("the file can be written");
}

/// The contents of a file of one version after such an overwrite.
fn expected(round: u32, old: u32, new: u32) -> Vec<u8> {
    if round % 3 != 2 {
        return version(new);
    }
    let mut bytes = version(old);
    bytes[LENGTH - 4..].copy_from_slice(&new.to_be_bytes());
    bytes
}

/// As an operator replaces a file.
fn put(folder: &Path, number: u32) {
    let source = folder.join("new.img");
    fs::write(&source, version(number)).expect("the folder can be written");
    let mut command = Command::new(program());
    command.args(["file", "put"]).arg(&source).arg(NAME).arg("--config").arg(folder.join("netbootd.toml"));
    let output = command.output().expect("netbootd can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Reads a file part by part over one connection, as a Mac reads its root.
fn by_ranges(name: &str, mut between: impl FnMut(usize) -> bool) -> Ended {
    let Ok(mut stream) = TcpStream::connect((SERVER, 80)) else { return Ended::Broke };
    let _ = stream.set_read_timeout(Some(READ));
    let mut file = Vec::new();
    while file.len() < LENGTH {
        between(file.len());
        let (first, last) = (file.len(), (file.len() + PART).min(LENGTH) - 1);
        let range = format!("Range: bytes={first}-{last}");
        let request = format!("GET /{name} HTTP/1.1\r\nHost: {SERVER}\r\n{range}\r\n\r\n");
        if stream.write_all(request.as_bytes()).is_err() {
            return Ended::Broke;
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return Ended::Broke,
            }
        }
        if !head.starts_with(b"HTTP/1.1 206") {
            return Ended::Told(String::from_utf8_lossy(&head[..12]).into_owned());
        }
        let mut part = vec![0; last + 1 - first];
        if stream.read_exact(&mut part).is_err() {
            return Ended::Broke;
        }
        file.extend(part);
    }
    Ended::Whole(file)
}

const NAME: &str = "moving.img";
/// More than sockets hold of it at a time.
const LENGTH: usize = 16 << 20;
/// At the most so much has come when the file is changed: its end is still to come then.
const EARLY: u64 = 1 << 20;
const PART: usize = 700_000;
const READ: Duration = Duration::from_secs(10);
