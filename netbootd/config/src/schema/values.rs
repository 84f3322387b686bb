//! Values that are written as text.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use pxe_policy::Class;
use serde::de::{Error, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

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
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "pc" => Ok(Classes(Class::PCS.to_vec())),
            _ => text
                .parse()
                .map(|class| Classes(vec![class]))
                .map_err(|error: String| error + ", or pc for all but Macs"),
        }
    }
}

/// Ports in a row: `50000-50999`.
#[derive(Debug, Clone)]
pub(crate) struct PortRange(pub(crate) RangeInclusive<u16>);

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ports = text
            .split_once('-')
            .and_then(|(first, last)| Some(first.trim().parse().ok()?..=last.trim().parse().ok()?));
        match ports {
            Some(ports) if !ports.is_empty() && *ports.start() > 0 => Ok(PortRange(ports)),
            _ => Err(format!("{text:?} is no port range: 50000-50999 was expected")),
        }
    }
}

/// How long something lasts: `1h`, `30m`.
#[derive(Debug, Clone)]
pub(crate) struct Time(pub(crate) Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = humantime::parse_duration(text)
            .map_err(|error| format!("{text:?} is no time: {error}; 1h or 30m was expected"))?;
        let sane = Duration::from_secs(60)..=Duration::from_secs(365 * 24 * 3600);
        if sane.contains(&time) {
            Ok(Time(time))
        } else {
            Err(format!("{text:?} is not between 1m and 365d"))
        }
    }
}

/// How long something may take or counts, in any unit: `800ms`, `2m`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lasting(pub(crate) Duration);

impl FromStr for Lasting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map(Lasting)
            .map_err(|error| format!("{text:?} is no time: {error}; 800ms or 2m was expected"))
    }
}

/// How often something is done: `10s`; `0s` for never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval(pub(crate) Duration);

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = humantime::parse_duration(text)
            .map_err(|error| format!("{text:?} is no time: {error}; 10s or 1m was expected"))?;
        match time.as_secs() {
            0 if time.is_zero() => Ok(Interval(time)),
            1..=86_400 => Ok(Interval(time)),
            _ => Err(format!("{text:?} is not between 1s and 1d; 0s is never")),
        }
    }
}

/// How often something is done that takes long: `30d`; `0s` for never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round(pub(crate) Duration);

impl FromStr for Round {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = humantime::parse_duration(text)
            .map_err(|error| format!("{text:?} is no time: {error}; 30d or 1w was expected"))?;
        match time.as_secs() {
            0 if time.is_zero() => Ok(Round(time)),
            86_400..=31_622_400 => Ok(Round(time)),
            _ => Err(format!("{text:?} is not between 1d and 366d; 0s is never")),
        }
    }
}

/// Bytes: `500M`, `1T`; the letters are powers of 1024.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
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
        bytes.map(Size).ok_or_else(|| format!("{text:?} is no size: 500M or 1T was expected"))
    }
}
