//! Hosts that are not ours: a DHCP server that knows nothing of booting, a relay, a router.

use std::time::Duration;

use crate::Lab;
use crate::process::Process;

/// dnsmasq as the network's DHCP server and IPv6 router. It gives addresses and says nothing about
/// booting.
#[derive(Debug)]
pub struct DhcpServer {
    _process: Process,
}

/// dnsmasq as a DHCP relay between two segments.
#[derive(Debug)]
pub struct Relay {
    _process: Process,
}

impl DhcpServer {
    /// At 10.77.0.2 on `br0`, with addresses from 10.77.0.100 on.
    pub fn start(lab: &mut Lab) -> Self {
        let range = "--dhcp-range=10.77.0.100,10.77.0.199,255.255.255.0,1h";
        Self::start_with(lab, &[range, "--dhcp-authoritative", "--no-ping"])
    }

    /// The same, with a boot file of its own: an old setting that nobody took out.
    pub fn start_with_boot_file(lab: &mut Lab, file: &str) -> Self {
        let range = "--dhcp-range=10.77.0.100,10.77.0.199,255.255.255.0,1h";
        let boot = format!("--dhcp-boot={file},old-server,10.77.0.9");
        Self::start_with(lab, &[range, "--dhcp-authoritative", "--no-ping", &boot])
    }

    /// Only the router: iPXE waits 15 s for one that advertises IPv6.
    pub fn start_router(lab: &mut Lab) -> Self {
        Self::start_with(lab, &[])
    }

    /// The router, and a DNS server at 10.77.0.2 that knows one name.
    pub fn start_dns(lab: &mut Lab, name: &str, address: &str) -> Self {
        Self::start_with(
            lab,
            &["--port=53", "--no-resolv", "--no-hosts", &format!("--address=/{name}/{address}")],
        )
    }

    pub(crate) fn start_with(lab: &mut Lab, more: &[&str]) -> Self {
        lab.add_host("dhcp");
        lab.plug("dhcp", "eth0", "br0", "10.77.0.2/24");
        lab.ip("dhcp", "addr add fd77::2/64 dev eth0 nodad");
        let leases = lab.folder().join("dnsmasq.leases");
        let mut command = lab.command("dhcp", "dnsmasq");
        command.args(["--no-daemon", "--conf-file=/dev/null", "--interface=eth0", "--bind-interfaces"]);
        if !more.iter().any(|word| word.starts_with("--port=")) {
            command.arg("--port=0");
        }
        command.args(["--user=root", "--enable-ra", "--ra-param=eth0,low,4,1800"]);
        // A range of IPv6 advertises its prefix by itself.
        if !more.iter().any(|word| word.starts_with("--dhcp-range=fd77::")) {
            command.arg("--dhcp-range=fd77::,ra-only,64");
        }
        command.arg(format!("--dhcp-leasefile={}", leases.display())).args(more);
        let process = Process::start("dnsmasq", &mut command);
        process.wait_for("router advertisement on", Duration::from_secs(10));
        DhcpServer { _process: process }
    }
}

impl Relay {
    /// Between `br0` (10.77.0.254) and a new segment `br1` (10.78.0.254); requests go to 10.77.0.1.
    pub fn start(lab: &mut Lab) -> Self {
        lab.add_segment("br1");
        lab.add_host("relay");
        lab.plug("relay", "up0", "br0", "10.77.0.254/24");
        lab.plug("relay", "down0", "br1", "10.78.0.254/24");
        let mut command = lab.command("relay", "sh");
        crate::process::run(command.args(["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]));
        let mut command = lab.command("relay", "dnsmasq");
        command.args(["--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root"]);
        command.arg("--dhcp-relay=10.78.0.254,10.77.0.1");
        let process = Process::start("dnsmasq", &mut command);
        process.wait_for("DHCP relay from", Duration::from_secs(10));
        Relay { _process: process }
    }
}
