//! `netbootd file`: replaces a boot file so that nobody gets a mix of two, and shows who signed
//! one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use boot_program::Program;
use clap::{Args, Subcommand};
use imagestore::platform::{OpenOptionsExt, sync_folder};
use imagestore::{BootPath, BootTree, Mount, Store};
use indicatif::HumanBytes;
use netbootd_config::Config;
use netbootd_content::files::{Files, Images};
use netbootd_content::secure_boot;
use netbootd_net::with_causes;

use super::client::{config_of, config_with_boot_folder};
use super::{Failure, SiteArgs, signers};
use crate::cli::out::{out, outln};
use crate::sandbox::account::act_as_owner_of;

#[derive(Debug, Subcommand)]
pub enum FileCommand {
    /// Replace a file in the boot folder atomically; transfers in progress finish with the old
    /// file.
    Put(PutArgs),
    /// Show who signed a boot program, and whether machines with Secure Boot start it.
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its path as clients request it, or a file of this host.
    path: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Debug, Args)]
pub struct PutArgs {
    /// The file of this host to copy.
    source: PathBuf,
    /// Its path as clients request it: `grub/grub.cfg`. Missing folders are created.
    path: String,
    #[command(flatten)]
    site: SiteArgs,
}

/// Puts or shows a file.
pub fn run(command: &FileCommand) -> Result<(), Failure> {
    match command {
        FileCommand::Put(args) => put_file(args),
        FileCommand::Show(args) => show(args),
    }
}

/// Shows what Secure Boot checks in a boot program.
fn show(args: &ShowArgs) -> Result<(), Failure> {
    let (config, program) = match config_with_boot_folder(&args.site) {
        Ok(config) => {
            let program = program(&config, &args.path)?;
            (config, program)
        }
        // A file of this host needs no boot folder.
        Err(failure) => {
            let Some(program) = program_of_host(&args.path)? else { return Err(failure) };
            (config_of(&args.site)?, program)
        }
    };
    let revocations = secure_boot::revocations(&config.server.state_dir)
        .map_err(|error| Failure::Unusable(with_causes(&error)))?;
    let report = secure_boot::report(&args.path, &program, &revocations);
    if args.json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| Failure::Bug(error.to_string()))?;
        outln!("{text}");
    } else {
        out!("{}", signers::described(&report));
    }
    match &report.revoked {
        Some(why) => Err(Failure::NoAnswer(format!("machines with current updates refuse it: {why}"))),
        None => Ok(()),
    }
}

/// A program of the boot tree or of an image by its path there, else a file of this host.
fn program(config: &Config, path: &str) -> Result<Program, Failure> {
    let tree = BootTree::new(&config.mounts).map_err(|error| unusable(path, &error))?;
    let store = Store::open(&config.store_folder(), config.store.limits).ok();
    let images = store.and_then(|store| Images::open(store, None).ok()).map(Arc::new);
    match Files::new(tree, images).open_raw(path.as_bytes()) {
        Ok(file) => secure_boot::read_program(&file, LARGEST).map_err(|error| unusable(path, &error)),
        Err(error) => program_of_host(path)?.ok_or_else(|| unusable(path, &error)),
    }
}

/// None when the path leads to no file, or to a larger one than programs are.
fn program_of_host(path: &str) -> Result<Option<Program>, Failure> {
    if !fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LARGEST) {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(|error| unusable(path, &error))?;
    Program::read(&bytes).map(Some).map_err(|error| unusable(path, &error))
}

fn unusable(path: &str, error: &dyn std::error::Error) -> Failure {
    Failure::Unusable(format!("{path}: {}", with_causes(error)))
}

fn put_file(args: &PutArgs) -> Result<(), Failure> {
    let config = config_with_boot_folder(&args.site)?;
    let path = BootPath::parse(args.path.as_bytes())
        .map_err(|error| Failure::Unusable(format!("{:?}: {error}", args.path)))?;
    let (root, place) = place_of(&config.mounts, &path)
        .ok_or_else(|| Failure::Unusable(format!("{:?} is a folder of the boot tree", args.path)))?;
    // Opened as who calls, before anything is done as the folder's owner.
    let mut source = File::open(&args.source).map_err(|error| failure("open", &args.source, &error))?;
    if source.metadata().is_ok_and(|found| found.is_dir()) {
        let words = format!("{} is a folder; `netbootd image import` takes folders", args.source.display());
        return Err(Failure::Unusable(words));
    }
    act_as_owner_of(&root)?;
    let bytes = put(&mut source, &root, &place)?;
    outln!("{}: {} written", place.display(), HumanBytes(bytes));
    Ok(())
}

/// The folder of the boot tree that a path is in, and the file in it. The deepest folder wins, as
/// for clients.
fn place_of(mounts: &[Mount], path: &BootPath) -> Option<(PathBuf, PathBuf)> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    let parts: Vec<&str> = text.split('/').collect();
    let fits = mounts.iter().filter_map(|mount| {
        let at: Vec<&str> = mount.at.split('/').filter(|part| !part.is_empty()).collect();
        let (head, inside) = parts.split_at_checked(at.len())?;
        let same = head.iter().zip(&at).all(|(have, want)| have.eq_ignore_ascii_case(want));
        (same && !inside.is_empty()).then(|| (at.len(), &mount.folder, inside.iter().collect::<PathBuf>()))
    });
    let (_, root, inside) = fits.max_by_key(|(depth, ..)| *depth)?;
    Some((root.clone(), root.join(inside)))
}

/// Writes the file beside its place, and renames it once all of it is on the disk.
fn put(source: &mut File, root: &Path, place: &Path) -> Result<u64, Failure> {
    let (Some(folder), Some(name)) = (place.parent(), place.file_name()) else {
        return Err(Failure::Bug(format!("{} is no file", place.display())));
    };
    fs::create_dir_all(folder).map_err(|error| failure("create", folder, &error))?;
    // Clients follow no link that leads out of the boot folder, and so does this.
    let real = |path: &Path| path.canonicalize().map_err(|error| failure("read", path, &error));
    if !real(folder)?.starts_with(real(root)?) {
        return Err(Failure::Unusable(format!("{} leads out of the boot folder", folder.display())));
    }
    if place.is_dir() {
        return Err(Failure::Unusable(format!("{} is a folder", place.display())));
    }
    let temporary = folder.join(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
    let written = write(source, &temporary).and_then(|bytes| {
        fs::rename(&temporary, place)?;
        sync_folder(folder)?;
        Ok(bytes)
    });
    written.map_err(|error| {
        // It is not there, or of no use.
        let _ = fs::remove_file(&temporary);
        failure("write", place, &error)
    })
}

fn write(source: &mut File, temporary: &Path) -> io::Result<u64> {
    let mut file = File::options().write(true).create_new(true).mode(0o644).open(temporary)?;
    let bytes = io::copy(source, &mut file)?;
    file.sync_all()?;
    Ok(bytes)
}

fn failure(what: &str, path: &Path, error: &io::Error) -> Failure {
    let words = format!("cannot {what} {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::Permission(words),
        _ => Failure::Unusable(words),
    }
}

/// Unified kernel images have up to 200 MB.
const LARGEST: u64 = 512 << 20;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mount(at: &str, folder: &Path) -> Mount {
        Mount { at: at.to_owned(), folder: folder.to_owned() }
    }

    #[test]
    fn a_path_is_placed_in_the_folder_that_clients_see_it_in() {
        let mounts = [mount("", Path::new("/srv")), mount("winpe", Path::new("/images/pe"))];
        let place = |path: &str| {
            place_of(&mounts, &BootPath::parse(path.as_bytes()).unwrap()).map(|(_, place)| place)
        };
        assert_eq!(place("grub/grub.cfg"), Some(PathBuf::from("/srv/grub/grub.cfg")));
        assert_eq!(place("\\WinPE\\boot\\bcd"), Some(PathBuf::from("/images/pe/boot/bcd")));
        assert_eq!(place("winpe"), Some(PathBuf::from("/srv/winpe")));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_when_it_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let from = folder.path().join("source");
        fs::write(&from, "a new program").unwrap();
        let put = |inside: &str| put(&mut File::open(&from).unwrap(), &root, &root.join(inside));
        fs::write(root.join("boot.efi"), "old").unwrap();
        let open = File::open(root.join("boot.efi")).unwrap();
        assert_eq!(put("boot.efi").unwrap(), 13);
        assert_eq!(put("grub/x64/grub.efi").unwrap(), 13);
        assert_eq!(fs::read_to_string(root.join("boot.efi")).unwrap(), "a new program");
        assert_eq!(io::read_to_string(open).unwrap(), "old", "who reads the old one goes on with it");
        symlink(folder.path(), root.join("out")).unwrap();
        assert!(put("out/file").unwrap_err().to_string().contains("leads out of the boot folder"));
        assert!(put("grub").unwrap_err().to_string().contains("is a folder"));
        assert!(put("boot.efi/x").is_err());
        let mut left: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["boot.efi", "grub", "out"]);
        assert!(!folder.path().join("file").exists());
    }
}
