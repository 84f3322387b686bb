//! One verb for many machines: the question before it is done.

use minijinja::context;
use pxe_policy::MacAddr;
use serde::Serialize;

use super::{Part, framed, query, serialized};
use crate::console::{Asked, Console};

#[derive(Debug, Serialize)]
struct Chosen {
    mac: String,
    title: String,
    gets: Option<String>,
}

/// Says which machines it is about. `form` is what was sent, `to` the page to come back to.
pub(crate) fn confirm(console: &Console, asked: &Asked<'_>, form: &str, to: &str) -> Part {
    let value = |name: &str| query::value(Some(form), name).unwrap_or_default();
    let macs = query::pairs(Some(form)).filter(|(name, _)| name == "mac").map(|(_, mac)| mac);
    let chosen = |mac: String| {
        let row = mac.parse::<MacAddr>().ok().and_then(|mac| console.board.row(mac));
        let title = row.as_ref().map_or_else(|| mac.clone(), |row| row.title());
        Chosen { mac, title, gets: row.and_then(|row| row.gets.clone()) }
    };
    let machines: Vec<Chosen> = macs.map(chosen).collect();
    let (action, given) = (value("action"), value("value"));
    let needs_value = matches!(action.as_str(), "assign" | "tag");
    let values = context! {
        verb => verb(&action),
        wrong => if machines.is_empty() {
            Some("Tick the machines first.")
        } else if needs_value && given.trim().is_empty() && action == "tag" {
            Some("Name the tags to add, with commas between them.")
        } else {
            None
        },
        needs_value,
        action,
        given,
        machines => serialized(machines),
        to,
    };
    framed(console, asked, "bulk.html", "Many machines", "/machines", values)
}

fn verb(action: &str) -> &'static str {
    match action {
        "approve" => "Approve",
        "reject" => "Reject",
        "forget" => "Forget the decision about",
        "tag" => "Add tags to",
        "assign" => "Assign what boots",
        _ => "Change",
    }
}
