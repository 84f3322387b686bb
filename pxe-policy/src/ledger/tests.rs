use super::*;
use crate::Purpose;

const SAME_BOOT: Duration = Duration::from_secs(120);
const DAY: Seconds = 86_400;
const ONE: &str = "4C4C4544-0057-5810-804A-C3C04F463732";
/// [`ONE`] as firmware says it that does not swap the first three fields.
const ONE_SWAPPED: &str = "44454C4C-5700-1058-804A-C3C04F463732";
const OTHER: &str = "4C4C4544-0042-3510-8053-B3C04F463732";

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

/// The claim of a machine with this GUID, if any, and this hardware address.
fn claim(guid: &str, n: u8) -> Deployed {
    Deployed {
        id: "reimage".into(),
        purpose: Purpose::Required,
        machine: MachineId { guid: guid.parse().ok(), macs: vec![mac(n)], record: None },
        name: "pc".into(),
        ..Deployed::default()
    }
}

fn of_site(claim: Deployed, noted: bool, notes: bool) -> Deployed {
    let record = Some("configmgr/16777219".to_owned());
    let site = Some(SiteMemory { noted, age: 0, notes });
    Deployed { machine: MachineId { record, ..claim.machine }, site, ..claim }
}

fn by_program(claim: Deployed) -> Deployed {
    Deployed { stage: Stage::Program, ..claim }
}

/// Gives it, if it may be given.
fn give(ledger: &mut Ledger, claim: &Deployed, now: Seconds) -> Result<(), Reason> {
    if let Claimed::Made(entry) = ledger.claim(claim, claim.machine.macs[0], now, SAME_BOOT, None)? {
        ledger.apply(LedgerChange::Give(entry));
    }
    Ok(())
}

/// Takes what a question tells into the ledger, as the daemon does.
fn ask(ledger: &mut Ledger, claim: &Deployed, now: Seconds) -> Ran {
    let ran = ledger.ran(claim, now, SAME_BOOT);
    let mut learned = ledger.learn(claim, now);
    if claim.stage == Stage::Firmware {
        learned.extend(ledger.ended(&claim.machine, now, SAME_BOOT));
    }
    for entry in learned {
        ledger.apply(LedgerChange::Amend(entry));
    }
    ran
}

fn is_before(ran: Ran) -> bool {
    matches!(ran, Ran::Before { .. })
}

#[test]
fn what_was_given_counts_as_one_boot_for_a_while_and_as_run_ever_after() {
    let (mut ledger, pc) = (Ledger::default(), claim(ONE, 1));
    assert_eq!(ledger.ran(&pc, 1000, SAME_BOOT), Ran::Never);
    give(&mut ledger, &pc, 1000).unwrap();
    assert_eq!(ledger.ran(&pc, 1120, SAME_BOOT), Ran::ThisBoot);
    assert_eq!(ledger.ran(&pc, 1121, SAME_BOOT), Ran::Before { at: Timestamp(1000), mac: mac(1) });
    assert_eq!(give(&mut ledger, &pc, 1121), Err(Reason::AlreadyRun));
    assert_eq!(ledger.ran(&Deployed { id: "other".into(), ..pc.clone() }, 1121, SAME_BOOT), Ran::Never);
    assert_eq!(ledger.ran(&claim(OTHER, 2), 1121, SAME_BOOT), Ran::Never);
    for change in ledger.clearing(|entry| entry.mac == mac(1)) {
        ledger.apply(change);
    }
    assert_eq!(ledger.ran(&pc, 1121, SAME_BOOT), Ran::Never);
    assert_eq!(ledger, Ledger::default(), "nothing is left to find it by");
}

#[test]
fn a_clock_that_is_set_back_or_forward_a_year_lets_nothing_run_twice() {
    let year = 365 * DAY;
    let brake = Brake { boots: 1, within: Duration::from_secs(600) };
    let (mut ledger, pc) = (Ledger::default(), claim(ONE, 1));
    give(&mut ledger, &pc, 2 * year).unwrap();
    for now in [year, 2 * year - 121, 3 * year] {
        assert!(is_before(ledger.ran(&pc, now, SAME_BOOT)), "at {now}");
    }
    assert_eq!(ledger.ran(&pc, 2 * year - 5, SAME_BOOT), Ran::ThisBoot, "set right by seconds");
    assert!(!ledger.is_braked(brake, year), "nobody waits a year for an operator");
    assert!(ledger.is_braked(brake, 2 * year - 5));
}

#[test]
fn the_brake_counts_a_while_and_starts_anew_when_released() {
    let mut ledger = Ledger::default();
    let brake = Brake { boots: 3, within: Duration::from_secs(600) };
    for n in 0..3 {
        assert!(!ledger.is_braked(brake, 1000));
        give(&mut ledger, &claim("", n), 1000 + u64::from(n)).unwrap();
    }
    assert!(ledger.is_braked(brake, 1100));
    let fourth = ledger.claim(&claim("", 9), mac(9), 1100, SAME_BOOT, Some(brake));
    assert_eq!(fourth, Err(Reason::Brake));
    assert!(!ledger.is_braked(brake, 1601), "the first of them no longer counts");
    ledger.apply(LedgerChange::Release(1100));
    assert!(!ledger.is_braked(brake, 1100));
}

#[test]
fn a_machine_is_the_same_by_its_guid_whatever_adapter_it_asks_with() {
    let mut ledger = Ledger::default();
    give(&mut ledger, &claim(ONE, 1), 0).unwrap();
    for same in [claim(ONE, 2), claim(ONE_SWAPPED, 1), claim(ONE_SWAPPED, 3)] {
        assert!(is_before(ledger.ran(&same, DAY, SAME_BOOT)), "{same:?}");
    }
}

#[test]
fn two_machines_at_one_dock_do_not_stand_for_each_other() {
    let mut ledger = Ledger::default();
    let (first, second) = (claim(ONE, 7), claim(OTHER, 7));
    give(&mut ledger, &first, 0).unwrap();
    assert_eq!(ledger.ran(&second, DAY, SAME_BOOT), Ran::Never);
    give(&mut ledger, &second, DAY).unwrap();
    assert!(is_before(ledger.ran(&first, 2 * DAY, SAME_BOOT)));
    assert!(is_before(ledger.ran(&second, 2 * DAY, SAME_BOOT)));
}

#[test]
fn a_guid_that_is_banned_later_lets_nothing_run_twice() {
    let mut ledger = Ledger::default();
    give(&mut ledger, &claim(ONE, 1), 0).unwrap();
    assert!(is_before(ledger.ran(&claim("", 1), DAY, SAME_BOOT)));
    // Another machine with the same GUID is no longer refused for it.
    assert_eq!(ledger.ran(&claim("", 2), DAY, SAME_BOOT), Ran::Never);
    give(&mut ledger, &claim("", 2), DAY).unwrap();
    assert!(is_before(ledger.ran(&claim("", 2), 2 * DAY, SAME_BOOT)));
}

#[test]
fn a_machine_that_shows_its_guid_later_is_known_by_it_from_then_on() {
    let mut ledger = Ledger::default();
    give(&mut ledger, &claim("", 7), 0).unwrap();
    assert!(is_before(ask(&mut ledger, &claim(ONE, 7), DAY)));
    assert!(is_before(ledger.ran(&claim(ONE, 8), 2 * DAY, SAME_BOOT)), "with another adapter");
    assert_eq!(ledger.ran(&claim(OTHER, 7), 2 * DAY, SAME_BOOT), Ran::Never, "another one at the dock");
    assert!(is_before(ledger.ran(&claim("", 7), 2 * DAY, SAME_BOOT)));
    assert_eq!(ledger.entries().count(), 1);
}

#[test]
fn a_record_that_lists_several_addresses_is_one_machine() {
    let mut ledger = Ledger::default();
    let with = |asks: u8| {
        let mut claim = claim("", asks);
        claim.machine.macs = vec![mac(asks), mac(1), mac(2)];
        claim
    };
    give(&mut ledger, &with(1), 0).unwrap();
    assert!(is_before(ledger.ran(&with(2), DAY, SAME_BOOT)));
}

#[test]
fn a_run_is_given_once_and_no_run_asks_for_nothing_new() {
    let mut ledger = Ledger::default();
    let run = |run: &str| Deployed { run: run.into(), ..claim(ONE, 1) };
    give(&mut ledger, &run(""), 0).unwrap();
    assert_eq!(ledger.ran(&run("spring"), DAY, SAME_BOOT), Ran::Never);
    give(&mut ledger, &run("spring"), DAY).unwrap();
    for word in ["spring", ""] {
        assert!(is_before(ledger.ran(&run(word), 2 * DAY, SAME_BOOT)), "{word}");
    }
    // A column that is taken away again asks for nothing.
    let mut ledger = Ledger::default();
    give(&mut ledger, &run("spring"), 0).unwrap();
    assert!(is_before(ledger.ran(&run(""), DAY, SAME_BOOT)));
}

#[test]
fn a_program_that_the_firmware_started_asks_in_the_same_boot_however_slow_its_download_was() {
    let (mut ledger, firmware) = (Ledger::default(), claim(ONE, 1));
    let ipxe = by_program(firmware.clone());
    give(&mut ledger, &firmware, 0).unwrap();
    assert_eq!(ledger.ran(&ipxe, 1800, SAME_BOOT), Ran::ThisBoot);
    give(&mut ledger, &ipxe, 1800).unwrap();
    assert_eq!(ledger.ran(&ipxe, 1920, SAME_BOOT), Ran::ThisBoot);
    assert!(is_before(ledger.ran(&ipxe, 1921, SAME_BOOT)), "that stage is over as well");
    assert!(is_before(ledger.ran(&firmware, 1900, SAME_BOOT)), "a new boot begins with the firmware");
}

#[test]
fn a_program_of_another_boot_gets_nothing() {
    let (mut ledger, firmware) = (Ledger::default(), claim(ONE, 1));
    give(&mut ledger, &firmware, 0).unwrap();
    assert!(is_before(ledger.ran(&by_program(firmware.clone()), 3601, SAME_BOOT)));
    assert!(is_before(ask(&mut ledger, &firmware, 600)), "the next boot");
    assert!(is_before(ledger.ran(&by_program(firmware), 620, SAME_BOOT)));
    // iPXE in the card's ROM begins the boot itself.
    let (mut ledger, rom) = (Ledger::default(), by_program(claim(ONE, 1)));
    give(&mut ledger, &rom, 0).unwrap();
    assert!(is_before(ledger.ran(&rom, 121, SAME_BOOT)));
}

#[test]
fn what_the_site_forgets_is_given_again_once_it_was_asked_after_the_boot() {
    let mut ledger = Ledger::default();
    let pc = |noted| of_site(claim(ONE, 1), noted, true);
    give(&mut ledger, &pc(false), 1000).unwrap();
    assert!(is_before(ledger.ran(&pc(true), DAY, SAME_BOOT)));
    assert_eq!(ledger.ran(&pc(false), DAY, SAME_BOOT), Ran::Cleared { at: Timestamp(1000) });
    // An answer from before the boot's end says nothing.
    let mut old = pc(false);
    old.site = Some(SiteMemory { noted: false, age: 300, notes: true });
    assert!(is_before(ledger.ran(&old, 1400, SAME_BOOT)));
    give(&mut ledger, &pc(false), DAY).unwrap();
    assert!(is_before(ledger.ran(&pc(true), 2 * DAY, SAME_BOOT)));
    assert_eq!(ledger.entries().count(), 1);
}

#[test]
fn what_the_site_never_noted_stays_given() {
    let mut ledger = Ledger::default();
    let pc = |noted| of_site(claim(ONE, 1), noted, false);
    give(&mut ledger, &pc(false), 0).unwrap();
    assert!(is_before(ask(&mut ledger, &pc(false), DAY)));
    // Another server of the site gives it, which the site notes, and somebody clears that.
    assert!(is_before(ask(&mut ledger, &pc(true), 2 * DAY)));
    assert_eq!(ledger.ran(&pc(false), 3 * DAY, SAME_BOOT), Ran::Cleared { at: Timestamp(0) });
}

#[test]
fn an_answer_from_before_it_was_given_shows_no_note_of_it() {
    let mut ledger = Ledger::default();
    let pc = |noted, age| {
        let mut pc = of_site(claim(ONE, 1), noted, false);
        pc.site = Some(SiteMemory { noted, age, notes: false });
        pc
    };
    give(&mut ledger, &pc(false, 0), 1000).unwrap();
    assert!(
        is_before(ask(&mut ledger, &pc(true, 600), 1500)),
        "another server had given it, which was cleared"
    );
    assert!(is_before(ledger.ran(&pc(false, 0), DAY, SAME_BOOT)));
    assert!(is_before(ask(&mut ledger, &pc(true, 400), 1500)));
    assert_eq!(ledger.ran(&pc(false, 0), DAY, SAME_BOOT), Ran::Cleared { at: Timestamp(1000) });
}

#[test]
fn another_record_has_forgotten_nothing() {
    let mut ledger = Ledger::default();
    give(&mut ledger, &of_site(claim(ONE, 1), false, true), 0).unwrap();
    let with_record = |claim: Deployed| {
        let mut claim = of_site(claim, false, true);
        claim.machine.record = Some("configmgr/16777402".into());
        claim
    };
    // The GUID is banned since, and the address finds another record.
    assert!(is_before(ledger.ran(&with_record(claim("", 1)), DAY, SAME_BOOT)));
    // The record was deleted and imported anew.
    let anew = ledger.ran(&with_record(claim(ONE, 1)), DAY, SAME_BOOT);
    assert_eq!(anew, Ran::Cleared { at: Timestamp(0) });
}

#[test]
fn more_is_learned_of_no_entry_that_is_gone_or_new() {
    let (mut ledger, pc) = (Ledger::default(), claim("", 1));
    give(&mut ledger, &pc, 0).unwrap();
    let learned = ledger.learn(&claim(ONE, 1), DAY);
    assert_eq!(learned.len(), 1);
    for change in ledger.clearing(|_| true) {
        ledger.apply(change);
    }
    ledger.apply(LedgerChange::Amend(learned[0].clone()));
    assert_eq!(ledger, Ledger::default());
    give(&mut ledger, &pc, 2 * DAY).unwrap();
    ledger.apply(LedgerChange::Amend(learned[0].clone()));
    assert_eq!(ledger.entries().next().unwrap().guid, None);
}
