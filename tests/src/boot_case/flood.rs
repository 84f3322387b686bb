//! DISCOVERs of made-up machines as frames: their sender has no address.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use pxe_policy::MacAddr;

use super::packet;
use super::script::Options;
use crate::{Lab, Netbootd, wait};

/// Sends so many, each of another machine, while the case goes on.
pub(super) fn frames(lab: &Lab, host: &str, count: u32) {
    let said = Options::from([("class".into(), "PXEClient".into()), ("arch".into(), "7".into())]);
    let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
    // It ends by itself.
    drop(lab.inside(host, move || {
        let (sender, ifindex) =
            (netbootd_net::frame::FrameSender::open().unwrap(), if_nametoindex("eth0").unwrap());
        for n in 0..count {
            let [a, b, c, d] = n.to_be_bytes();
            let bytes = packet::client(packet::DISCOVER, [2, 0x66, a, b, c, d], &said);
            // Packets that do not fit the queue are lost, as on any wire.
            let _ = sender.send(ifindex, MacAddr([0xff; 6]), from, to, &bytes);
            if n % BURST == 0 {
                wait::pass(PAUSE); // the flood's rate
            }
        }
    }));
}

/// The hardware address of a host's interface.
pub(super) fn hardware(lab: &Lab, host: &str) -> String {
    let output = lab.run(host, &["cat", "/sys/class/net/eth0/address"]);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The memory that the daemon's process holds, in bytes.
pub(super) fn memory(netbootd: &Netbootd) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", netbootd.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Some ten thousand a second.
const BURST: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);
