//! Sessions under way: so many in all, for each network of 256 addresses, and for each address.
//! Sessions of clients that have proved nothing have bounds of their own, so that requests in the
//! names of others take no place that a client needs.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;

use netbootd_config::Bounds;
use netbootd_telemetry::event::Refusal;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// How many sessions of one protocol may run: in all, and for one network and client.
#[derive(Debug, Default)]
pub struct SessionLimits {
    taken: Mutex<Taken>,
    freed: Notify,
}

/// The entries are those of sessions, so there are never more of them.
#[derive(Debug, Default)]
struct Taken {
    proved: usize,
    unproved: usize,
    clients: HashMap<IpAddr, Client>,
    /// Proved sessions of each network.
    networks: HashMap<IpAddr, usize>,
}

#[derive(Debug, Default)]
struct Client {
    proved: usize,
    unproved: usize,
}

/// Which bound there is no place under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The bound of all sessions.
    All,
    /// The bound of the client's network.
    Network,
    /// The bound of one client.
    Client,
    /// The client, as long as it proves nothing.
    Unproved,
}

/// One session's place. Dropping it frees it.
#[derive(Debug)]
pub struct Place {
    places: Arc<SessionLimits>,
    client: IpAddr,
    proved: bool,
}

impl SessionLimits {
    /// A place for a session with a client.
    pub fn open(self: &Arc<Self>, client: IpAddr, bounds: &Bounds) -> Result<Place, Full> {
        self.with(|taken| {
            taken.has_room(client, bounds)?;
            let Some(unproved) = bounds.unproved else {
                taken.add_proved(client);
                return Ok(());
            };
            if taken.clients.get(&client).is_some_and(|client| client.unproved >= unproved.client) {
                return Err(Full::Unproved);
            }
            taken.unproved += 1;
            taken.clients.entry(client).or_default().unproved += 1;
            Ok(())
        })?;
        Ok(Place { places: Arc::clone(self), client, proved: bounds.unproved.is_none() })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.with(|taken| taken.proved + taken.unproved)
    }

    /// How many of them are of clients that have not proved that they are there.
    pub fn unproved(&self) -> usize {
        self.with(|taken| taken.unproved)
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
        action(&mut self.taken.lock())
    }
}

impl Taken {
    /// Whether one more session with a client fits among those that are proved.
    fn has_room(&self, client: IpAddr, bounds: &Bounds) -> Result<(), Full> {
        if self.proved >= bounds.all {
            return Err(Full::All);
        }
        if self.networks.get(&network_of(client)).is_some_and(|places| *places >= bounds.network) {
            return Err(Full::Network);
        }
        if self.clients.get(&client).is_some_and(|client| client.proved >= bounds.client) {
            return Err(Full::Client);
        }
        Ok(())
    }

    fn add_proved(&mut self, client: IpAddr) {
        self.proved += 1;
        *self.networks.entry(network_of(client)).or_default() += 1;
        self.clients.entry(client).or_default().proved += 1;
    }

    fn remove_proved(&mut self, client: IpAddr) {
        self.proved -= 1;
        let network = network_of(client);
        if let Some(places) = self.networks.get_mut(&network) {
            *places -= 1;
            if *places == 0 {
                self.networks.remove(&network);
            }
        }
        self.change(client, |client| client.proved -= 1);
    }

    fn remove_unproved(&mut self, client: IpAddr) {
        self.unproved -= 1;
        self.change(client, |client| client.unproved -= 1);
    }

    fn change(&mut self, client: IpAddr, change: impl FnOnce(&mut Client)) {
        if let Some(of_client) = self.clients.get_mut(&client) {
            change(of_client);
            if of_client.proved + of_client.unproved == 0 {
                self.clients.remove(&client);
            }
        }
    }
}

impl Place {
    /// The client that holds the place.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// The client has answered what only it can have heard. Fails when all places of clients that
    /// have are taken by now.
    pub fn prove(&mut self, bounds: &Bounds) -> Result<(), Full> {
        if self.proved {
            return Ok(());
        }
        let client = self.client;
        self.places.with(|taken| {
            taken.has_room(client, bounds)?;
            taken.add_proved(client);
            taken.remove_unproved(client);
            Ok(())
        })?;
        self.proved = true;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (client, proved) = (self.client, self.proved);
        self.places.with(|taken| match proved {
            true => taken.remove_proved(client),
            false => taken.remove_unproved(client),
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

impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        match full {
            Full::All => Refusal::Busy,
            Full::Network => Refusal::SubnetFull,
            Full::Client => Refusal::ClientFull,
            Full::Unproved => Refusal::Unproved,
        }
    }
}

#[cfg(test)]
mod tests {
    use netbootd_config::Unproved;
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds =
        Bounds { all: 6, network: 4, client: 3, unproved: Some(Unproved { client: 2, all: 5 }) };

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
        let places = Arc::new(SessionLimits::default());
        let open = |network, host| places.open(client(network, host), &BOUNDS);
        let proved = |network, host| {
            let mut place = open(network, host).unwrap();
            place.prove(&BOUNDS).unwrap();
            place
        };
        let mut held = vec![open(0, 1).unwrap(), open(0, 1).unwrap()];
        assert_eq!(open(0, 1).unwrap_err(), Full::Unproved);
        held.iter_mut().for_each(|place| place.prove(&BOUNDS).unwrap());
        held.push(proved(0, 1));
        assert_eq!(open(0, 1).unwrap_err(), Full::Client);
        held.push(proved(0, 2));
        assert_eq!(open(0, 3).unwrap_err(), Full::Network);
        held.extend([proved(1, 1), proved(1, 2)]);
        assert_eq!(open(2, 1).unwrap_err(), Full::All);
        held.remove(3);
        held.push(proved(0, 3));
        drop(held);
        let taken = places.taken.lock();
        assert_eq!((taken.proved, taken.unproved, taken.clients.len(), taken.networks.len()), (0, 0, 0, 0));
    }

    #[test]
    fn who_proves_nothing_takes_no_place_of_those_who_do() {
        let places = Arc::new(SessionLimits::default());
        let unproved: Vec<Place> =
            (0..50).map(|host| places.open(client(0, host), &BOUNDS).unwrap()).collect();
        let mut proved: Vec<Place> =
            (0..6).map(|n| places.open(client(n / 3, n), &BOUNDS).unwrap()).collect();
        proved.iter_mut().for_each(|place| place.prove(&BOUNDS).unwrap());
        assert_eq!((places.taken(), places.unproved()), (56, 50));
        // A session that is proved when all places are taken gets none.
        let mut late = unproved;
        assert_eq!(late[0].prove(&BOUNDS), Err(Full::All));
        drop(proved);
        late[0].prove(&BOUNDS).unwrap();
        assert_eq!((places.taken(), places.unproved()), (50, 49));
    }

    #[test]
    fn where_everybody_is_proved_nobody_counts_as_unproved() {
        let places = Arc::new(SessionLimits::default());
        let bounds = Bounds { unproved: None, ..BOUNDS };
        let held: Vec<Place> = (0..3).map(|_| places.open(client(0, 1), &bounds).unwrap()).collect();
        assert_eq!(places.taken(), held.len());
        assert_eq!(places.open(client(0, 1), &bounds).unwrap_err(), Full::Client);
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_a_place_is_free() {
        let places = Arc::new(SessionLimits::default());
        let held = places.open(client(0, 1), &BOUNDS).unwrap();
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
            let places = Arc::new(SessionLimits::default());
            let mut held: Vec<Place> = Vec::new();
            for (what, network, host, which) in operations {
                let at = which.index(held.len().max(1));
                match what {
                    0 => held.extend(places.open(client(network, host), &BOUNDS)),
                    1 if !held.is_empty() => drop(held.swap_remove(at)),
                    _ if !held.is_empty() => drop(held[at].prove(&BOUNDS)),
                    _ => {}
                }
                let taken = places.taken.lock();
                prop_assert_eq!(taken.proved + taken.unproved, held.len());
                prop_assert_eq!(taken.proved, held.iter().filter(|place| place.proved).count());
                prop_assert!(taken.proved <= BOUNDS.all && taken.clients.len() <= held.len());
                let networks = taken.networks.values().all(|places| (1..=BOUNDS.network).contains(places));
                let within = |client: &Client| {
                    client.proved <= BOUNDS.client && client.unproved <= 2 && client.proved + client.unproved > 0
                };
                prop_assert!(networks && taken.clients.values().all(within));
            }
            drop(held);
            let taken = places.taken.lock();
            let sessions = taken.proved + taken.unproved;
            prop_assert!(sessions == 0 && taken.clients.is_empty() && taken.networks.is_empty());
        }
    }
}
