//! The backup file: a tar of regular files, and as its last one the manifest with their digests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use imagestore::Digester;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The description of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The version of this form.
    pub(super) format: u32,
    /// The version of netbootd that wrote it.
    pub(super) netbootd: String,
    /// When it was written (RFC 3339).
    pub(super) created: String,
    /// The configuration file of the server.
    pub(super) config: PathBuf,
    /// The state folder of the server.
    pub(super) state_dir: PathBuf,
    /// The folder of the image store.
    pub(super) store: PathBuf,
    /// Whether the images' files are in it, or only the catalogue.
    pub(super) images: bool,
    /// Its files by their names in the archive.
    pub(super) files: BTreeMap<String, Packed>,
}

/// One file of the backup, by its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Packed {
    /// The size in bytes.
    pub(super) size: u64,
    /// The digest of its bytes.
    pub(super) sha256: String,
}

/// Why a backup is refused.
#[derive(Debug, Error)]
pub(super) enum Refused {
    /// It cannot be read.
    #[error("cannot read the backup: {0}")]
    Unreadable(#[from] io::Error),
    /// Its end is missing.
    #[error("the backup is incomplete: it ends before its manifest")]
    Truncated,
    /// It was written by a later version.
    #[error(
        "the backup has format {0}, and this netbootd reads formats up to {FORMAT}: install a newer netbootd"
    )]
    Newer(u32),
    /// An entry that no backup has.
    #[error("{0:?} is not a file of a backup")]
    Entry(String),
    /// A file is not as the manifest says.
    #[error("the backup is damaged: {0} is not as its manifest says")]
    Damaged(String),
    /// The manifest cannot be read.
    #[error("the backup's manifest cannot be read: {0}")]
    Manifest(#[from] serde_json::Error),
}

/// Writes the archive and the list of its files.
pub(super) struct Packer {
    tar: tar::Builder<BufWriter<File>>,
    files: BTreeMap<String, Packed>,
}

impl Packer {
    pub(super) fn new(file: File) -> Self {
        Packer { tar: tar::Builder::new(BufWriter::new(file)), files: BTreeMap::new() }
    }

    /// Adds a file as long as it is now. Bytes that are appended meanwhile are left out.
    pub(super) fn add(&mut self, name: &str, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let mut header = tar::Header::new_gnu();
        header.set_metadata(&metadata);
        header.set_uid(0);
        header.set_gid(0);
        let mut source =
            Digesting { inner: file.take(metadata.len()), digester: Digester::default(), read: 0 };
        self.tar.append_data(&mut header, name, &mut source)?;
        if source.read != metadata.len() {
            return Err(io::Error::other(format!("{} became shorter while it was read", path.display())));
        }
        self.note(name, source);
        Ok(())
    }

    fn note<R>(&mut self, name: &str, source: Digesting<R>) {
        let packed = Packed { size: source.read, sha256: source.digester.finish().to_string() };
        self.files.insert(name.to_owned(), packed);
    }

    /// Adds the manifest and brings all to the disk. Gives the number of files and their bytes.
    pub(super) fn finish(mut self, manifest: Manifest) -> io::Result<(u64, u64)> {
        let (files, bytes) = (self.files.len() as u64, self.files.values().map(|file| file.size).sum());
        let manifest = Manifest { files: self.files, ..manifest };
        let text = serde_json::to_vec_pretty(&manifest)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        self.tar.append_data(&mut header, MANIFEST, text.as_slice())?;
        let mut file = self.tar.into_inner()?;
        file.flush()?;
        file.get_ref().sync_all()?;
        Ok((files, bytes))
    }
}

/// Reads a backup to its end and compares every file with the manifest.
pub(super) fn verify(path: &Path) -> Result<Manifest, Refused> {
    let mut found = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    each(path, &mut |name, source| {
        if manifest.is_some() {
            return Err(Refused::Entry(name.to_owned()));
        }
        if name == MANIFEST {
            let mut text = Vec::new();
            source.take(MAX_MANIFEST).read_to_end(&mut text)?;
            manifest = Some(serde_json::from_slice(&text)?);
            return Ok(());
        }
        let mut source = Digesting { inner: source, digester: Digester::default(), read: 0 };
        io::copy(&mut source, &mut io::sink())?;
        let packed = Packed { size: source.read, sha256: source.digester.finish().to_string() };
        found.insert(name.to_owned(), packed);
        Ok(())
    })?;
    let manifest = manifest.ok_or(Refused::Truncated)?;
    if manifest.format > FORMAT {
        return Err(Refused::Newer(manifest.format));
    }
    let differs = |(name, packed): &(&String, &Packed)| found.get(*name) != Some(packed);
    if let Some((name, _)) = manifest.files.iter().find(differs) {
        return Err(Refused::Damaged(name.clone()));
    }
    if let Some(name) = found.keys().find(|name| !manifest.files.contains_key(*name)) {
        return Err(Refused::Entry(name.clone()));
    }
    Ok(manifest)
}

/// Hands each file to `take`, with its name, in the order of the archive.
pub(super) fn each(
    path: &Path,
    take: &mut dyn FnMut(&str, &mut dyn Read) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let mut archive = tar::Archive::new(BufReader::new(File::open(path)?));
    let cut = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Refused::Truncated,
        _ => Refused::Unreadable(error),
    };
    for entry in archive.entries()? {
        let mut entry = entry.map_err(cut)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let size = entry.size();
        if !entry.header().entry_type().is_file() || !is_plain(&name) {
            return Err(Refused::Entry(name));
        }
        let mut counted = Counted { inner: &mut entry, read: 0 };
        match take(&name, &mut counted) {
            Err(Refused::Unreadable(error)) => return Err(cut(error)),
            other => other?,
        }
        // Behind the end of a file that was cut there is nothing to read.
        if counted.read != size && name != MANIFEST {
            return Err(Refused::Truncated);
        }
    }
    Ok(())
}

/// A name below one of the folders of a backup, which leads nowhere else.
fn is_plain(name: &str) -> bool {
    let parts = || Path::new(name).components();
    let known = FOLDERS.iter().any(|folder| name.starts_with(&format!("{folder}/")));
    (known || name == MANIFEST)
        && !name.ends_with('/')
        && parts().all(|part| matches!(part, Component::Normal(_)))
}

struct Digesting<R> {
    inner: R,
    digester: Digester,
    read: u64,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.digester.update(&buf[..read]);
        self.read += read as u64;
        Ok(read)
    }
}

struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.read += read as u64;
        Ok(read)
    }
}

/// The version of this form: raised when an older netbootd could not read it.
pub(super) const FORMAT: u32 = 1;
/// Folders in the archive: of the configuration, of named files elsewhere, of state, of the store.
pub(super) const FOLDERS: [&str; 4] = ["config", "files", "state", "images"];
const MANIFEST: &str = "manifest.json";
/// A line for each of a million files.
const MAX_MANIFEST: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            netbootd: "0".into(),
            created: String::new(),
            config: "/c".into(),
            state_dir: "/s".into(),
            store: "/i".into(),
            images: false,
            files: BTreeMap::new(),
        }
    }

    fn packed(folder: &Path, manifest: Manifest) -> PathBuf {
        let (file, source) = (folder.join("backup.tar"), folder.join("source"));
        std::fs::write(&source, vec![7; 5000]).unwrap();
        let mut packer = Packer::new(File::create(&file).unwrap());
        packer.add("state/state.redb", &source).unwrap();
        packer.add("config/netbootd.toml", &source).unwrap();
        assert_eq!(packer.finish(manifest).unwrap(), (2, 10_000));
        file
    }

    #[test]
    fn a_backup_cut_anywhere_or_changed_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = packed(folder.path(), manifest());
        let read = verify(&file).unwrap();
        assert_eq!(read.files.keys().collect::<Vec<_>>(), ["config/netbootd.toml", "state/state.redb"]);
        let whole = std::fs::read(&file).unwrap();
        // Behind the manifest there are only zeros, which tar does not need.
        let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
        for cut in (0..end).step_by(97) {
            std::fs::write(&file, &whole[..cut]).unwrap();
            assert!(verify(&file).is_err(), "cut at {cut}");
        }
        for at in (0..end).step_by(211) {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            std::fs::write(&file, &changed).unwrap();
            // A changed time or owner in a header changes nothing of what is restored.
            if let Ok(other) = verify(&file) {
                assert_eq!(other.files, read.files, "changed at {at}");
            }
        }
    }

    #[test]
    fn a_later_format_and_names_that_lead_elsewhere_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = packed(folder.path(), Manifest { format: FORMAT + 1, ..manifest() });
        assert!(verify(&file).unwrap_err().to_string().contains("install a newer netbootd"));
        for name in ["state/../../etc/passwd", "/etc/passwd", "elsewhere/x", "state/", ""] {
            assert!(!is_plain(name), "{name}");
        }
        assert!(is_plain("state/history/1") && is_plain(MANIFEST));
    }
}
