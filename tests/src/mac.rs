//! A Mac, as far as one can be had: the Go program in `mac/`, which speaks BSDP by a library of
//! others, and the image folders it boots from.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::payload::{cache, lock};
use crate::process::run;

/// The Go program, built once from the packages of Debian, offline.
///
/// # Panics
/// When it does not build.
pub fn client() -> String {
    let folder = cache();
    let _lock = lock(&folder);
    let (source, program) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("mac"), folder.join("mac"));
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    if changed(&program)
        .is_none_or(|built| changed(&source.join("main.go")).is_some_and(|written| written > built))
    {
        run(Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(&source)
            .env("GO111MODULE", "off")
            .env("GOPATH", "/usr/share/gocode")
            .env("GOCACHE", folder.join("go")));
    }
    program.display().to_string()
}

/// An image folder with a booter, a kernel cache and a root image.
#[derive(Debug, Clone)]
pub struct Nbi<'a> {
    /// The image's line in the Mac's menu.
    pub name: &'a str,
    /// The low half of its id.
    pub index: u16,
    /// Bytes of the root image.
    pub root_size: u64,
    /// More of the property list.
    pub more: &'a str,
}

impl Nbi<'_> {
    /// Makes the folder in a share; gives its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn put(&self, share: &Path) -> PathBuf {
        let folder = share.join(format!("{}.nbi", self.name));
        fs::create_dir_all(folder.join("i386/x86_64")).expect("the folder can be written");
        let list = format!(
            "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>\
             <key>Name</key><string>{}</string><key>Index</key><integer>{}</integer>\
             <key>Type</key><string>HTTP</string><key>IsInstall</key><true/>\
             <key>Architectures</key><array><string>i386</string></array>\
             <key>BootFile</key><string>booter</string><key>RootPath</key><string>NetInstall.dmg</string>{}\
             </dict></plist>",
            self.name, self.index, self.more
        );
        fs::write(folder.join("NBImageInfo.plist"), list).expect("the folder can be written");
        fs::write(folder.join("i386/booter"), pattern(1, 700_000)).expect("the folder can be written");
        fs::write(folder.join("i386/x86_64/kernelcache"), pattern(2, 1_500_001))
            .expect("the folder can be written");
        let mut root = fs::File::create(folder.join("NetInstall.dmg")).expect("the folder can be written");
        let piece = 8 << 20;
        for at in (0..self.root_size).step_by(piece) {
            let length = usize::try_from(self.root_size - at).unwrap_or(piece).min(piece);
            root.write_all(&pattern(at as u32 | 1, length)).expect("the disk has room");
        }
        folder
    }
}

/// Bytes that repeat nowhere near.
fn pattern(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let words = (0..length.div_ceil(4)).flat_map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()
    });
    words.take(length).collect()
}

/// The SHA-256 of a file, in hex.
///
/// # Panics
/// When it cannot be read.
pub fn sha256(file: &Path) -> String {
    let text = run(Command::new("sha256sum").arg(file));
    text.split(' ').next().unwrap_or_default().to_owned()
}
