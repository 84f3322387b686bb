//! The diagnosis of one machine: every rule is asked, the most specific cause goes first.

use std::time::{Duration, SystemTime};

use pxe_policy::{Class, MacAddr, SystemUuid};

use crate::boot::Boot;
use crate::case::Case;
use crate::expectation::{Expectation, Patience, expected};
use crate::finding::{Finding, Seen};
use crate::fleet::Fleet;
use crate::machine::{GOES_ON, Machine, Past};
use crate::rules;
use crate::step::Step;

/// The diagnosis of a machine's boot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Diagnosis {
    /// The cause that fits best.
    pub finding: Option<Finding>,
    /// Another one that fits as well.
    pub also: Option<Finding>,
    /// The next step of a boot that goes on.
    pub expected: Option<Expectation>,
}

/// Adds one step to a machine and to the fleet. Gives the finding that the step ends: the machine
/// went on.
pub fn observe(
    mac: MacAddr,
    at: SystemTime,
    step: Step<'_>,
    machine: &mut Machine,
    fleet: &mut Fleet,
    patience: Patience,
) -> Option<Past> {
    // Progress comes ten times a second, and ends nothing that its end does not end as well.
    let counts = !matches!(step, Step::TransferProgress { .. } | Step::TransferStalled(_));
    let before = counts.then(|| diagnose(mac, machine, fleet, patience, at).finding).flatten();
    let boot = machine.boot().map_or(at, |boot| boot.started);
    fleet.observe(mac, at, step, machine);
    machine.set_goes_on(patience.scale(GOES_ON));
    machine.observe(at, step);
    let finding = before?;
    let goes_on = all_of(mac, machine, fleet, patience, at).iter().any(|left| left.cause == finding.cause);
    if goes_on {
        return None;
    }
    let before_boot = finding.seen.iter().find_map(|seen| match seen {
        Seen::Before(started) => Some(*started),
        _ => None,
    });
    let past = Past { boot: before_boot.unwrap_or(boot), ended: at, finding };
    machine.add_past(past.clone());
    Some(past)
}

/// Whether the last boot of a machine that fetched files shows that its switch port blocks after
/// iPXE resets the link.
pub fn port_blocks(
    mac: MacAddr,
    machine: &Machine,
    fleet: &Fleet,
    patience: Patience,
    now: SystemTime,
) -> bool {
    let mut later: Option<SystemTime> = None;
    for boot in machine.newest_first() {
        if boot.has_files() {
            let case = Case { mac, machine, boot, restarted: later, fleet, patience, now };
            return rules::port_blocked(&case);
        }
        later = Some(boot.started);
    }
    false
}

/// Looks at one machine beside the fleet.
pub fn diagnose(
    mac: MacAddr,
    machine: &Machine,
    fleet: &Fleet,
    patience: Patience,
    now: SystemTime,
) -> Diagnosis {
    let Some(boot) = machine.boot() else { return Diagnosis::default() };
    let mut found = all_of(mac, machine, fleet, patience, now).into_iter();
    let finding = found.next().map(|finding| with_own_words(with_outages(finding, boot, fleet), boot));
    let also = found.find(|other| finding.as_ref().is_some_and(|first| first.cause != other.cause));
    Diagnosis { finding, also, expected: expected(boot, fleet, patience) }
}

/// The trouble of this server at that time.
fn with_outages(finding: Finding, boot: &Boot, fleet: &Fleet) -> Finding {
    let outages = fleet.outages.behind(finding.cause, boot.started).cloned().map(Seen::Outage);
    finding.with(outages)
}

/// The machine's own words belong to every finding of its boot.
fn with_own_words(finding: Finding, boot: &Boot) -> Finding {
    let complaint = boot.complaint.clone().map(|(at, words)| Seen::Complained(at, words));
    let facts = (!boot.facts.is_empty()).then(|| Seen::Facts(Box::new(boot.facts.clone())));
    finding.with(complaint.into_iter().chain(facts))
}

/// Every finding that fits, the most specific one first.
fn all_of(
    mac: MacAddr,
    machine: &Machine,
    fleet: &Fleet,
    patience: Patience,
    now: SystemTime,
) -> Vec<Finding> {
    let Some(boot) = machine.boot() else { return Vec::new() };
    let case = Case { mac, machine, boot, restarted: None, fleet, patience, now };
    let mut found = rules::find(&case);
    found.extend(before(&case, &found));
    found.sort_by_key(|finding| std::cmp::Reverse(finding.specific));
    found
}

/// The findings of the boot before, as long as this one did not come further: the cause that fits
/// best, and another one.
fn before(case: &Case<'_>, found: &[Finding]) -> Vec<Finding> {
    let Some(previous) = case.machine.previous() else { return Vec::new() };
    let close = case.boot.started.duration_since(previous.last).is_ok_and(|gap| gap < SAME_TRY);
    let further = case.boot.phase() > previous.phase() || case.boot.is_through();
    // A decision that sends the machine to its disk is the end of the matter.
    let decided = case.boot.offer.as_ref().is_some_and(|(_, decided)| !decided.decision.is_reply());
    let explained = found.iter().any(|finding| finding.specific > rules::specific::REPEATED);
    // U-Boot looks for its own files first, and then asks as UEFI firmware.
    let same_firmware = previous.class == Some(Class::Uboot) && case.boot.class != Some(Class::Uboot);
    // One network adapter may boot two machines.
    let another = previous.uuid.zip(case.boot.uuid).is_some_and(|(one, other)| !same_machine(one, other));
    if !close || further || decided || explained || same_firmware || another {
        return Vec::new();
    }
    let case = Case { boot: previous, restarted: Some(case.boot.started), ..*case };
    let mut ended = rules::of_boot(&case);
    ended.sort_by_key(|finding| std::cmp::Reverse(finding.specific));
    let best = ended.first().map(|finding| finding.cause);
    let also = ended.iter().position(|finding| Some(finding.cause) != best);
    let shown = ended.into_iter().enumerate().filter(|(place, _)| *place == 0 || Some(*place) == also);
    shown.map(|(_, finding)| finding.with([Seen::Before(previous.started)])).collect()
}

/// Whether two GUIDs are one, as far as byte orders tell.
fn same_machine(one: SystemUuid, other: SystemUuid) -> bool {
    one == other || one == SystemUuid::from_network_order(other.wire())
}

/// A boot that begins within this time after the last step of another one follows from it.
const SAME_TRY: Duration = Duration::from_secs(10 * 60);
