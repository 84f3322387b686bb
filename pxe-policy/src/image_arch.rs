//! The architecture of a boot image, and the machines that it suits.

use crate::ArchType;

/// The architecture of a boot image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ImageArch {
    /// A boot image for 32-bit PCs.
    X86,
    /// A boot image for 64-bit PCs.
    X64,
    /// A boot image for 64-bit ARM.
    Arm64,
}

impl ImageArch {
    /// The folder of boot files in an image, as Windows names it.
    pub fn folder(self) -> &'static str {
        match self {
            ImageArch::X86 => "x86",
            ImageArch::X64 => "x64",
            ImageArch::Arm64 => "arm64",
        }
    }

    /// How well an image suits a machine: 0 exactly, 1 as well, None not at all. x64 PCs with BIOS
    /// say that they are x86, so either suits them; UEFI takes its own width only.
    pub fn suits(self, machine: ArchType) -> Option<u8> {
        let bios = machine.same_family(ArchType::X86_BIOS);
        let own = [
            (ArchType::IA32_UEFI, ImageArch::X86),
            (ArchType::X64_UEFI, ImageArch::X64),
            (ArchType::ARM64_UEFI, ImageArch::Arm64),
        ];
        match self {
            ImageArch::X64 if bios => Some(0),
            ImageArch::X86 if bios => Some(1),
            _ => own.iter().any(|(arch, image)| machine.same_family(*arch) && *image == self).then_some(0),
        }
    }
}
