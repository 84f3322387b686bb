//! Faults that the contents of a boot program's configuration explain.

use std::time::Duration;

use pxe_policy::Class;

use super::specific;
use crate::boot::{Boot, Fetched};
use crate::case::Case;
use crate::cause::Cause;
use crate::configuration::{Configuration, Loaded, host_of};
use crate::file::FileKind;
use crate::finding::{Finding, Seen};
use crate::step::OtherReply;

/// iPXE fetched a script that it does not take for one.
pub(super) fn without_magic(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let (file, configuration) = last_configuration(boot)?;
    let is_ipxe = boot.ipxe.is_some() || boot.class == Some(Class::Ipxe);
    let is_script = file.path.to_ascii_lowercase().ends_with(".ipxe");
    let stopped = case.restarted.is_some() || case.since(file.at) >= case.patience.scale(STOPS);
    if !is_ipxe || !is_script || configuration.is_ipxe_script || !stopped {
        return None;
    }
    Some(
        Finding::new(Cause::ScriptWithoutMagic, specific::PROVEN)
            .about(&*file.path)
            .with([Seen::fetched(file), Seen::Silent(case.since(file.at))]),
    )
}

/// A kernel that nothing follows, started without an initial RAM disk.
pub(super) fn without_initrd(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let kernel = boot.last_file().filter(|file| file.kind == FileKind::Kernel && file.at == boot.last)?;
    let (path, load) = boot.line_that_names(&kernel.path)?;
    let configuration = boot.configuration(path)?;
    let has_one =
        configuration.loads(Loaded::Initrd) || boot.fetched.iter().any(|file| file.kind == FileKind::Initrd);
    if has_one || boot.system.is_some() || !boot.running.is_empty() {
        return None;
    }
    let silence = case.since(kernel.at);
    // The arguments name a RAM disk that iPXE does not load; or the kernel has no root file system,
    // stops, and the machine starts again.
    let is_named = load.wants_initrd && configuration.is_ipxe_script;
    let panics = case.restarted.is_some() && silence < RESTARTS && !load.has_root;
    let proven = is_named && (case.restarted.is_some() || silence >= case.patience.scale(STARTS));
    if !proven && !panics {
        return None;
    }
    let ended = case.restarted.map_or(Seen::Silent(silence), |_| Seen::Restarted(silence));
    let seen = [Seen::fetched(kernel), Seen::line(path, load), ended];
    let finding = Finding::new(Cause::KernelWithoutInitrd, specific::PROGRAM);
    Some(finding.about(&*kernel.path).with(seen))
}

/// A script that sends the machine to another server, and the machine does not get on there.
pub(super) fn elsewhere(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let (file, configuration) = last_configuration(boot)?;
    let own = own_host(boot)?;
    let load = configuration.loads.first().filter(|_| !configuration.is_menu)?;
    let host = load.host().filter(|host| *host != own)?;
    let silence = case.since(file.at);
    let stopped = match case.restarted {
        Some(_) => silence < RESTARTS,
        None => silence >= case.patience.scale(STARTS),
    };
    if !stopped {
        return None;
    }
    let ended = case.restarted.map_or(Seen::Silent(silence), |_| Seen::Restarted(silence));
    let seen = [Seen::fetched(file), Seen::line(&file.path, load), ended];
    let is_name = host.parse::<std::net::IpAddr>().is_err();
    if is_name && has_no_dns(boot) {
        let acks = boot.others.iter().filter(|(_, other)| other.reply == OtherReply::Ack);
        let acks = acks.map(|(at, other)| Seen::Other(*at, other.clone()));
        let finding = Finding::new(Cause::NameNotResolved, specific::PROGRAM + 5);
        return Some(finding.about(load.target.as_str()).with(acks).with(seen));
    }
    // This server does not see the boot there, but sees that the machine starts again.
    case.restarted?;
    Some(Finding::new(Cause::LeadsElsewhere, specific::SILENCE).about(load.target.as_str()).with(seen))
}

/// The configuration that a boot fetched last, as long as nothing followed it.
fn last_configuration(boot: &Boot) -> Option<(&Fetched, &Configuration)> {
    let file = boot.last_file().filter(|file| file.kind == FileKind::Configuration)?;
    let is_last = file.at == boot.last && boot.running.is_empty();
    let configuration = boot.configuration(&file.path)?;
    is_last.then_some((file, configuration))
}

/// This server's own host, as its answers name it.
fn own_host(boot: &Boot) -> Option<&str> {
    let mut answers = boot.named.iter().chain(&boot.offer);
    answers.find_map(|(_, decided)| host_of(decided.boot_file.as_deref()?))
}

/// Whether the lease that the machine took names no DNS server, as far as this server heard it.
fn has_no_dns(boot: &Boot) -> bool {
    let mut acks = boot.others.iter().filter(|(_, other)| other.reply == OtherReply::Ack).peekable();
    acks.peek().is_some() && acks.all(|(_, other)| !other.has_dns)
}

/// iPXE goes on from a script at once.
const STOPS: Duration = Duration::from_secs(5);
/// A system is started, or its first file is asked for, within this time.
const STARTS: Duration = Duration::from_secs(30);
/// A machine that starts again within this time did not get on.
const RESTARTS: Duration = Duration::from_secs(180);
