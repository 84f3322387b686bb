//! Processor architecture types (option 93).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A processor architecture type by its IANA number (option 93, RFC 4578 §2.1 and the IANA
/// registry).
///
/// RFC 4578's own table has 7 and 9 swapped; firmware and IANA say 7 is x64 UEFI. Some x64 firmware
/// sends 9, so [`ArchType::same_family`] takes the two for one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchType(pub u16);

/// A name that stands for no architecture type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not an architecture, expected x86-bios, ia32-uefi, x64-uefi, arm32-uefi, arm64-uefi, riscv64-uefi, another name of the documentation's table, or a number of option 93"
)]
pub struct UnknownArch(pub String);

impl ArchType {
    /// A PC with BIOS firmware.
    pub const X86_BIOS: ArchType = ArchType(0);
    /// A PC with 32-bit UEFI firmware.
    pub const IA32_UEFI: ArchType = ArchType(6);
    /// A PC with 64-bit UEFI firmware.
    pub const X64_UEFI: ArchType = ArchType(7);
    /// A 64-bit ARM machine with UEFI firmware.
    pub const ARM64_UEFI: ArchType = ArchType(11);
    /// U-Boot on 32-bit ARM.
    pub const ARM32_UBOOT: ArchType = ArchType(21);
    /// U-Boot on 64-bit ARM.
    pub const ARM64_UBOOT: ArchType = ArchType(22);
    /// 64-bit x86 UEFI by HTTP boot.
    pub const X64_UEFI_HTTP: ArchType = ArchType(16);

    /// The name used in logs and rules, or None for a number without one.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(number, _, _)| *number == self.0).map(|(_, name, _)| *name)
    }

    /// Whether this number says that the firmware fetches its boot file by HTTP.
    pub fn boots_by_http(self) -> bool {
        NAMES.iter().any(|(number, name, _)| *number == self.0 && name.ends_with("-http"))
    }

    /// Whether boot files for one serve the other: x64 UEFI is 7 and 9 alike.
    pub fn same_family(self, other: ArchType) -> bool {
        self.family() == other.family()
    }

    /// The machine type and the firmware kind, without the protocol: boot files of one family are
    /// alike.
    fn family(self) -> (&'static str, u16) {
        match NAMES.iter().find(|(number, _, _)| *number == self.0) {
            Some((_, _, family)) => (family, 0),
            None => ("", self.0),
        }
    }
}

impl fmt::Display for ArchType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "arch-{}", self.0),
        }
    }
}

impl fmt::Debug for ArchType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ArchType {
    type Err = UnknownArch;

    /// Takes a name of the table, `arch-N` or a decimal number.
    fn from_str(text: &str) -> Result<Self, UnknownArch> {
        let named = NAMES.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(text));
        if let Some((number, _, _)) = named {
            return Ok(ArchType(*number));
        }
        let number = text.strip_prefix("arch-").unwrap_or(text);
        number.parse().map(ArchType).map_err(|_| UnknownArch(text.chars().take(40).collect()))
    }
}

/// Number, name, and the family whose boot files fit.
const NAMES: [(u16, &str, &str); 32] = [
    (0, "x86-bios", "x86-bios"),
    (1, "nec-pc98", "nec-pc98"),
    (2, "itanium", "itanium"),
    (3, "alpha", "alpha"),
    (4, "arc-x86", "arc-x86"),
    (5, "intel-lean", "intel-lean"),
    (6, "ia32-uefi", "ia32-uefi"),
    (7, "x64-uefi", "x64-uefi"),
    (8, "xscale", "xscale"),
    (9, "ebc", "x64-uefi"),
    (10, "arm32-uefi", "arm32-uefi"),
    (11, "arm64-uefi", "arm64-uefi"),
    (12, "ppc-open-firmware", "ppc-open-firmware"),
    (13, "ppc-epapr", "ppc-epapr"),
    (14, "ppc-opal", "ppc-opal"),
    (15, "ia32-uefi-http", "ia32-uefi"),
    (16, "x64-uefi-http", "x64-uefi"),
    (17, "ebc-http", "x64-uefi"),
    (18, "arm32-uefi-http", "arm32-uefi"),
    (19, "arm64-uefi-http", "arm64-uefi"),
    (20, "x86-bios-http", "x86-bios"),
    (21, "arm32-uboot", "arm32-uboot"),
    (22, "arm64-uboot", "arm64-uboot"),
    (23, "arm32-uboot-http", "arm32-uboot"),
    (24, "arm64-uboot-http", "arm64-uboot"),
    (25, "riscv32-uefi", "riscv32-uefi"),
    (26, "riscv32-uefi-http", "riscv32-uefi"),
    (27, "riscv64-uefi", "riscv64-uefi"),
    (28, "riscv64-uefi-http", "riscv64-uefi"),
    (29, "riscv128-uefi", "riscv128-uefi"),
    (30, "riscv128-uefi-http", "riscv128-uefi"),
    (31, "s390", "s390"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_number() {
        for (number, name, _) in NAMES {
            assert_eq!(name.parse(), Ok(ArchType(number)));
            assert_eq!(ArchType(number).to_string(), name);
        }
        assert_eq!("39".parse(), Ok(ArchType(39)));
        assert_eq!("arch-39".parse(), Ok(ArchType(39)));
        assert_eq!(ArchType(39).to_string(), "arch-39");
        assert!("pentium".parse::<ArchType>().is_err());
    }

    #[test]
    fn x64_is_seven_and_nine_and_their_http_types() {
        for number in [7, 9, 16, 17] {
            assert!(ArchType(number).same_family(ArchType::X64_UEFI), "{number}");
        }
        for number in [0, 6, 11, 300] {
            assert!(!ArchType(number).same_family(ArchType::X64_UEFI), "{number}");
        }
        assert!(ArchType(300).same_family(ArchType(300)));
        assert!(!ArchType(300).same_family(ArchType(301)));
        assert!(ArchType(16).boots_by_http() && !ArchType(7).boots_by_http());
    }
}
