//! Several values in one string of bytes.

/// Values behind a length byte each; the last one may be cut.
pub(crate) fn counted(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut values = Vec::new();
    while let [length, after @ ..] = rest {
        let (value, after) = after.split_at(after.len().min(usize::from(*length)));
        values.push(value);
        rest = after;
    }
    values
}

/// Numbers, one byte after the other, and 0 when there are no more.
#[derive(Debug)]
pub(crate) struct Numbers<'a>(pub(crate) &'a [u8]);

impl Numbers<'_> {
    pub(crate) fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn next_u16(&mut self) -> u16 {
        u16::from_be_bytes([self.next(), self.next()])
    }
}
