//! The paths that a Raspberry Pi asks for.
//!
//! Its firmware asks in a folder of its serial number, or of its hardware address with hyphens
//! (`TFTP_PREFIX`), and takes a file from the root when that has no start program. Boards that
//! share everything need no folder each: what is not in it is looked for beside the boot file, then
//! at the root. Boards from 4 on also fetch a whole image by HTTP (`boot.img`), after its digest
//! (`boot.sig`).

use std::num::NonZeroUsize;
use std::time::UNIX_EPOCH;

use imagestore::{BootFile, Digest, Digester, ReadError};
use lru::LruCache;
use parking_lot::Mutex;
use pxe_policy::MacAddr;

/// Digests of images, by their entity tags: an image is read once. At most [`MAX_DIGESTS`].
#[derive(Debug)]
pub struct Digests(Mutex<LruCache<String, Digest>>);

impl Default for Digests {
    fn default() -> Self {
        Digests(Mutex::new(LruCache::new(MAX_DIGESTS)))
    }
}

impl Digests {
    /// The digest file of an image, as `rpi-eeprom-digest` writes it without a key. Reads the
    /// image: one at a time.
    pub(super) fn signature(&self, image: &BootFile) -> Result<Vec<u8>, ReadError> {
        let mut known = self.0.lock();
        let etag = image.etag().into_owned();
        let digest = match known.get(&etag) {
            Some(digest) => *digest,
            None => {
                let digest = digest_of(image)?;
                known.put(etag, digest);
                digest
            }
        };
        let seconds = image.modified().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(format!("{digest}\nts: {seconds}\n").into_bytes())
    }
}

fn digest_of(image: &BootFile) -> Result<Digest, ReadError> {
    if let Some(digest) = image.blob() {
        return Ok(digest);
    }
    let (mut digester, mut at, mut buf) = (Digester::default(), 0, vec![0; PART]);
    while at < image.len() {
        let length = usize::try_from(image.len() - at).unwrap_or(PART).min(PART);
        image.read_exact_at(at, &mut buf[..length])?;
        digester.update(&buf[..length]);
        at += length as u64;
    }
    image.check_unchanged()?;
    Ok(digester.finish())
}

/// The image that a digest file is of: `boot.img` beside `boot.sig`.
pub(super) fn image_of_signature(path: &str) -> Option<String> {
    let at = path.rfind('/').map_or(0, |slash| slash + 1);
    path[at..].eq_ignore_ascii_case("boot.sig").then(|| format!("{}boot.img", &path[..at]))
}

/// Whether a path begins with the hardware address of a Raspberry Pi.
pub(super) fn is_own_folder(path: &str) -> bool {
    let first = path.split(['/', '\\']).find(|part| !part.is_empty()).unwrap_or_default();
    first.len() == 17 && first.parse::<MacAddr>().is_ok_and(MacAddr::is_raspberry_pi)
}

/// Where else a file may be: beside the boot file, or at the root.
pub(super) fn shared(path: &str, boot_file: Option<&str>) -> Vec<String> {
    let parts: Vec<&str> = path.split(['/', '\\']).filter(|part| !part.is_empty()).collect();
    let own = match parts.as_slice() {
        [first, _, ..] => is_serial(first) || is_own_folder(first),
        _ => false,
    };
    let inside = parts[usize::from(own)..].join("/");
    let folder = boot_file.and_then(|file| file.trim_start_matches('/').rsplit_once('/'));
    let beside = folder.map(|(folder, _)| format!("{folder}/{inside}"));
    let root = own.then(|| inside.clone());
    beside.into_iter().chain(root).filter(|other| *other != parts.join("/")).collect()
}

/// A serial number has 32 bits, or 64 in which the upper half says little.
fn is_serial(part: &str) -> bool {
    matches!(part.len(), 8 | 16) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}

const MAX_DIGESTS: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
const PART: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_a_boards_own_folder_is_beside_its_boot_file_or_at_the_root() {
        let table: [(&str, Option<&str>, &[&str]); 7] = [
            ("9ffefdef/start4.elf", None, &["start4.elf"]),
            ("9ffefdef/start4.elf", Some("pi/bootcode.bin"), &["pi/start4.elf", "start4.elf"]),
            (
                "dc-a6-32-01-36-c2/overlays/a.dtbo",
                Some("pi/bootcode.bin"),
                &["pi/overlays/a.dtbo", "overlays/a.dtbo"],
            ),
            ("start4.elf", Some("pi/bootcode.bin"), &["pi/start4.elf"]),
            ("start4.elf", Some("bootcode.bin"), &[]),
            ("overlays/a.dtbo", None, &[]),
            ("9ffefdef", None, &[]),
        ];
        for (path, boot_file, expected) in table {
            assert_eq!(shared(path, boot_file), expected, "{path}");
        }
        assert!(
            is_own_folder("dc-a6-32-01-36-c2/config.txt") && !is_own_folder("52-54-00-01-36-c2/config.txt")
        );
        assert_eq!(image_of_signature("net/boot.sig").as_deref(), Some("net/boot.img"));
        assert_eq!(
            (image_of_signature("boot.sig").as_deref(), image_of_signature("a.sig")),
            (Some("boot.img"), None)
        );
    }
}
