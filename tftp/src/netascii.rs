//! Netascii (RFC 1350 §1, RFC 764): LF becomes CR LF, CR becomes CR NUL.

/// Translates a file for sending.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for byte in bytes {
        match byte {
            b'\n' => out.extend(b"\r\n"),
            b'\r' => out.extend(b"\r\0"),
            other => out.push(*other),
        }
    }
    out
}

/// Translates what was received. A CR before anything but LF and NUL stays, as other clients do it.
pub fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        (rest, _) = match (first, after) {
            (b'\r', [b'\n', after @ ..]) => (after, out.push(b'\n')),
            (b'\r', [0, after @ ..]) => (after, out.push(b'\r')),
            _ => (after, out.push(*first)),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn line_ends_become_two_bytes() {
        assert_eq!(encode(b"a\nb\rc\r\n"), b"a\r\nb\r\0c\r\0\r\n");
        assert_eq!(decode(b"a\r\nb\r\0c\rd"), b"a\nb\rc\rd");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(0), any::<u8>()], 0..200)) {
            prop_assert_eq!(decode(&encode(&bytes)), bytes);
        }
    }
}
