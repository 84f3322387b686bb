use std::time::Duration;

use super::*;

const NOW: Seconds = 1_000_000;

fn subnet(pool: &str) -> Subnet6 {
    let (first, last) = pool.split_once('-').unwrap();
    Subnet6 {
        subnet: "2001:db8:1::/64".parse().unwrap(),
        pool: first.parse().unwrap()..=last.parse().unwrap(),
        dns: Vec::new(),
        lease_time: Duration::from_secs(3600),
    }
}

fn table(pool: &str) -> LeaseTable {
    LeaseTable::new(vec![subnet(pool)], vec![addr("2001:db8:1::1")], [], NOW)
}

fn addr(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn client(n: u32) -> Client {
    Client(n.to_be_bytes().to_vec())
}

const LINK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const WIDE: &str = "2001:db8:1::1000-2001:db8:1:0:ffff::";

#[test]
fn a_client_is_given_what_it_was_offered_and_has_it_again_after_a_restart() {
    let mut before = table(WIDE);
    let offered = before.offer(&client(1), LINK, NOW).unwrap();
    let lease = before.allot(&client(1), LINK, NOW).unwrap();
    assert_eq!((lease.address, lease.until), (offered, NOW + 3600));
    assert_eq!(table(WIDE).offer(&client(1), LINK, NOW), Ok(offered), "nothing was remembered");
    let mut after = LeaseTable::new(vec![subnet(WIDE)], vec![], [lease.clone()], NOW);
    assert_eq!(after.renew(&client(1), offered, NOW + 10).unwrap().until, NOW + 3610);
    assert_eq!(after.renew(&client(2), offered, NOW + 10), None);
}

#[test]
fn no_two_clients_have_one_address_and_a_full_pool_is_full_until_leases_end() {
    let mut table = table("2001:db8:1::1-2001:db8:1::9");
    let mut given: Vec<Ipv6Addr> =
        (0..8).map(|n| table.allot(&client(n), LINK, NOW).unwrap().address).collect();
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 8);
    assert!(!given.contains(&addr("2001:db8:1::1")), "the server's own");
    assert_eq!(table.offer(&client(8), LINK, NOW), Err(Reason::PoolExhausted));
    let address = table.allot(&client(8), LINK, NOW + 3601).unwrap().address;
    assert!(given.contains(&address));
    assert_eq!(table.by_client.len(), table.held.len());
}

#[test]
fn an_address_that_was_given_back_or_not_taken_is_free_and_one_in_use_is_not() {
    let mut table = table("2001:db8:1::2-2001:db8:1::2");
    let only = table.offer(&client(1), LINK, NOW).unwrap();
    assert_eq!(table.offer(&client(2), LINK, NOW), Err(Reason::PoolExhausted));
    table.withdraw(&client(1), NOW);
    assert_eq!(table.allot(&client(2), LINK, NOW).unwrap().address, only);
    table.withdraw(&client(2), NOW + 3590);
    assert_eq!(
        table.offer(&client(1), LINK, NOW + 3590),
        Err(Reason::PoolExhausted),
        "a lease runs to its end"
    );
    assert!(!table.release(&client(1), only));
    assert!(table.release(&client(2), only));
    table.allot(&client(3), LINK, NOW).unwrap();
    assert!(table.decline(&client(3), only, NOW));
    assert_eq!(table.offer(&client(3), LINK, NOW), Err(Reason::PoolExhausted));
    assert_eq!(table.offer(&client(3), LINK, NOW + QUARANTINE), Ok(only));
}

#[test]
fn a_lease_counts_until_its_end_and_none_is_longer_than_one_that_is_given_now() {
    let mut table = table(WIDE);
    table.offer(&client(1), LINK, NOW).unwrap();
    assert!(!table.holds_lease(&client(1), NOW), "an offer is no lease");
    let lease = table.allot(&client(1), LINK, NOW).unwrap();
    assert!(table.holds_lease(&client(1), NOW + 3599) && !table.holds_lease(&client(1), NOW + 3600));
    table.offer(&client(1), LINK, NOW + 3599).unwrap();
    assert!(table.holds_lease(&client(1), NOW + 3599), "it asks anew while its lease runs");
    // The clock was an hour ahead when it was given.
    let after = LeaseTable::new(vec![subnet(WIDE)], vec![], [lease], NOW - 3600);
    assert!(after.holds_lease(&client(1), NOW - 1) && !after.holds_lease(&client(1), NOW));
}

#[test]
fn a_link_without_a_subnet_gets_nothing() {
    assert_eq!(table(WIDE).offer(&client(1), addr("2001:db8:2::1"), NOW), Err(Reason::NoSubnet));
}

#[test]
fn a_flood_of_clients_fills_no_more_than_its_bound() {
    let mut table = table(WIDE);
    for n in 0..u32::try_from(MAX_LEASES).unwrap() {
        table.offer(&client(n), LINK, NOW).unwrap();
    }
    assert_eq!(table.offer(&client(u32::MAX), LINK, NOW), Err(Reason::PoolExhausted));
    table.offer(&client(u32::MAX), LINK, NOW + OFFER_HOLD).unwrap();
    assert_eq!((table.held.len(), table.by_client.len()), (1, 1));
}
