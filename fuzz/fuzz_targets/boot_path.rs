//! Any path: refused, or one that stays below its root and reads again as itself.
#![no_main]

use imagestore::BootPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(path) = BootPath::parse(bytes) {
        assert!(path.components().all(|part| !part.is_empty() && part != b".." && part != b"."));
        assert_eq!(BootPath::parse(path.as_bytes()), Ok(path));
    }
});
