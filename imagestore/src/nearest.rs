//! The existing name that is most similar to a missing one, to suggest after a misspelling.

/// The name that is most like `wanted`, letters compared without case; None when none is like it.
pub(crate) fn nearest<'a>(wanted: &[u8], names: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let wanted = wanted.trim_ascii().to_ascii_lowercase();
    if wanted.is_empty() || wanted.len() > MAX_NAME {
        return None;
    }
    let bound = (wanted.len() / 3).clamp(1, MAX_EDITS);
    let scored = names.filter(|name| !name.is_empty() && name.len() <= MAX_NAME).filter_map(|name| {
        let lower = name.to_ascii_lowercase();
        Some((distance(&wanted, &lower, bound).or_else(|| begins(&wanted, &lower))?, name))
    });
    scored.min().map(|(_, name)| name)
}

/// A name that goes on where the other ends, such as `vmlinuz` and `vmlinuz-6.1.0-13-amd64`: behind
/// everything that is misspelled.
fn begins(a: &[u8], b: &[u8]) -> Option<usize> {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    (short.len() >= SHORTEST_BEGIN && long.starts_with(short)).then_some(MAX_EDITS + long.len() - short.len())
}

/// How many letters have to be put in, left out or replaced; None for more than `bound`.
fn distance(a: &[u8], b: &[u8], bound: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > bound {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let above = row[j + 1];
            let replaced = diagonal + usize::from(from != to);
            row[j + 1] = replaced.min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
        if row.iter().min().is_some_and(|least| *least > bound) {
            return None;
        }
    }
    row.last().copied().filter(|edits| *edits <= bound)
}

/// More edits make another name.
const MAX_EDITS: usize = 4;
/// Longer names are compared with nothing.
const MAX_NAME: usize = 128;
const SHORTEST_BEGIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_name_finds_the_one_that_is_there() {
        let there: [&[u8]; 6] =
            [b"ipxe.efi", b"initrd.gz", b"vmlinuz-6.1.0-13-amd64", b"grubx64.efi", b"shimx64.efi", b"a"];
        let table: [(&[u8], Option<&[u8]>); 9] = [
            (b"ipxeee.efi", Some(b"ipxe.efi")),
            (b"IPXE.EFI ", Some(b"ipxe.efi")),
            (b"initrd.img", Some(b"initrd.gz")),
            (b"vmlinuz", Some(b"vmlinuz-6.1.0-13-amd64")),
            (b"grubia32.efi", Some(b"grubx64.efi")),
            (b"shmx64.efi", Some(b"shimx64.efi")),
            (b"b", Some(b"a")),
            (b"whatever-else.bin", None),
            (b"", None),
        ];
        for (wanted, expected) in table {
            let found = nearest(wanted, there.iter().copied());
            assert_eq!(found, expected, "{}", wanted.escape_ascii());
        }
    }
}
