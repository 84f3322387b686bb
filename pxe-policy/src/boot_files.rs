//! Where an image keeps the file that a machine starts with.

use crate::{ArchType, ImageArch};

/// Paths inside an image, best first. With `asks_server` the first one is the program that asks the
/// server again and shows the answer on the machine's screen. For BIOS it is `pxeboot.n12`, which
/// waits for no key: the operator has pressed F12 by then, if one had to.
pub fn boot_files(machine: ArchType, arch: Option<ImageArch>, asks_server: bool) -> Vec<String> {
    let is = |arch: ArchType| machine.same_family(arch);
    let folders: Vec<&str> = match arch {
        Some(arch) => vec![arch.folder()],
        None if is(ArchType::X86_BIOS) => vec!["x64", "x86"],
        None if is(ArchType::IA32_UEFI) => vec!["x86"],
        None if is(ArchType::X64_UEFI) => vec!["x64"],
        None if is(ArchType::ARM64_UEFI) => vec!["arm64"],
        None => Vec::new(),
    };
    let mut windows = if is(ArchType::X86_BIOS) {
        vec!["pxeboot.n12", "pxeboot.com"]
    } else {
        vec!["bootmgfw.efi", "bootmgfw_EX.efi"]
    };
    if asks_server {
        let programs = if is(ArchType::X86_BIOS) { &BOOT_PROGRAMS[..1] } else { &BOOT_PROGRAMS[1..] };
        windows.splice(0..0, programs.iter().copied());
    }
    // The path of UEFI 2.10 §3.5.1.1, for images that are no Windows.
    let removable = [
        (ArchType::IA32_UEFI, "EFI/BOOT/BOOTIA32.EFI"),
        (ArchType::X64_UEFI, "EFI/BOOT/BOOTX64.EFI"),
        (ArchType::ARM64_UEFI, "EFI/BOOT/BOOTAA64.EFI"),
    ];
    let windows =
        folders.iter().flat_map(|folder| windows.iter().map(move |name| format!("boot/{folder}/{name}")));
    let removable = removable.iter().filter(|(arch, _)| is(*arch)).map(|(_, path)| (*path).to_owned());
    windows.chain(removable).collect()
}

/// Whether a file is one of the programs that ask the server once more.
pub fn is_boot_program(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    BOOT_PROGRAMS.iter().any(|program| name.eq_ignore_ascii_case(program))
}

/// The script inside an image that lets iPXE load its Windows PE by HTTP.
pub const WIMBOOT_SCRIPT: &str = "wimboot.ipxe";

const BOOT_PROGRAMS: [&str; 3] = ["wdsnbp.com", "wdsmgfw.efi", "wdsmgfw_EX.efi"];
