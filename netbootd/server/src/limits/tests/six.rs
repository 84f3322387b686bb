use std::net::SocketAddrV6;
use std::time::Duration;

use netbootd_dhcp::v6::testing::{SOLICIT, firmware, lan, multicast};
use netbootd_dhcp::v6::{Arrival, Duid};

use super::super::admission::{MACHINES, RENEWALS, UNNAMED_RELAYS};
use super::super::*;
use super::Fixture;

const RELAY: Ingress<Ipv6Addr> = Ingress::Relay(Ipv6Addr::new(0x2001, 0xdb8, 0, 9, 0, 0, 0, 1));
const LINK: Ingress<Ipv6Addr> = Ingress::Link(3);

impl Fixture {
    fn ask6(&self, n: u32, way: Ingress<Ipv6Addr>, seconds: u64) -> Result<(), Reason> {
        let client = Client::new(None, &Duid(n.to_be_bytes().to_vec()));
        let at = self.start + Duration::from_secs(seconds);
        let asked = self.limits.dhcp6(&self.settings, &client, way, || false, at);
        asked.map_err(|limited| limited.reason)
    }

    fn admitted6(
        &self,
        first: u32,
        count: u32,
        way: impl Fn(u32) -> Ingress<Ipv6Addr>,
        seconds: u64,
    ) -> usize {
        (first..first + count).filter(|n| self.ask6(*n, way(*n), seconds).is_ok()).count()
    }
}

#[test]
fn one_machine_and_one_way_of_ipv6_have_their_rates() {
    let f = Fixture::new();
    let admitted = (0..5000).filter(|_| f.ask6(1, LINK, 0).is_ok()).count();
    assert_eq!(admitted, f.settings.machine_packets.at_once as usize);
    assert_eq!(f.ask6(1, LINK, 0), Err(Reason::MachineTooOften));
    assert_eq!(f.ask6(2, LINK, 0), Ok(()), "another machine of the same link");
    assert_eq!(f.ask6(1, RELAY, 0), Ok(()), "the same identifier elsewhere may be another");
    let f = Fixture::new();
    let admitted = (0..80_000).filter(|n| f.ask6(n % 10_000, LINK, 0).is_ok()).count();
    assert_eq!(admitted, f.settings.way_packets.at_once as usize);
    assert_eq!(f.ask6(1, LINK, 0), Err(Reason::SourceTooOften));
}

#[test]
fn made_up_machines_of_ipv6_are_held_back_and_known_ones_are_not() {
    let f = Fixture::new();
    assert_eq!(f.admitted6(0, 1000, |_| RELAY, 0), 1000);
    let rest = f.settings.new_machines.at_once as usize - 1000;
    assert_eq!(f.admitted6(1_000_000, 200_000, |_| RELAY, 0), rest);
    assert_eq!(f.ask6(5_000_000, RELAY, 0), Err(Reason::TooManyNewMachines));
    assert!(
        f.admitted6(2_000_000, 200_000, |_| RELAY, 10) <= 10 * f.settings.new_machines.per_second as usize
    );
    assert_eq!(f.admitted6(0, 1000, |_| RELAY, 10), 1000, "known before the flood");
    assert_eq!(f.ask6(7_000_000, LINK, 10), Ok(()), "another way");
    let client = Client::new(None, &Duid(vec![7; 100]));
    let asked = |holds: bool| f.limits.dhcp6(&f.settings, &client, RELAY, || holds, f.start);
    assert!(asked(false).is_err());
    assert_eq!(asked(true), Ok(()), "it holds a lease");
}

#[test]
fn made_up_relays_of_ipv6_share_what_relays_may_bring() {
    let f = Fixture::new();
    let relay = |n: u32| Ingress::Relay(Ipv6Addr::from(u128::from(n) + (0x2001_0db8 << 96)));
    let most = f.settings.new_machines.times(UNNAMED_RELAYS).at_once as usize;
    assert_eq!(f.admitted6(0, 100_000, relay, 0), most);
    assert_eq!(f.ask6(1, LINK, 0), Ok(()), "the own link is another way");
    for (table, entries) in f.limits.remembered() {
        assert!(entries <= MACHINES.get(), "{table} {entries}");
    }
}

#[test]
fn addresses_of_the_link_are_one_way_whatever_they_are() {
    let (iface, packet) = (lan(), firmware(SOLICIT, 7, &[]));
    let way = |from: &str| {
        let from = SocketAddrV6::new(from.parse().unwrap(), 546, 0, 3);
        Ingress::<Ipv6Addr>::of_packet(&packet, &Arrival { from, ..multicast(&iface) })
    };
    assert_eq!(way("fe80::1"), Ingress::Link(3));
    assert_eq!(way("fe80::2"), Ingress::Link(3));
    assert_eq!(way("2001:db8:1::77"), Ingress::Link(3));
    assert_eq!(way("2001:db8:9::77"), Ingress::Routed(3));
}

#[test]
fn a_lease_of_ipv6_is_renewed_however_much_else_comes_that_way() {
    let f = Fixture::new();
    let renews = |seconds| {
        let client = Client::new(None, &Duid(vec![7; 10]));
        let at = f.start + Duration::from_secs(seconds);
        f.limits.dhcp6(&f.settings, &client, LINK, || true, at).map_err(|limited| limited.reason)
    };
    // Known machines use up what comes that way.
    for n in 0..80_000 {
        let _ = f.ask6(n % 10_000, LINK, 0);
    }
    assert_eq!(f.ask6(1, LINK, 0), Err(Reason::SourceTooOften));
    assert_eq!(renews(0), Ok(()));
    let admitted = (0..100).filter(|_| renews(0).is_ok()).count();
    assert!(
        admitted < usize::try_from(RENEWALS.at_once).unwrap(),
        "{admitted}: a lease is no licence to flood"
    );
    assert_eq!(renews(60), Ok(()));
}
