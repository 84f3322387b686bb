//! Optical media: ISO 9660 and UDF.

use std::os::unix::fs::FileExt;

use imagestore::media::Medium;

/// A medium of a few sectors: each stands behind its number, two bytes, and the others are empty.
pub fn medium(bytes: &[u8]) {
    let file = tempfile::tempfile().expect("the disk has room");
    file.set_len(SECTORS * SECTOR as u64).expect("the disk has room");
    for numbered in bytes.chunks(2 + SECTOR) {
        let [low, high, sector @ ..] = numbered else { break };
        let at = u64::from(u16::from_le_bytes([*low, *high])) % SECTORS * SECTOR as u64;
        file.write_all_at(sector, at).expect("the disk has room");
    }
    let Ok(medium) = Medium::open(&file, SECTORS * SECTOR as u64) else { return };
    for file in medium.files() {
        assert!(file.extents.iter().all(|extent| extent.at + extent.len <= SECTORS * SECTOR as u64));
        assert_eq!(file.extents.iter().map(|extent| extent.len).sum::<u64>(), file.size);
        assert!(file.path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{:?}", file.path);
        assert!(!file.path.contains(char::is_control));
    }
}

const SECTOR: usize = 2048;
const SECTORS: u64 = 1024;
