//! Byte ranges (RFC 9110 §14). By hand: crates for them reject what a server has to ignore.

/// The range that a Range header requests of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The whole file: no range, or one that may be ignored (other units, several ranges,
    /// nonsense).
    Whole,
    /// Bytes from `first` to `last`, both counted.
    Part {
        /// The first byte, from 0.
        first: u64,
        /// The last byte, itself included.
        last: u64,
    },
    /// Nothing that the file has.
    Unsatisfiable,
}

/// Reads a Range header for a file of `len` bytes.
pub fn wanted(header: Option<&str>, len: u64) -> Wanted {
    let Some(spec) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = spec.split_once('-') else { return Wanted::Whole };
    match (number(first), number(last)) {
        (Some(None), Some(Some(0))) => Wanted::Unsatisfiable,
        (Some(None), Some(Some(_))) if len == 0 => Wanted::Unsatisfiable,
        (Some(None), Some(Some(suffix))) => Wanted::Part { first: len.saturating_sub(suffix), last: len - 1 },
        (Some(Some(first)), Some(Some(last))) if last < first => Wanted::Whole,
        (Some(Some(first)), Some(_)) if first >= len => Wanted::Unsatisfiable,
        (Some(Some(first)), Some(last)) => {
            Wanted::Part { first, last: last.unwrap_or(u64::MAX).min(len - 1) }
        }
        _ => Wanted::Whole,
    }
}

/// Some(None) for an empty text, Some(Some) for a number, None for anything else. A number beyond
/// 64 bits is as good as the largest.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    match text.is_empty() {
        true => Some(None),
        false if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Some(text.parse().unwrap_or(u64::MAX)))
        }
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_ranges() {
        let part = |first, last| Wanted::Part { first, last };
        let table = [
            (None, 10, Wanted::Whole),
            (Some("bytes=0-0"), 10, part(0, 0)),
            (Some("bytes=2-5"), 10, part(2, 5)),
            (Some("bytes=2-"), 10, part(2, 9)),
            (Some("bytes=2-99"), 10, part(2, 9)),
            (Some("bytes=-3"), 10, part(7, 9)),
            (Some("bytes=-99"), 10, part(0, 9)),
            (Some("bytes=9-9"), 10, part(9, 9)),
            (Some("bytes=10-"), 10, Wanted::Unsatisfiable),
            (Some("bytes=-0"), 10, Wanted::Unsatisfiable),
            (Some("bytes=0-"), 0, Wanted::Unsatisfiable),
            (Some("bytes=-5"), 0, Wanted::Unsatisfiable),
            (Some("bytes=5-2"), 10, Wanted::Whole),
            (Some("bytes=-"), 10, Wanted::Whole),
            (Some("bytes=0-1,3-4"), 10, Wanted::Whole),
            (Some("lines=0-1"), 10, Wanted::Whole),
            (Some("bytes=a-b"), 10, Wanted::Whole),
            (Some("bytes=99999999999999999999-"), 10, Wanted::Unsatisfiable),
            (Some("bytes=4294967296-4294967299"), 1 << 40, part(1 << 32, (1 << 32) + 3)),
        ];
        for (header, len, expected) in table {
            assert_eq!(wanted(header, len), expected, "{header:?} of {len}");
        }
    }
}
