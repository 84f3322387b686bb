//! Any log: entries, the management point's answers in them, and a machine's story.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netbootd::smspxe::{Reply, read, tell};
use pxe_policy::MacAddr;

fuzz_target!(|bytes: &[u8]| {
    let entries = read(bytes);
    for entry in &entries {
        let _ = Reply::parse(&entry.message); // most are none
    }
    let story = tell(&entries, MacAddr([0, 0x15, 0x5d, 0, 0x19, 0xca]));
    assert!(story.steps.len() <= entries.len());
});
