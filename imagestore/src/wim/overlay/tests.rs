#![allow(clippy::unwrap_used)] // helpers of tests

use proptest::prelude::*;

use super::*;

/// Metadata with a root folder and nothing in it, its list at the end.
fn empty() -> Vec<u8> {
    let mut metadata = vec![8, 0, 0, 0, 0, 0, 0, 0];
    let mut root = vec![0; 104];
    root[0] = 104;
    root[8] = 0x10;
    root[16] = 112;
    metadata.extend(root);
    metadata.extend([0; 8]);
    metadata
}

#[test]
fn folders_are_made_once_and_a_file_of_the_same_name_is_replaced() {
    let add = |metadata, name, bytes| {
        let file = [Added { name, bytes }];
        metadata::with_files(metadata, &["sms", "data"], &file, &[[1; HASH]]).unwrap().0
    };
    let once = add(empty(), "Variables.dat", b"one");
    let again = add(once.clone(), "VARIABLES.DAT", b"two");
    let count = |metadata: &[u8], name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        metadata.windows(name.len()).filter(|bytes| *bytes == name).count()
    };
    assert_eq!((count(&once, "sms"), count(&once, "Variables.dat")), (1, 1));
    assert_eq!(
        (count(&again, "sms"), count(&again, "VARIABLES.DAT"), count(&again, "Variables.dat")),
        (1, 1, 0)
    );
    assert_eq!(once.len(), again.len(), "nothing stays behind");
}

proptest! {
    #[test]
    fn any_metadata_is_changed_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        at: prop::sample::Index,
        value: u8,
    ) {
        let file = [Added { name: "file", bytes: b"bytes" }];
        let _ = metadata::with_files(bytes, &["a", "b"], &file, &[[1; HASH]]);
        let (mut nearly, _) = metadata::with_files(empty(), &["a"], &file, &[[1; HASH]]).unwrap();
        let at = at.index(nearly.len());
        nearly[at] = value;
        let _ = metadata::with_files(nearly, &["a", "b"], &file, &[[1; HASH]]);
    }
}
