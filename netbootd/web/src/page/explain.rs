//! The explanation of a machine's verdict: the request, each step of the decision, and the files
//! that the boot goes through.

use minijinja::context;
use netbootd_net::iface;
use netbootd_server::explain::chain::Link;
use netbootd_server::explain::{AskedAs, Explained, Stage, stages};
use pxe_policy::{BootRequest, MacAddr};
use serde::Serialize;

use super::server::rules;
use super::{Part, framed, query, serialized, words};
use crate::api::asked_as;
use crate::console::{Asked, Console};

#[derive(Debug, Serialize)]
struct StageView {
    /// `The firmware`, `Then iPXE`.
    title: &'static str,
    tint: &'static str,
    verdict: &'static str,
    explained: Explained,
    rules: Vec<RuleView>,
    links: Vec<LinkView>,
}

/// A rule up to the one that decides.
#[derive(Debug, Serialize)]
struct RuleView {
    name: String,
    matches: String,
    fits: bool,
    decides: bool,
}

#[derive(Debug, Serialize)]
struct LinkView {
    depth: usize,
    by: String,
    file: String,
    tint: &'static str,
    words: String,
    image: Option<String>,
}

pub(super) async fn page(console: &Console, asked: &Asked<'_>) -> Part {
    let value = |name: &str| query::value(asked.query, name);
    let mac = value("mac");
    let (mut shown, mut wrong) = (Vec::new(), None);
    if let Some(text) = &mac {
        // A browser without scripts sends the empty fields as well.
        let filled = query::pairs(asked.query).filter(|(_, value)| !value.is_empty());
        let filled: Vec<String> =
            filled.map(|(name, value)| format!("{name}={}", query::encoded(&value))).collect();
        match asked_as(text.trim(), Some(&filled.join("&"))) {
            Ok((mac, as_asked)) => shown = explained(console, mac, &as_asked).await,
            Err(error) => wrong = Some(error.to_string()),
        }
    }
    let row = mac.as_ref().and_then(|mac| mac.parse().ok()).and_then(|mac| console.board.row(mac));
    let ifaces: Vec<String> =
        iface::list(false).unwrap_or_default().into_iter().map(|iface| iface.name).collect();
    let values = context! {
        mac => mac.clone().unwrap_or_default(),
        title => row.as_ref().map(|row| row.title()),
        stages => serialized(shown),
        wrong,
        arch => value("arch").unwrap_or_default(),
        class => value("class").unwrap_or_default(),
        iface => value("iface").unwrap_or_default(),
        relay => value("relay").unwrap_or_default(),
        uuid => value("uuid").unwrap_or_default(),
        classes => ["pxe", "http", "ipxe", "bsdp"],
        archs => ["x64-uefi", "bios", "arm64-uefi", "x86-uefi"],
        ifaces,
    };
    framed(console, asked, "explain.html", "Explain", "/machines", values)
}

async fn explained(console: &Console, mac: MacAddr, asked_as: &AskedAs) -> Vec<StageView> {
    let last = console.services.machines.by_mac(mac).map(|machine| machine.asked());
    let stages = stages(&console.services, &console.daemon.source, mac, asked_as).await;
    let view = |(n, stage): (usize, Stage)| {
        let request = match n {
            0 => asked_as.request(mac, last.as_ref()),
            _ => {
                let ipxe = AskedAs { class: Some(pxe_policy::Class::Ipxe), ..asked_as.clone() };
                ipxe.request(mac, last.as_ref())
            }
        };
        let (tint, verdict) = match stage.explained.decision.as_str() {
            "boot" | "images" => ("ok", "It boots"),
            "local-boot" => ("off", "It goes to its own disk"),
            "wait" => ("wait", "It waits for an operator"),
            "relay" | "refer" => ("busy", "Another responder answers it"),
            _ => ("off", "It gets nothing"),
        };
        StageView {
            title: if n == 0 { "The request" } else { "Then iPXE asks" },
            tint,
            verdict,
            rules: rules_until(console, &request, stage.explained.rule.as_deref()),
            links: stage.links.into_iter().map(link).collect(),
            explained: without_rule(stage.explained),
        }
    };
    stages.into_iter().enumerate().map(view).collect()
}

/// Without the line that the list of rules has as well.
fn without_rule(mut explained: Explained) -> Explained {
    if let Some(rule) = &explained.rule {
        let same = format!("rule {rule} fits");
        explained.evidence.retain(|line| *line != same);
    }
    explained
}

/// The rules in their order, up to the one that decides.
fn rules_until(console: &Console, request: &BootRequest, decides: Option<&str>) -> Vec<RuleView> {
    let snapshot = console.services.snapshot.load();
    let mut views = Vec::new();
    for rule in snapshot.config.rules.0.iter().take(MOST_RULES) {
        let decides = decides == Some(rule.name.as_str());
        views.push(RuleView {
            name: rule.name.clone(),
            matches: rules::matches(&rule.matches),
            // Whether a directory knows the machine is looked at in the decision alone.
            fits: decides || rule.matches.fits(request),
            decides,
        });
        if decides {
            break;
        }
    }
    views
}

fn link(link: Link) -> LinkView {
    let size = link.size.map(words::bytes).unwrap_or_default();
    let (tint, words) = match (link.state.as_str(), &link.nearest) {
        ("there", _) if link.generated => ("ok", format!("{size}, made for the machine")),
        ("there", _) => ("ok", size),
        ("missing", Some(nearest)) => ("bad", format!("is not there; the nearest name is {nearest}")),
        ("missing", None) => ("bad", "is not there".to_owned()),
        ("elsewhere", _) => ("off", "on another server: not looked at".to_owned()),
        _ => ("off", "depends on a variable of the machine: not looked at".to_owned()),
    };
    LinkView { depth: link.depth.min(5), by: link.by, file: link.file, tint, words, image: link.image }
}

/// Rules on the page.
const MOST_RULES: usize = 200;
