//! The ports that transfers share until their clients acknowledge something. They are few, and each
//! is opened when it is first needed, so that read requests in the names of others cost no socket.
//!
//! A request gets one of them at random: a sender that forges another's address cannot know
//! which, and an acknowledgement that comes to it shows that the client is there.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use netbootd_net::udp::Endpoint;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The ports of one kind of address.
#[derive(Debug)]
pub(super) struct SharedPorts {
    any: IpAddr,
    /// The key of a port's choice. Not fastrand, whose next number can be told from the ones
    /// before.
    random: RandomState,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// `tftp.port-range`, as it was when they were opened.
    range: Option<RangeInclusive<u16>>,
    ports: Vec<Option<SharedPort>>,
    /// How many were asked for.
    asked: u64,
    /// Ends the reception on them.
    ending: CancellationToken,
}

/// One port that transfers share.
#[derive(Debug, Clone)]
pub(super) struct SharedPort {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) number: u16,
}

impl SharedPorts {
    /// The shared ports of IPv4.
    pub(super) fn v4() -> Self {
        SharedPorts::new(Ipv4Addr::UNSPECIFIED.into())
    }

    /// The shared ports of IPv6.
    pub(super) fn v6() -> Self {
        SharedPorts::new(Ipv6Addr::UNSPECIFIED.into())
    }

    fn new(any: IpAddr) -> Self {
        SharedPorts { any, random: RandomState::new(), open: Mutex::default() }
    }

    /// A port for a request, of so many: any, or those of a range. `begin` begins the reception on
    /// one that was just opened.
    pub(super) fn choose(
        &self,
        range: Option<&RangeInclusive<u16>>,
        most: usize,
        bind: impl FnOnce(SocketAddr) -> io::Result<Endpoint>,
        begin: impl FnOnce(SharedPort, CancellationToken),
    ) -> Option<SharedPort> {
        let mut open = self.open.lock();
        if open.range.as_ref() != range {
            open.ending.cancel();
            *open = Open { range: range.cloned(), ..Open::default() };
        }
        open.asked += 1;
        let random = usize::try_from(self.random.hash_one(open.asked)).unwrap_or(usize::MAX);
        let at = random % range.map_or(most, |range| range.len().min(most)).max(1);
        if open.ports.len() <= at {
            open.ports.resize(at + 1, None);
        }
        if let Some(port) = &open.ports[at] {
            return Some(port.clone());
        }
        let number = range.map_or(0, |range| range.start().saturating_add(u16::try_from(at).unwrap_or(0)));
        let Ok(port) = bind(SocketAddr::new(self.any, number)).and_then(SharedPort::new) else {
            // Without open files, or where another program has the port, one that is open does as
            // well.
            let opened: Vec<_> = open.ports.iter().flatten().collect();
            return opened.get(random.checked_rem(opened.len())?).map(|port| SharedPort::clone(port));
        };
        open.ports[at] = Some(port.clone());
        begin(port.clone(), open.ending.clone());
        Some(port)
    }
}

impl SharedPort {
    fn new(endpoint: Endpoint) -> io::Result<Self> {
        endpoint.share_port()?;
        Ok(SharedPort { number: endpoint.port()?, endpoint: Arc::new(endpoint) })
    }
}

/// How many ports there are of each kind, where so many transfers may wait for a first
/// acknowledgement. With 512 of them one guess in 256 hits, as a second wrong one ends the
/// transfer; fewer open files allow fewer.
pub(super) fn how_many(unproved: usize) -> usize {
    (unproved / 8).clamp(FEWEST, MOST)
}

const FEWEST: usize = 16;
const MOST: usize = 512;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn bind(addr: SocketAddr) -> io::Result<Endpoint> {
        Endpoint::bind_one(addr)
    }

    #[tokio::test]
    async fn requests_share_a_few_ports_at_random() {
        let ports = SharedPorts::v4();
        let mut begun = 0;
        let chosen: Vec<_> =
            (0..400).map(|_| ports.choose(None, 16, bind, |_, _| begun += 1).unwrap().number).collect();
        let different: HashSet<_> = chosen.iter().collect();
        assert_eq!((different.len(), begun), (16, 16));
        let repeated = chosen.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(repeated < 100, "{repeated} of 400 follow on themselves");
    }

    #[tokio::test]
    async fn a_range_is_kept_and_a_changed_one_ends_the_reception_on_the_former() {
        let first = SharedPorts::v4().choose(None, 1, bind, |_, _| {}).unwrap().number;
        let (ports, range) = (SharedPorts::v4(), first..=first);
        let mut former = None;
        for _ in 0..20 {
            let port = ports.choose(Some(&range), 512, bind, |_, ending| former = Some(ending)).unwrap();
            assert_eq!(port.number, first);
        }
        assert!(!former.as_ref().unwrap().is_cancelled());
        assert_ne!(ports.choose(None, 1, bind, |_, _| {}).unwrap().number, 0);
        assert!(former.unwrap().is_cancelled());
    }

    #[tokio::test]
    async fn without_another_socket_those_that_are_open_are_used() {
        let ports = SharedPorts::v4();
        let open = ports.choose(None, 1, bind, |_, _| {}).unwrap().number;
        let full = |_| Err(io::Error::other("too many open files"));
        for _ in 0..50 {
            assert_eq!(ports.choose(None, 512, full, |_, _| {}).unwrap().number, open);
        }
        assert!(SharedPorts::v6().choose(None, 512, full, |_, _| {}).is_none());
    }
}
