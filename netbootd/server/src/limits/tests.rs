mod six;

use std::net::SocketAddrV4;
use std::time::Duration;

use netbootd_dhcp::v4::Arrival;
use netbootd_dhcp::v4::testing::{captured, lan};
use proptest::prelude::*;

use super::admission::{MACHINES, RENEWALS, UNNAMED_RELAYS};
use super::*;

const RELAY: Ingress<Ipv4Addr> = Ingress::Relay(Ipv4Addr::new(10, 9, 0, 1));
const LINK: Ingress<Ipv4Addr> = Ingress::Link(3);

fn mac(n: u32) -> MacAddr {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddr([2, 0, a, b, c, d])
}

fn no_lease() -> bool {
    false
}

struct Fixture {
    limits: Limits,
    settings: Settings,
    start: Instant,
}

impl Fixture {
    fn new() -> Self {
        let start = Instant::now();
        Fixture { limits: Limits::new(start), settings: Settings::default(), start }
    }

    fn ask(&self, n: u32, way: Ingress<Ipv4Addr>, at: Duration) -> Result<(), Reason> {
        let asked = self.limits.dhcp(&self.settings, mac(n), way, no_lease, self.start + at);
        asked.map_err(|limited| limited.reason)
    }
}

#[test]
fn a_building_of_ten_thousand_machines_behind_one_relay_is_not_limited() {
    let f = Fixture::new();
    // Every machine is switched on at once, and nobody answers: firmware asks four times within
    // half a minute and begins again, twice.
    for round in 0..2 {
        for second in [0, 4, 12, 28] {
            for n in 0..10_000 {
                assert_eq!(f.ask(n, RELAY, Duration::from_secs(round * 60 + second)), Ok(()), "{n}");
            }
        }
    }
    // Every step of a boot at once, then what waits for an operator asks every ten seconds, for
    // ever.
    let f = Fixture::new();
    for n in 0..60_000 {
        assert_eq!(f.ask(n % 10_000, RELAY, Duration::ZERO), Ok(()));
    }
    for ten_seconds in 1..50 {
        for n in 0..10_000 {
            assert_eq!(f.ask(n, RELAY, Duration::from_secs(10 * ten_seconds)), Ok(()));
        }
    }
}

#[test]
fn a_class_room_of_two_hundred_behind_one_address_is_not_limited() {
    let f = Fixture::new();
    let room = IpAddr::from([10, 0, 0, 9]);
    // Boot programs that look for their files ask forty times within a few seconds.
    for n in 0..200 * 40 {
        let at = f.start + Duration::from_millis(n);
        assert_eq!(f.limits.read_request(&f.settings, room, at), RateVerdict::Admitted);
    }
    let bounds = f.settings.transfers(16_384);
    let places: Vec<_> = (0..200 * 4)
        .map(|n| {
            let mut place = f.limits.transfers.open(room, &bounds).unwrap();
            // Each machine begins one that it has not yet answered; the others go on.
            if n % 4 != 0 {
                place.prove(&bounds).unwrap();
            }
            place
        })
        .collect();
    assert_eq!(places.len(), 800);
    // Macs read their root in parts, a hundred in a second.
    for n in 0..200 * 100 * 5 {
        let at = f.start + Duration::from_micros(50 * n);
        assert_eq!(f.limits.http_request(&f.settings, room, at), RateVerdict::Admitted);
    }
    let held: Vec<_> = (0..200 * 6)
        .map(|_| f.limits.connections.open(room, &f.settings.connections(16_384)).unwrap())
        .collect();
    assert_eq!(held.len(), 1200);
    // A translated address asks port 4011: a thousand replies of the usual size at once, and each
    // machine once in ten seconds.
    for n in 0..2000_u64 {
        let at = f.start + Duration::from_millis(50 * n.saturating_sub(1000));
        assert_eq!(f.limits.reply(&f.settings, room, 548, at), Ok(()), "{n}");
    }
}

#[test]
fn made_up_machines_are_held_back_and_known_ones_are_not() {
    let f = Fixture::new();
    for n in 0..1000 {
        assert_eq!(f.ask(n, LINK, Duration::ZERO), Ok(()));
    }
    let admitted = |from: u32, count: u32, at| {
        (from..from + count).filter(|n| f.ask(*n, LINK, Duration::from_secs(at)).is_ok()).count()
    };
    let rest = f.settings.new_machines.at_once as usize - 1000;
    assert_eq!(admitted(1_000_000, 200_000, 0), rest);
    assert_eq!(f.ask(5_000_000, LINK, Duration::ZERO), Err(Reason::TooManyNewMachines));
    assert!(admitted(2_000_000, 200_000, 10) <= 10 * f.settings.new_machines.per_second as usize);
    assert!((0..1000).all(|n| f.ask(n, LINK, Duration::from_secs(10)).is_ok()), "known before the flood");
    assert_eq!(f.ask(7_000_000, RELAY, Duration::from_secs(10)), Ok(()), "another way");
}

#[test]
fn a_machine_that_holds_a_lease_is_known() {
    let f = Fixture::new();
    assert!((0..100_000).any(|n| f.ask(n, LINK, Duration::ZERO).is_err()));
    let asked = |holds_lease: bool| f.limits.dhcp(&f.settings, mac(9_999_999), LINK, || holds_lease, f.start);
    assert!(asked(false).is_err());
    assert_eq!(asked(true), Ok(()));
}

#[test]
fn a_machine_that_holds_a_lease_renews_it_however_much_else_came_that_way_or_in_its_name() {
    let f = Fixture::new();
    let renews = |n: u32, at| f.limits.dhcp(&f.settings, mac(n), LINK, || true, f.start + at);
    assert!((0..400).any(|_| f.ask(1, LINK, Duration::ZERO).is_err()), "its own bucket is empty");
    assert!((0..100_000).any(|n| f.ask(2 + n % 1000, LINK, Duration::ZERO).is_err()), "and the link's");
    let admitted = (0..100).filter(|_| renews(1, Duration::ZERO).is_ok()).count();
    assert_eq!(admitted, RENEWALS.at_once as usize);
    assert_eq!(renews(5_000_000, Duration::ZERO), Ok(()));
}

#[test]
fn made_up_relays_share_what_unnamed_relays_may_bring() {
    let mut f = Fixture::new();
    let relay = |n: u32| Ingress::Relay(Ipv4Addr::from(0x0b00_0000 + n));
    let admitted =
        |f: &Fixture| (0..200_000).filter(|n| f.ask(*n, relay(*n), Duration::ZERO).is_ok()).count();
    let most = f.settings.new_machines.times(UNNAMED_RELAYS).at_once as usize;
    assert_eq!(admitted(&f), most);
    assert!(most < MACHINES.get(), "they cannot push out every machine that is known");
    assert_eq!(f.ask(1, LINK, Duration::ZERO), Ok(()), "the own link is another way");
    f = Fixture::new();
    let Ingress::Relay(named) = RELAY else { unreachable!() };
    f.settings.relays = vec![named];
    assert_eq!((0..10_000).filter(|n| f.ask(*n, RELAY, Duration::ZERO).is_ok()).count(), 10_000);
}

#[test]
fn one_machine_and_one_way_have_their_rates() {
    let f = Fixture::new();
    let admitted = (0..5000).filter(|_| f.ask(1, LINK, Duration::ZERO).is_ok()).count();
    assert_eq!(admitted, f.settings.machine_packets.at_once as usize);
    assert_eq!(f.ask(1, LINK, Duration::ZERO), Err(Reason::MachineTooOften));
    assert_eq!(f.ask(1, RELAY, Duration::ZERO), Ok(()), "the same hardware address elsewhere may be another");
    let f = Fixture::new();
    let admitted = (0..80_000).filter(|n| f.ask(n % 10_000, LINK, Duration::ZERO).is_ok()).count();
    assert_eq!(admitted, f.settings.way_packets.at_once as usize);
    assert_eq!(f.ask(1, LINK, Duration::ZERO), Err(Reason::SourceTooOften));
}

#[test]
fn lists_name_relays_and_networks() {
    let (iface, mut relayed, direct) = (lan(), captured("aavmf-arm64-1"), captured("aavmf-arm64-1"));
    relayed.header.set_giaddr([10, 9, 0, 1]);
    let from = |a, b, c, d| {
        Arrival::new(&iface, Ipv4Addr::BROADCAST, SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), 68))
    };
    let lists = |relays: &[&str], subnets: &[&str]| Settings {
        relays: relays.iter().map(|text| text.parse().unwrap()).collect(),
        subnets: subnets.iter().map(|text| text.parse().unwrap()).collect(),
        ..Settings::default()
    };
    let nobody = from(0, 0, 0, 0);
    let table = [
        (lists(&[], &[]), &relayed, nobody, true),
        (lists(&["10.9.0.1"], &[]), &relayed, nobody, true),
        (lists(&["10.9.0.2"], &[]), &relayed, nobody, false),
        (lists(&["10.9.0.1"], &["10.9.0.0/24"]), &relayed, nobody, true),
        (lists(&["10.9.0.1"], &["10.77.0.0/24"]), &relayed, nobody, false),
        (lists(&["10.9.0.2"], &[]), &direct, nobody, true),
        (lists(&[], &["10.77.0.0/24"]), &direct, nobody, true),
        (lists(&[], &["10.99.0.0/24"]), &direct, nobody, false),
        (lists(&[], &["10.77.0.0/24"]), &direct, from(10, 77, 0, 9), true),
        (lists(&[], &["10.77.0.0/24"]), &direct, from(10, 78, 0, 9), false),
    ];
    for (settings, packet, arrival, allowed) in table {
        assert_eq!(allows(&settings, packet, &arrival), allowed, "{settings:?} {:?}", packet.relay());
    }
    assert_eq!(Ingress::<Ipv4Addr>::of_packet(&relayed, &nobody), RELAY);
    assert_eq!(Ingress::<Ipv4Addr>::of_packet(&direct, &from(10, 78, 0, 9)), LINK);
    assert_eq!(Ingress::<Ipv4Addr>::of_packet(&direct, &from(192, 0, 2, 9)), Ingress::Routed(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn no_sequence_of_claimed_addresses_fills_memory(
        floods in proptest::collection::vec((0u8..5, any::<u32>(), 0u64..100), 1..20)
    ) {
        let f = Fixture::new();
        let mut at = f.start;
        for (kind, first, pass) in floods {
            at += Duration::from_secs(pass);
            for n in 0..20_000 {
                let n = first.wrapping_add(n);
                let address = Ipv4Addr::from(n);
                match kind {
                    0 => drop(f.limits.dhcp(&f.settings, mac(n), Ingress::Relay(address), no_lease, at)),
                    1 => drop(f.limits.dhcp(&f.settings, mac(n), LINK, || true, at)),
                    2 => drop(f.limits.reply(&f.settings, address.into(), 8164, at)),
                    3 => drop(f.limits.read_request(&f.settings, address.into(), at)),
                    _ => drop(f.limits.http_request(&f.settings, address.into(), at)),
                }
            }
            for (table, entries) in f.limits.remembered() {
                let most = if table == "machines" { MACHINES } else { ADDRESSES };
                prop_assert!(entries <= most.get(), "{} {}", table, entries);
            }
        }
    }
}
