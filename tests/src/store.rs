//! `netbootd image`, as operators use it on a store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::netbootd::program;

/// Runs a command on a store, and shows what it prints.
///
/// # Panics
/// When it cannot be started.
#[allow(clippy::print_stderr)] // shown when a test fails
pub fn image(store: &Path, words: &[&str]) -> Output {
    let output = Command::new(program()).arg("image").args(words).arg("--store").arg(store).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {words:?}: {error}"));
    eprintln!(
        "{words:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A path as a word of a command.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A folder of 16 MB in 40 files, whose ingest takes long enough to be killed in the middle of.
///
/// # Panics
/// When it cannot be written.
pub fn source(folder: &Path) -> PathBuf {
    let source = folder.join("source");
    fs::create_dir_all(source.join("below")).expect("the folder can be written");
    for n in 0..40_u32 {
        let bytes: Vec<u8> =
            (0..400_000_u32).map(|at| (at.wrapping_mul(2_654_435_761 + n) >> 13) as u8).collect();
        fs::write(source.join(format!("below/{n}.bin")), bytes).expect("the folder can be written");
    }
    source
}
