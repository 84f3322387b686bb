use std::io::Write;

use proptest::prelude::*;

use super::*;

/// A medium of ISO 9660 by hand: a volume descriptor, its end, and a root folder of these records.
fn medium(records: &[(&[u8], u8, u32, u32)]) -> Vec<u8> {
    let mut disc = vec![0; 24 * SECTOR as usize];
    let record = |name: &[u8], flags: u8, at: u32, len: u32| {
        let mut record = vec![0; 33 + name.len() + usize::from(name.len().is_multiple_of(2))];
        record[0] = record.len() as u8;
        record[2..6].copy_from_slice(&at.to_le_bytes());
        record[10..14].copy_from_slice(&len.to_le_bytes());
        record[25] = flags;
        record[32] = name.len() as u8;
        record[33..33 + name.len()].copy_from_slice(name);
        record
    };
    let primary = 16 * SECTOR as usize;
    disc[primary..primary + 6].copy_from_slice(b"\x01CD001");
    disc[primary + 40..primary + 72].copy_from_slice(b"LABEL                           ");
    disc[primary + 80..primary + 84].copy_from_slice(&24_u32.to_le_bytes());
    let root = record(b"\0", 2, 18, 2048);
    disc[primary + 156..primary + 156 + root.len()].copy_from_slice(&root);
    let end = 17 * SECTOR as usize;
    disc[end..end + 6].copy_from_slice(b"\xffCD001");
    let mut at = 18 * SECTOR as usize;
    for (name, flags, sector, len) in
        [(&b"\0"[..], 2, 18, 2048), (b"\x01", 2, 18, 2048)].iter().chain(records)
    {
        let record = record(name, *flags, *sector, *len);
        disc[at..at + record.len()].copy_from_slice(&record);
        at += record.len();
    }
    disc
}

fn open(bytes: &[u8]) -> Result<Vec<MediumFile>, MediumError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Medium::open(&file, bytes.len() as u64).map(|medium| medium.files)
}

#[test]
fn a_plain_medium_names_its_files_and_their_places() {
    let files = open(&medium(&[(b"README.TXT;1", 0, 20, 100), (b"EMPTY.;1", 0, 0, 0)])).unwrap();
    let expected = [
        MediumFile { path: "empty".into(), size: 0, extents: Vec::new() },
        MediumFile { path: "readme.txt".into(), size: 100, extents: vec![Extent { at: 40960, len: 100 }] },
    ];
    assert_eq!(files, expected);
    // A file of several records is one file.
    let files = open(&medium(&[(b"BIG;1", 0x80, 20, 2048), (b"BIG;1", 0, 21, 10)])).unwrap();
    assert_eq!(files[0].extents, [Extent { at: 40960, len: 2058 }]);
}

#[test]
fn bad_media_are_refused_with_what_is_wrong() {
    let table: [(&str, Vec<u8>); 7] = [
        ("neither ISO 9660 nor UDF", vec![0; 100_000]),
        ("neither ISO 9660 nor UDF", Vec::new()),
        ("cut short: the volume needs 49152 bytes, there are 45056", medium(&[])[..22 * 2048].to_vec()),
        ("cut short: \"readme\" needs", medium(&[(b"README;1", 0, 23, 1 << 30)])),
        ("the folder \"a\" contains itself", medium(&[(b"A", 2, 18, 2048)])),
        ("damaged or hostile: \".\" is no name for a file", medium(&[(b"..", 0, 20, 1)])),
        ("\"a\\u{7}b\" is no name for a file", medium(&[(b"a\x07b", 0, 20, 1)])),
    ];
    for (part, bytes) in table {
        let error = open(&bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_in_a_medium_end(changes in prop::collection::vec((16_usize * 2048..24 * 2048, any::<u8>()), 0..40)) {
        let mut bytes = medium(&[(b"A", 2, 19, 2048), (b"B;1", 0, 20, 10), (b"C;1", 0, 21, 10)]);
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        let _ = open(&bytes);
    }
}
