//! The steps of `netbootd setup`: folders and the configuration. `netbootd service install` adds
//! the service.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use netbootd_config::Config;

use super::super::{DEFAULT_CONFIG, Failure};
use super::SetupArgs;
use super::answers::Answers;
use super::programs;
use super::site::Secret;
use crate::cli::out::outln;

/// Runs every step; a step that fails is the last.
pub(super) fn run(args: &SetupArgs, answers: &Answers, text: &str) -> Result<(), Failure> {
    if let Some(Secret::Typed(_)) = answers.site.as_ref().and_then(|site| site.secret.as_ref()) {
        let words = "on Windows the service's own account is used: give --account none --secret none";
        return Err(Failure::Unusable(words.into()));
    }
    for folder in [&answers.state_dir, &answers.root, &answers.images] {
        fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
        outln!("ok      {} exists", folder.display());
    }
    programs::copy(&answers.programs).map_err(|error| cannot(&answers.root, &error))?;
    let file = &args.config;
    if let Some(beside) = file.parent() {
        fs::create_dir_all(beside).map_err(|error| cannot(beside, &error))?;
    }
    Config::parse(text, file, None).map_err(|findings| Failure::Config(Box::new(findings)))?;
    let mut kept = String::new();
    if args.force && file.exists() {
        let old = with_suffix(file, ".old");
        fs::rename(file, &old).map_err(|error| cannot(&old, &error))?;
        kept = format!(", the old one is {}", old.display());
    }
    let new = with_suffix(file, ".new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, file));
    written.map_err(|error| cannot(file, &error))?;
    outln!("ok      {} written{kept}", file.display());
    let with = if file == Path::new(DEFAULT_CONFIG) {
        String::new()
    } else {
        format!(" --config {}", file.display())
    };
    outln!(
        "next    netbootd service install{with}, then sc start netbootd; docs/windows.md lists the firewall rules"
    );
    Ok(())
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    let words = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::PermissionDenied => {
            Failure::Permission(format!("{words}; {}", crate::platform::PRIVILEGED))
        }
        _ => Failure::Unusable(words),
    }
}
