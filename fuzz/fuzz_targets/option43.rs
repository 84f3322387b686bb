//! Any option 43: parse, emit, parse that, compare.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxe_policy::option43::PxeOptions;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(options) = PxeOptions::parse(bytes) {
        let written = options.emit().expect("what fits a length byte once fits it again");
        assert_eq!(PxeOptions::parse(&written), Ok(options));
    }
});
