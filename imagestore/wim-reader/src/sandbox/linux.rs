//! Limits, capabilities, Landlock, system calls; in this order, because each takes away what the
//! one before it needs.

use caps::{CapSet, Capability, CapsHashSet};
use landlock::{ABI, Access, AccessFs, AccessNet, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use wim_protocol::Command;

use super::syscalls;
use crate::input::Input;
use crate::wimlib::ReadError;

/// Gives everything up but reading the images and writing the answer.
pub fn enter(input: &Input) -> Result<(), ReadError> {
    let failed = |error: &dyn std::fmt::Display| ReadError::Sandbox(error.to_string());
    // The thread that started this waits for the answer.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| failed(&error))?;
    limit(input).map_err(|error| failed(&error))?;
    drop_capabilities().map_err(|error| failed(&error))?;
    prctl::set_no_new_privs().map_err(|error| failed(&error))?;
    restrict_files(input).map_err(|error| failed(&error))?;
    syscalls::allow_only(&input.parts).map_err(|error| failed(&error))
}

fn limit(input: &Input) -> Result<(), nix::Error> {
    let limits = input.request.limits;
    let written = match input.request.command {
        Command::Write { size, .. } => size,
        _ => 0,
    };
    for (resource, most) in [
        (Resource::RLIMIT_AS, limits.memory),
        (Resource::RLIMIT_CPU, limits.seconds.into()),
        (Resource::RLIMIT_FSIZE, written),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, most, most)?;
    }
    // A waiting process uses no processor time.
    nix::unistd::alarm::set(limits.seconds.saturating_mul(PATIENCE).max(1));
    Ok(())
}

/// One is kept where it is there: `netbootd image import`, started by root, may read files of
/// others, and a descriptor of such a file is opened again by its path. No other call that is
/// allowed afterwards looks at it.
fn drop_capabilities() -> Result<(), caps::errors::CapsError> {
    let have = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = have.intersection(&[Capability::CAP_DAC_OVERRIDE].into()).copied().collect();
    caps::clear(None, CapSet::Ambient)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Permitted, &kept)
}

/// Where the kernel has Landlock. Where it has not, the filter of system calls is there.
fn restrict_files(input: &Input) -> Result<(), landlock::RulesetError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?;
    let mut rules = ruleset.create()?;
    for image in &input.descriptors {
        rules = rules.add_rule(PathBeneath::new(image, AccessFs::ReadFile))?;
    }
    rules.restrict_self().map(drop)
}

/// For each second of processor time that it may use, so many may go by while it waits for disks
/// and for its answer to be read.
const PATIENCE: u32 = 10;
/// The newest whose rights are asked for; an older kernel does what it can.
const NEWEST: ABI = ABI::V5;
