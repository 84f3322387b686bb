//! The files of the history: `<day since 1970>-<number>.jsonl`, so their names are in the order of
//! their lines.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use imagestore::platform::{DirBuilderExt, OpenOptionsExt};

/// The folder that holds the history's files.
#[derive(Debug, Clone)]
pub(super) struct Segments {
    folder: PathBuf,
    /// Bytes of one file.
    pub(super) size: u64,
    /// Bytes of all files.
    pub(super) most: u64,
}

/// One file of the history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    pub(super) day: u64,
    pub(super) number: u64,
    pub(super) path: PathBuf,
}

impl Segments {
    pub(super) fn new(folder: PathBuf, size: u64, most: u64) -> Self {
        Segments { folder, size, most }
    }

    /// Makes the folder, which is for this user alone: machines' names are in it.
    pub(super) fn make_folder(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// All files, the oldest first; none when there is no folder yet.
    pub(super) fn all(&self) -> io::Result<Vec<Segment>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut segments: Vec<Segment> =
            entries.flatten().filter_map(|entry| Segment::from_path(entry.path())).collect();
        segments.sort();
        Ok(segments)
    }

    /// The files of this day and later ones.
    pub(super) fn since(&self, day: u64) -> io::Result<Vec<Segment>> {
        let mut segments = self.all()?;
        segments.retain(|segment| segment.day >= day);
        Ok(segments)
    }

    /// The path of a file.
    pub(super) fn path(&self, day: u64, number: u64) -> PathBuf {
        self.folder.join(format!("{day:05}-{number:06}.jsonl"))
    }

    /// Opens a file to append to it.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        self.make_folder()?;
        File::options().create(true).append(true).mode(0o600).open(path)
    }

    /// Removes the files of days before this one, and the oldest of the others while all of them
    /// have too many bytes.
    pub(super) fn prune(&self, oldest: u64) -> io::Result<()> {
        let segments = self.all()?;
        let length = |segment: &Segment| fs::metadata(&segment.path).map_or(0, |data| data.len());
        let lengths: Vec<u64> = segments.iter().map(length).collect();
        let mut total: u64 = lengths.iter().sum();
        for (segment, length) in segments.iter().zip(lengths) {
            if segment.day >= oldest && total <= self.most {
                break;
            }
            fs::remove_file(&segment.path)?;
            total -= length;
        }
        Ok(())
    }
}

impl Segment {
    fn from_path(path: PathBuf) -> Option<Self> {
        let (day, number) = path.file_name()?.to_str()?.strip_suffix(".jsonl")?.split_once('-')?;
        Some(Segment { day: day.parse().ok()?, number: number.parse().ok()?, path })
    }

    /// All of it; None when it has gone.
    pub(super) fn text(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => text.map(Some),
        }
    }
}
