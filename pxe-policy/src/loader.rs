//! The tasks of boot loaders: start a kernel with its RAM disks, or show a menu. netbootd writes
//! the configuration that iPXE, GRUB and PXELINUX fetch for it.

use crate::rules::{file_name, is_grub_or_shim, is_ipxe_binary};
use crate::{ArchType, BootRequest, Class, ImageOffer};

/// A kernel and what it starts with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelBoot {
    /// A path in the boot tree, or a whole URL.
    pub kernel: String,
    /// Initial RAM disks, likewise, in the order in which they are loaded.
    pub initrds: Vec<String>,
    /// The kernel's arguments. `{image-url}`, `{http-url}`, `{server}` and `{mac}` stand for what
    /// they say.
    pub cmdline: String,
    /// The folder in the boot tree that `{image-url}` stands for.
    pub folder: String,
}

/// The task of the configuration that a boot loader fetches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoaderConfig {
    /// It starts a kernel.
    Kernel(KernelBoot),
    /// It shows the boot menu, with these images.
    Menu(ImageOffer),
}

/// The script in the boot tree that makes iPXE do what was decided for the machine that asks.
pub const LOADER_SCRIPT: &str = "netbootd/boot.ipxe";

/// Whether a boot file is, by its usual names, a boot loader that fetches a configuration from
/// here.
pub fn is_loader(path: &str) -> bool {
    let name = file_name(path);
    let is_syslinux = name.starts_with("syslinux") && name.ends_with(".efi");
    let is_removable = ["bootx64.efi", "bootia32.efi", "bootaa64.efi"].contains(&name.as_str());
    is_ipxe_binary(path)
        || is_grub_or_shim(path)
        || is_syslinux
        || is_removable
        || ["pxelinux.0", "lpxelinux.0"].contains(&name.as_str())
}

/// The usual names of boot loaders for the machine behind a request, best first. GRUB comes last:
/// beside a foreign DHCP server it looks for its files on that server.
pub(crate) fn usual_loaders(request: &BootRequest) -> &'static [&'static str] {
    let Some(arch) = request.arch() else { return &[] };
    let is = |family: ArchType| arch.same_family(family);
    match request.class {
        Class::Http if is(ArchType::X64_UEFI) => {
            &["ipxe.efi", "snponly.efi", "shimx64.efi", "grubx64.efi", "bootx64.efi"]
        }
        Class::Http if is(ArchType::ARM64_UEFI) => &["ipxe-arm64.efi", "snponly-arm64.efi", "bootaa64.efi"],
        Class::Pxe if is(ArchType::X86_BIOS) => &[
            "undionly.kpxe",
            "ipxe.pxe",
            "lpxelinux.0",
            "pxelinux.0",
            "boot/grub/i386-pc/core.0",
            "grub/i386-pc/core.0",
        ],
        Class::Pxe if is(ArchType::X64_UEFI) => {
            &["ipxe.efi", "snponly.efi", "syslinux.efi", "shimx64.efi", "grubx64.efi", "bootx64.efi"]
        }
        Class::Pxe if is(ArchType::IA32_UEFI) => &["ipxe32.efi", "syslinux32.efi", "bootia32.efi"],
        Class::Pxe if is(ArchType::ARM64_UEFI) => {
            &["ipxe-arm64.efi", "snponly-arm64.efi", "grubaa64.efi", "bootaa64.efi"]
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaders_are_known_by_their_usual_names() {
        for path in [
            "pxelinux.0",
            "bios/lpxelinux.0",
            "syslinux.efi",
            "undionly.kpxe",
            "EFI/ipxe.efi",
            "shimx64.efi.signed",
            "grub/grubnetx64.efi.signed",
            "bootx64.efi",
        ] {
            assert!(is_loader(path), "{path}");
        }
        for path in ["memtest.efi", "winpe/boot/x64/bootmgfw.efi", "wdsnbp.com", "vmlinuz", "boot.ipxe"] {
            assert!(!is_loader(path), "{path}");
        }
    }
}
