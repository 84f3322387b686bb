//! Landlock: the kernel refuses this process, and every process that it starts, all paths outside
//! the named ones.

use landlock::{
    ABI, Access, AccessFs, LandlockStatus, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus,
};

use super::Reach;

/// Holds this thread, and those that it starts, to a reach. Says what is in force, and whether
/// anything is.
pub(super) fn restrict(reach: &Reach) -> (String, bool) {
    match enforce(reach) {
        Ok(status) => words(&status),
        Err(error) => (format!("Landlock fails: {error}"), false),
    }
}

fn enforce(reach: &Reach) -> Result<RestrictionStatus, RulesetError> {
    let all = AccessFs::from_all(NEWEST);
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut rules = Ruleset::default().handle_access(all)?.create()?;
    for (access, paths) in [
        (all & !AccessFs::Execute, reach.written()),
        (read, reach.read()),
        (read | AccessFs::Execute, reach.run()),
        (read | AccessFs::WriteFile, reach.devices()),
    ] {
        for path in paths {
            // A path that does not exist cannot be opened either.
            let Ok(opened) = PathFd::new(path) else { continue };
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
            rules = rules.add_rule(PathBeneath::new(opened, access))?;
        }
    }
    rules.restrict_self()
}

fn words(status: &RestrictionStatus) -> (String, bool) {
    let abi = match status.landlock {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            format!("Landlock ABI {}", kernel_abi.unwrap_or(effective_abi as i32))
        }
        LandlockStatus::NotEnabled => "Landlock is switched off in this kernel".to_owned(),
        LandlockStatus::NotImplemented => "this kernel has no Landlock".to_owned(),
    };
    match status.ruleset {
        RulesetStatus::FullyEnforced => (format!("{abi}, in full"), true),
        RulesetStatus::PartiallyEnforced => (format!("{abi}, in part"), true),
        RulesetStatus::NotEnforced => (format!("{abi}, not in force"), false),
    }
}

/// The newest whose rights are asked for; an older kernel does what it can.
const NEWEST: ABI = ABI::V5;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind::PermissionDenied;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Where the kernel has no Landlock there is nothing to see; the words say so, and a test of
    /// the whole daemon reads them.
    #[test]
    fn nothing_outside_the_named_folders_can_be_opened() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (boot, state) = (inside.path().join("boot"), inside.path().join("state"));
        fs::create_dir_all(state.join("from")).unwrap();
        fs::create_dir_all(state.join("to")).unwrap();
        fs::create_dir(&boot).unwrap();
        fs::write(boot.join("file"), "served").unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        symlink(outside.path().join("secret"), boot.join("link")).unwrap();
        let reach = Reach::of_folders(&[&boot], &[&state]);
        let secret = outside.path().join("secret");
        let held = std::thread::spawn(move || {
            let (words, held) = restrict(&reach);
            if !held {
                return words;
            }
            let denied = |error: std::io::Error| assert_eq!(error.kind(), PermissionDenied, "{error}");
            assert_eq!(fs::read(boot.join("file")).unwrap(), b"served");
            denied(fs::read(&secret).unwrap_err());
            denied(fs::read(boot.join("link")).unwrap_err());
            denied(fs::write(boot.join("new"), "x").unwrap_err());
            denied(fs::read("/etc/hostname").unwrap_err());
            fs::write(state.join("from/file"), "x").unwrap();
            fs::rename(state.join("from/file"), state.join("to/file")).unwrap();
            let run = std::process::Command::new("/bin/true").status();
            denied(run.unwrap_err());
            words
        });
        let words = held.join().unwrap();
        assert!(words.contains("Landlock"), "{words}");
    }
}
