//! A blob that is damaged while it is read: its readers are told, nobody gets it whole, and it is mended by taking the image in again.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::clients::{Ended, http, tftp};
use super::seed::Seed;
use super::site::{FLEET, Site};
use super::stops::Slow;
use crate::store::{image, text};

/// Damages a blob so many times, under a client of each kind. Gives the words for the line.
///
/// # Panics
/// When somebody gets the file whole, or is not told.
pub fn damaged_blobs(count: u32) -> String {
    let mut site = Site::new(None, 0, "");
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
        let (by_tftp, by_http) = (Slow::begin(&site, tftp, PATH), Slow::begin(&site, http, PATH));
        cut_short(&site);
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
fn cut_short(site: &Site) {
    let folders = fs::read_dir(site.state.join("images/blobs")).expect("the store's blobs").flatten();
    let files: Vec<PathBuf> = folders
        .flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten())
        .map(|file| file.path())
        .collect();
    let size = |file: &PathBuf| fs::metadata(file).map_or(0, |data| data.len());
    let largest = files.iter().max_by_key(|file| size(file)).expect("the store has blobs");
    let file = fs::File::options().write(true).open(largest).expect("root may write");
    file.set_len(1 << 20).expect("root may cut it");
}

const PATH: &str = "winpe/boot.img";
const PATIENCE: Duration = Duration::from_secs(30);
