//! Windows images (`.wim`, `.esd`, `.swm`) as archives: what they hold, and the bytes of their files.
//!
//! Read by wimlib, in a process of its own: a damaged or hostile image ends that process, not this one. Every compression, solid
//! and pipable images work; the further parts of a split image (`name2.swm`) are looked for beside the first.

pub mod listing;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use thiserror::Error;

pub use listing::{ArchiveEntry, WimImage};

use crate::platform::{READER_HINT, is_passed_on, widen_pipe};

/// Files in one container, read as streams.
pub trait Archive {
    /// What it holds, folders left out.
    fn entries(&self) -> &[ArchiveEntry];

    /// Reads files one after the other in the order given; `each` must read its stream to the end.
    fn read(
        &self,
        entries: &[&ArchiveEntry],
        each: &mut dyn FnMut(&ArchiveEntry, &mut dyn Read) -> io::Result<()>,
    ) -> Result<(), WimError>;

    /// Reads everything and compares it with the container's own checksums.
    fn verify(&self) -> Result<(), WimError>;

    /// The entry with this path; Windows does not tell cases apart.
    fn find(&self, path: &str) -> Option<&ArchiveEntry> {
        self.entries().iter().find(|entry| entry.path.eq_ignore_ascii_case(path))
    }
}

/// A Windows image file.
#[derive(Debug)]
pub struct Wim {
    path: PathBuf,
    images: Vec<WimImage>,
    entries: Vec<ArchiveEntry>,
}

/// A file on its way out. Dropping it ends the reader.
#[derive(Debug)]
pub struct Writing<'a> {
    wim: &'a Wim,
    child: Option<Child>,
}

/// Why a Windows image cannot be read.
#[derive(Debug, Error)]
pub enum WimError {
    /// The reader is not installed.
    #[error("wimlib-imagex cannot be started; {READER_HINT}")]
    NoReader(#[source] io::Error),
    /// The reader says no.
    #[error("{}: {message}", path.display())]
    Refused {
        /// The image.
        path: PathBuf,
        /// The reader's words.
        message: String,
    },
    /// The image holds less than its own table says.
    #[error("{}: {entry} ends after {have} of {need} bytes", path.display())]
    Truncated {
        /// The image.
        path: PathBuf,
        /// The file in it.
        entry: String,
        /// Bytes.
        have: u64,
        /// Bytes.
        need: u64,
    },
    /// Whoever takes the bytes says no.
    #[error("cannot take in {entry}")]
    Taking {
        /// The file.
        entry: String,
        /// Why.
        source: io::Error,
    },
}

impl Wim {
    /// Reads what an image file holds.
    pub fn open(path: &Path) -> Result<Self, WimError> {
        let path = path.canonicalize().map_err(|error| refused(path, &error.to_string()))?;
        let mut wim = Wim { path, images: Vec::new(), entries: Vec::new() };
        wim.images = listing::images(&wim.output(&["info".into(), wim.path.clone().into()])?);
        for image in &wim.images {
            let mut arguments: Vec<OsString> = vec!["dir".into(), wim.path.clone().into()];
            arguments.push(image.index.to_string().into());
            arguments.push("--detailed".into());
            wim.entries.extend(listing::entries(image.index, &wim.output(&arguments)?));
        }
        Ok(wim)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The images in the file.
    pub fn images(&self) -> &[WimImage] {
        &self.images
    }

    /// Begins to write one file's bytes to `to`. They go there without passing through this process.
    pub fn start_writing(&self, entry: &ArchiveEntry, to: File) -> Result<Writing<'_>, WimError> {
        let mut arguments: Vec<OsString> = vec!["extract".into(), self.path.clone().into()];
        arguments.extend([entry.image.to_string().into(), "--to-stdout".into(), "--no-globs".into()]);
        arguments.push(OsString::from(&entry.path));
        Ok(Writing { wim: self, child: Some(self.start_to(&arguments, to.into())?) })
    }

    fn output(&self, arguments: &[OsString]) -> Result<String, WimError> {
        let mut child = self.start(arguments)?;
        let mut text = Vec::new();
        let read = child.stdout.take().map(|stdout| stdout.take(MAX_LISTING).read_to_end(&mut text));
        if let Some(Err(error)) = read {
            return Err(refused(&self.path, &error.to_string()));
        }
        self.end(child)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn start(&self, arguments: &[OsString]) -> Result<Child, WimError> {
        self.start_to(arguments, Stdio::piped())
    }

    fn start_to(&self, arguments: &[OsString], to: Stdio) -> Result<Child, WimError> {
        let mut command = Command::new("wimlib-imagex");
        command.args(arguments);
        if let Some(parts) =
            self.further_parts().filter(|_| arguments.first().is_some_and(|verb| verb != "info"))
        {
            command.arg(parts);
        }
        // Keys of object storage come in the environment; they are no business of a program that reads what anybody may have written.
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| is_passed_on(name)));
        // An empty pipe for /dev/null, which a confined daemon may not be able to open.
        command.stdin(Stdio::piped()).stdout(to).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(WimError::NoReader)?;
        drop(child.stdin.take());
        Ok(child)
    }

    /// `name.swm` goes on in `name2.swm`, `name3.swm` ...
    fn further_parts(&self) -> Option<OsString> {
        let extension = self.path.extension()?;
        if !extension.eq_ignore_ascii_case("swm") {
            return None;
        }
        let mut glob = OsString::from("--ref=");
        glob.push(self.path.with_extension(""));
        glob.push("*.");
        glob.push(extension);
        Some(glob)
    }

    fn end(&self, mut child: Child) -> Result<(), WimError> {
        // Closing its output ends a reader that still writes.
        drop(child.stdout.take());
        let mut words = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            // Its words are for a message; losing them loses no data.
            let _ = stderr.take(MAX_WORDS).read_to_end(&mut words);
        }
        let status = child.wait().map_err(|error| refused(&self.path, &error.to_string()))?;
        if status.success() { Ok(()) } else { Err(refused(&self.path, &listing::complaint(&words))) }
    }
}

impl Writing<'_> {
    /// Whether the reader has ended; its result is in [`Writing::finish`].
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Result<(), WimError> {
        self.child.take().map_or(Ok(()), |child| self.wim.end(child))
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill(); // it may have ended by itself
            let _ = child.wait();
        }
    }
}

impl Archive for Wim {
    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    fn read(
        &self,
        entries: &[&ArchiveEntry],
        each: &mut dyn FnMut(&ArchiveEntry, &mut dyn Read) -> io::Result<()>,
    ) -> Result<(), WimError> {
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let mut length = 0;
            let fits = |entry: &&&ArchiveEntry| {
                length += entry.path.len() + 1;
                entry.image == first.image && length < MAX_ARGUMENTS
            };
            let count = rest.iter().take_while(fits).count().max(1);
            self.read_some(&rest[..count], each)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn verify(&self) -> Result<(), WimError> {
        self.output(&["verify".into(), self.path.clone().into()]).map(drop)
    }
}

impl Wim {
    /// One process for several files: their bytes come one after the other.
    fn read_some(
        &self,
        entries: &[&ArchiveEntry],
        each: &mut dyn FnMut(&ArchiveEntry, &mut dyn Read) -> io::Result<()>,
    ) -> Result<(), WimError> {
        let image = entries.first().map_or(1, |entry| entry.image);
        let mut arguments: Vec<OsString> = vec!["extract".into(), self.path.clone().into()];
        arguments.extend([image.to_string().into(), "--to-stdout".into(), "--no-globs".into()]);
        arguments.extend(entries.iter().map(|entry| OsString::from(&entry.path)));
        let mut child = self.start(&arguments)?;
        let Some(mut stdout) = child.stdout.take() else { return self.end(child) };
        widen_pipe(&stdout);
        for entry in entries {
            let mut stream = (&mut stdout).take(entry.size);
            let taken = each(entry, &mut stream);
            let left = stream.limit();
            if taken.is_err() || left > 0 {
                drop(stdout);
                let entry_name = entry.path.clone();
                // The reader's own complaint says more than that its output ended.
                let ended = self.end(child);
                return match taken {
                    Err(source) => Err(WimError::Taking { entry: entry_name, source }),
                    Ok(()) => Err(ended.err().unwrap_or(WimError::Truncated {
                        path: self.path.clone(),
                        entry: entry_name,
                        have: entry.size - left,
                        need: entry.size,
                    })),
                };
            }
        }
        drop(stdout);
        self.end(child)
    }
}

fn refused(path: &Path, message: &str) -> WimError {
    WimError::Refused { path: path.to_owned(), message: message.to_owned() }
}

/// The listing of the largest Windows installations has about 60 MB.
const MAX_LISTING: u64 = 512 << 20;
const MAX_WORDS: u64 = 64 << 10;
/// The system takes 2 MB of arguments; no file name is cut off at that.
const MAX_ARGUMENTS: usize = 256 << 10;
