//! Any datagram on port 67: a packet or an error, and a reply that a client can read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netbootd::dhcp::Packet;
use netbootd::dhcp::option::MessageType;
use netbootd::dhcp::reply::ReplyBuilder;

fuzz_target!(|bytes: &[u8]| {
    let Ok(packet) = Packet::parse(bytes) else { return };
    let reply = ReplyBuilder::new(&packet, MessageType::Offer, [10, 0, 0, 1].into());
    if let Ok(bytes) = reply.boot_file("pxelinux.0", true).finish() {
        let read = Packet::parse_reply(&bytes).expect("our own reply reads");
        assert_eq!(read.header.xid(), packet.header.xid());
        assert_eq!(read.file(), Some(&b"pxelinux.0"[..]));
    }
});
