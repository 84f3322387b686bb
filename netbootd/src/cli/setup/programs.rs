//! Boot programs that Debian's packages install, and their copies in the boot folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A boot program of a package, under the name that the built-in rules hand out.
struct Program {
    /// Where the package puts it.
    source: &'static str,
    /// Its name in the boot folder.
    name: &'static str,
}

/// The programs of one kind of machine, preferred ones first.
struct Kind {
    /// As rules name it.
    arch: &'static str,
    programs: &'static [Program],
    /// The packages to install if none is there.
    packages: &'static str,
}

/// The boot programs for one architecture.
pub(super) struct Found {
    /// The architecture that the program is for.
    pub(super) arch: &'static str,
    /// Its boot programs that are in the boot folder, or come there.
    pub(super) names: Vec<&'static str>,
    /// The packages to install if there is none.
    pub(super) packages: &'static str,
}

/// The programs that packages have installed and the boot folder lacks.
pub(super) fn missing(root: &Path) -> Vec<(PathBuf, PathBuf)> {
    let programs = KINDS.iter().flat_map(|kind| kind.programs);
    let pairs = programs.map(|program| (PathBuf::from(program.source), root.join(program.name)));
    pairs.filter(|(source, target)| source.is_file() && !target.exists()).collect()
}

/// Copies them. A file that appeared in the meantime stays.
pub(super) fn copy(programs: &[(PathBuf, PathBuf)]) -> io::Result<()> {
    for (source, target) in programs {
        if !target.exists() {
            let new = target.with_extension("netbootd-new");
            fs::copy(source, &new)?;
            fs::rename(&new, target)?;
        }
    }
    Ok(())
}

/// The boot programs in the boot folder, for each architecture.
pub(super) fn by_architecture(root: &Path) -> Vec<Found> {
    let found = |kind: &Kind| Found {
        arch: kind.arch,
        names: kind
            .programs
            .iter()
            .map(|program| program.name)
            .filter(|name| root.join(name).is_file())
            .collect(),
        packages: kind.packages,
    };
    KINDS.iter().map(found).collect()
}

/// Debian's iPXE fetches its script by HTTP. Shim and GRUB are signed, for Secure Boot.
const KINDS: [Kind; 3] = [
    Kind {
        arch: "x86-bios",
        programs: &[Program { source: "/usr/lib/ipxe/undionly.kpxe", name: "undionly.kpxe" }],
        packages: "ipxe",
    },
    Kind {
        arch: "x64-uefi",
        programs: &[
            Program { source: "/usr/lib/ipxe/ipxe.efi", name: "ipxe.efi" },
            Program { source: "/usr/lib/ipxe/snponly.efi", name: "snponly.efi" },
            Program { source: "/usr/lib/shim/shimx64.efi.signed", name: "bootx64.efi" },
            Program { source: "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", name: "grubx64.efi" },
        ],
        packages: "ipxe, or shim-signed grub-efi-amd64-signed for Secure Boot",
    },
    Kind {
        arch: "arm64-uefi",
        programs: &[
            Program { source: "/usr/lib/ipxe/ipxe-arm64.efi", name: "ipxe-arm64.efi" },
            Program { source: "/usr/lib/shim/shimaa64.efi.signed", name: "bootaa64.efi" },
            Program { source: "/usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed", name: "grubaa64.efi" },
        ],
        packages: "shim-signed:arm64 grub-efi-arm64-signed",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_replaces_nothing_and_leaves_no_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("source"), "new").unwrap();
        fs::write(path("mine.efi"), "mine").unwrap();
        let pairs = [(path("source"), path("mine.efi")), (path("source"), path("ipxe.efi"))];
        copy(&pairs).unwrap();
        assert_eq!(fs::read_to_string(path("mine.efi")).unwrap(), "mine");
        assert_eq!(fs::read_to_string(path("ipxe.efi")).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        let x64 = by_architecture(folder.path()).into_iter().find(|found| found.arch == "x64-uefi").unwrap();
        assert_eq!(x64.names, ["ipxe.efi"]);
    }
}
