//! The vendor options of PXE, and those of Windows' boot programs.

use netbootd_dhcp::option43::PxeOptions;
use netbootd_dhcp::option243::VariablesFile;
use netbootd_dhcp::option250::WdsOptions;
use netbootd_dhcp::option252;

/// Any option 43 of PXE.
pub fn option43(bytes: &[u8]) {
    let Ok(options) = PxeOptions::parse(bytes) else { return };
    let written = options.emit().expect("what fits a length byte once fits it again");
    assert_eq!(PxeOptions::parse(&written).as_ref(), Ok(&options));
    assert!(written.len() <= bytes.len() + 1, "at most the end byte is new");
}

/// Any option 250, 243 or 252.
pub fn wds_options(bytes: &[u8]) {
    if let Ok(options) = WdsOptions::parse(bytes) {
        let written = options.emit().expect("what fits a length byte once fits it again");
        assert_eq!(WdsOptions::parse(&written), Ok(options));
    }
    if let Ok(file) = VariablesFile::parse(bytes) {
        let written = file.emit().expect("what fits a length byte once fits it again");
        assert_eq!(written, bytes, "nothing in it is left out");
        assert_eq!(VariablesFile::parse(&written).as_ref(), Ok(&file));
        if let Some(Ok(path)) = file.path() {
            assert!(path.parts().all(|part| !part.is_empty() && part != ".."));
        }
    }
    if let Ok(path) = option252::parse(bytes) {
        let written = option252::emit(&path);
        assert!(written.len() <= 255, "it fits an option");
        assert_eq!(option252::parse(&written), Ok(path));
    }
}
