//! The operator's page: rendered here as whole HTML for every address; a script adds life to it.
//!
//! Each module below is a page. Their facts about machines come from the board.

mod approve;
mod assets;
mod audit;
pub(crate) mod bulk;
mod explain;
mod find;
mod findings;
mod image;
mod images;
mod machine;
pub(crate) mod machines;
mod now;
mod number;
mod query;
mod reload;
mod rows;
mod server;
pub(crate) mod sign_in;
pub(crate) mod templates;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub(crate) mod vendors;
mod wall;
mod waterfall;
mod words;

use std::time::SystemTime;

use hyper::StatusCode;
use minijinja::context;
use minijinja::value::{Serde, Value};
use netbootd_telemetry::timeline::Timeline;
use netbootd_telemetry::view::rfc3339;
use serde::Serialize;

use crate::console::{Asked, Console};
use crate::sessions::Role;
pub(crate) use assets::asset;
pub(crate) use query::{decoded, encoded, pairs, value};

/// One page, or a part of one.
#[derive(Debug)]
pub struct Part {
    /// The status of the answer.
    pub status: StatusCode,
    /// The type of the answer's content.
    pub content_type: &'static str,
    /// The text of the answer.
    pub body: String,
}

/// The frame around every page.
#[derive(Debug, Serialize)]
struct Frame {
    title: String,
    assets: assets::Assets,
    instance: String,
    live: bool,
    tabs: [Tab; 5],
    tab: &'static str,
    findings: usize,
    rate: String,
    operator: Option<String>,
    by_proxy: bool,
    can_sign_in: bool,
    token_field: Value,
    path: String,
    said: Option<String>,
    stamp: String,
    now: String,
    version: &'static str,
    host: String,
    refuses: Refuses,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Tab {
    path: &'static str,
    word: &'static str,
}

/// Why an operator may not do something; None for what it may.
#[derive(Debug, Serialize)]
struct Refuses {
    operator: Option<String>,
    admin: Option<String>,
}

/// The page behind an address; None when there is none.
pub async fn part(console: &Console, asked: &Asked<'_>) -> Option<Part> {
    let parts: Vec<String> = asked.path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [] => Some(now::page(console, asked)),
        ["machines"] => Some(machines::page(console, asked)),
        ["machines.csv"] => Some(machines::csv(console, asked)),
        ["machines", mac] => machine::page(console, asked, mac).await,
        ["machines", mac, "approve"] => approve::page(console, asked, mac).await,
        ["machines", mac, "boot"] => approve::boot(console, asked, mac).await,
        ["machines", mac, "assign"] => approve::assign(console, asked, mac),
        ["boots", id] => machine::boot(console, asked, id).await,
        ["m"] => match number::asked_for(asked) {
            Some(number) => Some(numbered(console, asked, &number).await),
            None => Some(number::page(console, asked, None)),
        },
        ["m", number] => Some(numbered(console, asked, number).await),
        ["wall"] => Some(wall::page(console, asked)),
        ["find.json"] => Some(find::json(console, asked)),
        ["findings"] => Some(findings::page(console, asked)),
        ["findings", cause] => findings::cause(console, asked, cause),
        ["images"] => Some(images::page(console, asked).await),
        ["images", name] => image::page(console, asked, name).await,
        ["images", name, "remove"] => image::remove(console, asked, name).await,
        ["explain"] => Some(explain::page(console, asked).await),
        ["server"] => Some(server::page(console, asked).await),
        ["server", "leases"] => Some(server::tables::leases(console, asked)),
        ["server", "ledger"] => Some(server::tables::ledger(console, asked)),
        ["server", "bindings"] => Some(server::tables::bindings(console, asked)),
        ["server", "reload"] => Some(reload::page(console, asked).await),
        ["server", "audit"] => Some(audit::page(console, asked).await),
        ["server", "audit.csv"] => Some(audit::csv(console, asked).await),
        ["sign-in"] => Some(sign_in::page(console, asked, None)),
        _ => None,
    }
}

/// The machine whose screen shows a number, or the question for another number.
async fn numbered(console: &Console, asked: &Asked<'_>, number: &str) -> Part {
    match machine::by_number(console, asked, number).await {
        Some(part) => part,
        None => number::page(console, asked, Some(number)),
    }
}

/// Renders a page in its frame.
fn framed(
    console: &Console,
    asked: &Asked<'_>,
    template: &str,
    title: &str,
    tab: &'static str,
    values: Value,
) -> Part {
    let groups = console.board.groups();
    let bad = groups.iter().any(|group| group.severity == netbootd_diagnosis::Severity::Error);
    let operator = asked.operator.as_ref();
    let many = if groups.is_empty() { String::new() } else { format!("({}) ", groups.len()) };
    let token = operator.map(|operator| words::escape(&operator.form_token));
    let frame = Frame {
        title: format!("{many}{title} · netbootd"),
        assets: assets::of_page(bad),
        instance: console.instance.clone(),
        live: is_live(asked.path),
        tabs: TABS,
        tab,
        findings: groups.len(),
        rate: words::rate(console.board.rate()),
        operator: operator.map(|operator| operator.name.clone()),
        by_proxy: operator.is_some_and(|operator| operator.by_proxy),
        can_sign_in: console.can_sign_in(),
        token_field: Value::from_safe_string(
            token
                .map(|token| format!("<input type=\"hidden\" name=\"token\" value=\"{token}\">"))
                .unwrap_or_default(),
        ),
        path: match asked.query {
            Some(query) => format!("{}?{query}", asked.path),
            None => asked.path.to_owned(),
        },
        said: asked.said.clone(),
        stamp: console.stamp(),
        now: rfc3339(SystemTime::now()),
        version: env!("CARGO_PKG_VERSION"),
        host: console.host.clone(),
        refuses: Refuses {
            operator: console.refusal(operator, Role::Operator),
            admin: console.refusal(operator, Role::Admin),
        },
    };
    templates::rendered(template, context! { frame => Value::from(Serde(frame)), ..values })
}

/// A page that says what went wrong, where, and what to do about it.
pub(crate) fn problem(
    console: &Console,
    asked: &Asked<'_>,
    status: StatusCode,
    (title, cause, cure): (&str, &str, &str),
) -> Part {
    let values = context! { title, cause, cure };
    Part { status, ..framed(console, asked, "error.html", title, "", values) }
}

/// The page for an address that there is not.
pub(crate) fn missing(console: &Console, asked: &Asked<'_>) -> Part {
    let cause = format!("There is no page {}.", asked.path.escape_debug());
    let cure = "Begin at the first page, or look for the machine by its address or name.";
    problem(console, asked, StatusCode::NOT_FOUND, ("Not here", &cause, cure))
}

/// Whether a page follows what happens.
pub(crate) fn is_live(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    matches!(
        parts.as_slice(),
        [] | ["machines" | "findings" | "images" | "server" | "wall"] | ["machines" | "findings", _]
    )
}

/// Whether a page changes though nothing happens.
pub(crate) fn follows_time(path: &str) -> bool {
    path.starts_with("/machines/") || matches!(path, "/images" | "/server" | "/wall" | "/")
}

/// The pauses of a machine's last boot, each with what ended it, in seconds.
pub(crate) fn pauses(timeline: &Timeline) -> Vec<(&'static str, f64)> {
    let kept = waterfall::boots(machine::steps_in_memory(timeline));
    kept.last().map(|boot| waterfall::pauses(&boot.steps)).unwrap_or_default()
}

/// Bytes a second in words.
pub(crate) fn rate(rate: f64) -> String {
    words::rate(rate)
}

fn serialized(value: impl Serialize) -> Value {
    Value::from(Serde(value))
}

const HTML: &str = "text/html; charset=utf-8";
const TABS: [Tab; 5] = [
    Tab { path: "/", word: "Now" },
    Tab { path: "/machines", word: "Machines" },
    Tab { path: "/findings", word: "Findings" },
    Tab { path: "/images", word: "Images" },
    Tab { path: "/server", word: "Server" },
];

#[cfg(test)]
mod tests;
