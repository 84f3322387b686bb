//! A fleet of simulated machines in one process, each with an address of its own: PCs that boot by
//! PXE and then HTTP, and Macs that boot by BSDP. They sit behind a relay, and compare every byte
//! that they are given.

mod mac;
mod pc;
mod relay;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client_error::ClientError;
use relay::Relay;

/// The relay's address, behind which all of them are; the host has to hold the whole subnet.
pub const RELAY: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);

/// The kinds of machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A PC: its program by PXE, the rest by HTTP.
    Pc,
    /// A Mac: BSDP, then its booter by TFTP.
    Mac,
}

/// The boot server of the machines, and the files that they should get.
#[derive(Debug)]
pub struct Site {
    /// The boot server that all machines ask.
    pub server: Ipv4Addr,
    /// The file that PCs fetch by TFTP.
    pub program: Vec<u8>,
    /// The file that PCs fetch by HTTP then.
    pub image: Vec<u8>,
    /// The file that Macs fetch first.
    pub booter: Vec<u8>,
    /// The file that Macs fetch then.
    pub kernel: Vec<u8>,
}

impl Site {
    /// The bytes that so many machines get in all.
    pub fn bytes(&self, machines: u32) -> u64 {
        let sum = |parts: [&Vec<u8>; 2]| parts.iter().map(|part| part.len() as u64).sum::<u64>();
        let macs = (1..=machines).filter(|number| is_mac(*number)).count() as u64;
        macs * sum([&self.booter, &self.kernel])
            + (u64::from(machines) - macs) * sum([&self.program, &self.image])
    }
}

/// How one machine's boot went.
#[derive(Debug)]
pub struct Boot {
    /// Whether it is a PC or a Mac.
    pub kind: Kind,
    /// From its first packet to its last byte, or why it did not come so far.
    pub took: Result<Duration, ClientError>,
}

/// Switches so many machines on at once, three of ten of them Macs, and waits for all; `each` hears
/// how many are still under way.
pub async fn boot(site: Site, machines: u32, mut each: impl FnMut(usize)) -> io::Result<Vec<Boot>> {
    let site = Arc::new(site);
    let relay = Arc::new(Relay::open(site.server).await?);
    let listening = tokio::spawn(Arc::clone(&relay).listen());
    let mut under_way = JoinSet::new();
    for number in 1..=machines {
        let (site, relay) = (Arc::clone(&site), Arc::clone(&relay));
        under_way.spawn(async move {
            let kind = if is_mac(number) { Kind::Mac } else { Kind::Pc };
            let started = Instant::now();
            let booted = match kind {
                Kind::Pc => pc::boot(&site, &relay, number).await,
                Kind::Mac => mac::boot(&site, &relay, number).await,
            };
            Boot { kind, took: booted.map(|()| started.elapsed()) }
        });
    }
    let mut boots = Vec::with_capacity(machines as usize);
    while let Some(boot) = under_way.join_next().await {
        boots.push(boot.map_err(io::Error::other)?);
        each(under_way.len());
    }
    listening.abort();
    Ok(boots)
}

/// The path of the Macs' image.
pub const NBI: &str = "/NetBoot/NetBootSP0/Storm.nbi/i386";
/// The boot file of PCs.
pub const PROGRAM: &str = "storm.efi";
/// The file that this program would fetch.
pub const IMAGE: &str = "/storm.wim";

/// Three machines of ten are Macs.
fn is_mac(number: u32) -> bool {
    number % 10 < 3
}

fn hardware_address(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [2, 0x5e, a, b, c, d]
}

/// A machine that hears nothing for so long is lost.
const PATIENCE: Duration = Duration::from_secs(300);
