//! Where an image keeps the file that a machine starts with.

use crate::{ArchType, ImageArch};

/// Paths inside an image, best first. Of the two programs for BIOS the one that asks for no key: whoever had to press one has done so.
pub fn boot_files(machine: ArchType, arch: Option<ImageArch>) -> Vec<String> {
    let is = |arch: ArchType| machine.same_family(arch);
    let folders: Vec<&str> = match arch {
        Some(arch) => vec![arch.folder()],
        None if is(ArchType::X86_BIOS) => vec!["x64", "x86"],
        None if is(ArchType::IA32_UEFI) => vec!["x86"],
        None if is(ArchType::X64_UEFI) => vec!["x64"],
        None if is(ArchType::ARM64_UEFI) => vec!["arm64"],
        None => Vec::new(),
    };
    let windows = if is(ArchType::X86_BIOS) {
        ["pxeboot.n12", "pxeboot.com"]
    } else {
        ["bootmgfw.efi", "bootmgfw_EX.efi"]
    };
    // The path of UEFI 2.10 §3.5.1.1, for images that are no Windows.
    let removable = [
        (ArchType::IA32_UEFI, "EFI/BOOT/BOOTIA32.EFI"),
        (ArchType::X64_UEFI, "EFI/BOOT/BOOTX64.EFI"),
        (ArchType::ARM64_UEFI, "EFI/BOOT/BOOTAA64.EFI"),
    ];
    let windows = folders.iter().flat_map(|folder| windows.map(|name| format!("boot/{folder}/{name}")));
    let removable = removable.iter().filter(|(arch, _)| is(*arch)).map(|(_, path)| (*path).to_owned());
    windows.chain(removable).collect()
}
