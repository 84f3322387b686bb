//! The host's interfaces as they are now: links go and come back, and addresses change, while
//! netbootd serves.

#[cfg_attr(unix, path = "interfaces/unix.rs")]
#[cfg_attr(windows, path = "interfaces/windows.rs")]
mod kernel;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::Ipv4Net;
use netbootd_dhcp::Iface;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::iface;
use kernel::Notices;

/// The interfaces, listed anew when the kernel reports a change.
#[derive(Debug)]
pub struct Interfaces {
    seen: watch::Sender<Vec<Iface>>,
}

/// Tells a listener that its interface has been replaced by another one of the same name.
#[derive(Debug)]
pub struct Changes {
    seen: watch::Receiver<Vec<Iface>>,
}

impl Default for Interfaces {
    fn default() -> Self {
        Interfaces { seen: watch::Sender::new(Vec::new()) }
    }
}

impl Interfaces {
    /// A subscription to changes; it begins with one, so that the caller reads the present state
    /// first.
    pub fn changes(&self) -> Changes {
        let mut seen = self.seen.subscribe();
        seen.mark_changed();
        Changes { seen }
    }

    /// The first address that is not the loopback's.
    pub fn first_addr(&self) -> Option<Ipv4Addr> {
        let seen = self.seen.borrow();
        seen.iter().flat_map(|iface| &iface.addrs).map(Ipv4Net::addr).find(|addr| !addr.is_loopback())
    }

    /// Whether an address is one of this host's.
    pub fn owns(&self, addr: IpAddr) -> bool {
        self.seen.borrow().iter().any(|iface| match addr {
            IpAddr::V4(addr) => iface.owns(addr),
            IpAddr::V6(addr) => iface.owns6(addr),
        })
    }

    /// The name of the interface that has an address.
    pub fn name_of(&self, addr: Ipv4Addr) -> Option<String> {
        self.seen.borrow().iter().find(|iface| iface.owns(addr)).map(|iface| iface.name.clone())
    }

    /// Whether a datagram to this address goes to every host of a segment.
    pub fn is_broadcast(&self, addr: IpAddr) -> bool {
        let IpAddr::V4(addr) = addr else { return false };
        let of = |net: &Ipv4Net| net.prefix_len() < 31 && net.broadcast() == addr;
        addr.is_broadcast() || self.seen.borrow().iter().any(|iface| iface.addrs.iter().any(of))
    }

    /// Follows their changes until the shutdown.
    pub async fn follow(&self, shutdown: CancellationToken) {
        let mut trouble = None;
        let mut notices = Notices::open().ok();
        loop {
            match iface::list(true) {
                Ok(found) => {
                    trouble = None;
                    self.replace(found);
                }
                Err(error) => {
                    let kind = Some(error.kind());
                    if trouble != kind {
                        warn!(%error, "cannot list the network interfaces");
                        trouble = kind;
                    }
                }
            }
            tokio::select! {
                () = next_look(&mut notices) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Replaces the list, and notes each interface that changed.
    pub fn replace(&self, found: Vec<Iface>) {
        self.seen.send_if_modified(|seen| {
            for now in &found {
                if seen.iter().any(|was| was.name == now.name && was != now) {
                    info!(iface = now.name, index = now.index, addresses = ?now.addrs, "interface changed");
                }
            }
            let differs = *seen != found;
            *seen = found;
            differs
        });
    }
}

impl Changes {
    /// Waits until an interface has another index or other addresses; gives it as it is now. One
    /// that is gone is waited for.
    pub async fn moved(&mut self, bound: &Iface) -> Iface {
        self.moved_among(std::slice::from_ref(bound)).await.1
    }

    /// The same of the first of several to which that happens, with its place among them.
    pub async fn moved_among(&mut self, bound: &[Iface]) -> (usize, Iface) {
        loop {
            if self.seen.changed().await.is_err() {
                return std::future::pending().await; // nobody looks any more
            }
            let seen = self.seen.borrow_and_update();
            let as_now = |was: &Iface| seen.iter().find(|now| now.name == was.name && *now != was).cloned();
            let moved = bound.iter().enumerate().find_map(|(at, was)| Some((at, as_now(was)?)));
            drop(seen);
            if let Some((at, now)) = moved {
                return (at, now);
            }
        }
    }

    /// The caller could not use it: report it once more.
    pub fn again(&mut self) {
        self.seen.mark_changed();
    }
}

/// Waits until the interfaces have to be listed again. A socket that fails is done without.
async fn next_look(notices: &mut Option<Notices>) {
    let Some(kernel) = notices else { return tokio::time::sleep(LOOK_EVERY).await };
    tokio::select! {
        noticed = kernel.next() => {
            if noticed.is_err() {
                *notices = None;
            }
            tokio::time::sleep(SETTLE).await;
        }
        () = tokio::time::sleep(LOOK_AT_LEAST_EVERY) => {}
    }
}

/// Without notices of the kernel, the interfaces are listed this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// With them, a lost notice is made up for after this time.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(30);
/// One change brings several notices: the interfaces are listed once for them.
const SETTLE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    fn iface(index: u32, address: &str) -> Iface {
        Iface {
            name: "lan0".into(),
            index,
            mac: None,
            addrs: vec![address.parse().unwrap()],
            addrs6: Vec::new(),
        }
    }

    #[tokio::test]
    async fn who_is_bound_hears_of_another_link_or_address_and_of_nothing_else() {
        let interfaces = Interfaces::default();
        let mut changes = interfaces.changes();
        let first = iface(2, "10.0.0.1/24");
        interfaces.replace(vec![first.clone(), Iface { name: "lan1".into(), ..iface(3, "10.1.0.1/24") }]);
        let second = iface(2, "10.0.0.9/24");
        let (moved, ()) = tokio::join!(changes.moved(&first), async {
            tokio::task::yield_now().await;
            interfaces.replace(Vec::new());
            tokio::task::yield_now().await;
            interfaces.replace(vec![first.clone()]);
            tokio::task::yield_now().await;
            interfaces.replace(vec![second.clone()]);
        });
        assert_eq!(moved, second);
        interfaces.replace(vec![iface(7, "10.0.0.9/24")]);
        assert_eq!(changes.moved(&second).await.index, 7);
        assert_eq!(
            interfaces.changes().moved(&second).await.index,
            7,
            "a later listener sees the change as well"
        );
    }
}
