//! `netbootd image`, as operators use it on a store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::mac::sha256;
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

/// Puts an `.nbi` folder into a content library as ConfigMgr does: files by digest, and an INI for
/// each path of the content.
///
/// # Panics
/// When it cannot be written.
pub fn distribute(library: &Path, content: &str, set: &Path) {
    let name = set.file_name().and_then(|name| name.to_str()).expect("a folder has a name");
    let paths = ["NBImageInfo.plist", "NetInstall.dmg", "i386/booter", "i386/x86_64/kernelcache"];
    for path in paths {
        let hex = sha256(&set.join(path)).to_uppercase();
        let place = library.join("FileLib").join(&hex[..4]).join(&hex);
        put(&place, &fs::read(set.join(path)).expect("the set can be read"));
        let size = fs::metadata(&place).expect("just written").len();
        let ini = library.join(format!("DataLib/{content}/{name}/{path}.INI"));
        put(&ini, format!("[File]\r\nHash={hex}\r\nSize={size}\r\n").as_bytes());
    }
}

/// Puts one file into a content of a content library.
///
/// # Panics
/// When it cannot be written.
pub fn distribute_file(library: &Path, content: &str, file: &Path) {
    let name = file.file_name().and_then(|name| name.to_str()).expect("a file has a name");
    let hex = sha256(file).to_uppercase();
    let bytes = fs::read(file).expect("the file can be read");
    put(&library.join("FileLib").join(&hex[..4]).join(&hex), &bytes);
    let ini = format!("[File]\r\nHash={hex}\r\nSize={}\r\n", bytes.len());
    put(&library.join(format!("DataLib/{content}/{name}.INI")), ini.as_bytes());
}

/// Adds a content to the package list, which readers of the library look at.
///
/// # Panics
/// When it cannot be written.
pub fn announce(library: &Path, content: &str) {
    let package = content.split('.').next().unwrap_or_default();
    let ini = format!("[Packages]\r\n{content}\r\n");
    put(&library.join(format!("PkgLib/{package}.INI")), ini.as_bytes());
}

fn put(place: &Path, bytes: &[u8]) {
    fs::create_dir_all(place.parent().unwrap_or(place)).expect("the folder can be written");
    fs::write(place, bytes).expect("the folder can be written");
}
