//! Conditional requests (RFC 9110 §13).

use std::time::SystemTime;

use headers::{ETag, Header, HeaderMapExt, IfMatch, IfModifiedSince, IfNoneMatch, IfUnmodifiedSince};
use hyper::header::HeaderMap;

/// The result of a request's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// The request goes on.
    Holds,
    /// The condition fails: status 412.
    Fails,
    /// The client has this version: status 304.
    NotModified,
}

/// Evaluates the conditions in the order of §13.2.2. Malformed conditions are ignored, but for tags
/// that have to match.
pub(super) fn check(headers: &HeaderMap, etag: &str, modified: Option<SystemTime>) -> Condition {
    let Ok(etag) = etag.parse::<ETag>() else { return Condition::Holds };
    if headers.contains_key(IfMatch::name()) {
        let matches = headers.typed_get::<IfMatch>().is_some_and(|tags| tags.precondition_passes(&etag));
        if !matches {
            return Condition::Fails;
        }
    } else if let (Some(date), Some(modified)) = (headers.typed_get::<IfUnmodifiedSince>(), modified)
        && !date.precondition_passes(modified)
    {
        return Condition::Fails;
    }
    if headers.contains_key(IfNoneMatch::name()) {
        let known = headers.typed_get::<IfNoneMatch>().is_some_and(|tags| !tags.precondition_passes(&etag));
        return if known { Condition::NotModified } else { Condition::Holds };
    }
    match (headers.typed_get::<IfModifiedSince>(), modified) {
        (Some(date), Some(modified)) if !date.is_modified(modified) => Condition::NotModified,
        _ => Condition::Holds,
    }
}
