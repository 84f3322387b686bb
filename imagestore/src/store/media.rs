//! The secret part of boot media of Configuration Manager: its `Variables.dat`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Store, StoreError, io_error};
use crate::platform::{self, OpenOptionsExt};

impl Store {
    /// The `Variables.dat` of an image that is boot media of Configuration Manager; None where
    /// there is none. It is no file of the image: no client can ask for it by a path of the image,
    /// and it is copied nowhere.
    pub fn media_variables(&self, image: &str) -> Option<Vec<u8>> {
        fs::read(self.media_place(image)?).ok()
    }

    /// Keeps it, for the owner of the store alone.
    pub(crate) fn put_media_variables(&self, image: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let place = self.media_place(image).ok_or_else(|| StoreError::Name(image.to_owned()))?;
        let folder = self.root.join(MEDIA);
        fs::create_dir_all(&folder).map_err(io_error("make", &folder))?;
        write(&place, bytes).map_err(io_error("write", &place))
    }

    /// Forgets it, when its image is removed.
    pub(crate) fn remove_media_variables(&self, image: &str) -> Result<(), StoreError> {
        let Some(place) = self.media_place(image).filter(|place| place.exists()) else { return Ok(()) };
        fs::remove_file(&place).map_err(io_error("remove", &place))
    }

    fn media_place(&self, image: &str) -> Option<PathBuf> {
        let plain = !image.is_empty() && !image.contains(['/', '\\', '\0']) && image != "." && image != "..";
        plain.then(|| self.root.join(MEDIA).join(format!("{image}.dat")))
    }
}

/// As a file that its owner alone reads, whole or not at all.
fn write(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = place.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    platform::set_mode(&new, 0o600)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, place)?;
    place.parent().map_or(Ok(()), platform::sync_folder)
}

const MEDIA: &str = "boot-media";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreLimits;

    #[test]
    fn the_variables_of_media_are_their_owners_alone_and_go_with_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreLimits::default()).unwrap();
        store.put_media_variables("cm", b"first").unwrap();
        store.put_media_variables("cm", b"second").unwrap();
        assert_eq!(store.media_variables("cm").as_deref(), Some(&b"second"[..]));
        assert!(!platform::is_open_to(&folder.path().join("boot-media/cm.dat"), 0o077));
        for name in ["", ".", "..", "../cm", "a/b", "a\\b"] {
            assert!(store.put_media_variables(name, b"x").is_err(), "{name:?}");
            assert_eq!(store.media_variables(name), None, "{name:?}");
        }
        store.remove_media_variables("cm").unwrap();
        store.remove_media_variables("cm").unwrap();
        assert_eq!(store.media_variables("cm"), None);
    }
}
