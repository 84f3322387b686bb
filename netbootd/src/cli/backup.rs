//! `netbootd backup` and `netbootd restore`: configuration, state, catalogue and images as one tar
//! file with a manifest of digests.

mod archive;
mod collect;
mod restore;
mod staging;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use clap::Args;
use imagestore::platform::{OpenOptionsExt, sync_folder};
use indicatif::HumanBytes;

use super::client::config_of;
use super::human::count;
use super::{DEFAULT_CONFIG, Failure, SiteArgs};
use crate::cli::out::outln;
use archive::Packer;
pub use restore::run as restore;
pub(crate) use staging::refuse_interrupted;

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write.
    file: PathBuf,
    /// Include the images, not only their catalogue.
    #[arg(long)]
    images: bool,
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup to read.
    file: PathBuf,
    /// Check the backup and print its contents; write nothing.
    #[arg(long)]
    check: bool,
    /// The image store's folder, instead of the backup's.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    #[command(flatten)]
    site: SiteArgs,
}

/// Writes a backup. It has its name only once it is complete and on the disk.
pub fn run(args: &BackupArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let config_file = args.site.config.clone().unwrap_or_else(|| DEFAULT_CONFIG.into());
    let part = with_suffix(&args.file, ".part");
    let written = write(&part, |packer| collect::all(packer, &config, &config_file, args.images));
    let (files, bytes) = match written {
        Ok(written) => written,
        Err(failure) => {
            // It is incomplete, or does not exist.
            let _ = fs::remove_file(&part);
            return Err(failure);
        }
    };
    fs::rename(&part, &args.file).map_err(|error| cannot("rename", &part, &error))?;
    if let Some(folder) = args.file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        sync_folder(folder).map_err(|error| cannot("sync", folder, &error))?;
    }
    let (name, size) = (args.file.display(), HumanBytes(bytes));
    outln!("{name}: {}, {size}; it contains the secrets of the configuration", count(files, "file"));
    if config.database.is_some() {
        outln!("note: the shared database is not in it; back it up with PostgreSQL's tools");
    }
    Ok(())
}

fn write(
    part: &Path,
    collect: impl FnOnce(&mut Packer) -> Result<archive::Manifest, Failure>,
) -> Result<(u64, u64), Failure> {
    match fs::remove_file(part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(cannot("replace", part, &error));
        }
        _ => {}
    }
    let file = File::options().write(true).create_new(true).mode(0o600).open(part);
    let mut packer = Packer::new(file.map_err(|error| cannot("create", part, &error))?);
    let manifest = collect(&mut packer)?;
    let (files, bytes) = packer.finish(manifest).map_err(|error| cannot("write", part, &error))?;
    Ok((files, bytes))
}

fn cannot(action: &str, path: &Path, error: &std::io::Error) -> Failure {
    let words = format!("cannot {action} {}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            Failure::Permission(format!("{words}; {}", crate::platform::PRIVILEGED))
        }
        _ => Failure::Unusable(words),
    }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
