use std::time::Duration;

use bsdp::{Binding, BootImageId};
use proptest::prelude::*;
use pxe_policy::{Brake, MachineId, Purpose, Reason};

use super::super::fact::Given;
use super::*;

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

fn addr(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

fn hold(n: u8, address: u8, lasts: Seconds) -> Hold {
    Hold { client: mac(n), address: addr(address), former: None, lasts, until: 0 }
}

fn offer(n: u8, address: u8) -> Ask {
    Ask::Lease(LeaseKeep::Offer(hold(n, address, 60)))
}

fn lease(n: u8, address: u8) -> Ask {
    Ask::Lease(LeaseKeep::Lease(hold(n, address, 3600)))
}

fn claim(machine: u8) -> Deployed {
    Deployed {
        id: "PS120083".into(),
        purpose: Purpose::Required,
        machine: MachineId { macs: vec![mac(machine)], ..MachineId::default() },
        ..Deployed::default()
    }
}

fn give(machine: u8, brake: Option<Brake>) -> Ask {
    let now = 5; // another host's clock
    Ask::Ledger(LedgerKeep::Give {
        claim: Box::new(claim(machine)),
        mac: mac(machine),
        now,
        same_boot: Duration::from_secs(60),
        brake,
    })
}

#[test]
fn a_required_deployment_is_given_once_by_the_databases_clock_whichever_server_asks() {
    let mut rows = Rows::default();
    let made = rows.decide(&give(1, None), 1000);
    assert!(matches!(made.facts.as_slice(), [Fact::Given(Given { at: 1000, .. })]), "{made:?}");
    assert_eq!(rows.decide(&give(1, None), 1060), Ruling::made(Vec::new()), "the same boot");
    assert_eq!(rows.decide(&give(1, None), 1061).answer, Err(Refused::No(Reason::AlreadyRun)));
}

#[test]
fn the_brake_counts_what_all_servers_gave() {
    let brake = Some(Brake { boots: 2, within: Duration::from_secs(600) });
    let mut rows = Rows::default();
    assert_eq!(rows.decide(&give(1, brake), 1000).answer, Ok(()));
    assert_eq!(rows.decide(&give(2, None), 1000).answer, Ok(()), "a server without a brake");
    assert_eq!(rows.decide(&give(3, brake), 1001).answer, Err(Refused::No(Reason::Brake)));
    let release = Ask::Ledger(LedgerKeep::Change(vec![LedgerChange::Release(7)]));
    assert_eq!(rows.decide(&release, 1002).facts, [Fact::Released { at: 1002 }]);
    assert_eq!(rows.decide(&give(3, brake), 1003).answer, Ok(()));
}

#[test]
fn what_is_in_the_ledger_is_not_written_over_by_another_one() {
    let mut rows = Rows::default();
    rows.decide(&give(1, None), 1000);
    let entry = |machine: u8, guid: &str| {
        let mut claim = claim(machine);
        claim.machine.guid = guid.parse().ok();
        match Ledger::default().claim(&claim, mac(machine), 5, Duration::ZERO, None) {
            Ok(Claimed::Made(entry)) => entry,
            other => panic!("{other:?}"),
        }
    };
    // The same machine under another key is there as well.
    let handed = vec![entry(1, ""), entry(1, "4C4C4544-0057-5810-804A-C3C04F463732"), entry(2, "")];
    let taken = rows.decide(&Ask::Ledger(LedgerKeep::TakeOver(handed)), 1000);
    assert_eq!(taken.facts, [Fact::given(entry(2, ""))]);
}

#[test]
fn what_a_server_learns_of_an_entry_is_known_to_all_and_brings_none_back() {
    let mut rows = Rows::default();
    rows.decide(&give(1, None), 1000);
    let entry = rows.ledger.entries().next().unwrap().clone();
    let guid = "4C4C4544-0057-5810-804A-C3C04F463732".parse().ok();
    // The server's clock has moved by a second since it read the entry.
    let learned = Entry { guid, at: 1001, ..entry.clone() };
    let amend = Ask::Ledger(LedgerKeep::Change(vec![LedgerChange::Amend(learned)]));
    let made = rows.decide(&amend, 2000);
    assert_eq!(made.facts, [Fact::given(Entry { guid, ..entry.clone() })]);
    let clear = Ask::Ledger(LedgerKeep::Change(vec![LedgerChange::Clear(entry.key)]));
    assert_eq!(rows.decide(&clear, 2001).facts.len(), 1);
    assert_eq!(rows.decide(&amend, 2002), Ruling::made(Vec::new()));
}

#[test]
fn two_servers_that_choose_one_address_are_told_who_has_it() {
    let mut rows = Rows::default();
    assert_eq!(rows.decide(&offer(1, 10), 100).answer, Ok(()));
    let held = Fact::Held { address: addr(10), mac: Some(mac(1).octets()), until: 160, leased: false };
    assert_eq!(
        rows.decide(&offer(2, 10), 101),
        Ruling { answer: Err(Refused::Changed), facts: vec![held.clone()] }
    );
    // Another server offers the same machine another address: it learns of the first offer, and
    // makes that.
    let refused = rows.decide(&offer(1, 11), 101);
    assert_eq!(
        (refused.answer, refused.facts),
        (Err(Refused::Changed), vec![Fact::Free { address: addr(11) }, held])
    );
    assert_eq!(rows.decide(&offer(1, 10), 101).answer, Ok(()));
    assert_eq!(rows.decide(&lease(1, 10), 102).answer, Ok(()));
    assert_eq!(rows.decide(&lease(2, 10), 3701).answer, Err(Refused::Changed));
    assert_eq!(rows.decide(&lease(2, 10), 3702).answer, Ok(()), "the lease has ended");
}

#[test]
fn an_offer_does_not_shorten_a_lease() {
    let mut rows = Rows::default();
    rows.decide(&lease(1, 10), 100);
    let offered = rows.decide(&offer(1, 10), 200);
    let held = Fact::Held { address: addr(10), mac: Some(mac(1).octets()), until: 3700, leased: true };
    assert_eq!(offered, Ruling::made(vec![held]));
}

#[test]
fn the_address_that_a_machine_leaves_goes_to_nobody_before_its_end() {
    let mut rows = Rows::default();
    rows.decide(&lease(1, 10), 100);
    let moved = Hold { former: Some(addr(10)), ..hold(1, 20, 3600) };
    assert_eq!(rows.decide(&Ask::Lease(LeaseKeep::Lease(moved)), 200).answer, Ok(()));
    assert_eq!(rows.decide(&lease(2, 10), 3699).answer, Err(Refused::Changed));
    assert_eq!(rows.decide(&lease(2, 10), 3700).answer, Ok(()));
    let released = Ask::Lease(LeaseKeep::Released(mac(2)));
    assert_eq!(rows.decide(&released, 3701).answer, Ok(()));
    assert_eq!(rows.decide(&offer(3, 10), 3702).answer, Err(Refused::Changed));
}

#[test]
fn an_address_in_use_is_left_alone_by_all() {
    let mut rows = Rows::default();
    rows.decide(&offer(1, 10), 100);
    let declined = LeaseKeep::InUse { by: Some(mac(1)), address: addr(10), lasts: 3600 };
    assert_eq!(rows.decide(&Ask::Lease(declined), 110).answer, Ok(()));
    for n in [1, 2] {
        assert_eq!(rows.decide(&offer(n, 10), 3709).answer, Err(Refused::Changed));
    }
    assert_eq!(rows.decide(&offer(2, 10), 3710).answer, Ok(()));
    // Nobody takes a leased address away by saying that it is in use.
    rows.decide(&lease(2, 10), 3711);
    let strange = LeaseKeep::InUse { by: Some(mac(9)), address: addr(10), lasts: 3600 };
    assert_eq!(rows.decide(&Ask::Lease(strange), 3712).answer, Err(Refused::Changed));
}

#[test]
fn two_macs_do_not_get_one_number() {
    let binding = |n: u8, number| Binding {
        mac: mac(n).octets(),
        image: BootImageId::from_wire([0x81, 0, 4, 0]),
        number,
        model: "iMac14,3".into(),
        at: 1000,
    };
    let mut rows = Rows::default();
    assert_eq!(rows.decide(&Ask::Binding(Change::Bind(binding(1, 1))), 1000).answer, Ok(()));
    let refused = rows.decide(&Ask::Binding(Change::Bind(binding(2, 1))), 1000);
    assert_eq!((refused.answer, refused.facts), (Err(Refused::Changed), vec![Fact::bound(binding(1, 1))]));
    assert_eq!(rows.decide(&Ask::Binding(Change::Bind(binding(2, 2))), 1000).answer, Ok(()));
    assert_eq!(
        rows.decide(&Ask::Binding(Change::Bind(binding(1, 1))), 1000).answer,
        Ok(()),
        "it chooses again"
    );
}

proptest! {
    /// Whatever servers ask: no two machines get one address at a time, also by servers that know
    /// of it from before only.
    #[test]
    fn an_address_has_one_machine_at_a_time(
        asks in prop::collection::vec((0_u8..4, 0_u8..4, 0_u8..5, 0_u64..2000, prop::option::of(0_u8..4)), 0..60)
    ) {
        let mut rows = Rows::default();
        let mut promised: Vec<(Ipv4Addr, MacAddr, Seconds)> = Vec::new();
        let mut now = 0;
        for (n, address, kind, passes, former) in asks {
            now += passes;
            let hold = Hold { former: former.map(addr), ..hold(n, address, 3600) };
            let ask = match kind {
                0 | 1 => LeaseKeep::Lease(hold),
                2 => LeaseKeep::Offer(Hold { lasts: 60, ..hold }),
                3 => LeaseKeep::InUse { by: Some(mac(n)), address: addr(address), lasts: 100 },
                _ => LeaseKeep::Released(mac(n)),
            };
            let made = rows.decide(&Ask::Lease(ask), now).answer.is_ok();
            if made && matches!(ask, LeaseKeep::Lease(_) | LeaseKeep::Offer(_)) {
                let clash = promised.iter().find(|(held, by, until)| {
                    *held == addr(address) && *by != mac(n) && *until > now
                });
                prop_assert_eq!(clash, None);
                if let LeaseKeep::Lease(_) = ask {
                    promised.push((addr(address), mac(n), now + 3600));
                }
            }
        }
    }
}
