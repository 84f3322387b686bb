//! The files that belong into a backup, read so that they fit together.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hyper::Method;
use imagestore::{Store, Writer};
use netbootd_config::Config;
use netbootd_net::with_causes;
use netbootd_state::file::{COPY_FOLDER, State};

use super::super::client::ask;
use super::archive::{FORMAT, Manifest, Packer};
use super::{Failure, cannot};

/// Adds configuration, state and images to the archive.
pub(super) fn all(
    packer: &mut Packer,
    config: &Config,
    config_file: &Path,
    images: bool,
) -> Result<Manifest, Failure> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let config_file = absolute(config_file);
    configuration(packer, config, &config_file)?;
    state(packer, config)?;
    store(packer, config, images)?;
    Ok(Manifest {
        format: FORMAT,
        netbootd: env!("CARGO_PKG_VERSION").into(),
        created: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
        config: config_file,
        state_dir: absolute(&config.server.state_dir),
        store: absolute(&config.store_folder()),
        images,
        files: Default::default(),
    })
}

/// The configuration file and the files that it names, in its folder or elsewhere.
fn configuration(packer: &mut Packer, config: &Config, config_file: &Path) -> Result<(), Failure> {
    let folder = config_file.parent().unwrap_or(Path::new("/"));
    let mut files: BTreeSet<PathBuf> = config.named_files().into_iter().collect();
    files.insert(config_file.to_owned());
    for file in files.iter().filter(|file| file.is_file()) {
        let file = std::path::absolute(file).map_err(|error| cannot("read", file, &error))?;
        let name = match file.strip_prefix(folder) {
            Ok(inside) => format!("config/{}", inside.display()),
            Err(_) => format!("files/{}", file.strip_prefix("/").unwrap_or(&file).display()),
        };
        add(packer, &name, &file)?;
    }
    Ok(())
}

/// The state, as it is between two changes.
fn state(packer: &mut Packer, config: &Config) -> Result<(), Failure> {
    let folder = &config.server.state_dir;
    let copy = folder.join(COPY_FOLDER);
    if ask(config, Method::POST, "/backup")?.is_none() {
        if !folder.join("state.redb").exists() {
            return Ok(());
        }
        // Nobody else has the state open.
        let copied = State::open(folder).and_then(|state| state.copy_to(&copy));
        copied.map_err(|error| Failure::Unusable(with_causes(&error)))?;
    }
    let added = files_below(&copy, "state", packer).and_then(|()| {
        let history = folder.join("history");
        if history.is_dir() { files_below(&history, "state/history", packer) } else { Ok(()) }
    });
    // Left behind, the next backup replaces it.
    let _ = fs::remove_dir_all(&copy);
    added
}

/// The catalogue with the manifests that it names; with `images`, all blobs.
fn store(packer: &mut Packer, config: &Config, images: bool) -> Result<(), Failure> {
    let root = config.store_folder();
    let catalogue = root.join("catalogue.redb");
    if !catalogue.is_file() {
        return Ok(());
    }
    let unusable = |error: imagestore::StoreError| Failure::Unusable(with_causes(&error));
    let store = Store::open(&root, config.store.limits).map_err(unusable)?;
    // Nothing is imported, removed or collected while it is held.
    let writer: Writer = store.write().map_err(unusable)?;
    add(packer, "images/catalogue.redb", &catalogue)?;
    if images {
        files_below(&root.join("blobs"), "images/blobs", packer)?;
    } else {
        let known = store.catalogue().map_err(unusable)?;
        let versions = known.images.values().flat_map(|record| &record.versions);
        let manifests: BTreeSet<String> = versions.map(|version| version.manifest.to_string()).collect();
        for digest in manifests {
            let name = format!("blobs/{}/{digest}", &digest[..2]);
            if root.join(&name).is_file() {
                add(packer, &format!("images/{name}"), &root.join(&name))?;
            }
        }
    }
    drop(writer);
    Ok(())
}

/// Adds the regular files of a folder. One that goes away meanwhile is left out.
fn files_below(folder: &Path, name: &str, packer: &mut Packer) -> Result<(), Failure> {
    let read = |error| cannot("read", folder, &error);
    let mut entries: Vec<_> = fs::read_dir(folder).map_err(read)?.collect::<io::Result<_>>().map_err(read)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), format!("{name}/{}", entry.file_name().to_string_lossy()));
        match entry.file_type().map_err(|error| cannot("read", &path, &error))? {
            kind if kind.is_dir() => files_below(&path, &name, packer)?,
            kind if kind.is_file() => match packer.add(&name, &path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                added => added.map_err(|error| cannot("back up", &path, &error))?,
            },
            _ => {}
        }
    }
    Ok(())
}

fn add(packer: &mut Packer, name: &str, path: &Path) -> Result<(), Failure> {
    packer.add(name, path).map_err(|error| cannot("back up", path, &error))
}
