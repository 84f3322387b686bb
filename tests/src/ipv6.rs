//! Hosts of a network that speaks IPv6 besides: their addresses are of fd77::/64 on `br0`, and of
//! fd78::/64 behind a relay.

use std::time::Duration;

use crate::process::{Process, run};
use crate::{DhcpServer, Lab};

/// netbootd's own address of IPv6.
pub const SERVER6: &str = "fd77::1";

/// The full DHCPv6 service for both segments.
pub const ADDRESSES6: &str = r#"
[dhcp6]
mode = "server"

[[dhcp6.subnet]]
subnet = "fd77::/64"
pool = "fd77::1000-fd77::1fff"
dns = "fd77::53"

[[dhcp6.subnet]]
subnet = "fd78::/64"
pool = "fd78::1000-fd78::1fff"
"#;

/// DHCPv6 beside another server.
pub const PROXY6: &str = "\n[dhcp6]\nmode = \"proxy\"\n";

/// ISC's relay between two segments.
#[derive(Debug)]
pub struct Relay6 {
    _process: Process,
}

/// Gives netbootd's host its address, before netbootd is started.
pub fn give_address(lab: &Lab) {
    lab.ip("server", &format!("addr add {SERVER6}/64 dev lan0 nodad"));
}

impl DhcpServer {
    /// dnsmasq with addresses of IPv4 and IPv6 (fd77::100 on) for `br0`. It says nothing about
    /// booting.
    pub fn start_with_ipv6(lab: &mut Lab) -> Self {
        let v4 = "--dhcp-range=10.77.0.100,10.77.0.199,255.255.255.0,1h";
        let v6 = "--dhcp-range=fd77::100,fd77::1ff,64,1h";
        Self::start_with(lab, &[v4, v6, "--dhcp-authoritative", "--no-ping"])
    }
}

impl Relay6 {
    /// Between `br0` (fd77::254) and a new segment `br1` (fd78::254); requests go to netbootd,
    /// which knows the way back.
    pub fn start(lab: &mut Lab) -> Self {
        lab.add_segment("br1");
        lab.add_host("relay");
        lab.plug("relay", "up0", "br0", "10.77.0.254/24");
        lab.plug("relay", "down0", "br1", "10.78.0.254/24");
        lab.ip("relay", "addr add fd77::254/64 dev up0 nodad");
        lab.ip("relay", "addr add fd78::254/64 dev down0 nodad");
        lab.ip("server", "-6 route add fd78::/64 via fd77::254");
        let mut command = lab.command("relay", "sh");
        run(command.args(["-c", "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"]));
        let mut command = lab.command("relay", "dhcrelay");
        let upper = format!("{SERVER6}%up0");
        command.args(["-6", "-d", "--no-pid", "-I", "-l", "down0", "-u", &upper]);
        let process = Process::start("dhcrelay", &mut command);
        process.wait_for("Sending on", Duration::from_secs(10));
        Relay6 { _process: process }
    }
}
