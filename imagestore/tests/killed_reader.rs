//! The reader of Windows images is killed while an image is taken in, at any instant.
#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use imagestore::ingest::{Import, import};
use imagestore::{Digest, Quiet, Store, StoreLimits};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A NetBoot set with one file that goes straight to the disk, and many that come by the pipe.
fn image(folder: &Path) -> Vec<u8> {
    let set = folder.join("set/A.nbi");
    fs::create_dir_all(set.join("i386")).unwrap();
    fs::write(set.join("NBImageInfo.plist"), "<plist/>").unwrap();
    let mut state = 3_u32;
    let mut noise = |length: usize| -> Vec<u8> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|_| next()).collect()
    };
    for n in 0..40 {
        fs::write(set.join(format!("i386/{n}")), noise(60_000)).unwrap();
    }
    let large = noise(9 << 20);
    fs::write(set.join("NetInstall.dmg"), &large).unwrap();
    let mut command = Command::new("wimlib-imagex");
    command.args(["capture", "set", "x.wim", "--compress=XPRESS"]).current_dir(folder);
    assert!(command.output().unwrap().status.success());
    large
}

/// The readers that this process has started.
fn readers() -> Vec<i32> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let pids = children.collect::<Vec<_>>().join(" ");
    let pids = pids.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.filter(|pid| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("netbootd-wim"))
    })
    .collect()
}

/// Takes the image in again and again, while another thread kills a reader in each round; gives how
/// many of them it hit.
fn kill_in(rounds: u32) -> u32 {
    common::reader();
    let folder = tempfile::tempdir().unwrap();
    let large = image(folder.path());
    let mut hit = 0;
    for round in 0..rounds {
        let root = folder.path().join(format!("store-{round}"));
        let store = Store::open(&root, StoreLimits { quota: None, keep_free: 0 }).unwrap();
        let over = AtomicBool::new(false);
        let taken = thread::scope(|scope| {
            scope.spawn(|| {
                // One of the three readers of an import, after so many looks at it.
                let (mut looks, wanted) = (0, (round * 37) % 500);
                while !over.load(Ordering::Relaxed) {
                    for reader in readers() {
                        looks += 1;
                        if looks > wanted {
                            let _ = kill(Pid::from_raw(reader), Signal::SIGKILL);
                            return;
                        }
                    }
                }
            });
            let taken = import(&store, &folder.path().join("x.wim"), Import::default(), &mut Quiet);
            over.store(true, Ordering::Relaxed);
            taken
        });
        assert_eq!(readers(), Vec::<i32>::new(), "round {round}");
        assert_eq!(fs::read_dir(root.join("incoming")).unwrap().count(), 0, "round {round}");
        match taken {
            Ok(imported) => {
                let manifest = store.manifest(&imported.record.current).unwrap();
                let dmg = manifest.files.iter().find(|file| file.path == "NetInstall.dmg").unwrap();
                assert_eq!((manifest.files.len(), dmg.digest), (42, Digest::compute(&large)));
            }
            Err(error) => {
                hit += 1;
                assert!(error.to_string().contains("x.wim: "), "round {round}: {error}");
                assert!(store.catalogue().unwrap().images.is_empty() && store.blobs().unwrap().is_empty());
            }
        }
        fs::remove_dir_all(root).unwrap();
    }
    hit
}

#[test]
fn nothing_of_an_image_is_visible_when_its_reader_is_killed() {
    assert!(kill_in(12) > 0);
}

#[test]
#[ignore = "the long form of the test above"]
fn nothing_is_visible_after_two_hundred_kills() {
    let mut rounds = 0;
    let mut hit = 0;
    while hit < 200 && rounds < 2000 {
        hit += kill_in(50);
        rounds += 50;
    }
    assert!(hit >= 200, "{hit} of {rounds}");
}
