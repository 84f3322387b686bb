//! The audit log as a page and as comma-separated values.

use hyper::StatusCode;
use minijinja::context;

use super::machines::quoted;
use super::{Part, framed, query, serialized};
use crate::audit::entries;
use crate::console::{Asked, Console};

pub(super) async fn page(console: &Console, asked: &Asked<'_>) -> Part {
    let q = query::value(asked.query, "q").unwrap_or_default();
    let entries = entries(&console.services, &q, ON_A_PAGE).await;
    let values = context! { q, entries => serialized(entries) };
    framed(console, asked, "audit.html", "Audit", "/server", values)
}

pub(super) async fn csv(console: &Console, asked: &Asked<'_>) -> Part {
    let q = query::value(asked.query, "q").unwrap_or_default();
    let mut body = "at,who,from,what,status,before,after\r\n".to_owned();
    for entry in entries(&console.services, &q, IN_A_FILE).await {
        let fields = [
            entry.at,
            entry.who,
            entry.from,
            entry.what,
            entry.status.to_string(),
            entry.before.unwrap_or_default(),
            entry.after.unwrap_or_default(),
        ];
        body.push_str(&fields.map(|field| quoted(&field)).join(","));
        body.push_str("\r\n");
    }
    Part { status: StatusCode::OK, content_type: "text/csv; charset=utf-8", body }
}

const ON_A_PAGE: usize = 200;
const IN_A_FILE: usize = 100_000;
