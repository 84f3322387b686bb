//! Any option 250, 243 or 252: parse, emit, parse that, compare.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxe_policy::option243::VariablesFile;
use pxe_policy::option250::WdsOptions;
use pxe_policy::option252;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(options) = WdsOptions::parse(bytes) {
        let written = options.emit().expect("what fits a length byte once fits it again");
        assert_eq!(WdsOptions::parse(&written), Ok(options));
    }
    if let Ok(file) = VariablesFile::parse(bytes) {
        let written = file.emit().expect("what fits a length byte once fits it again");
        assert_eq!(VariablesFile::parse(&written), Ok(file));
    }
    if let Ok(path) = option252::parse(bytes) {
        assert_eq!(option252::parse(&option252::emit(&path)), Ok(path));
    }
});
