//! Looking after images over the status port.

use std::path::Path;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use imagestore::ingest::roles_of;
use imagestore::{ImageKind, ImageRecord, Manifest, Runner, Scrubbed, Store, StoreError};
use netbootd_content::curate::{self, CurateError};
use netbootd_content::secure_boot;
use netbootd_net::with_causes;
use netbootd_server::daemon::Daemon;
use netbootd_state::ledger::now;
use serde::Serialize;

use super::{ApiResponse, asked_for, json, problem, values};

/// A change of an image of the store.
type Act = Box<dyn FnOnce(&Store, &str) -> Result<ApiResponse, CurateError> + Send>;

/// Answers a request; None for a path that is another's.
pub(super) async fn answer(
    daemon: &Arc<Daemon>,
    method: &Method,
    parts: &[&str],
    query: Option<&str>,
) -> Option<ApiResponse> {
    let query = query.map(str::to_owned);
    let act: Act = match (method.as_str(), parts) {
        ("GET", ["images", _]) => {
            let state = daemon.services.state.folder().to_owned();
            Box::new(move |store, name| Ok(json(&ImageDetails::read(store, &state, name)?)))
        }
        ("DELETE", ["images", _]) => Box::new(move |store, name| {
            let version = asked_for(query.as_deref(), "version").filter(|text| !text.is_empty());
            let removed = curate::remove(store, name, version.as_deref(), now())?;
            let words = removed.note.unwrap_or_default();
            Ok(json(&Curated { image: name.to_owned(), version: None, words }))
        }),
        ("POST", ["images", _, "tag"]) => Box::new(move |store, name| {
            let version = asked_for(query.as_deref(), "version").filter(|text| !text.is_empty());
            let labels = values(query.as_deref(), "label").into_iter();
            let split =
                |pair: String| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
            let Some(labels) = labels.map(split).collect::<Option<Vec<_>>>() else {
                let error = "a label is KEY=VALUE; an empty value removes it".to_owned();
                return Ok(problem(StatusCode::BAD_REQUEST, error));
            };
            let tagged = curate::tag(store, name, version.as_deref(), &labels)?;
            let words = tagged.note.unwrap_or_default();
            let version = Some(tagged.record.current.to_string());
            Ok(json(&Curated { image: name.to_owned(), version, words }))
        }),
        _ => return None,
    };
    let Some(images) = daemon.images.clone() else {
        return Some(problem(StatusCode::NOT_FOUND, "no image store is open".to_owned()));
    };
    let name = parts.get(1).copied().unwrap_or_default().to_owned();
    let done = tokio::task::spawn_blocking(move || act(images.store(), &name)).await;
    Some(match done {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => refused(&error),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    })
}

fn refused(error: &CurateError) -> ApiResponse {
    let status = match error {
        CurateError::Store(StoreError::NoImage(_) | StoreError::NoVersion { .. }) => StatusCode::NOT_FOUND,
        CurateError::Store(StoreError::Busy) => StatusCode::SERVICE_UNAVAILABLE,
        CurateError::TooShort(_) | CurateError::Several { .. } => StatusCode::BAD_REQUEST,
        CurateError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    problem(status, with_causes(error))
}

/// An image after a change.
#[derive(Debug, Serialize)]
struct Curated {
    image: String,
    /// The version that is served.
    version: Option<String>,
    /// The machines that run from what was replaced or removed.
    words: String,
}

/// One image with everything that the store knows of it.
#[derive(Debug, Serialize)]
pub(crate) struct ImageDetails {
    pub(crate) name: String,
    pub(crate) record: ImageRecord,
    pub(crate) files: Vec<FileView>,
    pub(crate) roles: Vec<RoleView>,
    pub(crate) programs: Vec<ProgramView>,
    /// The machines that ran from it in the last two hours.
    pub(crate) runners: Vec<Runner>,
    /// How boot loaders start it.
    pub(crate) boot: Option<imagestore::BootEntry>,
}

/// A file of an image.
#[derive(Debug, Serialize)]
pub(crate) struct FileView {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

/// A part that a boot needs, and whether the image has it.
#[derive(Debug, Serialize)]
pub(crate) struct RoleView {
    pub(crate) name: &'static str,
    pub(crate) needed_for: &'static str,
    pub(crate) filled: bool,
    pub(crate) optional: bool,
}

/// An EFI program of an image.
#[derive(Debug, Serialize)]
pub(crate) struct ProgramView {
    pub(crate) path: String,
    pub(crate) machine: String,
    pub(crate) signed: bool,
    /// The authorities behind its signatures.
    pub(crate) signers: Vec<String>,
    /// Why machines with the bundled revocations or the site's lists refuse it.
    pub(crate) revoked: Option<String>,
}

impl ImageDetails {
    /// Reads the catalogue, the manifest and the programs; the state folder has the site's
    /// revocation lists.
    pub(crate) fn read(store: &Store, state_dir: &Path, name: &str) -> Result<Self, StoreError> {
        let record = curate::record(store, name)?;
        let manifest = store.manifest(&record.current)?;
        let versions: Vec<_> = record.versions.iter().map(|version| version.manifest).collect();
        Ok(ImageDetails {
            name: name.to_owned(),
            runners: curate::runners(store, &versions),
            roles: roles(&manifest),
            programs: programs(store, state_dir, &manifest),
            files: manifest
                .files
                .iter()
                .map(|file| FileView {
                    path: file.path.clone(),
                    size: file.size,
                    sha256: file.digest.to_string(),
                })
                .collect(),
            boot: manifest.boot,
            record,
        })
    }
}

fn roles(manifest: &Manifest) -> Vec<RoleView> {
    if manifest.kind != ImageKind::WinPe {
        return Vec::new();
    }
    let roles = roles_of(manifest.files.iter().map(|file| file.path.as_str()));
    let view = |(role, filled): (&'static imagestore::ingest::Role, bool)| RoleView {
        name: role.name,
        needed_for: role.needed_for,
        filled,
        optional: role.optional,
    };
    roles.into_iter().map(view).collect()
}

fn programs(store: &Store, state_dir: &Path, manifest: &Manifest) -> Vec<ProgramView> {
    let revocations = secure_boot::revocations_or_bundled(state_dir);
    let is_program = |path: &str| {
        path.get(path.len().saturating_sub(4)..).is_some_and(|end| end.eq_ignore_ascii_case(".efi"))
    };
    let programs = manifest.files.iter().filter(|file| is_program(&file.path) && file.at.is_none());
    let view = |file: &imagestore::FileEntry| {
        let blob = store.blob(&file.digest).ok()?;
        let program = secure_boot::read_program(&blob, secure_boot::MAX_PROGRAM).ok()?;
        let report = secure_boot::report(&file.path, &program, &revocations);
        let signers = report.signatures.iter().filter_map(|one| one.authorities.first().cloned());
        Some(ProgramView {
            path: file.path.clone(),
            machine: report.architecture,
            signed: !program.signatures.is_empty(),
            signers: signers.collect(),
            revoked: report.revoked,
        })
    };
    programs.take(MOST_PROGRAMS).filter_map(view).collect()
}

/// Programs of an image that are looked at.
const MOST_PROGRAMS: usize = 40;

/// The result of reading an image.
#[derive(Debug, Serialize)]
struct Verified {
    blobs: usize,
    bytes: u64,
    damaged: Vec<String>,
    missing: Vec<String>,
    /// The same in words.
    words: String,
}

/// Reads an image anew, and withdraws what is damaged. One at a time: it reads the disk as fast as
/// that goes.
pub(super) async fn verify(daemon: &Daemon, name: &str) -> ApiResponse {
    let name = name.to_owned();
    let Some(images) = daemon.images.clone() else {
        return problem(StatusCode::NOT_FOUND, "no image store is open".to_owned());
    };
    let Ok(place) = Arc::clone(&images.verification).try_lock_owned() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "another image is being verified".to_owned());
    };
    let read = tokio::task::spawn_blocking(move || {
        let scrubbed = images.verify(&name);
        drop(place);
        scrubbed
    });
    match read.await {
        Ok(Ok(scrubbed)) => json(&Verified::new(&scrubbed)),
        Ok(Err(error @ StoreError::NoImage(_))) => problem(StatusCode::NOT_FOUND, error.to_string()),
        Ok(Err(error)) => problem(StatusCode::INTERNAL_SERVER_ERROR, with_causes(&error)),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

impl Verified {
    fn new(scrubbed: &Scrubbed) -> Self {
        let digests =
            |digests: &[imagestore::Digest]| digests.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (damaged, missing) = (digests(&scrubbed.bad), digests(&scrubbed.missing));
        let words = match damaged.len() + missing.len() {
            0 => format!("{} blobs are whole", scrubbed.blobs),
            _ => format!("{} blobs are damaged and withdrawn, {} are missing", damaged.len(), missing.len()),
        };
        Verified { blobs: scrubbed.blobs, bytes: scrubbed.bytes, damaged, missing, words }
    }
}
