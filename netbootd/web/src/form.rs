//! The text of paths, queries and forms (application/x-www-form-urlencoded).

use percent_encoding::percent_decode_str;

/// The names and values of a query or form, decoded; a name without `=` has an empty value.
pub(crate) fn pairs(text: Option<&str>) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(text.unwrap_or_default().as_bytes()).into_owned()
}

/// A part of a path, percent-decoded.
pub(crate) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
