//! The list of machines: filtered, counted and cut into pages here, fifty a page.

use std::sync::Arc;
use std::time::SystemTime;

use hyper::StatusCode;
use minijinja::context;
use serde::Serialize;

use super::query::{self, Order, Query, state_of};
use super::rows::{RowView, arch_words};
use super::{Part, framed, serialized, words};
use crate::board::{Row, State};
use crate::console::{Asked, Console};

#[derive(Debug, Serialize)]
struct Chip {
    word: &'static str,
    tint: Option<&'static str>,
    count: usize,
    link: String,
    chosen: bool,
}

#[derive(Debug, Serialize)]
struct Choice {
    name: &'static str,
    word: &'static str,
    options: Vec<Choosable>,
}

#[derive(Debug, Serialize)]
struct Choosable {
    value: String,
    word: String,
    chosen: bool,
}

#[derive(Debug, Serialize)]
struct Head {
    word: &'static str,
    number: bool,
    link: Option<String>,
    sorted: Option<&'static str>,
}

/// The machines of a list that are on one page of it.
pub(crate) struct Page {
    pub(crate) rows: Vec<Arc<Row>>,
    begin: usize,
    more: bool,
    total: usize,
    counts: [usize; State::ALL.len()],
    all: usize,
}

pub(super) fn page(console: &Console, asked: &Asked<'_>) -> Part {
    let query = Query::parse(asked.query);
    let found = chosen(console, &query);
    shown(console, asked, &query, &found, 0)
}

/// The list with these rows, whatever others fit by now: a row does not go from under the pointer.
pub(crate) fn pinned(console: &Console, asked: &Asked<'_>, macs: &[pxe_policy::MacAddr]) -> Part {
    let query = Query::parse(asked.query);
    let mut found = chosen(console, &query);
    let fresh = found.rows.iter().filter(|row| !macs.contains(&row.mac)).count();
    found.rows = macs.iter().filter_map(|mac| console.board.row(*mac)).collect();
    shown(console, asked, &query, &found, fresh)
}

/// The rows that a list shows now.
pub(crate) fn listed(console: &Console, asked: &Asked<'_>) -> Vec<pxe_policy::MacAddr> {
    chosen(console, &Query::parse(asked.query)).rows.iter().map(|row| row.mac).collect()
}

fn chosen(console: &Console, query: &Query) -> Page {
    let now = SystemTime::now();
    let mut rows = console.board.rows(|row| query.fits(row, now));
    let mut counts = [0; State::ALL.len()];
    rows.iter().for_each(|row| counts[row.state.place()] += 1);
    let all = rows.len();
    rows.retain(|row| query.fits_state(row));
    let total = rows.len();
    let (begin, more) = query.page(&mut rows, ROWS);
    Page { rows, begin, more, total, counts, all }
}

fn shown(console: &Console, asked: &Asked<'_>, query: &Query, found: &Page, fresh: usize) -> Part {
    let now = SystemTime::now();
    let rows: Vec<RowView> = found.rows.iter().map(|row| RowView::new(row, now)).collect();
    let range = match rows.len() {
        0 => String::new(),
        many => format!(
            "{} to {} of {}",
            words::number(found.begin as u64 + 1),
            words::number((found.begin + many) as u64),
            words::number(found.total as u64)
        ),
    };
    let next = found
        .rows
        .last()
        .filter(|_| found.more)
        .map(|row| Query { after: Some(row.mac.to_string()), ..query.clone() }.link());
    let values = context! {
        csv => query.link().replacen("/machines", "/machines.csv", 1),
        here => query.link(),
        first => (found.begin > 0).then(|| Query { after: None, ..query.clone() }.link()),
        next,
        range,
        chips => serialized(chips(query, found)),
        choices => serialized(choices(console, query)),
        heads => serialized(heads(query)),
        filtered => query.is_filtered(),
        query => serialized(query),
        rows => serialized(rows),
        fresh,
    };
    framed(console, asked, "machines.html", "Machines", "/machines", values)
}

fn chips(query: &Query, found: &Page) -> Vec<Chip> {
    let all = Chip {
        word: "All",
        tint: None,
        count: found.all,
        link: query.link_with("state", None),
        chosen: query.state.is_none(),
    };
    let states = State::ALL.into_iter().map(|state| Chip {
        word: state.word(),
        tint: Some(state.tint()),
        count: found.counts[state.place()],
        link: query.link_with("state", Some(state.key())),
        chosen: state_of(query) == Some(state),
    });
    std::iter::once(all).chain(states.filter(|chip| chip.count > 0 || chip.chosen)).collect()
}

fn choices(console: &Console, query: &Query) -> Vec<Choice> {
    let fields = [
        ("image", "Image", &query.image),
        ("net", "Network", &query.net),
        ("vendor", "Vendor", &query.vendor),
        ("arch", "Firmware", &query.arch),
    ];
    let mut counts = (*console.values.current(&console.board)).clone();
    let mut choices: Vec<Choice> = Vec::new();
    for (n, (name, word, wanted)) in fields.into_iter().enumerate() {
        if let Some(wanted) = wanted {
            counts[n].entry(wanted.clone()).or_default();
        }
        let mut values: Vec<(String, usize)> = std::mem::take(&mut counts[n]).into_iter().collect();
        values.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        values.truncate(SHOWN_VALUES);
        let option = |(value, count): (String, usize)| Choosable {
            chosen: wanted.as_ref() == Some(&value),
            word: match name {
                "arch" => format!("{} ({})", arch_words(&value), words::number(count as u64)),
                _ => format!("{value} ({})", words::number(count as u64)),
            },
            value,
        };
        choices.push(Choice { name, word, options: values.into_iter().map(option).collect() });
    }
    let windows = [("1h", "last hour"), ("24h", "last day"), ("7d", "last week")];
    choices.push(Choice {
        name: "since",
        word: "Seen",
        options: windows
            .into_iter()
            .map(|(value, word)| Choosable {
                chosen: query.since.as_deref() == Some(value),
                value: value.to_owned(),
                word: word.to_owned(),
            })
            .collect(),
    });
    choices.retain(|choice| choice.options.len() > 1 || choice.options.iter().any(|option| option.chosen));
    choices
}

fn heads(query: &Query) -> Vec<Head> {
    let columns = [
        ("Machine", Some(("name", Order::Name))),
        ("State", Some(("state", Order::State))),
        ("Vendor", Some(("vendor", Order::Vendor))),
        ("Gets", None),
        ("Address", Some(("address", Order::Address))),
        ("Finding", None),
        ("Last seen", Some(("newest", Order::Newest))),
    ];
    let head = |(word, sort): (&'static str, Option<(&str, Order)>)| {
        let chosen = sort.is_some_and(|(_, order)| order == query.order());
        let newest = word == "Last seen";
        Head {
            word,
            number: newest,
            link: sort.map(|(key, _)| query.link_with("sort", Some(key).filter(|_| !newest))),
            sorted: chosen.then_some(if newest { "descending" } else { "ascending" }),
        }
    };
    columns.into_iter().map(head).collect()
}

/// All machines of a list as comma-separated values.
pub(super) fn csv(console: &Console, asked: &Asked<'_>) -> Part {
    let query = Query { after: None, ..Query::parse(asked.query) };
    let now = SystemTime::now();
    let mut rows = console.board.rows(|row| query.fits(row, now) && query.fits_state(row));
    query.page(&mut rows, usize::MAX);
    let mut body =
        "mac,name,guid,state,vendor,arch,network,address,gets,rule,finding,last_seen\r\n".to_owned();
    for row in rows {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let fields = [
            row.mac.to_string(),
            text(&row.name),
            text(&row.uuid),
            row.state.key().to_owned(),
            text(&row.vendor),
            text(&row.arch),
            text(&row.network),
            text(&row.address),
            text(&row.gets),
            text(&row.rule),
            row.found.as_ref().map(|found| found.cause.as_str().to_owned()).unwrap_or_default(),
            netbootd_telemetry::view::rfc3339(row.seen),
        ];
        body.push_str(&fields.map(|field| quoted(&field)).join(","));
        body.push_str("\r\n");
    }
    Part { status: StatusCode::OK, content_type: "text/csv; charset=utf-8", body }
}

/// RFC 4180; what a spreadsheet would run as a formula is text.
pub(super) fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    match field.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    }
}

/// The address of the machines with one cause.
pub(super) fn link_of_cause(cause: &str, filter: Option<(&str, &str)>) -> String {
    let more = filter.map(|(name, value)| format!("&{name}={}", query::encoded(value))).unwrap_or_default();
    format!("/machines?cause={}{more}", query::encoded(cause))
}

/// Rows on a page.
const ROWS: usize = 50;
/// Different values of a filter that are offered.
const SHOWN_VALUES: usize = 50;
