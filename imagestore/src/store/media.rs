//! The secret part of boot media of Configuration Manager: its `Variables.dat`, and the overlay that
//! puts it into the Windows PE.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{Store, StoreError, io_error};
use crate::platform::{self, OpenOptionsExt};
use crate::wim::overlay::Overlay;
use crate::{BootFile, Digest};

/// The files of boot media that are kept beside its image.
#[derive(Debug, Clone)]
pub(crate) struct MediaSecrets {
    /// Its `Variables.dat` as it was imported.
    pub(crate) variables: Vec<u8>,
    /// The digest of its Windows PE, and the overlay with that file; None when none can be made.
    pub(crate) overlay: Option<(Digest, Overlay)>,
}

impl Store {
    /// The `Variables.dat` of an image that is boot media of Configuration Manager; None where
    /// there is none. It is no file of the image: no client can ask for it by a path of the image,
    /// and it is copied nowhere.
    pub fn media_variables(&self, image: &str) -> Option<Vec<u8>> {
        fs::read(self.media_place(image, VARIABLES)?).ok()
    }

    /// The Windows PE of such an image, `wim`, with `TsmBootstrap.ini` and `Variables.dat` in
    /// `\sms\data`; None where no overlay of this very file was made.
    pub fn media_wim(&self, image: &str, wim: BootFile) -> Option<BootFile> {
        let mut over = File::open(self.media_place(image, OVERLAY)?).ok()?;
        let mut digest = String::new();
        (&mut over).take(DIGEST).read_to_string(&mut digest).ok()?;
        let is_of = wim.blob().is_some_and(|blob| blob.to_string() == digest);
        if is_of { wim.overlaid(over, DIGEST).ok() } else { None }
    }

    /// Keeps it, for the owner of the store alone.
    pub(crate) fn put_media(&self, image: &str, secrets: &MediaSecrets) -> Result<(), StoreError> {
        let place = |kind| self.media_place(image, kind).ok_or_else(|| StoreError::Name(image.to_owned()));
        let (variables, overlay) = (place(VARIABLES)?, place(OVERLAY)?);
        let folder = self.root.join(MEDIA);
        fs::create_dir_all(&folder).map_err(io_error("make", &folder))?;
        write(&variables, &[&secrets.variables]).map_err(io_error("write", &variables))?;
        match &secrets.overlay {
            Some((digest, over)) => {
                let digest = digest.to_string();
                let pieces: [&[u8]; 3] = [digest.as_bytes(), &over.header, &over.tail];
                write(&overlay, &pieces).map_err(io_error("write", &overlay))
            }
            None => remove(&overlay),
        }
    }

    /// Forgets it, when its image is removed.
    pub(crate) fn remove_media_variables(&self, image: &str) -> Result<(), StoreError> {
        let places = [VARIABLES, OVERLAY].into_iter().filter_map(|kind| self.media_place(image, kind));
        places.into_iter().try_for_each(|place| remove(&place))
    }

    fn media_place(&self, image: &str, kind: &str) -> Option<PathBuf> {
        let plain = !image.is_empty() && !image.contains(['/', '\\', '\0']) && image != "." && image != "..";
        plain.then(|| self.root.join(MEDIA).join(format!("{image}.{kind}")))
    }
}

fn remove(place: &Path) -> Result<(), StoreError> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", place)(error)),
        _ => Ok(()),
    }
}

/// As a file that its owner alone reads, whole or not at all.
fn write(place: &Path, pieces: &[&[u8]]) -> io::Result<()> {
    let new = place.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    platform::set_mode(&new, 0o600)?;
    pieces.iter().try_for_each(|bytes| file.write_all(bytes))?;
    file.sync_all()?;
    fs::rename(&new, place)?;
    place.parent().map_or(Ok(()), platform::sync_folder)
}

const MEDIA: &str = "boot-media";
/// How the names of the two files end.
const VARIABLES: &str = "dat";
const OVERLAY: &str = "overlay";
/// The overlay's file begins with the digest of its original, in hexadecimal.
const DIGEST: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreLimits;
    use crate::wim::overlay::HEADER;

    fn secrets(variables: &[u8]) -> MediaSecrets {
        let overlay = Overlay { header: [7; HEADER], tail: b"tail".to_vec() };
        MediaSecrets {
            variables: variables.to_vec(),
            overlay: Some((Digest::compute(b"the original"), overlay)),
        }
    }

    #[test]
    fn the_variables_of_media_are_their_owners_alone_and_go_with_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreLimits::default()).unwrap();
        store.put_media("cm", &secrets(b"first")).unwrap();
        store.put_media("cm", &secrets(b"second")).unwrap();
        assert_eq!(store.media_variables("cm").as_deref(), Some(&b"second"[..]));
        for file in ["boot-media/cm.dat", "boot-media/cm.overlay"] {
            assert!(!platform::is_open_to(&folder.path().join(file), 0o077), "{file}");
        }
        for name in ["", ".", "..", "../cm", "a/b", "a\\b"] {
            assert!(store.put_media(name, &secrets(b"x")).is_err(), "{name:?}");
            assert_eq!(store.media_variables(name), None, "{name:?}");
        }
        store.remove_media_variables("cm").unwrap();
        store.remove_media_variables("cm").unwrap();
        assert_eq!(store.media_variables("cm"), None);
        assert!(!folder.path().join("boot-media/cm.overlay").exists());
    }

    #[test]
    fn an_overlay_is_read_around_the_file_that_it_was_made_for_and_around_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreLimits::default()).unwrap();
        store.put_media("cm", &secrets(b"x")).unwrap();
        let open = |digest: &Digest| {
            let place = folder.path().join("original");
            fs::write(&place, vec![1; HEADER + 3]).unwrap();
            let file = File::open(&place).unwrap();
            let metadata = file.metadata().unwrap();
            BootFile::of_blob(file, &metadata, digest)
        };
        assert!(store.media_wim("cm", open(&Digest::compute(b"another"))).is_none());
        let file = store.media_wim("cm", open(&Digest::compute(b"the original"))).unwrap();
        let expected = [vec![7; HEADER], vec![1; 3], b"tail".to_vec()].concat();
        assert_eq!(file.len(), expected.len() as u64);
        for file in [&file, &file.reopen().unwrap()] {
            for (from, to) in [(0, expected.len()), (HEADER - 1, HEADER + 5), (HEADER + 4, HEADER + 7)] {
                let mut read = vec![0; to - from];
                file.read_exact_at(from as u64, &mut read).unwrap();
                assert_eq!(read, expected[from..to]);
            }
        }
        assert!(file.read_exact_at(expected.len() as u64 - 1, &mut [0; 2]).is_err());
        assert!(file.file().is_none() && file.map().is_none() && file.check_unchanged().is_ok());
    }
}
