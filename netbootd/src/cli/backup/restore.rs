//! `netbootd restore`: verifies a backup as a whole, writes its files beside their places, and
//! exchanges them.

use std::fs;
use std::path::{Path, PathBuf};

use imagestore::platform::DirBuilderExt;
use indicatif::HumanBytes;
use netbootd_state::file::{State, StateError};
use netbootd_web::control::{connect_control, socket_path};

use super::archive::{self, Manifest};
use super::staging::Staging;
use super::{Failure, RestoreArgs, cannot};
use crate::cli::human::{count, when_text};
use crate::cli::out::outln;
use crate::probe::block_on;

/// Where the files of a backup go on this host.
struct Targets {
    config: PathBuf,
    state_dir: PathBuf,
    store: PathBuf,
}

/// Restores a backup, or checks it.
pub fn run(args: &RestoreArgs) -> Result<(), Failure> {
    let manifest = archive::verify(&args.file).map_err(|error| {
        Failure::Unusable(format!("{}: {error}; nothing was changed", args.file.display()))
    })?;
    describe(&manifest);
    if args.check {
        return Ok(());
    }
    let chosen = |given: &Option<PathBuf>, usual: &Path| given.clone().unwrap_or_else(|| usual.to_owned());
    let state_dir = chosen(&args.site.state_dir, &manifest.state_dir);
    // A store inside the state folder goes where that goes.
    let usual_store = match manifest.store.strip_prefix(&manifest.state_dir) {
        Ok(inside) => state_dir.join(inside),
        Err(_) => manifest.store.clone(),
    };
    let places = Targets {
        config: chosen(&args.site.config, &manifest.config),
        store: chosen(&args.store, &usual_store),
        state_dir,
    };
    refuse_running(&places.state_dir)?;
    exchange(args, &manifest, &places)?;
    outln!("restored; replaced files are kept as *.before-restore");
    outln!("next: netbootd check-config {}, then start netbootd", places.config.display());
    Ok(())
}

fn describe(manifest: &Manifest) {
    let bytes = manifest.files.values().map(|file| file.size).sum();
    outln!(
        "backup of netbootd {}, written {}: {}, {}, {}",
        manifest.netbootd,
        when_text(&manifest.created),
        count(manifest.files.len(), "file"),
        HumanBytes(bytes),
        if manifest.images { "with images" } else { "catalogue without images" }
    );
}

/// A running daemon would write its state over the restored one.
fn refuse_running(state_dir: &Path) -> Result<(), Failure> {
    let running = || {
        Failure::Unusable(format!(
            "netbootd is running with its state in {}; stop it first (`systemctl stop netbootd`). Nothing was \
             changed",
            state_dir.display()
        ))
    };
    let socket = socket_path(state_dir);
    if block_on(async { Ok(connect_control(&socket).await.is_ok()) })? {
        return Err(running());
    }
    if !state_dir.join("state.redb").exists() {
        return Ok(());
    }
    match State::open(state_dir) {
        Err(StateError::InUse { .. }) => Err(running()),
        // A damaged state is a reason to restore.
        _ => Ok(()),
    }
}

fn exchange(args: &RestoreArgs, manifest: &Manifest, places: &Targets) -> Result<(), Failure> {
    let config_folder = places.config.parent().unwrap_or(Path::new("/")).to_owned();
    for folder in [&places.state_dir, &config_folder] {
        if !folder.is_dir() {
            let made = fs::DirBuilder::new().recursive(true).mode(0o750).create(folder);
            made.map_err(|error| cannot("create", folder, &error))?;
        }
    }
    let mut staging = Staging::begin(&places.state_dir)?;
    let config_name = manifest.config.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let written = archive::each(&args.file, &mut |name, source| {
        let Some((kind, inside)) = name.split_once('/') else { return Ok(()) };
        let blob = kind == "images" && inside.starts_with("blobs/");
        let (root, place) = match kind {
            "config" if inside == config_name => (config_folder.clone(), places.config.clone()),
            "config" => (config_folder.clone(), config_folder.join(inside)),
            "state" => (places.state_dir.clone(), places.state_dir.join(inside)),
            "images" => (places.store.clone(), places.store.join(inside)),
            _ => {
                let place = Path::new("/").join(inside);
                (place.parent().unwrap_or(Path::new("/")).to_owned(), place)
            }
        };
        if !root.is_dir() {
            fs::create_dir_all(&root)?;
        }
        Ok(staging.write(&root, &place, blob, source)?)
    });
    written.map_err(|error| {
        Failure::Unusable(format!("{}: {error}; what was there stays in use", args.file.display()))
    })?;
    staging.clear(&places.state_dir.join("leases.journal"));
    staging.clear_folder(&places.state_dir.join("history"));
    staging.commit()
}
