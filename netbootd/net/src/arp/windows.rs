//! ARP probes: Windows lets no program send Ethernet frames without a driver of its own, so
//! addresses of the own link are probed by ICMP as well.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use pxe_policy::MacAddr;

/// Sends no probes here.
#[derive(Debug, Default)]
pub struct Prober {}

/// Says that there are no probes.
pub fn can_probe() -> io::Result<()> {
    Err(unsupported())
}

impl Prober {
    /// Reports that ARP is not available on Windows.
    #[allow(clippy::unused_async)] // the signature of other platforms
    pub async fn probe(
        &self,
        _ifindex: u32,
        _own: MacAddr,
        _address: Ipv4Addr,
        _counts: impl Fn(MacAddr) -> bool,
        _patience: Duration,
    ) -> io::Result<bool> {
        Err(unsupported())
    }
}

fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "Windows sends no raw frames")
}
