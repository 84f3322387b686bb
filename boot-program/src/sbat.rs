//! The `.sbat` section: components with generations (shim's SBAT.md).

use std::fmt;

/// One component of a program, or one bound of a revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbatEntry {
    /// The component's name: `shim`, `grub`, `grub.debian`.
    pub component: String,
    /// Its generation; a component under the generation of the SBAT level does not start.
    pub generation: u32,
}

/// Reads the lines `component,generation,...`; others are left out. At most
/// [`MAX_ENTRIES`] of them are read.
pub(crate) fn read(section: &[u8]) -> Vec<SbatEntry> {
    let text = section.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).lines().filter_map(SbatEntry::parse).take(MAX_ENTRIES).collect()
}

impl SbatEntry {
    /// Reads one line of an SBAT section or of an SBAT level.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.trim().split(',');
        let component = fields.next().filter(|name| !name.is_empty())?;
        let generation = fields.next()?.trim().parse().ok()?;
        Some(SbatEntry { component: component.to_owned(), generation })
    }
}

impl fmt::Display for SbatEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.component, self.generation)
    }
}

/// Programs have fewer than ten.
const MAX_ENTRIES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_a_generation_are_read_and_rubbish_is_left_out() {
        let section = b"sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n\
            grub,5,Free Software Foundation,grub,2.06,https://www.gnu.org/software/grub/\r\n\
            grub.debian,x,Debian\n,4\nnothing\n\0\0shim,9\n";
        let read: Vec<String> = read(section).iter().map(ToString::to_string).collect();
        assert_eq!(read, ["sbat 1", "grub 5"]);
        assert!(super::read(&[0xff; 300]).is_empty());
    }
}
