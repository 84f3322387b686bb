//! Faults of the programs that firmware, or iPXE in its place, was handed to start.

use pxe_policy::{ArchType, Class};

use super::specific;
use crate::case::Case;
use crate::cause::Cause;
use crate::file::FileKind;
use crate::finding::{Addition, Finding, Seen};
use crate::step::Proto;

/// UEFI firmware fetched its boot file, and it is no program.
pub(super) fn not_a_program(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let arch = boot.arch.filter(|arch| !arch.same_family(ArchType::X86_BIOS))?;
    let class = boot.class.filter(|class| matches!(class, Class::Pxe | Class::Http))?;
    let file = boot.fetched.first().filter(|_| boot.completed == 1)?;
    if boot.ipxe.is_some() || boot.last > file.at || !is_boot_file(case, &file.path) {
        return None;
    }
    // HTTP boot starts disk images too.
    let image = matches!(file.kind, FileKind::Initrd | FileKind::System | FileKind::Wim);
    let other = matches!(
        file.kind,
        FileKind::Configuration | FileKind::Decoration | FileKind::Bcd | FileKind::Sdi | FileKind::Module
    );
    let damaged = file.program.as_ref().is_some_and(|program| !program.is_pe);
    let no_program = other || damaged || image && class == Class::Pxe;
    let header = file.program.as_ref().is_some_and(|program| program.is_pe);
    (no_program && !header).then(|| {
        let seen = [Seen::fetched(file), Seen::Machine(arch)];
        Finding::new(Cause::NotAProgram, specific::PROVEN).about(&*file.path).with(seen)
    })
}

/// HTTP boot firmware asked for the size of its boot file (HEAD), and never for the file: EDK2 ends
/// there when it has no memory for it, or does not know its kind.
pub(super) fn size_alone(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let probed =
        boot.probed.as_ref().filter(|probed| probed.proto == Proto::Http && probed.at == boot.last)?;
    let is_first = boot.class == Some(Class::Http) && boot.completed == 0 && boot.running.is_empty();
    if !is_first || !is_boot_file(case, &probed.path) || !case.is_silent() {
        return None;
    }
    let silence = case.since(probed.at);
    let seen = [
        Seen::Sized(probed.at, probed.path.to_string()),
        case.restarted.map_or(Seen::Silent(silence), |_| Seen::Restarted(silence)),
    ];
    let finding = Finding::new(Cause::SizeAlone, specific::PROGRAM).about(&*probed.path).with(seen);
    let path = probed.path.to_ascii_lowercase();
    let is_program = probed.program.as_ref().is_some_and(|program| program.is_pe);
    let is_known = is_program || [".efi", ".iso", ".img"].iter().any(|end| path.ends_with(end));
    Some(match is_known {
        true => finding,
        false => finding.adding(Addition::UnknownEnding),
    })
}

/// Whether this server or another one named the path as the boot file.
fn is_boot_file(case: &Case<'_>, path: &str) -> bool {
    let plain = |path: &str| path.replace('\\', "/").to_ascii_lowercase();
    let path = plain(path);
    let path = path.trim_start_matches('/');
    let names = |file: &Option<String>| file.as_deref().is_some_and(|file| plain(file).ends_with(path));
    let boot = case.boot;
    boot.offer.iter().chain(&boot.named).any(|(_, decided)| names(&decided.boot_file))
        || boot.others.iter().any(|(_, other)| names(&other.boot_file))
}
