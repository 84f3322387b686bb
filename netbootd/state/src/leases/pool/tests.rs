use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SEGMENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn mac(n: u32) -> MacAddr {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddr([2, 0, a, b, c, d])
}

fn client(n: u32) -> Client {
    Client { mac: mac(n), uuid: None }
}

fn addr(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

fn subnet(first: u8, last: u8) -> Subnet {
    Subnet {
        subnet: "10.0.0.0/24".parse().unwrap(),
        pool: vec![addr(first)..=addr(last)],
        router: Some(addr(254)),
        dns: Vec::new(),
        domain: None,
        lease_time: Duration::from_secs(3600),
        reservations: Vec::new(),
    }
}

fn table(first: u8, last: u8) -> LeaseTable {
    LeaseTable::new(vec![subnet(first, last)], vec![SEGMENT], [], 0)
}

fn lease_to(table: &mut LeaseTable, n: u32, now: Seconds) -> Ipv4Addr {
    let offer = table.offer(client(n), None, SEGMENT, now).unwrap();
    table.request(client(n), Want::Selecting(offer.address), SEGMENT, now).unwrap().address
}

#[test]
fn a_client_keeps_its_address_for_as_long_as_nobody_else_needs_it() {
    let mut table = table(10, 20);
    let first = lease_to(&mut table, 1, 0);
    let later = table.offer(client(1), None, SEGMENT, 1_000_000).unwrap();
    assert_eq!(later, Offer { address: first, fresh: false });
}

#[test]
fn the_request_table_of_rfc_2131() {
    use Denied::{Nak, Silence};
    let wrong = Reason::WrongAddress;
    let cases: [(&str, u32, Want, Result<Ipv4Addr, Denied>); 11] = [
        ("selecting what was offered", 2, Want::Selecting(addr(11)), Ok(addr(11))),
        ("selecting what was offered to another", 3, Want::Selecting(addr(11)), Err(Nak(wrong))),
        ("selecting what nobody offered", 3, Want::Selecting(addr(15)), Err(Nak(wrong))),
        ("rebooting with its own", 1, Want::InitReboot(addr(10)), Ok(addr(10))),
        ("rebooting with another's", 2, Want::InitReboot(addr(10)), Err(Nak(wrong))),
        ("rebooting on the wrong network", 1, Want::InitReboot(Ipv4Addr::new(10, 9, 0, 1)), Err(Nak(wrong))),
        ("rebooting, known, with a free one", 1, Want::InitReboot(addr(15)), Err(Nak(wrong))),
        ("rebooting, unknown", 3, Want::InitReboot(addr(15)), Err(Silence(wrong))),
        ("renewing its own", 1, Want::Renewing(addr(10)), Ok(addr(10))),
        ("renewing another's", 3, Want::Renewing(addr(10)), Err(Nak(wrong))),
        ("renewing, unknown", 3, Want::Renewing(addr(16)), Err(Silence(wrong))),
    ];
    for (what, who, want, expected) in cases {
        let mut table = table(10, 20);
        assert_eq!(lease_to(&mut table, 1, 0), addr(10));
        assert_eq!(table.offer(client(2), None, SEGMENT, 0).unwrap().address, addr(11));
        let got = table.request(client(who), want, SEGMENT, 30).map(|lease| lease.address);
        assert_eq!(got, expected, "{what}");
    }
    let stranger =
        table(10, 20).request(client(1), Want::Selecting(addr(10)), Ipv4Addr::new(192, 0, 2, 1), 0);
    assert_eq!(stranger, Err(Silence(Reason::NoSubnet)));
}

#[test]
fn a_renewed_lease_lasts_longer() {
    let mut table = table(10, 20);
    let address = lease_to(&mut table, 1, 0);
    let renewed = table.request(client(1), Want::Renewing(address), SEGMENT, 1800).unwrap();
    assert_eq!(renewed.until, 1800 + 3600);
    assert_eq!(table.leases(5000).count(), 1);
    assert_eq!(table.leases(5400).count(), 0);
}

#[test]
fn an_offer_does_not_shorten_a_lease() {
    let mut table = table(10, 20);
    let address = lease_to(&mut table, 1, 0);
    table.offer(client(1), None, SEGMENT, 10).unwrap();
    assert_eq!(
        table.leases(100).map(|lease| (lease.address, lease.until)).collect::<Vec<_>>(),
        [(address, 3600)]
    );
}

#[test]
fn the_requested_address_is_given_when_it_is_free_and_in_the_pool() {
    let mut table = table(10, 20);
    assert_eq!(table.offer(client(1), Some(addr(17)), SEGMENT, 0).unwrap().address, addr(17));
    assert_eq!(table.offer(client(2), Some(addr(17)), SEGMENT, 0).unwrap().address, addr(10));
    assert_eq!(table.offer(client(3), Some(addr(99)), SEGMENT, 0).unwrap().address, addr(11));
}

#[test]
fn reservations_are_kept_by_mac_and_by_uuid() {
    let uuid: SystemUuid = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
    let placeholder: SystemUuid = "03000200-0400-0500-0006-000700080009".parse().unwrap();
    let reserve = |mac, uuid, n| Reservation { mac, uuid, address: addr(n), name: Some(format!("pc-{n}")) };
    let mut subnet = subnet(10, 12);
    subnet.reservations = vec![
        reserve(Some(mac(1)), None, 11),
        reserve(None, Some(uuid), 200),
        reserve(None, Some(placeholder), 201),
    ];
    let mut table = LeaseTable::new(vec![subnet], vec![SEGMENT], [], 0);
    assert_eq!(table.offer(client(1), None, SEGMENT, 0).unwrap().address, addr(11));
    let by_uuid = Client { mac: mac(2), uuid: Some(uuid) };
    assert_eq!(table.offer(by_uuid, Some(addr(10)), SEGMENT, 0).unwrap().address, addr(200));
    assert_eq!(table.reserved_name(by_uuid), Some("pc-200"));
    let shared = Client { mac: mac(3), uuid: Some(placeholder) };
    assert_eq!(
        table.offer(shared, None, SEGMENT, 0).unwrap().address,
        addr(10),
        "a placeholder names nobody"
    );
    assert_eq!(table.offer(client(4), None, SEGMENT, 0).unwrap().address, addr(12), "11 is kept");
    assert_eq!(table.offer(client(5), None, SEGMENT, 0), Err(Reason::PoolExhausted));
    let twin = Client { mac: mac(9), uuid: Some(uuid) };
    assert_eq!(table.offer(twin, None, SEGMENT, 0), Err(Reason::AddressInUse));
}

#[test]
fn the_servers_the_routers_and_the_edge_addresses_are_never_given() {
    let mut subnet = subnet(0, 255);
    subnet.reservations.clear();
    let mut table = LeaseTable::new(vec![subnet], vec![SEGMENT], [], 0);
    let mut given: Vec<Ipv4Addr> = (0..252).map(|n| lease_to(&mut table, n, 0)).collect();
    assert_eq!(table.offer(client(999), None, SEGMENT, 0), Err(Reason::PoolExhausted));
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 252);
    for never in [0, 1, 254, 255] {
        assert!(!given.contains(&addr(never)), "{never}");
    }
    assert_eq!(table.offer(client(5000), Some(SEGMENT), SEGMENT, 0), Err(Reason::PoolExhausted));
}

#[test]
fn an_exhausted_pool_recovers_when_offers_and_leases_end_oldest_first() {
    let mut table = table(10, 11);
    assert_eq!(lease_to(&mut table, 1, 0), addr(10));
    assert_eq!(table.offer(client(2), None, SEGMENT, 0).unwrap().address, addr(11));
    assert_eq!(table.offer(client(3), None, SEGMENT, 59), Err(Reason::PoolExhausted));
    assert_eq!(table.offer(client(3), None, SEGMENT, 60).unwrap().address, addr(11));
    assert_eq!(table.offer(client(4), None, SEGMENT, 3600).unwrap().address, addr(11), "free since 120");
    assert_eq!(table.offer(client(5), None, SEGMENT, 3600).unwrap().address, addr(10));
}

#[test]
fn a_declined_address_rests_and_a_released_one_does_not() {
    let mut table = table(10, 11);
    let address = lease_to(&mut table, 1, 0);
    assert!(!table.decline(mac(2), address, 5), "not its own");
    assert!(table.decline(mac(1), address, 5));
    assert_eq!(lease_to(&mut table, 1, 6), addr(11));
    assert_eq!(table.offer(client(2), Some(address), SEGMENT, 7), Err(Reason::PoolExhausted));
    assert!(table.release(mac(1), addr(11), 8));
    assert_eq!(table.offer(client(2), None, SEGMENT, 9).unwrap().address, addr(11));
    assert_eq!(table.offer(client(3), None, SEGMENT, 5 + 3600).unwrap().address, addr(11));
}

#[test]
fn a_withdrawn_offer_is_free_at_once() {
    let mut table = table(10, 10);
    table.offer(client(1), None, SEGMENT, 0).unwrap();
    table.withdraw(mac(1), 1);
    assert_eq!(table.offer(client(2), None, SEGMENT, 1).unwrap().address, addr(10));
}

#[test]
fn remembered_leases_are_honoured() {
    let lease = Lease { mac: mac(7), address: addr(15), until: 5000 };
    let foreign = Lease { mac: mac(8), address: Ipv4Addr::new(192, 0, 2, 1), until: 5000 };
    let mut table = LeaseTable::new(vec![subnet(10, 20)], vec![SEGMENT], [lease, foreign], 2000);
    assert_eq!(table.leases(2000).collect::<Vec<_>>(), [lease]);
    assert_eq!(table.offer(client(7), None, SEGMENT, 2010), Ok(Offer { address: addr(15), fresh: false }));
}

#[test]
fn no_remembered_lease_runs_longer_than_a_new_one() {
    let lease = Lease { mac: mac(7), address: addr(15), until: 5000 };
    let table = LeaseTable::new(vec![subnet(10, 20)], vec![SEGMENT], [lease], 0);
    assert_eq!(table.leases(0).collect::<Vec<_>>(), [Lease { until: 3600, ..lease }]);
}

#[test]
fn ten_thousand_machines_get_ten_thousand_addresses() {
    let mut subnet = subnet(0, 0);
    subnet.subnet = "10.0.0.0/16".parse().unwrap();
    subnet.pool = vec![Ipv4Addr::new(10, 0, 1, 0)..=Ipv4Addr::new(10, 0, 255, 254)];
    let mut table = LeaseTable::new(vec![subnet], vec![SEGMENT], [], 0);
    let mut given: Vec<Ipv4Addr> = (0..10_000).map(|n| lease_to(&mut table, n, 0)).collect();
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 10_000);
}

#[test]
fn strangers_leave_what_is_kept_to_machines_that_are_known() {
    let mut table = table(10, 109);
    table.keep(5);
    for n in 0..90 {
        lease_to(&mut table, n, 0);
    }
    // The rest is asked for by made-up machines that never take it.
    let strangers = 1000..2000;
    let offered = { strangers }.filter(|n| table.offer(client(*n), None, SEGMENT, 1).is_ok()).count();
    assert_eq!(offered, 5);
    assert_eq!(table.offer(client(3000), None, SEGMENT, 1), Err(Reason::PoolKept));
    for n in 0..90 {
        let address = table.offer(client(n), None, SEGMENT, 2).unwrap().address;
        table.request(client(n), Want::Renewing(address), SEGMENT, 2).unwrap();
    }
    assert_eq!(table.leases(3).count(), 90, "leases are renewed and offered again whatever is left");
    let known = (0..9).filter(|n| table.offer_to_known(client(4000 + n), None, SEGMENT, 3).is_ok()).count();
    assert_eq!(known, 5);
    assert_eq!(table.offer_to_known(client(5000), None, SEGMENT, 3), Err(Reason::PoolExhausted));
    assert_eq!(table.offer(client(5000), None, SEGMENT, 3), Err(Reason::PoolExhausted));
}

#[test]
fn offers_that_nobody_takes_are_short_where_addresses_are_few() {
    let mut table = table(10, 19);
    for n in 0..10 {
        table.offer(client(n), None, SEGMENT, 0).unwrap();
    }
    // Six came while half was free, and last a minute.
    assert_eq!(table.offer(client(20), None, SEGMENT, 14), Err(Reason::PoolExhausted));
    let free_at = |table: &LeaseTable, now| table.slots.values().filter(|slot| slot.until <= now).count();
    assert_eq!((free_at(&table, 14), free_at(&table, 15), free_at(&table, 60)), (0, 4, 10));
    // Firmware that takes half a minute has its address all the same, as nobody else wanted it.
    let slow = table.by_mac[&mac(9)];
    assert!(table.request(client(9), Want::Selecting(slow), SEGMENT, 30).is_ok());
    assert!(table.holds_lease(mac(9), 31) && !table.holds_lease(mac(8), 31));
}

proptest! {
    #[test]
    fn no_address_is_ever_leased_to_two_machines(
        operations in proptest::collection::vec((0u8..7, 0u32..6, 8u8..15, 0u64..2000), 1..200)
    ) {
        let mut table = table(10, 13);
        let mut now = 0;
        for (what, who, wish, pass) in operations {
            now += pass;
            match what {
                0 | 1 => drop(table.offer(client(who), Some(addr(wish)), SEGMENT, now)),
                2 => drop(table.request(client(who), Want::Selecting(addr(wish)), SEGMENT, now)),
                3 => drop(table.request(client(who), Want::InitReboot(addr(wish)), SEGMENT, now)),
                4 => drop(table.request(client(who), Want::Renewing(addr(wish)), SEGMENT, now)),
                5 => drop(table.decline(mac(who), addr(wish), now)),
                _ => drop(table.release(mac(who), addr(wish), now)),
            }
            let leases: Vec<Lease> = table.leases(now).collect();
            let mut machines: Vec<MacAddr> = leases.iter().map(|lease| lease.mac).collect();
            machines.sort_unstable();
            machines.dedup();
            prop_assert_eq!(machines.len(), leases.len(), "one lease a machine");
            let used = table.slots.values().filter(|slot| slot.until > now).count();
            prop_assert_eq!(table.subnets[0].free(now), 4 - used, "what is free is counted right");
            for lease in leases {
                prop_assert!((addr(10)..=addr(13)).contains(&lease.address));
            }
        }
        prop_assert!(table.slots.len() <= 4 && table.by_mac.len() <= 4);
    }
}

#[test]
fn a_lease_from_before_the_clock_was_set_back_holds_its_address_no_longer_than_another() {
    let year = 365 * 24 * 3600;
    let lease = Lease { mac: mac(1), address: addr(10), until: 2 * year };
    let mut table = LeaseTable::new(vec![subnet(10, 10)], vec![SEGMENT], [lease], year);
    assert_eq!(table.offer(client(2), None, SEGMENT, year), Err(Reason::PoolExhausted));
    assert_eq!(table.offer(client(1), None, SEGMENT, year).unwrap().address, addr(10), "it is still its own");
    assert_eq!(table.offer(client(2), None, SEGMENT, year + 3601).unwrap().address, addr(10));
}

#[test]
fn an_address_that_was_given_again_is_remembered_as_the_last_ones() {
    // On the disk they are by hardware address, and the former lease of machine 9 was never given
    // back.
    let leases = [(1, 9000), (9, 5000)].map(|(n, until)| Lease { mac: mac(n), address: addr(10), until });
    for leases in [leases, [leases[1], leases[0]]] {
        let mut table = LeaseTable::new(vec![subnet(10, 20)], vec![SEGMENT], leases, 6000);
        assert!(table.request(client(1), Want::InitReboot(addr(10)), SEGMENT, 6000).is_ok());
        assert!(table.request(client(9), Want::InitReboot(addr(10)), SEGMENT, 6000).is_err());
    }
}

#[test]
fn a_server_that_begins_elsewhere_gives_every_address_all_the_same() {
    let mut ranges = subnet(10, 12);
    ranges.pool.push(addr(20)..=addr(21));
    for place in 0..12 {
        let mut table = LeaseTable::new(vec![ranges.clone()], vec![SEGMENT], [], 0).starting_at(place);
        let given: Vec<Ipv4Addr> = (1..=5).map(|n| lease_to(&mut table, n, 0)).collect();
        let all = [addr(10), addr(11), addr(12), addr(20), addr(21)];
        let expected: Vec<Ipv4Addr> = (0..5).map(|n| all[(place as usize + n) % 5]).collect();
        assert_eq!(given, expected);
        assert_eq!(table.offer(client(6), None, SEGMENT, 0), Err(Reason::PoolExhausted));
    }
}

#[test]
fn an_address_in_another_servers_subnet_is_known_until_the_machine_has_one_here() {
    let mut table = table(10, 12);
    let elsewhere = Ipv4Addr::new(10, 9, 0, 7);
    table.apply(elsewhere, Some(mac(1)), 3600, true);
    assert_eq!(table.address_of(mac(1)), Some(elsewhere));
    assert_eq!(table.running(mac(1), SEGMENT, 0), None);
    let Offer { address, .. } = table.offer(client(1), None, SEGMENT, 0).unwrap();
    table.apply(address, Some(mac(1)), 3600, true);
    assert_eq!(table.address_of(mac(1)), Some(addr(10)));
}

#[test]
fn what_another_server_gave_is_given_to_nobody_else_and_known_as_its_machines() {
    let mut table = table(10, 12);
    table.apply(addr(10), Some(mac(1)), 3600, true);
    table.apply(addr(11), None, 3600, false);
    assert_eq!(table.offer(client(2), None, SEGMENT, 0).unwrap().address, addr(12));
    assert_eq!(table.offer(client(1), None, SEGMENT, 0).unwrap().address, addr(10));
    let lease = Lease { mac: mac(1), address: addr(10), until: 3600 };
    assert_eq!(table.running(mac(1), SEGMENT, 3599), Some(lease));
    assert_eq!(table.running(mac(1), SEGMENT, 3600), None, "it has ended");
    assert_eq!(table.running(mac(2), SEGMENT, 0), None, "it was offered only");
    // Nobody's any more.
    table.apply(addr(11), None, 0, false);
    assert_eq!(table.offer(client(3), None, SEGMENT, 0).unwrap().address, addr(11));
}
