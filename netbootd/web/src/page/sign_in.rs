//! Where an operator shows the token.

use hyper::StatusCode;
use minijinja::context;

use super::{Part, framed, query};
use crate::console::{Asked, Console};

/// The form; with what went wrong at the last try.
pub(crate) fn page(console: &Console, asked: &Asked<'_>, wrong: Option<&str>) -> Part {
    let to = query::value(asked.query, "to").filter(|to| is_own(to)).unwrap_or_else(|| "/".to_owned());
    let values = context! { wrong, to, possible => console.can_sign_in() };
    let part = framed(console, asked, "sign_in.html", "Sign in", "", values);
    if wrong.is_some() { Part { status: StatusCode::FORBIDDEN, ..part } } else { part }
}

/// Whether an address is a page of this server: a link must not lead elsewhere after signing in.
pub(crate) fn is_own(to: &str) -> bool {
    to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n'])
}
