//! Tag, length, value: one byte, one byte, and as many bytes as the length says. Options 43, 243
//! and 250 are lists of these.

use nom::multi::length_data;
use nom::number::complete::be_u8;
use nom::{IResult, Parser};

/// A length that goes beyond the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truncated {
    pub(crate) tag: u8,
    pub(crate) need: usize,
    pub(crate) have: usize,
}

/// The item behind a tag: its value, and what follows it.
pub(crate) fn value(tag: u8, after: &[u8]) -> Result<(&[u8], &[u8]), Truncated> {
    let item: IResult<&[u8], &[u8]> = length_data(be_u8).parse(after);
    let (rest, value) = item.map_err(|_| Truncated {
        tag,
        need: after.first().map_or(1, |length| usize::from(*length)),
        have: after.len().saturating_sub(1),
    })?;
    Ok((value, rest))
}

/// Writes an item. The error is the length of a value of more than 255 bytes.
pub(crate) fn put(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) -> Result<(), usize> {
    let length = u8::try_from(value.len()).map_err(|_| value.len())?;
    bytes.extend([tag, length]);
    bytes.extend(value);
    Ok(())
}
