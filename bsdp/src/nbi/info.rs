//! `NBImageInfo.plist` as it is written, XML or binary: the keys that a server knows, loosely typed
//! as tools write them.

use std::collections::BTreeMap;
use std::io::Cursor;

use plist::stream::{OwnedEvent, Reader};
use thiserror::Error;

/// The property list `NBImageInfo.plist` as it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NbiInfo(BTreeMap<String, Value>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Integer(i128),
    Boolean(bool),
    Texts(Vec<String>),
}

/// Why bytes are no `NBImageInfo.plist`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlistError {
    /// It is larger than such a list ever is.
    #[error("{have} bytes are more than {MAX_PLIST}")]
    TooLarge {
        /// The bytes that are there.
        have: usize,
    },
    /// Neither XML nor binary, or damaged.
    #[error("not a property list: {0}")]
    Damaged(String),
    /// It declares entities, which no such list needs and which can unfold to anything.
    #[error("it declares entities")]
    Entities,
    /// Its outermost value is no dictionary.
    #[error("no dictionary")]
    NoDictionary,
    /// Lists in lists, or more values than such a list ever has.
    #[error("nested or repeated beyond reason")]
    Unreasonable,
}

impl NbiInfo {
    /// Reads the bytes of the file. Keys that a server does not know, and values inside other
    /// values, are passed over.
    pub fn parse(bytes: &[u8]) -> Result<Self, PlistError> {
        if bytes.len() > MAX_PLIST {
            return Err(PlistError::TooLarge { have: bytes.len() });
        }
        if bytes.windows(ENTITY.len()).any(|piece| piece == ENTITY) {
            return Err(PlistError::Entities);
        }
        // A binary list may refer to one value from many places, so what it unfolds to has a bound
        // of its own.
        let mut events =
            Reader::new(Cursor::new(bytes)).take(MAX_EVENTS + 1).enumerate().map(|(at, event)| {
                if at == MAX_EVENTS {
                    return Err(PlistError::Unreasonable);
                }
                event.map_err(|error| PlistError::Damaged(error.to_string()))
            });
        match events.next() {
            Some(Ok(OwnedEvent::StartDictionary(_))) => {}
            Some(Err(error)) => return Err(error),
            _ => return Err(PlistError::NoDictionary),
        }
        let mut values = BTreeMap::new();
        loop {
            let key = match events.next().transpose()? {
                Some(OwnedEvent::String(key)) => key.into_owned(),
                Some(OwnedEvent::EndCollection) => return Ok(NbiInfo(values)),
                _ => return Err(PlistError::Damaged("a key was expected".into())),
            };
            let first =
                events.next().transpose()?.ok_or_else(|| PlistError::Damaged("it ends early".into()))?;
            if let Some(value) = value(first, &mut events)? {
                values.insert(key, value);
            }
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number; digits in a string count too, some tools write them so.
    pub(super) fn integer(&self, key: &str) -> Option<i128> {
        match self.0.get(key)? {
            Value::Integer(number) => Some(*number),
            Value::Text(digits) => digits.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        match self.0.get(key)? {
            Value::Boolean(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A list of strings; None when it is absent or empty, which mean the same.
    pub(super) fn texts(&self, key: &str) -> Option<&[String]> {
        match self.0.get(key)? {
            Value::Texts(texts) if !texts.is_empty() => Some(texts),
            _ => None,
        }
    }
}

fn value(
    first: OwnedEvent,
    events: &mut impl Iterator<Item = Result<OwnedEvent, PlistError>>,
) -> Result<Option<Value>, PlistError> {
    let is_array = matches!(first, OwnedEvent::StartArray(_));
    match first {
        OwnedEvent::String(text) => return Ok(Some(Value::Text(text.into_owned()))),
        OwnedEvent::Boolean(flag) => return Ok(Some(Value::Boolean(flag))),
        OwnedEvent::Integer(number) => {
            let number = number.as_signed().map(i128::from).or_else(|| number.as_unsigned().map(i128::from));
            return Ok(number.map(Value::Integer));
        }
        OwnedEvent::StartArray(_) | OwnedEvent::StartDictionary(_) => {}
        OwnedEvent::EndCollection => return Err(PlistError::Damaged("a value was expected".into())),
        _ => return Ok(None),
    }
    let mut texts = Vec::new();
    let mut depth = 1;
    while depth > 0 {
        match events.next().transpose()? {
            None => return Err(PlistError::Damaged("it ends early".into())),
            Some(OwnedEvent::StartArray(_) | OwnedEvent::StartDictionary(_)) => depth += 1,
            Some(OwnedEvent::EndCollection) => depth -= 1,
            Some(OwnedEvent::String(text)) if depth == 1 => texts.push(text.into_owned()),
            Some(_) => {}
        }
        if depth > MAX_DEPTH {
            return Err(PlistError::Unreasonable);
        }
    }
    Ok(is_array.then_some(Value::Texts(texts)))
}

/// The largest property list that is read, in bytes. Real ones have a few thousand, model lists
/// included.
pub const MAX_PLIST: usize = 1 << 20;
/// In XML these bytes are a declaration and nothing else.
const ENTITY: &[u8] = b"<!ENTITY";
const MAX_EVENTS: usize = 100_000;
const MAX_DEPTH: usize = 16;

#[cfg(test)]
mod tests;
