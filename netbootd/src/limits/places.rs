//! Sessions under way: so many in all, for each network of 256 addresses, and for each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Places for sessions of one protocol.
#[derive(Debug, Default)]
pub struct Places {
    taken: Mutex<Taken>,
    freed: Notify,
}

/// The entries are those of sessions, so there are never more of them.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    clients: HashMap<IpAddr, Client>,
    networks: HashMap<IpAddr, usize>,
}

#[derive(Debug, Default)]
struct Client {
    places: usize,
    unproved: usize,
}

/// How many sessions there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// In all.
    pub all: usize,
    /// With clients of one network of 256 addresses.
    pub network: usize,
    /// With one client.
    pub client: usize,
    /// With one client that has not proved that it is there; None where nobody gets so far who is not.
    pub unproved: Option<usize>,
}

/// Which bound there is no place under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// In all.
    All,
    /// The client's network.
    Network,
    /// The client.
    Client,
    /// The client, as long as it proves nothing.
    Unproved,
}

/// One session's place. Dropping it frees it.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    client: IpAddr,
    proved: bool,
}

impl Places {
    /// A place for a session with a client.
    pub fn take(self: &Arc<Self>, client: IpAddr, bounds: &Bounds) -> Result<Place, Full> {
        let network = network_of(client);
        self.with(|taken| {
            let of_client = taken.clients.get(&client);
            if taken.all >= bounds.all {
                return Err(Full::All);
            }
            if taken.networks.get(&network).is_some_and(|places| *places >= bounds.network) {
                return Err(Full::Network);
            }
            if of_client.is_some_and(|client| client.places >= bounds.client) {
                return Err(Full::Client);
            }
            if of_client.zip(bounds.unproved).is_some_and(|(client, most)| client.unproved >= most) {
                return Err(Full::Unproved);
            }
            taken.all += 1;
            *taken.networks.entry(network).or_default() += 1;
            let of_client = taken.clients.entry(client).or_default();
            of_client.places += 1;
            of_client.unproved += usize::from(bounds.unproved.is_some());
            Ok(())
        })?;
        Ok(Place { places: Arc::clone(self), client, proved: bounds.unproved.is_none() })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.with(|taken| taken.all)
    }

    /// Waits until fewer than so many are taken.
    pub async fn room(&self, most: impl Fn() -> usize) {
        loop {
            let mut freed = pin!(self.freed.notified());
            // From here on no place that comes free is missed.
            freed.as_mut().enable();
            if self.taken() < most() {
                return;
            }
            freed.await;
        }
    }

    fn with<T>(&self, action: impl FnOnce(&mut Taken) -> T) -> T {
        action(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Place {
    /// Whose it is.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// The client has answered what only it can have heard.
    pub fn prove(&mut self) {
        if !std::mem::replace(&mut self.proved, true) {
            let client = self.client;
            self.places.with(|taken| {
                if let Some(client) = taken.clients.get_mut(&client) {
                    client.unproved -= 1;
                }
            });
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.prove();
        let (client, network) = (self.client, network_of(self.client));
        self.places.with(|taken| {
            taken.all -= 1;
            if let Some(places) = taken.networks.get_mut(&network) {
                *places -= 1;
                if *places == 0 {
                    taken.networks.remove(&network);
                }
            }
            if let Some(of_client) = taken.clients.get_mut(&client) {
                of_client.places -= 1;
                if of_client.places == 0 {
                    taken.clients.remove(&client);
                }
            }
        });
        self.places.freed.notify_waiters();
    }
}

/// 256 addresses of IPv4, or a link of IPv6.
pub(crate) fn network_of(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(client) => Ipv4Addr::from_bits(client.to_bits() & !0xff).into(),
        IpAddr::V6(client) => Ipv6Addr::from_bits(client.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { all: 6, network: 4, client: 3, unproved: Some(2) };

    fn client(network: u8, host: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, network, host).into()
    }

    #[test]
    fn a_link_of_ipv6_is_one_network() {
        let (one, other): (IpAddr, IpAddr) =
            ("2001:db8::1:2:3:4".parse().unwrap(), "2001:db8::9:8:7:6".parse().unwrap());
        assert_eq!(network_of(one), network_of(other));
        assert_eq!(
            network_of("2001:db8:0:1::1".parse().unwrap()),
            "2001:db8:0:1::".parse::<IpAddr>().unwrap()
        );
        assert_eq!(network_of(client(1, 2)), Ipv4Addr::new(10, 0, 1, 0));
    }

    #[test]
    fn each_bound_holds_and_names_itself() {
        let places = Arc::new(Places::default());
        let take = |network, host| places.take(client(network, host), &BOUNDS);
        let mut held = vec![take(0, 1).unwrap(), take(0, 1).unwrap()];
        assert_eq!(take(0, 1).unwrap_err(), Full::Unproved);
        held.iter_mut().for_each(Place::prove);
        held.push(take(0, 1).unwrap());
        assert_eq!(take(0, 1).unwrap_err(), Full::Client);
        held.push(take(0, 2).unwrap());
        assert_eq!(take(0, 3).unwrap_err(), Full::Network);
        held.extend([take(1, 1).unwrap(), take(1, 2).unwrap()]);
        assert_eq!(take(2, 1).unwrap_err(), Full::All);
        held.remove(3);
        held.push(take(0, 3).unwrap());
        drop(held);
        let taken = places.taken.lock().unwrap();
        assert_eq!((taken.all, taken.clients.len(), taken.networks.len()), (0, 0, 0));
    }

    #[test]
    fn where_everybody_is_proved_nobody_counts_as_unproved() {
        let places = Arc::new(Places::default());
        let bounds = Bounds { unproved: None, ..BOUNDS };
        let held: Vec<Place> = (0..3).map(|_| places.take(client(0, 1), &bounds).unwrap()).collect();
        assert_eq!(places.taken(), held.len());
        assert_eq!(places.take(client(0, 1), &bounds).unwrap_err(), Full::Client);
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_a_place_is_free() {
        let places = Arc::new(Places::default());
        let held = places.take(client(0, 1), &BOUNDS).unwrap();
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.room(|| 1).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        waiting.await.unwrap();
    }

    proptest! {
        #[test]
        fn any_sequence_stays_within_the_bounds_and_leaves_nothing_behind(
            operations in proptest::collection::vec((0u8..3, 0u8..3, 0u8..4, any::<proptest::sample::Index>()), 1..300)
        ) {
            let places = Arc::new(Places::default());
            let mut held: Vec<Place> = Vec::new();
            for (what, network, host, which) in operations {
                let at = which.index(held.len().max(1));
                match what {
                    0 => held.extend(places.take(client(network, host), &BOUNDS)),
                    1 if !held.is_empty() => drop(held.swap_remove(at)),
                    _ if !held.is_empty() => held[at].prove(),
                    _ => {}
                }
                let taken = places.taken.lock().unwrap();
                prop_assert_eq!(taken.all, held.len());
                prop_assert!(taken.all <= BOUNDS.all && taken.clients.len() <= taken.all);
                let networks = taken.networks.values().all(|places| (1..=BOUNDS.network).contains(places));
                let unproved = |client: &Client| Some(client.unproved) <= BOUNDS.unproved;
                let within = |client: &Client| (1..=BOUNDS.client).contains(&client.places) && unproved(client);
                prop_assert!(networks && taken.clients.values().all(within));
            }
            drop(held);
            let taken = places.taken.lock().unwrap();
            prop_assert!(taken.all == 0 && taken.clients.is_empty() && taken.networks.is_empty());
        }
    }
}
