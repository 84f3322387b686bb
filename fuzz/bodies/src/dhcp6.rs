//! Datagrams on port 547: what clients send, and what relays make of it.

use netbootd::dhcp6::guard::Options;
use netbootd::dhcp6::option::{BOOT_FILE_URL, MessageType, RELAY_MESSAGE};
use netbootd::dhcp6::reply::ReplyBuilder;
use netbootd::dhcp6::{Duid, Packet};

/// Any datagram: a packet or an error, and an answer that reads back out of every relay's envelope.
pub fn dhcp6_packet(bytes: &[u8]) {
    let Ok(packet) = Packet::parse(bytes) else { return };
    let _ = packet.associations().count();
    let server = Duid(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
    let reply = ReplyBuilder::new(&packet, MessageType::Reply, &server).option(BOOT_FILE_URL, URL);
    let Ok(mut answer) = reply.finish() else { return };
    for relay in &packet.relays {
        assert_eq!(answer[..2], [u8::from(MessageType::RelayRepl), relay.hops]);
        let options = Options::parse(&answer[34..]).expect("our own envelope reads");
        answer = options.first(RELAY_MESSAGE).expect("something is inside").to_vec();
    }
    assert_eq!(answer[1..4], packet.xid);
    let options = Options::parse(&answer[4..]).expect("our own answer reads");
    assert_eq!(options.first(BOOT_FILE_URL), Some(URL));
}

const URL: &[u8] = b"tftp://[2001:db8::1]/a";
