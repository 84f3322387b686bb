//! Programs that were fetched and did not go on.

use std::time::Duration;

use pxe_policy::{ArchType, Class};

use super::specific;
use crate::boot::Fetched;
use crate::case::Case;
use crate::cause::Cause;
use crate::file::FileKind;
use crate::finding::{Finding, Seen};
use crate::step::{Program, Proto};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let file = boot.last_file().filter(|file| file.kind.is_program())?;
    if let Some(finding) = wrong(case, &file.path, file.program.as_ref()) {
        return Some(finding.with([Seen::fetched(file)]));
    }
    if let Some(finding) = refused_by_shim(case, file).or_else(|| loads_itself(case, file)) {
        return Some(finding);
    }
    // Whatever it asked for since, it runs.
    if boot.last > file.at || !boot.running.is_empty() {
        return None;
    }
    // The machine may have gone on by another of its network cards.
    if case.fleet.other_card(case.machine.uuids(), case.mac, file.at).is_some() {
        return None;
    }
    let silence = case.since(file.at);
    let ended = match case.restarted {
        Some(_) if silence < RESTARTS_WITHIN => Seen::Restarted(silence),
        Some(_) => return None,
        None => {
            let (_, time) = file.kind.leads_to()?;
            if silence < case.patience.scale(time) {
                return None;
            }
            Seen::Silent(silence)
        }
    };
    // Programs that need nothing from the network end in a restart too; firmware that refuses one
    // asks again at once.
    if file.kind == FileKind::Program && (silence > REFUSES_WITHIN || leads_to_the_disk(&file.path)) {
        return None;
    }
    let header = header(file.program.as_ref());
    let signers = file.program.as_ref().and_then(Seen::signers);
    let seen = [Seen::fetched(file)].into_iter().chain(header).chain(signers).chain([ended]);
    Some(cause_of(case, file).about(&*file.path).with(seen).with(others(case, file)))
}

/// iPXE asked by its own class, was given the file that it was loaded from, and loaded it.
fn loads_itself(case: &Case<'_>, file: &Fetched) -> Option<Finding> {
    let boot = case.boot;
    let asked = boot.ipxe.filter(|asked| file.kind == FileKind::Ipxe && file.at >= *asked)?;
    let first = boot.fetched.iter().find(|first| first.path == file.path && first.at <= asked)?;
    let seen = [Seen::fetched(first), Seen::fetched(file)];
    Some(Finding::new(Cause::IpxeLoop, specific::PROVEN).about(&*file.path).with(seen))
}

/// GRUB under shim fetched a kernel that is not signed, and then neither its initial RAM disk nor
/// anything else.
pub(super) fn refused_kernel(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let kernel = boot.last_file().filter(|file| file.kind == FileKind::Kernel && file.at == boot.last)?;
    let unsigned = kernel.program.as_ref().filter(|program| !program.signed)?;
    let had = |kind| boot.fetched.iter().any(|file| file.kind == kind);
    let silence = case.since(kernel.at);
    let waits = boot.running.is_empty() && boot.system.is_none();
    if !waits || !had(FileKind::Shim) || !had(FileKind::Grub) || silence < case.patience.scale(KERNEL) {
        return None;
    }
    let seen = [
        Seen::fetched(kernel),
        Seen::Header(unsigned.arch, unsigned.signed),
        case.restarted.map_or(Seen::Silent(silence), |_| Seen::Restarted(silence)),
    ];
    // A kernel may be all that a boot needs.
    let starts = case.fleet.system_speaks_after(&kernel.path);
    (!starts).then(|| Finding::new(Cause::ProgramRefused, specific::SILENCE).about(&*kernel.path).with(seen))
}

/// shim starts MokManager when it does not trust its second stage, and nothing else does (shim's
/// start_image in shim.c).
fn refused_by_shim(case: &Case<'_>, last: &Fetched) -> Option<Finding> {
    let boot = case.boot;
    let programs = || boot.fetched.iter().filter(|file| file.kind.is_program());
    let (file, asked) = if is_mok_manager(&last.path) {
        (programs().rev().find(|file| !is_mok_manager(&file.path))?, Seen::fetched(last))
    } else {
        let mut missed = boot.missed.iter().rev();
        let missed = missed.find(|missed| missed.at >= last.at && is_mok_manager(&missed.path))?;
        (last, Seen::missed(missed))
    };
    let after_shim = programs().any(|other| other.kind == FileKind::Shim && other.at <= file.at);
    if !after_shim || file.kind == FileKind::Shim {
        return None;
    }
    let signed = file.program.as_ref().is_none_or(|program| program.signed);
    let cause = if signed { Cause::SignerNotTrusted } else { Cause::ProgramRefused };
    let header = file.program.as_ref().map(|program| Seen::Header(program.arch, program.signed));
    let signers = file.program.as_ref().and_then(Seen::signers);
    let seen = [Seen::fetched(file)].into_iter().chain(header).chain(signers).chain([asked]);
    Some(Finding::new(cause, specific::PROVEN).about(&*file.path).with(seen))
}

fn is_mok_manager(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    name.starts_with("mm") && name.ends_with(".efi") || name == "mokmanager.efi"
}

/// iPXE that drives the card by itself, and does not speak: it may have no driver for the card.
/// Nothing on the network tells that from a refused program or a blocked port, so it comes after
/// them.
pub(super) fn no_driver(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let file = boot.last_file().filter(|file| file.kind == FileKind::Ipxe && file.at == boot.last)?;
    let silence = case.since(file.at);
    let stopped = match case.restarted {
        Some(_) => silence < RESTARTS_WITHIN,
        None => silence >= case.patience.scale(IPXE),
    };
    let runs = boot.ipxe.is_some() || case.fleet.goes_on_itself(&file.path, case.mac);
    let other_card = case.fleet.other_card(case.machine.uuids(), case.mac, file.at);
    if !stopped || runs || other_card.is_some() || !boot.running.is_empty() || !resets_link(&file.path) {
        return None;
    }
    let ended = case.restarted.map_or(Seen::Silent(silence), |_| Seen::Restarted(silence));
    let finding = Finding::new(Cause::IpxeWithoutDriver, specific::SILENCE - 5).about(&*file.path);
    Some(finding.with([Seen::fetched(file), ended]).with(others(case, file)))
}

fn cause_of(case: &Case<'_>, file: &Fetched) -> Finding {
    let uefi = case.boot.arch.is_some_and(|arch| !arch.same_family(ArchType::X86_BIOS));
    let proxied = case.boot.taken.is_some()
        || case.boot.offer.as_ref().is_some_and(|(_, offer)| offer.proto == Proto::Proxy);
    let waited = case.restarted.is_none() || case.since(file.at) >= case.patience.scale(IPXE);
    // shim verifies GRUB itself, and refuses one without a signature whatever the firmware would
    // do.
    let after_shim = case.boot.fetched.iter().any(|earlier| earlier.kind == FileKind::Shim);
    let others = case.fleet.went_on_from(&file.path, case.mac);
    let cause = match (file.kind, file.program.as_ref()) {
        (FileKind::Ipxe, _) if resets_link(&file.path) && waited => Cause::PortBlocked,
        (FileKind::Grub, Some(Program { signed: false, is_pe: true, .. })) if uefi && after_shim => {
            Cause::ProgramRefused
        }
        (FileKind::Grub, _) if proxied && others == 0 && case.restarted.is_none() => Cause::GrubNoServer,
        (_, Some(Program { is_pe: false, .. })) => Cause::ProgramStalled,
        (_, Some(Program { signed: true, .. })) if uefi => Cause::SignerNotTrusted,
        (_, Some(Program { signed: false, .. })) if uefi => Cause::ProgramRefused,
        _ => Cause::ProgramStalled,
    };
    // Without a reason of its own a loop says more.
    let special = if cause == Cause::ProgramStalled { specific::REPEATED - 5 } else { specific::PROGRAM };
    Finding::new(cause, special)
}

fn others(case: &Case<'_>, file: &Fetched) -> Option<Seen> {
    let count = case.fleet.went_on_from(&file.path, case.mac);
    (count > 0).then_some(Seen::OthersWentOn(count))
}

/// ConfigMgr's and WDS' programs for machines that are to go on to their disk, or to wait for a
/// key.
fn leads_to_the_disk(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    name.starts_with("abortpxe") || name == "pxeboot.com"
}

/// The header of the program and the machine's architecture disagree.
pub(super) fn wrong(case: &Case<'_>, path: &str, program: Option<&Program>) -> Option<Finding> {
    let arch = case.boot.arch?;
    let bios = arch.same_family(ArchType::X86_BIOS);
    let bios_only = matches!(extension(path).as_str(), "0" | "kpxe" | "kkpxe" | "pxe" | "com" | "n12");
    let disagree = match program {
        Some(Program { is_pe: false, .. }) => false,
        // Any PE program is UEFI's; kernels that are both are no boot programs, whatever their
        // names.
        Some(_) if bios => match FileKind::from_path(path) {
            FileKind::Kernel => false,
            FileKind::Other => !case.boot.fetched.iter().any(|file| file.kind == FileKind::Configuration),
            _ => true,
        },
        Some(Program { arch: Some(other), .. }) => !same_processor(*other, arch),
        Some(_) => false,
        None => !bios && bios_only,
    };
    if !disagree || case.boot.went_on() {
        return None;
    }
    let header = header(program);
    Some(
        Finding::new(Cause::WrongProgram, specific::PROVEN)
            .about(path)
            .with([Seen::Machine(arch)])
            .with(header),
    )
}

/// A kernel of another processor: boot programs fetch it, and what goes with it, before they see
/// that.
pub(super) fn wrong_kernel(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let arch = boot.arch?;
    let kernel = boot.fetched.iter().rev().find(|file| file.kind == FileKind::Kernel)?;
    let program = kernel.program.as_ref().filter(|program| program.is_pe)?;
    // Firmware of 32 bits starts kernels of 64, and the other way round.
    let x86 = |arch: ArchType| matches!(processor(arch), 0 | 6 | 7);
    let other = program.arch.filter(|other| !(same_processor(*other, arch) || x86(*other) && x86(arch)))?;
    if boot.system.is_some() {
        return None;
    }
    let seen = [Seen::fetched(kernel), Seen::Machine(arch), Seen::Header(Some(other), program.signed)];
    let line = boot.seen_line(&kernel.path);
    Some(Finding::new(Cause::WrongProgram, specific::PROVEN).about(&*kernel.path).with(line).with(seen))
}

fn same_processor(program: ArchType, machine: ArchType) -> bool {
    program.same_family(machine) || processor(program) == processor(machine)
}

/// PXE and HTTP boot number the same processor twice (IANA, "Processor Architecture Types").
fn processor(arch: ArchType) -> u16 {
    match arch.0 {
        15 => 6,
        9 | 16 => 7,
        18 => 10,
        19 => 11,
        other => other,
    }
}

fn extension(path: &str) -> String {
    path.rsplit(['/', '\\'])
        .next()
        .and_then(|name| name.rsplit_once('.'))
        .map_or_else(String::new, |(_, end)| end.to_ascii_lowercase())
}

fn header(program: Option<&Program>) -> Option<Seen> {
    let program = program.filter(|program| program.is_pe)?;
    Some(Seen::Header(program.arch, program.signed))
}

/// Whether a build of iPXE drives the network card by itself: the others leave it to the firmware,
/// and the link up.
fn resets_link(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    !name.contains("snp") && !name.contains("undionly")
}

/// iPXE speaks, but only after the time that spanning tree takes: the port does block.
pub(super) fn blocked_port(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let (file, waited) = late_ipxe(case)?;
    if boot.fetched.iter().any(|later| Some(later.at) > boot.ipxe) {
        return None;
    }
    let seen = [Seen::fetched(file), Seen::Silent(waited)];
    Some(Finding::new(Cause::PortBlocked, specific::PROGRAM).about(&*file.path).with(seen))
}

/// The iPXE that spoke too late, and how late, whether or not its boot went on.
fn late_ipxe<'a>(case: &Case<'a>) -> Option<(&'a Fetched, Duration)> {
    let boot = case.boot;
    let ipxe = boot.ipxe.filter(|_| boot.class != Some(Class::Ipxe))?;
    let file = boot.fetched.iter().rev().find(|file| file.kind == FileKind::Ipxe && file.at <= ipxe)?;
    let waited = ipxe.duration_since(file.at).ok()?;
    let other_card = case.fleet.other_card(case.machine.uuids(), case.mac, file.at);
    let late = resets_link(&file.path) && waited >= case.patience.scale(IPXE) && other_card.is_none();
    late.then_some((file, waited))
}

/// Whether this boot shows that the switch port blocks after iPXE resets the link.
pub(crate) fn port_blocked(case: &Case<'_>) -> bool {
    late_ipxe(case).is_some() || find(case).is_some_and(|finding| finding.cause == Cause::PortBlocked)
}

/// iPXE finds its network card and asks for an address within this time.
const IPXE: Duration = Duration::from_secs(20);
/// GRUB asks for the initial RAM disk at once.
const KERNEL: Duration = Duration::from_secs(20);
/// Firmware that starts again within this time did so because of the program.
const RESTARTS_WITHIN: Duration = Duration::from_secs(180);
/// Firmware that refuses a program goes on at once.
const REFUSES_WITHIN: Duration = Duration::from_secs(15);
