//! Any device file: devices, or bad lines, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netbootd::directory::Identity;
use netbootd::directory::device_file::{from_csv, from_toml};
use pxe_policy::{ArchType, MacAddr};

fuzz_target!(|bytes: &[u8]| {
    let who = Identity {
        mac: MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
        uuid: None,
        arch: Some(ArchType::X64_UEFI),
        is_mac: false,
    };
    for read in [from_csv(bytes), from_toml(bytes)].into_iter().flatten() {
        let (table, _) = read;
        assert!(table.ask(&who).by_uuid.is_empty(), "it was not asked for");
    }
});
