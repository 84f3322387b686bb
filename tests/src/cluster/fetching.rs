//! Machines that fetch images while everything breaks: what comes to its end must be right.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::{NAMES, Site, address};
use crate::mac::sha256;

/// An image of one file, with its digest.
#[derive(Debug, Clone)]
pub struct Wanted {
    name: String,
    digest: String,
}

/// The results, by server and protocol: how many were right, and how many came to no end.
pub type Fetched = BTreeMap<(&'static str, &'static str), (usize, usize)>;

/// Fetches that go on.
#[derive(Debug)]
pub struct Fetching {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Fetched>>,
}

impl Site {
    /// Puts an image into the object storage by way of the first server's host.
    pub fn push(&self, name: &str, seed: u32) -> Wanted {
        let folder = self.lab.folder().join(name);
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(FILE);
        let byte = |n: u32| (n.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 11) as u8;
        fs::write(&file, (0..SIZE).map(byte).collect::<Vec<u8>>()).unwrap();
        assert!(self.run(0, &["image", "import", &folder.display().to_string()]).status.success());
        assert!(self.run(0, &["image", "push", name]).status.success());
        Wanted { name: name.to_owned(), digest: sha256(&file) }
    }

    /// Fetches these images from every server again and again, until told to stop.
    pub fn fetching(&self, images: Vec<Wanted>) -> Fetching {
        let (stop, file) = (Arc::new(AtomicBool::new(false)), self.lab.folder().join("fetched"));
        let stopped = Arc::clone(&stop);
        let work = move || {
            let mut fetched = Fetched::new();
            while !stopped.load(Ordering::Relaxed) {
                for (server, name) in NAMES.iter().enumerate() {
                    for (image, protocol) in images.iter().flat_map(|image| PROTOCOLS.map(|one| (image, one)))
                    {
                        let came = image.comes(&mut Command::new("curl"), server, protocol, &file);
                        let count = fetched.entry((*name, protocol)).or_default();
                        *(if came { &mut count.0 } else { &mut count.1 }) += 1;
                    }
                }
            }
            fetched
        };
        let thread = Some(self.lab.inside("relay", work));
        Fetching { stop, thread }
    }

    /// Fetches images from a server, which has to serve them.
    pub fn serves(&self, server: usize, images: &[Wanted]) {
        let file = self.lab.folder().join("served");
        for (image, protocol) in images.iter().flat_map(|image| PROTOCOLS.map(|one| (image, one))) {
            let came = image.comes(&mut self.lab.command("relay", "curl"), server, protocol, &file);
            assert!(came, "{} does not come from {} by {protocol}", image.name, NAMES[server]);
        }
    }
}

impl Wanted {
    /// Whether the image comes to its end; it is right then.
    fn comes(&self, curl: &mut Command, server: usize, protocol: &str, file: &Path) -> bool {
        let url = format!("{protocol}://{}/{}/{FILE}", address(server), self.name);
        // A server that has died in the middle says nothing more.
        let patience =
            ["--connect-timeout", "2", "--speed-limit", "1", "--speed-time", "5", "--max-time", "60"];
        curl.args(["-sS", "-f", "--tftp-blksize", "1428"]).args(patience).arg("-o").arg(file).arg(&url);
        let came = curl.status().unwrap().success();
        assert!(!came || sha256(file) == self.digest, "{url} is served wrong");
        came
    }
}

impl Fetching {
    /// Ends the clients, and gives what they fetched.
    pub fn end(mut self) -> Fetched {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

const PROTOCOLS: [&str; 2] = ["http", "tftp"];
const FILE: &str = "root.img";
const SIZE: u32 = 3_000_000;
