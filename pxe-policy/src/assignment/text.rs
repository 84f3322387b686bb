//! The texts of a device, and their limits.

use std::fmt;
use std::time::UNIX_EPOCH;

use thiserror::Error;

use super::{Assignment, Target};
use crate::{Seconds, SystemUuid};

/// Why a device cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidAssignment {
    /// A text that is too long.
    #[error("the {what} has {length} characters, more than {most}")]
    TooLong {
        /// The text that is too long.
        what: &'static str,
        /// How long it is.
        length: usize,
        /// How long it may be.
        most: usize,
    },
    /// Characters that would change what a terminal or a log shows.
    #[error("the {0} contains control characters")]
    Control(&'static str),
    /// A tag that is no word.
    #[error("{0:?} is not a tag: letters, digits and . _ - were expected")]
    Tag(String),
    /// The device has more tags than it may.
    #[error("a device has at most {MAX_TAGS} tags")]
    TooManyTags,
    /// The target names nothing to boot.
    #[error("an image or a file needs a name")]
    NoName,
}

impl Assignment {
    /// Whether it can be kept and shown.
    pub fn check(&self) -> Result<(), InvalidAssignment> {
        check_text("name", &self.name, MAX_NAME)?;
        check_text("note", &self.note, MAX_NOTE)?;
        if self.tags.len() > MAX_TAGS {
            return Err(InvalidAssignment::TooManyTags);
        }
        for tag in &self.tags {
            let is_word = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
            if tag.is_empty() || tag.chars().count() > MAX_NAME || !tag.chars().all(is_word) {
                return Err(InvalidAssignment::Tag(tag.chars().take(MAX_NAME).collect()));
            }
        }
        self.boot.as_ref().map_or(Ok(()), Target::check)?;
        self.next.as_ref().map_or(Ok(()), |next| next.target.check())
    }
}

impl Target {
    /// Whether it can be kept and shown.
    pub fn check(&self) -> Result<(), InvalidAssignment> {
        let (what, text) = match self {
            Target::Disk => return Ok(()),
            Target::Image(name) => ("image", name),
            Target::File(path) => ("file", path),
        };
        if text.trim().is_empty() {
            return Err(InvalidAssignment::NoName);
        }
        check_text(what, text, MAX_PATH)
    }

    /// The image's name, when it is one.
    pub fn image(&self) -> Option<&str> {
        match self {
            Target::Image(name) => Some(name),
            Target::File(_) | Target::Disk => None,
        }
    }
}

/// Text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a time: 2h, 3d or 2026-12-01T18:00:00Z was expected")]
pub struct InvalidMoment(pub String);

/// A time: from now on (`2h`, `3d 12h`), in UTC (`2026-12-01T18:00:00Z`), or in seconds since 1970.
pub fn moment(text: &str, now: Seconds) -> Result<Seconds, InvalidMoment> {
    let text = text.trim();
    let since_1970 = || {
        let at = humantime::parse_rfc3339_weak(text).ok()?;
        at.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
    };
    let lasts = || humantime::parse_duration(text).ok().map(|lasts| now.saturating_add(lasts.as_secs()));
    let at = text.parse().ok().or_else(lasts).or_else(since_1970).filter(|at| *at <= LAST_MOMENT);
    at.ok_or_else(|| InvalidMoment(text.chars().take(40).collect()))
}

fn check_text(what: &'static str, text: &str, most: usize) -> Result<(), InvalidAssignment> {
    let length = text.chars().count();
    if length > most {
        return Err(InvalidAssignment::TooLong { what, length, most });
    }
    // Marks of direction make a name look like another one.
    let is_hidden =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.chars().any(is_hidden) {
        return Err(InvalidAssignment::Control(what));
    }
    Ok(())
}

/// `image NAME`, `file PATH` or `its own disk`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Image(name) => write!(f, "image {name}"),
            Target::File(path) => write!(f, "file {path}"),
            Target::Disk => f.write_str("its own disk"),
        }
    }
}

/// A hardware address as JSON has it.
pub(super) mod is_mac {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::MacAddr;

    pub(in crate::assignment) fn serialize<S: Serializer>(mac: &MacAddr, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(mac)
    }

    pub(in crate::assignment) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<MacAddr, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A GUID as JSON has it.
pub(super) mod is_guid {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::SystemUuid;

    pub(in crate::assignment) fn serialize<S: Serializer>(
        guid: &Option<SystemUuid>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match guid {
            Some(guid) => to.collect_str(guid),
            None => to.serialize_none(),
        }
    }

    pub(in crate::assignment) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<SystemUuid>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

const MAX_NAME: usize = 64;
const MAX_TAGS: usize = 16;
const MAX_NOTE: usize = 500;
const MAX_PATH: usize = 250;
/// The end of the year 9999, which is the last that people write.
const LAST_MOMENT: Seconds = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_three_ways() {
        let now = 1_760_000_000;
        let table = [
            ("2h", Some(now + 7200)),
            ("3d 12h", Some(now + 302_400)),
            ("2025-10-09T08:53:20Z", Some(now)),
            ("2025-10-09 08:53:20", Some(now)),
            ("1760000000", Some(now)),
            ("", None),
            ("tomorrow", None),
            ("99999999999999", None),
            ("-1", None),
        ];
        for (text, at) in table {
            assert_eq!(moment(text, now).ok(), at, "{text}");
        }
    }
}
