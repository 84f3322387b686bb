//! shim and the file that it loads, by their names.
//!
//! shim takes its second stage's name from its load options. Some firmware passes the description
//! of its boot entry there, and shim 15.8 and 16 ask for that text, cut at a space, beside
//! themselves: `grub/\x01Onboard` (shim#649, shim#696).

use pxe_policy::ArchType;

use crate::file::FileKind;

/// Whether a program is shim, or has the name that shim has on removable media.
pub fn may_be_shim(path: &str) -> bool {
    FileKind::from_path(path) == FileKind::Shim || is_default_name(path)
}

/// The program that iPXE's own shim starts, which takes it from its own file's name:
/// `snponly-shimx64.efi` starts `snponly.efi` beside itself. None for any other program.
pub fn ipxe_of_shim(shim: &str) -> Option<String> {
    let at = shim.rfind(['/', '\\']).map_or(0, |slash| slash + 1);
    let (folder, name) = shim.split_at(at);
    let lower = name.to_ascii_lowercase();
    let stem = lower.find("-shim").filter(|_| lower.ends_with(".efi"))?;
    let known = ["ipxe", "snponly"].iter().any(|known| lower.starts_with(known));
    known.then(|| format!("{folder}{}.efi", &name[..stem]).replace('\\', "/"))
}

/// The second stage beside shim, by the architecture in shim's name, or else the one that its
/// header says. iPXE's own shim starts iPXE.
pub fn second_stage(shim: &str, arch: Option<ArchType>) -> String {
    if let Some(ipxe) = ipxe_of_shim(shim) {
        return ipxe;
    }
    let shim = shim.replace('\\', "/");
    let (folder, name) = shim.rsplit_once('/').map_or(("", shim.as_str()), |(folder, name)| (folder, name));
    let name = name.to_ascii_lowercase();
    let has = |words: [&str; 2]| words.iter().any(|word| name.contains(word));
    let is = |known: ArchType| arch.is_some_and(|arch| arch.same_family(known));
    let grub = if has(["aa64", "arm64"]) {
        "grubaa64.efi"
    } else if has(["ia32", "x86.efi"]) {
        "grubia32.efi"
    } else if has(["x64", "amd64"]) {
        "grubx64.efi"
    } else if is(ArchType::ARM64_UEFI) {
        "grubaa64.efi"
    } else if is(ArchType::IA32_UEFI) {
        "grubia32.efi"
    } else {
        "grubx64.efi"
    };
    if folder.is_empty() { grub.to_owned() } else { format!("{folder}/{grub}") }
}

/// Whether a machine that runs this shim asks by `asked` for the text of a boot entry: in shim's
/// own folder, with a name that no boot file has.
pub fn is_boot_entry_name(shim: &str, asked: &[u8]) -> bool {
    let asked_text = String::from_utf8_lossy(asked);
    let (shim_parts, asked_parts) = (parts(shim), parts(&asked_text));
    let folder = &shim_parts[..shim_parts.len().saturating_sub(1)];
    let Some((head, name)) = asked_parts.split_at_checked(folder.len()) else { return false };
    let beside = head.iter().zip(folder).all(|(a, b)| a.eq_ignore_ascii_case(b)) && !name.is_empty();
    let raw = asked.iter().any(|byte| *byte < 0x20 || *byte >= 0x7f);
    beside && (raw || FileKind::from_path(shim) == FileKind::Shim && is_no_file_name(&name.join("/")))
}

/// The same of a name as it is recorded, with escapes for bytes that are no text.
pub(crate) fn is_recorded_boot_entry_name(shim: &str, recorded: &str) -> bool {
    let shim_parts = parts(shim);
    let folder = shim_parts[..shim_parts.len().saturating_sub(1)].join("/").to_ascii_lowercase();
    let asked = recorded.trim_start_matches(['/', '\\']);
    let beside = asked.to_ascii_lowercase().replace("//", "/").starts_with(&folder);
    let raw =
        asked.contains("\\x") || asked.contains("\\t") || asked.contains("\\n") || asked.contains("\\r");
    let name = asked.rsplit('/').next().unwrap_or_default();
    beside && (raw || FileKind::from_path(shim) == FileKind::Shim && is_no_file_name(name))
}

/// Whether no kind of boot file has such a name: files that shim looks for in vain in healthy boots
/// have one.
fn is_no_file_name(name: &str) -> bool {
    let kind = FileKind::from_path(name);
    !name.is_empty() && kind == FileKind::Other && !kind.is_optional(name)
}

fn is_default_name(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    ["bootx64.efi", "bootaa64.efi", "bootia32.efi"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn parts(path: &str) -> Vec<&str> {
    path.split(['/', '\\']).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipxes_shim_takes_its_second_stage_from_its_own_name() {
        let table = [
            ("snponly-shimx64.efi", Some("snponly.efi")),
            ("sb/ipxe-shimaa64.efi", Some("sb/ipxe.efi")),
            ("sb\\ipxe-shim.efi", Some("sb/ipxe.efi")),
            ("SB/SnpOnly-ShimX64.EFI", Some("SB/SnpOnly.efi")),
            ("shimx64.efi", None),
            ("debian-shimx64.efi", None),
            ("snponly-shimx64.efi.sig", None),
        ];
        for (shim, expected) in table {
            assert_eq!(ipxe_of_shim(shim).as_deref(), expected, "{shim}");
        }
        assert_eq!(second_stage("sb/snponly-shimx64.efi", None), "sb/snponly.efi");
    }

    #[test]
    fn text_of_a_boot_entry_is_told_from_files_that_shim_needs_or_looks_for() {
        let table: [(&str, &[u8], bool); 16] = [
            ("grub/shimx64.efi", b"grub/\x01Onboard", true),
            ("grub\\shimx64.efi", b"/grub//\x01Onboard", true),
            ("loader/shimx64.efi", b"loader/?USB", true),
            ("shimx64.efi", b"NIC(IPV4)", true),
            ("shimx64.efi", b"PXEv4/UEFI", true),
            ("EFI/BOOT/BOOTX64.EFI", b"EFI/BOOT/\x01Onboard", true),
            ("EFI/BOOT/BOOTX64.EFI", b"EFI/BOOT/loader.conf.d", false),
            ("grub/shimx64.efi", b"grub/revocations.efi", false),
            ("grub/shimx64.efi", b"grub/revocations_sbat.efi", false),
            ("grub/shimx64.efi", b"grub/shim_certificate_0.efi", false),
            ("grub/shimx64.efi", b"grub/grubx64.efi", false),
            ("grub/shimx64.efi", b"grub/mmx64.efi", false),
            ("grub/shimx64.efi", b"grub/grub.cfg", false),
            ("grub/shimx64.efi", b"other/\x01Onboard", false),
            ("grub/shimx64.efi", b"grub/", false),
            ("ipxe.efi", b"whatever", false),
        ];
        for (shim, asked, expected) in table {
            assert_eq!(is_boot_entry_name(shim, asked), expected, "{shim} {}", asked.escape_ascii());
            let recorded = asked.escape_ascii().to_string();
            assert_eq!(is_recorded_boot_entry_name(shim, &recorded), expected, "{shim} {recorded}");
        }
    }

    #[test]
    fn the_second_stage_is_that_of_shims_architecture() {
        let table = [
            ("grub/shimx64.efi", None, "grub/grubx64.efi"),
            ("\\EFI\\debian\\shimaa64.efi", None, "/EFI/debian/grubaa64.efi"),
            ("shimia32.efi.signed", None, "grubia32.efi"),
            ("shim.efi", Some(ArchType::ARM64_UEFI), "grubaa64.efi"),
            ("shim.efi", None, "grubx64.efi"),
            ("EFI/BOOT/BOOTX64.EFI", None, "EFI/BOOT/grubx64.efi"),
        ];
        for (shim, arch, expected) in table {
            assert_eq!(second_stage(shim, arch), expected);
        }
    }
}
