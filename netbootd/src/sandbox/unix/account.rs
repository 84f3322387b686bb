//! Whose process it is, and with which capabilities.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::Path;

use caps::{CapSet, Capability, CapsHashSet};
use netbootd_config::Config;
use nix::sys::prctl;
use nix::unistd::{AccessFlags, Gid, Uid, User, access, geteuid, initgroups, setresgid, setresuid};

use super::Reach;
use super::reach::is_of_the_system;
use crate::failure::Failure;

/// The capabilities that are kept, and their purposes: ports below 1024, again when an interface
/// comes back; frames to clients that cannot answer ARP yet, and the echo that finds an address in
/// use.
pub const KEPT: [Capability; 2] = [Capability::CAP_NET_BIND_SERVICE, Capability::CAP_NET_RAW];

/// The user to become, and what an operator should know. None: it stays who it is.
pub fn choose(config: &Config) -> Result<(Option<User>, Vec<String>), Failure> {
    let (wanted, named) = match &config.server.user {
        Some(user) => (user.as_str(), true),
        None => (USUAL, false),
    };
    if !geteuid().is_root() {
        return Ok((None, Vec::new()));
    }
    match User::from_name(wanted) {
        Ok(Some(user)) => Ok((Some(user).filter(|user| !user.uid.is_root()), Vec::new())),
        Ok(None) if !named => {
            let note =
                format!("there is no user {USUAL}: netbootd goes on as root, without root's capabilities");
            Ok((None, vec![note]))
        }
        Ok(None) => Err(Failure::Unusable(format!("server.user: there is no user {wanted} on this host"))),
        Err(error) => Err(Failure::Unusable(format!("server.user: cannot look up {wanted}: {error}"))),
    }
}

/// Makes the folders that are written to, and gives them to the user with what is in them.
///
/// Only what is root's is given away, and only where the folder itself was: nobody else can have
/// put links there.
pub(super) fn hand_over(reach: &Reach, user: Option<&User>) -> Result<(), Failure> {
    for folder in reach.own_folders() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| denied(&format!("make {}", folder.display()), &error))?;
    }
    let Some(user) = user else { return Ok(()) };
    for folder in reach.own_folders().chain(reach.log_file()) {
        let given = match fs::symlink_metadata(folder) {
            Ok(found) if found.uid() == 0 && !is_of_the_system(folder) => give(folder, user),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        given.map_err(|error| denied(&format!("give {} to {}", folder.display(), user.name), &error))?;
    }
    Ok(())
}

/// Gives the contents first: as long as the folder is root's, nobody changes them.
fn give(path: &Path, user: &User) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), user)?;
        }
    }
    lchown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
}

/// Changes to the user and lets go of every capability but [`KEPT`].
pub(super) fn become_it(user: Option<&User>) -> Result<(), Failure> {
    let changed = |error: nix::Error| Failure::Permission(format!("cannot change to the user: {error}"));
    let dropped = |error: caps::errors::CapsError| {
        Failure::Permission(format!("cannot let go of capabilities: {error}"))
    };
    let have = caps::read(None, CapSet::Permitted).map_err(dropped)?;
    let kept: CapsHashSet = KEPT.into_iter().filter(|capability| have.contains(capability)).collect();
    if have.contains(&Capability::CAP_SETPCAP) {
        let bound = caps::read(None, CapSet::Bounding).map_err(dropped)?;
        for capability in bound.difference(&kept) {
            caps::drop(None, CapSet::Bounding, *capability).map_err(dropped)?;
        }
    }
    if let Some(user) = user {
        let name = CString::new(user.name.as_str()).map_err(|_| changed(nix::Error::EINVAL))?;
        prctl::set_keepcaps(true).map_err(changed)?;
        initgroups(&name, user.gid).map_err(changed)?;
        setresgid(user.gid, user.gid, user.gid).map_err(changed)?;
        setresuid(user.uid, user.uid, user.uid).map_err(changed)?;
        prctl::set_keepcaps(false).map_err(changed)?;
    }
    // Ambient ones cannot outlive these two.
    caps::set(None, CapSet::Effective, &kept).map_err(dropped)?;
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new()).map_err(dropped)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(dropped)
}

/// Whether the process, as it is now, has what its configuration names: told at the start and not
/// at the first boot.
pub(super) fn check_access(reach: &Reach) -> Result<(), Failure> {
    let me = current();
    for (folder, why) in reach.written_for() {
        if let Err(error) = access(folder, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK) {
            let words = format!("{me} cannot write to {} ({why}): {error}", folder.display());
            return Err(Failure::Permission(format!(
                "{words}; give it to that user, or name a folder of its own"
            )));
        }
    }
    for file in reach.named_files() {
        if let Err(error) = File::open(file).and_then(|file| file.metadata()) {
            let words = format!("{me} cannot read {}: {error}", file.display());
            return Err(Failure::Permission(format!("{words}; give it to that user's group, mode 0640")));
        }
    }
    Ok(())
}

/// For commands of root that write to a store or to state: what they make belongs to the one whose
/// folder it is, so the daemon can go on with it. Root's way to read and write any file stays, for
/// what is imported and exported.
pub fn act_as_owner_of(folder: &Path) -> Result<(), Failure> {
    let Some(owner) = fs::metadata(folder).ok().filter(|found| found.uid() != 0) else { return Ok(()) };
    if !geteuid().is_root() {
        return Ok(());
    }
    let refused =
        |error: &dyn std::fmt::Display| Failure::Permission(format!("cannot act as its owner: {error}"));
    let kept: CapsHashSet = [Capability::CAP_DAC_OVERRIDE].into();
    let (user, group) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    prctl::set_keepcaps(true).map_err(|error| refused(&error))?;
    setresgid(group, group, group).map_err(|error| refused(&error))?;
    setresuid(user, user, user).map_err(|error| refused(&error))?;
    prctl::set_keepcaps(false).map_err(|error| refused(&error))?;
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::set(None, set, &kept).map_err(|error| refused(&error))?;
    }
    // The reader of Windows images opens by its path what it was handed open, so it has it as well.
    caps::set(None, CapSet::Ambient, &kept).map_err(|error| refused(&error))
}

/// The name and number of the user that the process runs as.
pub fn current() -> String {
    let uid = geteuid();
    let name = User::from_uid(uid).ok().flatten().map_or_else(|| "?".to_owned(), |user| user.name);
    format!("{name} (uid {uid})")
}

fn denied(what: &str, error: &io::Error) -> Failure {
    let words = format!("cannot {what}: {error}");
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::Permission(format!(
            "{words}; run as root, or name a folder of your own with --state-dir"
        )),
        _ => Failure::Unusable(words),
    }
}

/// The user that packages make.
const USUAL: &str = "netbootd";
