//! The own addresses of the interfaces that are served, as far as a port listens on all of them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use netbootd_dhcp::Iface;
use netbootd_net::iface;

use parking_lot::Mutex;

/// The addresses, as they were when one was last asked for that is not among them.
#[derive(Debug, Default)]
pub struct Served(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    addrs: Vec<IpAddr>,
    read_at: Instant,
}

impl Served {
    /// Whether an own address is one of an interface with one of these names. Addresses may change:
    /// one that is not known is looked for anew, once in a while.
    pub fn holds(&self, local: IpAddr, names: &[String], now: Instant) -> bool {
        let mut known = self.0.lock();
        if known.as_ref().is_some_and(|known| known.addrs.contains(&local)) {
            return true;
        }
        if known.as_ref().is_some_and(|known| now.saturating_duration_since(known.read_at) < READ_EVERY) {
            return false;
        }
        // Without the list nobody is served there: the next one who asks has it read again.
        let ifaces = iface::list(true).unwrap_or_default();
        let named = ifaces.iter().filter(|iface| names.contains(&iface.name));
        let addrs: Vec<IpAddr> = named.flat_map(own_addrs).collect();
        let holds = addrs.contains(&local);
        *known = Some(Known { addrs, read_at: now });
        holds
    }
}

fn own_addrs(iface: &Iface) -> impl Iterator<Item = IpAddr> {
    let v4 = iface.addrs.iter().map(|net| IpAddr::from(net.addr()));
    v4.chain(iface.addrs6.iter().map(|net| IpAddr::from(net.addr())))
}

const READ_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn an_address_is_served_on_the_interfaces_that_are_named() {
        let (served, now) = (Served::default(), Instant::now());
        let lo = ["lo".to_owned()];
        assert!(served.holds(Ipv4Addr::LOCALHOST.into(), &lo, now));
        let foreign = IpAddr::from([192, 0, 2, 1]);
        assert!(!served.holds(foreign, &lo, now + READ_EVERY));
        assert!(!Served::default().holds(Ipv4Addr::LOCALHOST.into(), &["none".to_owned()], now));
    }
}
