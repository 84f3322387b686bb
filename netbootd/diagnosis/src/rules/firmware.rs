//! What firmware, and iPXE in its place, was handed to start.

use pxe_policy::{ArchType, Class};

use super::specific;
use crate::case::Case;
use crate::cause::Cause;
use crate::file::FileKind;
use crate::finding::{Finding, Seen};

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
    let damaged = file.program.is_some_and(|program| !program.is_pe);
    let no_program = other || damaged || image && class == Class::Pxe;
    let header = file.program.is_some_and(|program| program.is_pe);
    (no_program && !header).then(|| {
        let seen = [Seen::fetched(file), Seen::Machine(arch)];
        Finding::new(Cause::NotAProgram, specific::PROVEN).about(&*file.path).with(seen)
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
