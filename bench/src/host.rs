//! A host of the laboratory for each server that is compared.

use std::net::Ipv4Addr;
use std::process::Command;

use netbootd_tests::Lab;

/// Makes the host `s1`, `s2` and so on, with an address of the network 10.77.0.0 that all share.
/// None when the server's program is not installed; that is said.
pub fn for_server(
    lab: &mut Lab,
    name: &str,
    program: &str,
    number: u8,
    prefix: u8,
) -> Option<(String, Ipv4Addr)> {
    let there = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    if !there.is_ok_and(|there| there.status.success()) {
        say(&format!("{name} is not installed"));
        return None;
    }
    let host = format!("s{number}");
    let address = Ipv4Addr::new(10, 77, 0, number);
    lab.add_host(&host);
    lab.plug(&host, "eth0", "br0", &format!("{address}/{prefix}"));
    Some((host, address))
}

/// A bench asks from a few addresses where a site asks from many, so netbootd's limits for one
/// address are raised out of the way of comparisons. They are looked at all the same.
pub const LIMITS: &str = "[limits]\n\
    transfers-per-client = 100000\ntransfers-per-subnet = 100000\nunproved-per-client = 100000\n\
    connections-per-client = 100000\nconnections-per-subnet = 100000\n\
    machine-packets = { at-once = 1000000000, per-second = 1000000 }\n\
    way-packets = { at-once = 1000000000, per-second = 1000000 }\n\
    new-machines = { at-once = 1000000000, per-second = 1000000 }\n\
    read-requests = { at-once = 1000000000, per-second = 1000000 }\n\
    http-requests = { at-once = 1000000000, per-second = 1000000 }\n";

#[allow(clippy::print_stdout)] // the benches' output
fn say(text: &str) {
    println!("{text}");
}
