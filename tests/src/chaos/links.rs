//! The server's link goes down, goes away, and comes back; its address changes: who is served goes
//! on being served.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::clients::{Ended, tftp_of};
use super::machines::Machines;
use super::site::{FLEET, ROUTER, SERVER, Site};

/// Does all of it so many times. Gives the words for the line.
///
/// # Panics
/// When machines are not served soon afterwards.
pub fn links(count: u32) -> String {
    let mut site = Site::new(None, 0, "");
    let mut machines = Machines::new(&site.lab, FLEET);
    site.start();
    let mut slowest = Duration::ZERO;
    let other = Ipv4Addr::new(10, 77, 0, 9);
    for _ in 0..count {
        let steps: [(&[&str], Ipv4Addr); 4] = [
            (&["link set lan0 down", "link set lan0 up"], SERVER),
            (&["addr del 10.77.0.1/24 dev lan0", "addr add 10.77.0.9/24 dev lan0"], other),
            (&["addr del 10.77.0.9/24 dev lan0", "addr add 10.77.0.1/24 dev lan0"], SERVER),
            (&["link del lan0"], SERVER),
        ];
        for (commands, server) in steps {
            commands.iter().for_each(|command| site.lab.ip("server", command));
            if commands[0] == "link del lan0" {
                site.lab.plug("server", "lan0", "br0", &format!("{SERVER}/24"));
                // The new link has another hardware address, which neighbours learn sooner or
                // later.
                site.lab.ip(FLEET, "neigh flush all");
            }
            // A link that was down has lost its routes.
            site.lab.ip("server", &format!("route replace 10.78.0.0/16 via {ROUTER}"));
            machines.server = server;
            slowest = slowest.max(served(&site, &machines, server));
        }
    }
    format!("served again after {} ms at most", slowest.as_millis())
}

/// How long it takes until a machine gets an address and a file.
fn served(site: &Site, machines: &Machines, server: Ipv4Addr) -> Duration {
    let began = Instant::now();
    loop {
        let has_address = machines.ask(1).is_some();
        let read = site.lab.inside(FLEET, move || tftp_of(server, PROGRAM, |_| true));
        let has_file = matches!(read.join().expect("the client goes on"), Ended::Whole(_));
        if has_address && has_file {
            return began.elapsed();
        }
        assert!(began.elapsed() < PATIENCE, "not served by {server}:\n{}", site.process().printed());
    }
}

const PROGRAM: &str = "PS100005/boot/x64/bootmgfw.efi";
const PATIENCE: Duration = Duration::from_secs(20);
