//! The findings: groups of machines with the same cause, and a page of the handbook for each cause.

use std::time::SystemTime;

use minijinja::context;
use netbootd_diagnosis::{Cause, Severity};
use netbootd_telemetry::view::rfc3339;
use pxe_policy::{Reason, TroubleKind};
use serde::Serialize;

use super::machines::link_of_cause;
use super::rows::{RowView, StateView};
use super::{Part, framed, serialized, words};
use crate::api::views;
use crate::board::Group;
use crate::console::{Asked, Console};

/// A group in a list.
#[derive(Debug, Serialize)]
pub(super) struct GroupView {
    id: String,
    state: StateView,
    cause: &'static str,
    headline: String,
    /// Which machines, and what they have in common.
    summary: String,
    since: String,
    count: usize,
    /// The machines as a filtered list.
    link: String,
    cure: String,
    names: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Section {
    word: &'static str,
    id: &'static str,
    groups: Vec<GroupView>,
    machines: usize,
}

impl GroupView {
    pub(super) fn new(console: &Console, group: &Group) -> Self {
        let total = group.machines.len();
        let filter = group.common.as_ref().filter(|common| common.inside == total);
        let filter = filter.and_then(|common| Some((common.factor.filter()?, common.value.as_str())));
        let names = listed(&group.names, total);
        let summary = match &group.common {
            Some(common) if common.inside == total => {
                format!("{names}: all {}", common.factor.words(&common.value))
            }
            Some(common) => {
                let many = words::number(common.inside as u64);
                format!("{names}: {many} of them {}", common.factor.words(&common.value))
            }
            None => names,
        };
        let cause = group.cause.as_str();
        GroupView {
            id: format!(
                "{cause}-{}",
                group.machines.first().map_or_else(String::new, |mac| mac.to_string().replace(':', ""))
            ),
            state: state_of(group.severity),
            cause,
            headline: views::headline_with_nearest(
                &console.services,
                &group.headline,
                group.cause,
                group_file(group, console),
            ),
            summary,
            since: rfc3339(group.since),
            count: total,
            link: link_of_cause(cause, filter),
            cure: sentence(&group.cause.cure().replace("{server}", "the other server")),
            names: group.names.clone(),
        }
    }
}

/// The file that all of a group's findings name.
fn group_file(group: &Group, console: &Console) -> Option<String> {
    let row = console.board.row(*group.machines.first()?)?;
    let file = row.found.as_ref()?.file.clone()?;
    group.headline.contains(&file).then_some(file)
}

fn listed(names: &[String], total: usize) -> String {
    let more = total.saturating_sub(names.len());
    let names = names.join(", ");
    if more > 0 { format!("{names} and {} more", words::number(more as u64)) } else { names }
}

fn state_of(severity: Severity) -> StateView {
    match severity {
        Severity::Error => StateView { word: "Stops boot", tint: "bad" },
        Severity::Warning => StateView { word: "Attention", tint: "warn" },
        Severity::Notice => StateView { word: "On purpose", tint: "off" },
    }
}

pub(super) fn page(console: &Console, asked: &Asked<'_>) -> Part {
    let groups = console.board.groups();
    let section = |word, id, severity| {
        let groups: Vec<&Group> = groups.iter().filter(|group| group.severity == severity).collect();
        Section {
            word,
            id,
            machines: groups.iter().map(|group| group.machines.len()).sum(),
            groups: groups
                .into_iter()
                .take(MOST_GROUPS)
                .map(|group| GroupView::new(console, group))
                .collect(),
        }
    };
    let sections = [
        section("Stops machines", "stops", Severity::Error),
        section("Needs attention", "attention", Severity::Warning),
    ];
    let values = context! {
        sections => serialized(sections),
        none => groups.is_empty(),
        machines => console.board.machines(),
    };
    framed(console, asked, "findings.html", "Findings", "/findings", values)
}

/// The handbook's page of a cause, with the machines that have it now.
pub(super) fn cause(console: &Console, asked: &Asked<'_>, name: &str) -> Option<Part> {
    let cause = every().find(|cause| cause.as_str() == name)?;
    let now = SystemTime::now();
    let mut rows = console.board.rows(|row| row.found.as_ref().is_some_and(|found| found.cause == cause));
    rows.sort_by_key(|row| (std::cmp::Reverse(row.seen), row.mac));
    let total = rows.len();
    rows.truncate(MOST_MACHINES);
    let groups = console.board.groups();
    let groups = groups.iter().filter(|group| group.cause == cause);
    let values = context! {
        cause => name,
        state => serialized(state_of(cause.severity())),
        headline => capital(&cause.headline()),
        cure => sentence(&cause.cure().replace("{server}", "the other server")),
        codes => serialized(cause.codes()),
        handbook => cause.handbook(),
        is_decision => !matches!(cause, Cause::Row(_)),
        groups => serialized(groups.map(|group| GroupView::new(console, group)).collect::<Vec<_>>()),
        rows => serialized(rows.iter().map(|row| RowView::new(row, now)).collect::<Vec<_>>()),
        total,
        link => link_of_cause(name, None),
    };
    Some(framed(console, asked, "cause.html", &capital(&cause.headline()), "/findings", values))
}

/// Every cause that there is.
pub(super) fn every() -> impl Iterator<Item = Cause> {
    let rows = Cause::rows();
    let reasons = Reason::ALL.into_iter().map(Cause::Decision);
    let directories = TroubleKind::ALL.into_iter().map(Cause::Directory);
    rows.chain(reasons).chain(directories)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// With a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let text = capital(text.trim());
    if text.is_empty() || text.ends_with('.') { text } else { format!("{text}.") }
}

const MOST_GROUPS: usize = 50;
const MOST_MACHINES: usize = 50;
