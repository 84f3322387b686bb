//! The effect of a changed configuration on the machines, before it is in force.

use std::collections::BTreeMap;

use minijinja::context;
use netbootd_config::{Config, Severity};
use pxe_policy::{BootRequest, MacAddr};
use serde::Serialize;

use super::server::rules::gives;
use super::{Part, framed, serialized, words};
use crate::console::{Asked, Console};
use crate::sessions::Role;

/// Machines that a change moves from one outcome to another.
#[derive(Debug, Serialize)]
struct Moved {
    now: Outcome,
    then: Outcome,
    count: usize,
    /// The first machines, by name.
    names: Vec<Named>,
}

/// A machine's boot, and the rule that decides it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Outcome {
    gives: String,
    rule: Option<String>,
}

#[derive(Debug, Serialize)]
struct Named {
    mac: String,
    title: String,
}

#[derive(Debug, Serialize)]
struct Found {
    tint: &'static str,
    words: String,
}

pub(super) async fn page(console: &Console, asked: &Asked<'_>) -> Part {
    // Reading the configuration costs more than a page, and its messages name files.
    if let Some(reason) = console.refusal(asked.operator.as_ref(), Role::Admin) {
        let values = context! { reason };
        return framed(console, asked, "reload.html", "Reload", "/server", values);
    }
    let source = console.daemon.source.clone();
    let loaded = tokio::task::spawn_blocking(move || source.load()).await;
    let (draft, findings) = match loaded {
        Ok(Ok((draft, findings, _))) => (Some(draft), Some(findings)),
        Ok(Err(findings)) => (None, Some(findings)),
        Err(_) => (None, None),
    };
    let said: Vec<Found> = findings.iter().flat_map(|findings| findings.iter()).map(shown).collect();
    let moved = draft.as_ref().map(|draft| moved(console, draft)).unwrap_or_default();
    let others: usize = moved.iter().map(|moved| moved.count).sum();
    let values = context! {
        usable => draft.is_some(),
        said => serialized(said),
        others,
        others_words => words::count(others as u64, "machine"),
        total => console.board.machines(),
        moved => serialized(moved),
    };
    framed(console, asked, "reload.html", "Reload", "/server", values)
}

fn shown(finding: &netbootd_config::Finding) -> Found {
    let tint = match finding.severity {
        Severity::Error => "bad",
        Severity::Warning => "warn",
        Severity::Note => "off",
    };
    let help = finding.help.as_ref().map(|help| format!(": {help}")).unwrap_or_default();
    Found { tint, words: format!("{}{help}", finding.message) }
}

/// The machines that would get something else, most of them first. Directories are not asked: what
/// they say counts as the same before and after.
fn moved(console: &Console, draft: &Config) -> Vec<Moved> {
    let snapshot = console.services.snapshot.load();
    let mut moved: BTreeMap<(Outcome, Outcome), Vec<(MacAddr, String)>> = BTreeMap::new();
    for row in console.board.rows(|_| true) {
        let Some(machine) = console.services.machines.by_mac(row.mac) else { continue };
        let (request, known) = (machine.asked(), row.name.is_some());
        let (now, then) = (outcome(&snapshot.config, &request, known), outcome(draft, &request, known));
        if now.gives != then.gives {
            moved.entry((now, then)).or_default().push((row.mac, row.title()));
        }
    }
    let view = |((now, then), mut machines): ((Outcome, Outcome), Vec<(MacAddr, String)>)| {
        machines.sort();
        let names = machines.iter().take(SHOWN);
        let names = names.map(|(mac, title)| Named { mac: mac.to_string(), title: title.clone() }).collect();
        Moved { now, then, count: machines.len(), names }
    };
    let mut moved: Vec<Moved> = moved.into_iter().map(view).collect();
    moved.sort_by_key(|moved| std::cmp::Reverse(moved.count));
    moved.truncate(MOST_LINES);
    moved
}

fn outcome(config: &Config, request: &BootRequest, known: bool) -> Outcome {
    let fits = |rule: &&pxe_policy::Rule| {
        rule.matches.fits(request) && rule.matches.known.is_none_or(|wanted| wanted == known)
    };
    match config.rules.0.iter().find(fits) {
        Some(rule) => Outcome { gives: gives(rule, Some(request)), rule: Some(rule.name.clone()) },
        None => Outcome { gives: "what the directories say, or nothing".to_owned(), rule: None },
    }
}

/// Machines that are named on a line.
const SHOWN: usize = 3;
const MOST_LINES: usize = 50;
