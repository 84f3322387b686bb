//! WTF-8: UTF-8 that also has surrogates, each as three bytes, unless two of them are a pair.

/// Encodes units of UTF-16, unpaired surrogates too, as WTF-8.
pub(super) fn encode(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.len());
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(c) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(half) => {
                let [high, low] = half.unpaired_surrogate().to_be_bytes();
                bytes.extend([0xe0 | high >> 4, 0x80 | (high & 0xf) << 2 | low >> 6, 0x80 | low & 0x3f]);
            }
        }
    }
    bytes
}

/// WTF-8 as UTF-16; a byte that belongs to nothing becomes U+FFFD, which wimlib never has.
pub(super) fn decode(bytes: &[u8]) -> Vec<u16> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let chunk = rest.utf8_chunks().next();
        let valid = chunk.map(|chunk| chunk.valid()).unwrap_or_default();
        units.extend(valid.encode_utf16());
        rest = &rest[valid.len()..];
        rest = match rest {
            [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, after @ ..] => {
                units.push(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f));
                after
            }
            [_, after @ ..] => {
                units.push(0xfffd);
                after
            }
            [] => rest,
        };
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_comes_back_alone_and_beside_others() {
        for unit in 0..=u16::MAX {
            for units in [vec![unit], vec![65, unit, 66], vec![unit, 0xdc00], vec![0xd83d, unit]] {
                assert_eq!(decode(&encode(&units)), units, "{units:x?}");
            }
        }
        assert_eq!(encode(&"a\u{1f5a5}".encode_utf16().collect::<Vec<_>>()), "a\u{1f5a5}".as_bytes());
        assert_eq!(encode(&[0xd800]), [0xed, 0xa0, 0x80]);
        assert_eq!(decode(b"a\xff\xed\x41"), [0x61, 0xfffd, 0xfffd, 0x41]);
    }
}
