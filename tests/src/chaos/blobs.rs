//! A blob that is damaged while it is read, or that its disk does not read any more: its readers
//! are told, nobody gets it whole, and it is mended by taking the image in again.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::libc;

use super::clients::{Ended, http, tftp};
use super::power::Disk;
use super::seed::Seed;
use super::site::{FLEET, Site};
use super::stops::Slow;
use crate::store::{image, text};

/// Damages a blob so many times, under a client of each kind. Gives the words for the line.
///
/// # Panics
/// When somebody gets the file whole, or is not told.
pub fn damaged_blobs(count: u32) -> String {
    ruin(count, Site::new(None, 0, ""), cut_short)
}

/// The same with a disk that reads the blob no more (`EIO`).
///
/// # Panics
/// When somebody gets the file whole, or is not told.
pub fn unreadable_blobs(count: u32) -> String {
    // The disks are none that the configuration names, and are there before netbootd is: later
    // mounts may not be seen by it.
    let site = Site::new(None, 0, "sandbox = false\n");
    let disks: Vec<Disk> = (0..count).map(|_| Disk::new(64)).collect();
    let (mut good, mut failing) = (disks.iter(), disks.iter());
    ruin(count, site, |site, step| match step {
        Step::BeforeReaders => move_to(good.next().expect("a disk for each time"), site),
        Step::UnderReaders => {
            let disk = failing.next().expect("a disk for each time");
            disk.lose_end(READABLE);
            let read = fs::read(disk.path().join(BLOB));
            assert_eq!(read.err().and_then(|error| error.raw_os_error()), Some(libc::EIO), "the disk fails");
        }
    })
}

/// When a blob is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    BeforeReaders,
    UnderReaders,
}

fn ruin(count: u32, mut site: Site, mut how: impl FnMut(&Site, Step)) -> String {
    let source = site.lab.folder().join("winpe");
    fs::create_dir_all(&source).expect("the folder can be written");
    let content = Seed::new(3).bytes(20 << 20);
    fs::write(source.join("boot.img"), &content).expect("the folder can be written");
    site.start();
    for number in 1..=count {
        let times = usize::try_from(number).unwrap_or(usize::MAX);
        let imported = image(&site.state.join("images"), &["import", &text(&source)]);
        assert!(imported.status.success(), "the image is taken in");
        assert!(
            until(&site, |ended| *ended == Ended::Whole(content.clone())),
            "{}",
            site.process().printed()
        );
        how(&site, Step::BeforeReaders);
        let (by_tftp, by_http) = (Slow::begin(&site, tftp, PATH), Slow::begin(&site, http, PATH));
        how(&site, Step::UnderReaders);
        let (by_tftp, by_http) = (by_tftp.end(), by_http.end());
        assert_eq!(
            by_tftp,
            Ended::Told("the file cannot be read to its end".into()),
            "{}",
            site.process().printed()
        );
        assert_eq!(by_http, Ended::Broke, "{}", site.process().printed());
        site.process().wait_for_count("a damaged blob is withdrawn", times, PATIENCE);
        assert!(until(&site, |ended| matches!(ended, Ended::Told(_))), "{}", site.process().printed());
    }
    "each reader was told, the image was withdrawn, and came back with the next import".into()
}

/// Whether reading it comes to this soon.
fn until(site: &Site, wanted: impl Fn(&Ended) -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ended = site.lab.inside(FLEET, || http(PATH, |_| true)).join().expect("the client goes on");
        if wanted(&ended) || Instant::now() > deadline {
            return wanted(&ended);
        }
    }
}

/// The image's largest blob loses its end.
fn cut_short(site: &Site, step: Step) {
    if step == Step::UnderReaders {
        let file = File::options().write(true).open(largest_blob(site)).expect("root may write");
        file.set_len(1 << 20).expect("root may cut it");
    }
}

/// The image's largest blob lies on a disk of its own from now on.
fn move_to(disk: &Disk, site: &Site) {
    let (blob, place) = (largest_blob(site), disk.path().join(BLOB));
    fs::copy(&blob, &place).expect("the disk has room");
    fs::remove_file(&blob).expect("root may remove it");
    symlink(&place, &blob).expect("root may link it");
    // Bytes in memory are read whatever the disk does.
    let file = File::open(&place).expect("just written");
    file.sync_all().expect("the disk takes it");
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).expect("the kernel takes advice");
}

fn largest_blob(site: &Site) -> PathBuf {
    let folders = fs::read_dir(site.state.join("images/blobs")).expect("the store's blobs").flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let size = |file: &PathBuf| fs::metadata(file).map_or(0, |data| data.len());
    files.map(|file| file.path()).max_by_key(size).expect("the store has blobs")
}

const PATH: &str = "winpe/boot.img";
/// The blob's name on a disk of its own.
const BLOB: &str = "blob";
/// Of a disk, in bytes: its tables and the first of the blob's twenty megabytes.
const READABLE: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(30);
