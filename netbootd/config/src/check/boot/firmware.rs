//! Whether a boot file suits the firmware that a rule hands it to.

use std::ops::Range;

use pxe_policy::{ArchType, BootAction, Class, Match, Rule};

use super::super::super::finding::Finding;

/// Warns of files that PXE firmware cannot fetch or start. `earlier` are the rules before this one.
pub(super) fn warn(
    rule: &Rule,
    boot: &BootAction,
    span: &Range<usize>,
    earlier: &[Rule],
    findings: &mut Vec<Finding>,
) {
    let firmware: Vec<(ArchType, &str)> =
        FIRMWARE.into_iter().filter(|(arch, _)| reaches(rule, *arch, earlier)).collect();
    let Some((_, first)) = firmware.first() else { return };
    let name = &rule.name;
    if let Some(file) = boot.file.iter().find(|file| !is_program(file)) {
        let message =
            format!("the rule {name:?} hands {file} to {first} firmware, which starts boot programs only");
        let help = "add match = { class = \"ipxe\" } here, and a rule with match = { class = \"pxe\" } that \
                    starts iPXE: undionly.kpxe for BIOS, ipxe.efi for UEFI";
        findings.push(Finding::warning(span.clone(), message).help(help));
        return;
    }
    let is_bios = |arch: &ArchType| arch.same_family(ArchType::X86_BIOS);
    let wrong = firmware.iter().find_map(|(arch, kind)| {
        let unfit = |file: &&String| if is_bios(arch) { is_efi(file) } else { is_bios_program(file) };
        boot.file.iter().find(unfit).map(|file| (file, *arch, kind))
    });
    if let Some((file, arch, kind)) = wrong {
        let message = format!("the rule {name:?} hands {file} to {kind} firmware, which cannot start it");
        let help = match is_bios(&arch) {
            true => "EFI programs need UEFI: add arch = \"x64-uefi\" to the match, and a rule for x86-bios",
            false => "this program is for BIOS: add arch = \"x86-bios\" to the match, and a rule for UEFI",
        };
        findings.push(Finding::warning(span.clone(), message).help(help));
    }
}

/// Whether PXE firmware of this kind gets to the rule: it fits, and no earlier rule takes all of
/// it.
fn reaches(rule: &Rule, arch: ArchType, earlier: &[Rule]) -> bool {
    fits(&rule.matches, arch) && !earlier.iter().any(|rule| takes_all(&rule.matches, arch))
}

fn fits(matches: &Match, arch: ArchType) -> bool {
    let class = matches.class.is_empty() || matches.class.contains(&Class::Pxe);
    class && (matches.arch.is_empty() || matches.arch.iter().any(|wanted| wanted.same_family(arch)))
}

fn takes_all(matches: &Match, arch: ArchType) -> bool {
    let any = Match { class: matches.class.clone(), arch: matches.arch.clone(), ..Match::default() };
    *matches == any && fits(matches, arch)
}

/// Boot loaders' scripts and URLs are no programs.
fn is_program(file: &str) -> bool {
    let script = [".ipxe", ".cfg", ".conf", ".php", ".txt"];
    !file.contains("://") && !script.iter().any(|end| name(file).ends_with(end))
}

fn is_efi(file: &str) -> bool {
    let name = name(file);
    name.ends_with(".efi") || name.ends_with(".efi.signed")
}

fn is_bios_program(file: &str) -> bool {
    [".0", ".kpxe", ".kkpxe", ".pxe", ".com", ".n12", ".lkrn"].iter().any(|end| name(file).ends_with(end))
}

fn name(file: &str) -> String {
    file.rsplit(['/', '\\']).next().unwrap_or(file).to_ascii_lowercase()
}

/// The kinds of firmware that most networks have.
const FIRMWARE: [(ArchType, &str); 4] = [
    (ArchType::X86_BIOS, "BIOS"),
    (ArchType::X64_UEFI, "x64 UEFI"),
    (ArchType::IA32_UEFI, "ia32 UEFI"),
    (ArchType::ARM64_UEFI, "arm64 UEFI"),
];
