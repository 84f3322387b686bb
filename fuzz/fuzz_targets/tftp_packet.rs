//! Any TFTP datagram: parse, emit, parse that, compare.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tftp::Packet;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(packet) = Packet::parse(bytes) {
        if let Some(written) = packet.emit() {
            assert_eq!(Packet::parse(&written), Ok(packet));
        }
    }
});
