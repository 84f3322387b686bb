//! A writer that is killed right after each named step.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::path::Path;
use std::process::Command;

use imagestore::ingest::{Import, import};
use imagestore::{Observer, Quiet, Step, Store, StoreLimits};
use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;

/// Ends its own process after a step, as SIGKILL from outside would at that instant.
struct KilledAfter(Step);

impl Observer for KilledAfter {
    fn step(&mut self, step: Step) {
        if step == self.0 {
            kill(getpid(), Signal::SIGKILL).unwrap();
        }
    }
}

#[test]
#[ignore = "is the process that a_store_survives_it runs and that dies"]
fn the_process_that_dies() {
    let Ok(folder) = std::env::var("NETBOOTD_TEST_FOLDER") else { return };
    let step: usize = std::env::var("NETBOOTD_TEST_STEP").unwrap().parse().unwrap();
    let folder = Path::new(&folder);
    let store = Store::open(&folder.join("store"), StoreLimits::default()).unwrap();
    import(&store, &folder.join("new"), Import::default(), &mut KilledAfter(Step::ALL[step])).unwrap();
}

#[test]
fn a_store_survives_it() {
    for (number, step) in Step::ALL.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("old/a", "old"), ("new/a", "new"), ("new/b", "more")] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let store = Store::open(&folder.path().join("store"), StoreLimits::default()).unwrap();
        let old = import(&store, &folder.path().join("old"), Import::default(), &mut Quiet).unwrap();
        let died = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_process_that_dies", "--ignored"])
            .env("NETBOOTD_TEST_FOLDER", folder.path())
            .env("NETBOOTD_TEST_STEP", number.to_string())
            .output()
            .unwrap();
        assert!(!died.status.success(), "{step:?}");

        let catalogue = store.catalogue().unwrap();
        assert_eq!(catalogue.images["old"], old.record, "{step:?}");
        assert_eq!(catalogue.images.contains_key("new"), step == Step::Committed, "{step:?}");
        let scrubbed = store.scrub(&mut Quiet).unwrap();
        assert!(scrubbed.bad.is_empty() && scrubbed.missing.is_empty(), "{step:?}: {scrubbed:?}");
        let again = import(&store, &folder.path().join("new"), Import::default(), &mut Quiet).unwrap();
        let whole = store.verify(&again.record.current, &mut Quiet).unwrap();
        assert!(whole.bad.is_empty() && whole.missing.is_empty() && whole.blobs == 2, "{step:?}: {whole:?}");
    }
}
