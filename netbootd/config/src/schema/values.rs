//! Values that are written as text.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use humantime::DurationError;
use pxe_policy::{Class, UnknownClass};
use serde::de::{Error, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thiserror::Error as ThisError;

/// A value that is written as text and parses itself.
#[derive(Debug, Clone)]
pub(crate) struct Text<T>(pub(crate) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Text).map_err(Error::custom)
    }
}

/// One value, or a list of them.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        OneOrMany(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Shape<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
                T::deserialize(text.into_deserializer()).map(|value| OneOrMany(vec![value]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany<T>, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(OneOrMany(values))
            }
        }
        deserializer.deserialize_any(Shape(PhantomData))
    }
}

/// Client classes by one word: a class itself, or `pc` for every machine but a Mac.
#[derive(Debug, Clone)]
pub(crate) struct Classes(pub(crate) Vec<Class>);

impl FromStr for Classes {
    type Err = UnknownClasses;

    fn from_str(text: &str) -> Result<Self, UnknownClasses> {
        match text.to_ascii_lowercase().as_str() {
            "pc" => Ok(Classes(Class::PCS.to_vec())),
            _ => Ok(Classes(vec![text.parse()?])),
        }
    }
}

/// Text that names neither a client class nor all of PCs.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{0}, or pc for all but Macs")]
pub(crate) struct UnknownClasses(#[from] UnknownClass);

/// Ports in a row: `50000-50999`.
#[derive(Debug, Clone)]
pub(crate) struct PortRange(pub(crate) RangeInclusive<u16>);

impl FromStr for PortRange {
    type Err = InvalidPortRange;

    fn from_str(text: &str) -> Result<Self, InvalidPortRange> {
        let ports = text
            .split_once('-')
            .and_then(|(first, last)| Some(first.trim().parse().ok()?..=last.trim().parse().ok()?));
        match ports {
            Some(ports) if !ports.is_empty() && *ports.start() > 0 => Ok(PortRange(ports)),
            _ => Err(InvalidPortRange(text.to_owned())),
        }
    }
}

/// Text that is no range of ports.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{0:?} is no port range: 50000-50999 was expected")]
pub(crate) struct InvalidPortRange(String);

/// Text that is no time, or one out of bounds.
#[derive(Debug, Clone, PartialEq, ThisError)]
pub(crate) enum InvalidTime {
    #[error("{text:?} is no time: {problem}; {expected} was expected")]
    Syntax { text: String, problem: DurationError, expected: &'static str },
    #[error("{text:?} is not between {bounds}")]
    OutOfBounds { text: String, bounds: &'static str },
}

fn duration(text: &str, expected: &'static str) -> Result<Duration, InvalidTime> {
    humantime::parse_duration(text).map_err(|problem| InvalidTime::Syntax {
        text: text.to_owned(),
        problem,
        expected,
    })
}

fn out_of_bounds(text: &str, bounds: &'static str) -> InvalidTime {
    InvalidTime::OutOfBounds { text: text.to_owned(), bounds }
}

/// How long something lasts: `1h`, `30m`.
#[derive(Debug, Clone)]
pub(crate) struct Time(pub(crate) Duration);

impl FromStr for Time {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let time = duration(text, "1h or 30m")?;
        let sane = Duration::from_secs(60)..=Duration::from_secs(365 * 24 * 3600);
        if sane.contains(&time) { Ok(Time(time)) } else { Err(out_of_bounds(text, "1m and 365d")) }
    }
}

/// How long something may take or counts, in any unit: `800ms`, `2m`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lasting(pub(crate) Duration);

impl FromStr for Lasting {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        duration(text, "800ms or 2m").map(Lasting)
    }
}

/// How often something is done: `10s`; `0s` for never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval(pub(crate) Duration);

impl FromStr for Interval {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let time = duration(text, "10s or 1m")?;
        match time.as_secs() {
            0 if time.is_zero() => Ok(Interval(time)),
            1..=86_400 => Ok(Interval(time)),
            _ => Err(out_of_bounds(text, "1s and 1d; 0s is never")),
        }
    }
}

/// How often something is done that takes long: `30d`; `0s` for never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round(pub(crate) Duration);

impl FromStr for Round {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let time = duration(text, "30d or 1w")?;
        match time.as_secs() {
            0 if time.is_zero() => Ok(Round(time)),
            86_400..=31_622_400 => Ok(Round(time)),
            _ => Err(out_of_bounds(text, "1d and 366d; 0s is never")),
        }
    }
}

/// Bytes: `500M`, `1T`; the letters are powers of 1024.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let power = match text[digits.len()..].trim() {
            "" => Some(0),
            "K" | "KiB" => Some(1),
            "M" | "MiB" => Some(2),
            "G" | "GiB" => Some(3),
            "T" | "TiB" => Some(4),
            _ => None,
        };
        let bytes =
            digits.parse::<u64>().ok().zip(power).and_then(|(n, power)| n.checked_mul(1024_u64.pow(power)));
        bytes.map(Size).ok_or_else(|| InvalidSize(text.to_owned()))
    }
}

/// Text that is no number of bytes.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{0:?} is no size: 500M or 1T was expected")]
pub(crate) struct InvalidSize(String);
