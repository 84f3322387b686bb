//! Tables of the server's gifts: leases, Required deployments, and the selections of Macs.

use minijinja::context;
use netbootd_state::ledger::LedgerView;
use serde::Serialize;

use super::super::{Part, framed, query, serialized, words};
use crate::api::BindingView;
use crate::console::{Asked, Console};

#[derive(Debug, Serialize)]
struct LeaseLine {
    address: String,
    client: String,
    /// The machine's name, when it was seen lately.
    title: Option<String>,
    left: String,
}

#[derive(Debug, Serialize)]
struct LedgerLine {
    name: String,
    mac: String,
    deployment: String,
    run: Option<String>,
    at: String,
    clear: String,
}

#[derive(Debug, Serialize)]
struct BindingLine {
    mac: String,
    model: String,
    image: String,
    number: u32,
    at: String,
}

pub(in super::super) fn leases(console: &Console, asked: &Asked<'_>) -> Part {
    let q = query::value(asked.query, "q").unwrap_or_default();
    let all = console.daemon.addresses.leases();
    let total = all.len();
    let line = |lease: netbootd_server::dhcp_server::LeaseView| {
        let row = lease.client.parse().ok().and_then(|mac| console.board.row(mac));
        LeaseLine {
            address: lease.address.to_string(),
            title: row.map(|row| row.title()),
            left: words::span(lease.seconds_left as f64),
            client: lease.client,
        }
    };
    let fits = |line: &LeaseLine| {
        let title = line.title.as_deref().unwrap_or_default();
        [line.address.as_str(), line.client.as_str(), title].iter().any(|word| holds(word, &q))
    };
    let found: Vec<LeaseLine> = all.into_iter().map(line).filter(fits).take(MOST).collect();
    let values = context! {
        q,
        total,
        pools => serialized(console.daemon.addresses.pools()),
        leases => serialized(found),
    };
    framed(console, asked, "leases.html", "Leases", "/server", values)
}

pub(in super::super) fn ledger(console: &Console, asked: &Asked<'_>) -> Part {
    let q = query::value(asked.query, "q").unwrap_or_default();
    let mut all: Vec<LedgerView> =
        console.services.ledger.with(|ledger| ledger.entries().map(LedgerView::from).collect());
    all.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.mac.cmp(&other.mac)));
    let total = all.len();
    let fits =
        |entry: &LedgerView| [&entry.name, &entry.mac, &entry.deployment].iter().any(|word| holds(word, &q));
    let line = |entry: LedgerView| LedgerLine {
        clear: format!("/server/ledger/{}/{}/clear", entry.mac, query::encoded(&entry.deployment)),
        at: words::at(entry.at),
        name: entry.name,
        mac: entry.mac,
        deployment: entry.deployment,
        run: entry.run,
    };
    let found: Vec<LedgerLine> = all.into_iter().filter(fits).take(MOST).map(line).collect();
    let values = context! { q, total, entries => serialized(found) };
    framed(console, asked, "ledger.html", "Ledger", "/server", values)
}

pub(in super::super) fn bindings(console: &Console, asked: &Asked<'_>) -> Part {
    let list = console.services.netboot.as_ref().map(|netboot| netboot.bindings().list()).unwrap_or_default();
    let total = list.len();
    let line = |view: BindingView| BindingLine {
        at: words::at(view.at),
        mac: view.mac,
        model: view.model,
        image: view.image,
        number: view.number,
    };
    let shown: Vec<BindingLine> = list.iter().map(BindingView::from).map(line).take(MOST).collect();
    let values = context! {
        total,
        served => console.services.netboot.is_some(),
        bindings => serialized(shown),
    };
    framed(console, asked, "bindings.html", "Macs' choices", "/server", values)
}

/// Whether a word contains another, whatever their case.
fn holds(text: &str, word: &str) -> bool {
    text.to_lowercase().contains(&word.to_lowercase())
}

/// Lines of a table; the API has all of them.
const MOST: usize = 500;
