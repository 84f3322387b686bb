//! Values as PostgreSQL's columns hold them.

use pxe_policy::Seconds;

pub(super) fn signed(seconds: Seconds) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// PostgreSQL's text holds every character but this one.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "")
}
