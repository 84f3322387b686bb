//! Files of a restore wait beside their places until all of them are on the disk. Then a list of
//! moves is written, and the moves are made; an interrupted restore is continued by this list.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use imagestore::platform::{DirBuilderExt, OpenOptionsExt, sync_folder};
use serde::{Deserialize, Serialize};

use super::{Failure, cannot, with_suffix};

/// The files of a restore that are not in their places yet.
pub(super) struct Staging {
    state_dir: PathBuf,
    folders: Vec<PathBuf>,
    moves: Vec<Move>,
}

/// One step of the exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Move {
    /// The file that waits; None when what is there now has no successor.
    from: Option<PathBuf>,
    to: PathBuf,
    /// The present file stays: it has the same content.
    keep: bool,
}

impl Staging {
    /// Continues an interrupted exchange, or removes the files of a restore that did not come so
    /// far.
    pub(super) fn begin(state_dir: &Path) -> Result<Self, Failure> {
        let list = list_of(state_dir);
        if list.is_file() {
            let text = fs::read(&list).map_err(|error| cannot("read", &list, &error))?;
            match serde_json::from_slice::<Vec<Move>>(&text) {
                Ok(moves) => exchange(state_dir, &moves)?,
                Err(error) => {
                    return Err(Failure::Unusable(format!("cannot read {}: {error}", list.display())));
                }
            }
        }
        remove_folder(&state_dir.join(WAITING))?;
        Ok(Staging { state_dir: state_dir.to_owned(), folders: Vec::new(), moves: Vec::new() })
    }

    /// Writes a file that belongs to `place`, in a folder below `root` on the same disk.
    pub(super) fn write(
        &mut self,
        root: &Path,
        place: &Path,
        keep: bool,
        source: &mut dyn Read,
    ) -> io::Result<()> {
        let folder = root.join(WAITING);
        if !self.folders.contains(&folder) {
            if folder != self.state_dir.join(WAITING) && folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            self.folders.push(folder.clone());
        }
        let waiting = folder.join(self.moves.len().to_string());
        let mut file = File::options().write(true).create_new(true).mode(0o640).open(&waiting)?;
        io::copy(source, &mut file)?;
        file.flush()?;
        file.sync_all()?;
        give_to_owner_of(root, &waiting)?;
        self.moves.push(Move { from: Some(waiting), to: place.to_owned(), keep });
        Ok(())
    }

    /// Removes the present file at this place, unless the backup has a successor.
    pub(super) fn clear(&mut self, place: &Path) {
        let stays = self.moves.iter().any(|one| one.to == place || one.to.starts_with(place));
        if place.exists() && !stays {
            self.moves.push(Move { from: None, to: place.to_owned(), keep: false });
        }
    }

    /// The folder at this place goes away before the files below it come.
    pub(super) fn clear_folder(&mut self, place: &Path) {
        if place.exists() {
            self.moves.insert(0, Move { from: None, to: place.to_owned(), keep: false });
        }
    }

    /// Exchanges everything. From the list on the disk an interrupted exchange is continued.
    pub(super) fn commit(self) -> Result<(), Failure> {
        for folder in &self.folders {
            sync_folder(folder).map_err(|error| cannot("sync", folder, &error))?;
        }
        let list = list_of(&self.state_dir);
        let written = || {
            DirBuilder::new().recursive(true).mode(0o700).create(self.state_dir.join(WAITING))?;
            let new = with_suffix(&list, ".new");
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(&self.moves)?)?;
            file.sync_all()?;
            fs::rename(&new, &list)?;
            sync_folder(&self.state_dir.join(WAITING))
        };
        written().map_err(|error: io::Error| cannot("write", &list, &error))?;
        exchange(&self.state_dir, &self.moves)?;
        for folder in &self.folders {
            remove_folder(folder)?;
        }
        remove_folder(&self.state_dir.join(WAITING))
    }
}

/// A restore that was interrupted in its exchange leaves old and new files side by side.
pub(crate) fn refuse_interrupted(state_dir: &Path) -> Result<(), Failure> {
    match list_of(state_dir).is_file() {
        true => Err(Failure::Unusable(format!(
            "a restore into {} was interrupted; run `netbootd restore` with the same file again",
            state_dir.display()
        ))),
        false => Ok(()),
    }
}

/// Makes the moves that are not made yet. Old files stay as `.before-restore`.
fn exchange(state_dir: &Path, moves: &[Move]) -> Result<(), Failure> {
    for (at, one) in moves.iter().enumerate() {
        make(state_dir, at, one).map_err(|error| cannot("restore", &one.to, &error))?;
    }
    let list = list_of(state_dir);
    fs::remove_file(&list).map_err(|error| cannot("remove", &list, &error))
}

fn make(state_dir: &Path, at: usize, one: &Move) -> io::Result<()> {
    let old = with_suffix(&one.to, OLD);
    match &one.from {
        // A file instead of a successor remembers that the move is made.
        None => {
            let made = state_dir.join(WAITING).join(format!("cleared-{at}"));
            if !made.exists() {
                if one.to.exists() {
                    remove(&old)?;
                    fs::rename(&one.to, &old)?;
                }
                File::create(&made)?.sync_all()?;
                sync_folder(&state_dir.join(WAITING))?;
            }
        }
        Some(from) if !from.exists() => {}
        Some(from) => {
            let folder = one.to.parent().unwrap_or(Path::new("/"));
            if !folder.is_dir() {
                DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
                if let Some(above) = folder.parent() {
                    give_to_owner_of(above, folder)?;
                }
            }
            if one.keep && one.to.exists() {
                return fs::remove_file(from);
            }
            if one.to.exists() && !one.keep {
                remove(&old)?;
                fs::rename(&one.to, &old)?;
            }
            fs::rename(from, &one.to)?;
            sync_folder(folder)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn remove_folder(folder: &Path) -> Result<(), Failure> {
    remove(folder).map_err(|error| cannot("remove", folder, &error))
}

/// The service's user goes on with what root has restored.
#[cfg(unix)]
fn give_to_owner_of(folder: &Path, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let owner = fs::metadata(folder)?;
    match nix::unistd::geteuid().is_root() {
        true => chown(path, Some(owner.uid()), Some(owner.gid())),
        false => Ok(()),
    }
}

#[cfg(windows)]
fn give_to_owner_of(_folder: &Path, _path: &Path) -> io::Result<()> {
    Ok(()) // access lists are inherited
}

fn list_of(state_dir: &Path) -> PathBuf {
    state_dir.join(WAITING).join("moves.json")
}

/// The folder of files that wait, beside their places.
const WAITING: &str = "restore.part";
const OLD: &str = ".before-restore";
