//! The diagnosis of one machine: every rule is asked, the most specific cause goes first.

use std::time::{Duration, SystemTime};

use pxe_policy::{Class, MacAddr};

use crate::boot::Boot;
use crate::expectation::{Expectation, IPXE_SETTLES, Patience, expected};
use crate::finding::{Finding, Seen};
use crate::fleet::Fleet;
use crate::machine::Machine;
use crate::rules;

/// What is known of a machine's boot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Diagnosis {
    /// The cause that fits best.
    pub finding: Option<Finding>,
    /// Another one that fits as well.
    pub also: Option<Finding>,
    /// What should come next.
    pub expected: Option<Expectation>,
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) mac: MacAddr,
    pub(crate) machine: &'a Machine,
    pub(crate) boot: &'a Boot,
    /// When the firmware started again.
    pub(crate) restarted: Option<SystemTime>,
    pub(crate) fleet: &'a Fleet,
    pub(crate) patience: Patience,
    pub(crate) now: SystemTime,
}

impl Case<'_> {
    /// How long nothing came, until now or until the firmware started again.
    pub(crate) fn silence(&self) -> Duration {
        self.restarted.unwrap_or(self.now).duration_since(self.boot.last).unwrap_or_default()
    }

    /// Whether firmware would have gone on by now.
    pub(crate) fn is_silent(&self) -> bool {
        self.restarted.is_some() || self.silence() >= self.patience.firmware
    }

    /// The same of a machine that has just asked for an address: iPXE waits for a router that
    /// advertises IPv6 (13 to 16 s) before
    /// it uses the one that it has.
    pub(crate) fn is_silent_after(&self, class: Option<Class>) -> bool {
        let patience = match class {
            Some(Class::Ipxe) => self.patience.of(IPXE_SETTLES),
            _ => self.patience.firmware,
        };
        self.restarted.is_some() || self.silence() >= patience
    }

    pub(crate) fn since(&self, at: SystemTime) -> Duration {
        self.restarted.unwrap_or(self.now).duration_since(at).unwrap_or_default()
    }
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
    let case = Case { mac, machine, boot, restarted: None, fleet, patience, now };
    let mut found = rules::find(&case);
    if let Some(before) = before(&case, &found) {
        found.push(before);
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.specific));
    let mut found = found.into_iter();
    let finding = found.next().map(|finding| with_own_words(finding, boot));
    let also = found.find(|other| finding.as_ref().is_some_and(|first| first.cause != other.cause));
    Diagnosis { finding, also, expected: expected(boot, fleet, patience) }
}

/// What the machine says of itself belongs to every finding of its boot.
fn with_own_words(finding: Finding, boot: &Boot) -> Finding {
    let complaint = boot.complaint.clone().map(|(at, words)| Seen::Complained(at, words));
    let facts = (!boot.facts.is_empty()).then(|| Seen::Facts(Box::new(boot.facts.clone())));
    finding.with(complaint.into_iter().chain(facts))
}

/// What ended the boot before, as long as this one did not come further.
fn before(case: &Case<'_>, found: &[Finding]) -> Option<Finding> {
    let previous = case.machine.previous()?;
    let close = case.boot.started.duration_since(previous.last).is_ok_and(|gap| gap < SAME_TRY);
    let further = case.boot.phase() > previous.phase() || case.boot.is_through();
    // A decision that sends the machine to its disk is the end of the matter.
    let decided = case.boot.offer.as_ref().is_some_and(|(_, decided)| !decided.decision.is_reply());
    let explained = found.iter().any(|finding| finding.specific > rules::specific::REPEATED);
    // U-Boot looks for its own files first, and then asks as UEFI firmware.
    let same_firmware = previous.class == Some(Class::Uboot) && case.boot.class != Some(Class::Uboot);
    if !close || further || decided || explained || same_firmware {
        return None;
    }
    let case = Case { boot: previous, restarted: Some(case.boot.started), ..*case };
    let mut ended = rules::of_boot(&case);
    ended.sort_by_key(|finding| std::cmp::Reverse(finding.specific));
    let mut finding = ended.into_iter().next()?;
    finding.seen.push(Seen::Before(previous.started));
    Some(finding)
}

/// A boot that begins within this time after the last step of another one follows from it.
const SAME_TRY: Duration = Duration::from_secs(10 * 60);
