//! The kinds of boot files, by their names: what loads one, what it loads next, and whether a boot
//! can do without it.

use std::fmt;
use std::time::Duration;

/// The kind of a boot file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    /// shim, the first stage under Secure Boot.
    Shim,
    /// GRUB as a network program.
    Grub,
    /// iPXE in any form.
    Ipxe,
    /// Windows' program that asks the boot server once more: wdsnbp.com, wdsmgfw.efi.
    WdsProgram,
    /// Windows' boot manager or its loader: bootmgfw.efi, bootmgr.exe, pxeboot.n12.
    BootManager,
    /// PXELINUX or another loader of SYSLINUX.
    Pxelinux,
    /// Another program that firmware starts.
    Program,
    /// A configuration or script of a boot program.
    Configuration,
    /// A module or library of a boot program.
    Module,
    /// A store of boot configuration data (BCD).
    Bcd,
    /// Windows' RAM disk image, `boot.sdi`.
    Sdi,
    /// ConfigMgr's variables file of one machine.
    Variables,
    /// A Windows image (WIM).
    Wim,
    /// A kernel of Linux or another system.
    Kernel,
    /// An initial RAM disk.
    Initrd,
    /// Files of an operating system that runs: root file systems, packages, answer files.
    System,
    /// A font, locale or background.
    Decoration,
    /// Anything else, of which nothing is known.
    Other,
}

/// How long each boot program may take until it asks for something, however slow the machine.
const PROGRAM: Duration = Duration::from_secs(20);
/// GRUB and PXELINUX ask for their configuration as soon as they run.
const LOADER: Duration = Duration::from_secs(15);

impl FileKind {
    /// The kind of a path as a client spells it.
    pub fn from_path(path: &str) -> Self {
        let path = path.to_ascii_lowercase().replace('\\', "/");
        let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let starts = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
        if path.contains("pxelinux.cfg/") || path.contains("grub.cfg") || starts(&["default.ipxe"]) {
            return FileKind::Configuration;
        }
        if name.ends_with(".boot.var") || name == "variables.dat" {
            return FileKind::Variables;
        }
        if extension == "bcd" || name == "bcd" {
            return FileKind::Bcd;
        }
        // A Raspberry Pi looks for a recovery system before its own.
        if starts(&["recovery"]) {
            return FileKind::Other;
        }
        // Installers look for updates of themselves.
        if matches!(name, "updates.img" | "product.img" | "driverupdate")
            || starts(&["packages.", "translation-", "contents-"])
            || name.ends_with(".xml.gz")
        {
            return FileKind::System;
        }
        let is_program =
            matches!(extension, "efi" | "com" | "n12" | "0" | "kpxe" | "kkpxe" | "pxe" | "exe" | "signed");
        if is_program {
            return program(name, extension);
        }
        match extension {
            "ipxe" | "cfg" | "conf" | "cnf" | "menu" | "ini" => FileKind::Configuration,
            "c32" | "e64" | "e32" | "mod" | "lst" | "bss" => FileKind::Module,
            "sdi" => FileKind::Sdi,
            "wim" | "swm" | "esd" => FileKind::Wim,
            // Anaconda's own images: the first two are looked for in every boot and are rarely
            // there.
            "img" if matches!(name, "updates.img" | "product.img" | "install.img" | "squashfs.img") => {
                FileKind::System
            }
            "ttf" | "pf2" | "mo" | "gmo" | "png" | "jpg" | "tga" | "xpm" | "mui" | "msg" => {
                FileKind::Decoration
            }
            "squashfs" | "iso" | "dmg" | "sparseimage" | "xml" | "deb" | "rpm" | "seed" | "ks" | "yaml"
            | "yml" | "udeb" | "gpg" | "xz"
                if !starts(&["initr", "vmlinu"]) =>
            {
                FileKind::System
            }
            _ if is_kernel(name) => FileKind::Kernel,
            _ if starts(&["ramdisk", "rootfs", "uinitrd"]) || name.contains("initr") => FileKind::Initrd,
            "img" | "cpio" | "gz" | "lz4" | "zst" => FileKind::Initrd,
            _ if matches!(name, "user-data" | "meta-data" | "vendor-data" | "release" | "inrelease") => {
                FileKind::System
            }
            _ => FileKind::Other,
        }
    }

    /// Whether a started system cannot run without it.
    pub(crate) fn is_root_file_system(path: &str) -> bool {
        let path = path.to_ascii_lowercase();
        let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
        let by_end = [".squashfs", ".sfs", ".erofs", ".iso"].iter().any(|end| name.ends_with(end));
        by_end || matches!(name, "install.img" | "squashfs.img")
    }

    /// Whether it is the module that GRUB loads first where it is not built in: without it GRUB
    /// stops at its rescue prompt.
    pub(crate) fn is_grubs_first_module(path: &str) -> bool {
        path.rsplit(['/', '\\']).next().is_some_and(|name| name.eq_ignore_ascii_case("normal.mod"))
    }

    /// Whether firmware or another boot program starts it.
    pub fn is_program(self) -> bool {
        matches!(
            self,
            FileKind::Shim
                | FileKind::Grub
                | FileKind::Ipxe
                | FileKind::WdsProgram
                | FileKind::BootManager
                | FileKind::Pxelinux
                | FileKind::Program
        )
    }

    /// The next action of a program once it runs, and its time limit; None where nothing has to
    /// follow on the network.
    pub fn leads_to(self) -> Option<(&'static str, Duration)> {
        match self {
            FileKind::Shim => Some(("shim asks for its second stage, grubx64.efi or the like", LOADER)),
            FileKind::Grub => Some(("GRUB asks for grub.cfg", LOADER)),
            FileKind::Ipxe => Some(("iPXE asks for an address, or for its script", PROGRAM)),
            FileKind::WdsProgram => Some(("the program asks port 4011 once more", LOADER)),
            FileKind::BootManager => Some(("Windows' boot manager asks for its BCD and fonts", PROGRAM)),
            FileKind::Pxelinux => Some(("PXELINUX asks for its modules and configuration", LOADER)),
            _ => None,
        }
    }

    /// How far a boot is that has a file of this kind; more is further.
    pub(crate) fn rank(self) -> u8 {
        match self {
            FileKind::Decoration | FileKind::Module | FileKind::Other => 0,
            FileKind::WdsProgram
            | FileKind::Shim
            | FileKind::Ipxe
            | FileKind::Pxelinux
            | FileKind::BootManager
            | FileKind::Program => 1,
            FileKind::Grub => 2,
            FileKind::Configuration | FileKind::Bcd => 3,
            FileKind::Sdi | FileKind::Variables => 4,
            FileKind::Kernel => 5,
            FileKind::Initrd | FileKind::Wim => 6,
            FileKind::System => 7,
        }
    }

    /// Whether clients look for files like this in vain in every healthy boot.
    pub fn is_optional(self, path: &str) -> bool {
        let path = path.to_ascii_lowercase().replace('\\', "/");
        let name = path.rsplit('/').next().unwrap_or_default();
        match self {
            FileKind::Decoration | FileKind::System => true,
            FileKind::Module => {
                matches!(name.rsplit_once('.'), Some((_, "lst" | "mod")))
                    && !FileKind::is_grubs_first_module(&path)
            }
            // A search from the most special name to the most general one.
            FileKind::Configuration => {
                path.contains("pxelinux.cfg/") && name != "default"
                    || name.starts_with("grub.cfg-")
                    || name == "autoexec.ipxe"
                    || name == "custom.cfg"
            }
            FileKind::Program => name.starts_with("revocations") || name.starts_with("shim_certificate"),
            _ => {
                const OPTIONAL: [&str; 25] = [
                    "revocations",
                    "shim_certificate",
                    "boot.stl",
                    "bootmgr.stl",
                    "bootres",
                    "winsipolicy",
                    "sipolicy",
                    "skusipolicy",
                    "autoexec",
                    "vendor-data",
                    "hiberfil",
                    "robots.txt",
                    "favicon",
                    // GRUB's saved variables and themes.
                    "grubenv",
                    "theme",
                    "splash",
                    "background",
                    // A Raspberry Pi's own search.
                    "recovery",
                    "armstub",
                    "dt-blob",
                    "bootsig",
                    "boot.sig",
                    "autoboot",
                    "cmdline",
                    "pieeprom",
                ];
                OPTIONAL.iter().any(|word| name.starts_with(word)) || path.contains("/fonts/")
            }
        }
    }
}

fn is_kernel(name: &str) -> bool {
    let starts = ["bzimage", "kernel", "linux", "image", "zimage", "uimage", "fitimage"];
    // Distributions put their names and versions around it.
    let holds = ["vmlinu", "-kernel"];
    starts.iter().any(|word| name.starts_with(word)) || holds.iter().any(|word| name.contains(word))
}

fn program(name: &str, extension: &str) -> FileKind {
    let starts = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    if name.contains("shim") && !starts(&["shim_certificate"]) {
        FileKind::Shim
    } else if name.contains("grub") {
        FileKind::Grub
    } else if starts(&["ipxe", "snp", "undionly", "netboot.xyz", "gpxe"])
        || matches!(extension, "kpxe" | "kkpxe")
    {
        FileKind::Ipxe
    } else if starts(&["wdsnbp", "wdsmgfw"]) {
        FileKind::WdsProgram
    } else if name == "pxeboot.com" {
        // It waits for a key, and goes on to the disk without one.
        FileKind::Program
    } else if starts(&["bootmgfw", "bootmgr", "pxeboot"]) {
        FileKind::BootManager
    } else if name.contains("pxelinux") || starts(&["syslinux"]) {
        FileKind::Pxelinux
    } else if starts(&["vmlinu", "linux"]) {
        FileKind::Kernel
    } else {
        FileKind::Program
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Shim => "shim",
            FileKind::Grub => "GRUB",
            FileKind::Ipxe => "iPXE",
            FileKind::WdsProgram => "the WDS boot program",
            FileKind::BootManager => "Windows' boot manager",
            FileKind::Pxelinux => "PXELINUX",
            FileKind::Program => "the program",
            FileKind::Configuration => "the configuration",
            FileKind::Module => "a module",
            FileKind::Bcd => "the BCD",
            FileKind::Sdi => "boot.sdi",
            FileKind::Variables => "the variables file",
            FileKind::Wim => "the WIM image",
            FileKind::Kernel => "the kernel",
            FileKind::Initrd => "the initial RAM disk",
            FileKind::System => "a file of the system",
            FileKind::Decoration => "a font or background",
            FileKind::Other => "a file",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_is() {
        let table = [
            ("shimx64.efi", FileKind::Shim),
            ("snponly-shimx64.efi", FileKind::Shim),
            ("grub\\grubx64.efi.signed", FileKind::Grub),
            ("/EFI/debian/grubnetx64.efi", FileKind::Grub),
            ("undionly.kpxe", FileKind::Ipxe),
            ("snponly.efi", FileKind::Ipxe),
            ("\\SMSBoot\\x64\\wdsmgfw.efi", FileKind::WdsProgram),
            ("SMSBoot/x64/bootmgfw.efi", FileKind::BootManager),
            ("boot/x64/pxeboot.n12", FileKind::BootManager),
            ("lpxelinux.0", FileKind::Pxelinux),
            ("pxelinux.cfg/01-52-54-00-4c-01-01", FileKind::Configuration),
            ("pxelinux.cfg/default", FileKind::Configuration),
            ("/grub/grub.cfg-01-52-54", FileKind::Configuration),
            ("boot.ipxe", FileKind::Configuration),
            ("ldlinux.c32", FileKind::Module),
            ("Boot/BCD", FileKind::Bcd),
            ("\\SMSTemp\\x.boot.bcd", FileKind::Bcd),
            ("\\SMSTemp\\x.boot.var", FileKind::Variables),
            ("boot.sdi", FileKind::Sdi),
            ("sources/boot.wim", FileKind::Wim),
            ("/vmlinuz", FileKind::Kernel),
            ("vmlinuz-6.1.0-13-amd64", FileKind::Kernel),
            ("initrd.img", FileKind::Initrd),
            ("initrd.gz", FileKind::Initrd),
            ("live/filesystem.squashfs", FileKind::System),
            ("memtest.efi", FileKind::Program),
            ("segoe_slboot.ttf", FileKind::Decoration),
            ("fedora-coreos-39.20231101-live-kernel-x86_64", FileKind::Kernel),
            ("flatcar_production_pxe.vmlinuz", FileKind::Kernel),
            ("zImage", FileKind::Kernel),
            ("rhcos-live-initramfs.x86_64.img", FileKind::Initrd),
            ("uInitrd", FileKind::Initrd),
            ("images/pxeboot/initrd.img", FileKind::Initrd),
            ("images/updates.img", FileKind::System),
            ("dists/bookworm/main/binary-amd64/Packages.gz", FileKind::System),
            ("recovery7.img", FileKind::Other),
            ("boot/x64/pxeboot.com", FileKind::Program),
            ("whatever", FileKind::Other),
        ];
        for (path, kind) in table {
            assert_eq!(FileKind::from_path(path), kind, "{path}");
        }
    }

    #[test]
    fn a_search_and_decorations_are_optional_and_what_a_boot_needs_is_not() {
        let optional = [
            "pxelinux.cfg/0A4D0172",
            "grub/x86_64-efi/command.lst",
            "/grub/grub.cfg-01-52-54-00-4c-01-01",
            "revocations_sbat.efi",
            "shim_certificate_0.efi",
            "\\Boot\\Fonts\\segmono_boot.ttf",
            "autoexec.ipxe",
            "vendor-data",
            "/grub2/grubenv",
            "/grub/theme.txt",
            "recovery.elf",
            "armstub8.bin",
        ];
        for path in optional {
            assert!(FileKind::from_path(path).is_optional(path), "{path}");
        }
        let needed = [
            "initrd.img",
            "pxelinux.cfg/default",
            "grubx64.efi",
            "Boot/BCD",
            "grub/grub.cfg",
            "ldlinux.c32",
            "/grub/x86_64-efi/normal.mod",
        ];
        for path in needed {
            assert!(!FileKind::from_path(path).is_optional(path), "{path}");
        }
    }
}
