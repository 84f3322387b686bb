//! Findings by their cause and what the machines have in common.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use netbootd_diagnosis::{Cause, Severity};
use pxe_policy::MacAddr;

use super::row::{Row, State};

/// Machines with the same cause, and what else they share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) cause: Cause,
    pub(crate) severity: Severity,
    /// The words of every finding where they agree, the cause's otherwise.
    pub(crate) headline: String,
    pub(crate) common: Option<Common>,
    /// The machines, the newest finding first.
    pub(crate) machines: Vec<MacAddr>,
    /// Names of the first ones.
    pub(crate) names: Vec<String>,
    pub(crate) since: SystemTime,
    pub(crate) newest: SystemTime,
}

/// A property that nearly all machines of a group share, and others rarely.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Common {
    pub(crate) factor: Factor,
    pub(crate) value: String,
    /// How many of the group have it.
    pub(crate) inside: usize,
}

/// Something that machines can have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Factor {
    Server,
    File,
    Network,
    Rule,
    Image,
    Vendor,
    Arch,
}

impl Factor {
    const ALL: [Factor; 7] = [
        Factor::Server,
        Factor::File,
        Factor::Network,
        Factor::Rule,
        Factor::Image,
        Factor::Vendor,
        Factor::Arch,
    ];

    fn value_in(self, row: &Row) -> Option<&str> {
        match self {
            Factor::Server => row.found.as_ref()?.server.as_deref(),
            Factor::File => row.found.as_ref()?.file.as_deref(),
            Factor::Network => row.network.as_deref(),
            Factor::Rule => row.rule.as_deref(),
            Factor::Image => row.gets.as_deref(),
            Factor::Vendor => row.vendor.as_deref(),
            Factor::Arch => row.arch.as_deref(),
        }
    }

    /// `all under rule x64-uefi`, `6 of 7 by relay 10.7.3.1`.
    pub(crate) fn words(self, value: &str) -> String {
        match self {
            Factor::Server => format!("the other server is {value}"),
            Factor::File => format!("the file is {value}"),
            Factor::Network if value.contains(['.', ':']) => format!("by relay {value}"),
            Factor::Network => format!("on {value}"),
            Factor::Rule => format!("under rule {value}"),
            Factor::Image => format!("with {value}"),
            Factor::Vendor => format!("with adapters of {value}"),
            Factor::Arch => format!("of {value}"),
        }
    }

    /// The filter of the list of machines that it is.
    pub(crate) fn filter(self) -> Option<&'static str> {
        match self {
            Factor::Network => Some("net"),
            Factor::Image => Some("image"),
            Factor::Vendor => Some("vendor"),
            Factor::Arch => Some("arch"),
            Factor::Server | Factor::File | Factor::Rule => None,
        }
    }
}

/// The groups, the worst first, then the largest, then the newest.
pub(super) fn grouped<'a>(rows: impl Iterator<Item = &'a Arc<Row>>) -> Vec<Group> {
    let mut by_cause: HashMap<(Cause, String), Vec<&Row>> = HashMap::new();
    let mut all: HashMap<(Factor, &str), usize> = HashMap::new();
    let mut total = 0;
    for row in rows {
        total += 1;
        for factor in Factor::ALL {
            if let Some(value) = factor.value_in(row) {
                *all.entry((factor, value)).or_default() += 1;
            }
        }
        if let Some(found) = &row.found
            && found.severity != Severity::Notice
            && row.state != State::Waiting
        {
            // One cause about two files, or two servers, is two things to mend.
            let about = found.server.clone().or_else(|| found.file.clone()).unwrap_or_default();
            by_cause.entry((found.cause, about)).or_default().push(row);
        }
    }
    let merged = merge_small(by_cause);
    let mut groups: Vec<Group> =
        merged.into_iter().map(|(cause, rows)| group(cause, rows, &all, total)).collect();
    groups.sort_by(|one, other| {
        let key = |group: &Group| (group.severity, group.machines.len(), group.newest);
        key(other).cmp(&key(one)).then_with(|| one.headline.cmp(&other.headline))
    });
    groups
}

/// Many single machines, each with a file of its own, are one group.
fn merge_small(by_cause: HashMap<(Cause, String), Vec<&Row>>) -> Vec<(Cause, Vec<&Row>)> {
    let mut parts: HashMap<Cause, Vec<Vec<&Row>>> = HashMap::new();
    for ((cause, _), rows) in by_cause {
        parts.entry(cause).or_default().push(rows);
    }
    let mut merged = Vec::new();
    for (cause, parts) in parts {
        let many = parts.len() > MOST_OF_A_CAUSE;
        let (large, small): (Vec<_>, Vec<_>) = parts.into_iter().partition(|rows| !many || rows.len() > 2);
        merged.extend(large.into_iter().map(|rows| (cause, rows)));
        if !small.is_empty() {
            merged.push((cause, small.into_iter().flatten().collect()));
        }
    }
    merged
}

fn group(cause: Cause, mut rows: Vec<&Row>, all: &HashMap<(Factor, &str), usize>, total: usize) -> Group {
    rows.sort_by_key(|row| (std::cmp::Reverse(row.seen), row.mac));
    let found = || rows.iter().filter_map(|row| row.found.as_ref());
    let first = found().next().map(|found| found.headline.clone()).unwrap_or_default();
    let headline = if found().all(|found| found.headline == first) { first } else { cause.headline() };
    let common = common(&rows, all, total, &headline);
    Group {
        cause,
        severity: found().map(|found| found.severity).max().unwrap_or(Severity::Notice),
        headline,
        common,
        machines: rows.iter().map(|row| row.mac).collect(),
        names: rows.iter().take(3).map(|row| row.title()).collect(),
        since: found().map(|found| found.since).min().unwrap_or(SystemTime::UNIX_EPOCH),
        newest: found().map(|found| found.since).max().unwrap_or(SystemTime::UNIX_EPOCH),
    }
}

/// The property that at least 80 % of a group share and machines outside share more rarely. A
/// property that the headline names already is no news.
fn common(
    rows: &[&Row],
    all: &HashMap<(Factor, &str), usize>,
    total: usize,
    headline: &str,
) -> Option<Common> {
    if rows.len() < 2 {
        return None;
    }
    let mut best: Option<(f64, Common)> = None;
    for factor in Factor::ALL {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for value in
            rows.iter().filter_map(|row| factor.value_in(row)).filter(|value| !headline.contains(value))
        {
            *counts.entry(value).or_default() += 1;
        }
        let Some((value, inside)) = counts.into_iter().max_by_key(|(value, count)| (*count, *value)) else {
            continue;
        };
        let share = inside as f64 / rows.len() as f64;
        let others = total - rows.len();
        let outside = all.get(&(factor, value)).copied().unwrap_or(inside) - inside;
        let elsewhere = if others == 0 { 0.0 } else { outside as f64 / others as f64 };
        let lift = share - elsewhere;
        if share >= 0.8 && elsewhere < share && best.as_ref().is_none_or(|(known, _)| lift > known + 0.01) {
            best = Some((lift, Common { factor, value: value.to_owned(), inside }));
        }
    }
    best.map(|(_, common)| common)
}

/// Groups of one cause that stand by themselves.
const MOST_OF_A_CAUSE: usize = 6;
