//! Tag, length, value: one byte, one byte, and as many bytes as the length says. Options 43, 243 and 250 are lists of these.

/// A length that goes beyond the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truncated {
    /// The tag.
    pub(crate) tag: u8,
    /// Bytes claimed.
    pub(crate) need: usize,
    /// Bytes left.
    pub(crate) have: usize,
}

/// The item behind a tag: its value, and what follows it.
pub(crate) fn value(tag: u8, after: &[u8]) -> Result<(&[u8], &[u8]), Truncated> {
    let (length, after) = after.split_first().ok_or(Truncated { tag, need: 1, have: 0 })?;
    let need = usize::from(*length);
    after.split_at_checked(need).ok_or(Truncated { tag, need, have: after.len() })
}

/// Writes an item. The error is the length of a value of more than 255 bytes.
pub(crate) fn put(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) -> Result<(), usize> {
    let length = u8::try_from(value.len()).map_err(|_| value.len())?;
    bytes.extend([tag, length]);
    bytes.extend(value);
    Ok(())
}
