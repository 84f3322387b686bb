//! `netbootd image`: the image store from the command line.

mod export;
mod interrupt;
mod programs;
mod progress;
mod running;
mod shown;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use hyper::Method;
use imagestore::ingest::{Import, IngestError, import, roles_of};
use imagestore::{
    About, Catalogue, Collected, ImageKind, ImageRecord, Observer, Scrubbed, Store, StoreError,
};
use indicatif::HumanBytes;
use netbootd_content::remote::{Remote, RemoteError};
use netbootd_content::secure_boot::missing_pairs;
use netbootd_content::shares::check_info;
use netbootd_content::watch::{self, Outcomes};
use netbootd_net::with_causes;
use serde::Serialize;
use thiserror::Error;
use tokio::runtime::Runtime;

use super::client::{ask, config_of, not_running};
use super::human::{count, when_unix};
use super::table::table;
use super::{Failure, SiteArgs};
use crate::cli::out::{out, outln};
use crate::sandbox::account::act_as_owner_of;
use interrupt::Interrupt;
use progress::Progress;

#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
    #[command(flatten)]
    site: SiteArgs,
    /// The store's folder, instead of the configuration's.
    #[arg(long, value_name = "DIR", global = true)]
    store: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// List images.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one image: its versions, files, and the boot roles that it fills.
    Show {
        /// The image's name.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Import an image: a folder, an .nbi folder, a .wim, .iso, .dmg, or any file.
    Import {
        /// The file or folder to import.
        path: PathBuf,
        /// The image's name [default: from the source].
        #[arg(long)]
        name: Option<String>,
        /// A label: KEY=VALUE. The label `at` lists further paths that serve it, separated by
        /// commas; `.` is the root.
        #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
        label: Vec<(String, String)>,
    },
    /// Verify the digests of an image or of the whole store; withdraw damaged images.
    Verify {
        /// The image [default: the whole store].
        name: Option<String>,
    },
    /// Export an image's files into a folder.
    Export {
        /// The image's name.
        name: String,
        /// The folder; it is created.
        folder: PathBuf,
    },
    /// Remove an image, or one version of it.
    Remove {
        /// The image's name.
        name: String,
        /// The version, or its first digits [default: all versions].
        #[arg(long)]
        version: Option<String>,
    },
    /// Choose the version that is served, or set labels.
    Tag {
        /// The image's name.
        name: String,
        /// The version, or its first digits as `image list` prints them [default: the served
        /// version].
        version: Option<String>,
        /// A label: KEY=VALUE; an empty value removes it.
        #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
        label: Vec<(String, String)>,
    },
    /// Upload an image to the configured object storage.
    Push {
        /// The image's name.
        name: String,
    },
    /// Download an image from the object storage.
    Pull {
        /// The image's name.
        name: String,
    },
    /// List the watched sources (drop folder and content library) and their state.
    Sources {
        /// Include packages that hold nothing to boot.
        #[arg(long)]
        all: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        command: Option<SourcesCommand>,
    },
    /// Remove blobs that no image and no running boot uses.
    Gc,
}

#[derive(Debug, Subcommand)]
enum SourcesCommand {
    /// Retry refused sources now.
    Retry,
}

/// Text without an equals sign.
#[derive(Debug, Error)]
#[error("{0:?} is not KEY=VALUE")]
struct NotKeyValue(String);

fn key_value(text: &str) -> Result<(String, String), NotKeyValue> {
    let (key, value) = text.split_once('=').ok_or_else(|| NotKeyValue(text.to_owned()))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Runs one command on the store. A running netbootd sees changes within a second.
pub fn run(args: &ImageArgs) -> Result<(), Failure> {
    let store = open(args)?;
    match &args.command {
        ImageCommand::List { json } => {
            let catalogue = store.catalogue().map_err(failure)?;
            if *json { print_json(&catalogue.images) } else { print_text(&shown::list(&catalogue)) }
        }
        ImageCommand::Show { name, json } => {
            let record = record(&store, name)?;
            let manifest = store.manifest(&record.current).map_err(failure)?;
            let programs = programs::of_image(&store, args, &manifest)?;
            if *json {
                let image = serde_json::json!({
                    "name": name, "record": record, "manifest": manifest, "programs": programs,
                });
                print_json(&image)
            } else {
                print_text(&shown::show(name, &record, &manifest, &programs))
            }
        }
        ImageCommand::Import { path, name, label } => {
            let labels: BTreeMap<String, String> = label.iter().cloned().collect();
            let wanted = Import {
                name: name.clone(),
                labels,
                at: now(),
                check_info: Some(check_info),
                remarks: Some(missing_pairs),
                ..Import::default()
            };
            let mut progress = Progress::new("import");
            let imported = import(&store, path, wanted, &mut progress);
            progress.done();
            let imported = imported.map_err(|error| match error {
                IngestError::Store(StoreError::Busy) => failure(StoreError::Busy),
                _ if progress.is_cancelled() => {
                    Interrupt::ended("nothing was imported; the store is unchanged")
                }
                error => Failure::NoAnswer(with_causes(&error)),
            })?;
            for finding in &imported.findings {
                outln!("note: {finding}");
            }
            // The words that runbooks for Macs' images look for.
            outln!("New image distributed: {}", imported.name);
            outln!("{}", imported.record.current);
            Ok(())
        }
        ImageCommand::Verify { name } => verify(&store, name.as_deref()),
        ImageCommand::Export { name, folder } => {
            let manifest = store.manifest(&record(&store, name)?.current).map_err(failure)?;
            export::export(&store, &manifest, folder)
        }
        ImageCommand::Remove { name, version } => running::remove(&store, name, version.as_deref()),
        ImageCommand::Tag { name, version, label } => running::tag(&store, name, version.as_deref(), label),
        ImageCommand::Push { name } => with_remote(args, |remote, runtime| {
            let mut progress = Progress::new("push");
            let pushed = runtime.block_on(remote.push(&store, name, &mut progress));
            progress.done();
            pushed
        }),
        ImageCommand::Pull { name } => with_remote(args, |remote, _| {
            let mut progress = Progress::new("pull");
            let pulled = remote.pull(&store, name, &mut progress);
            progress.done();
            pulled.map(|record| outln!("{}", record.current))
        }),
        ImageCommand::Sources { command: Some(SourcesCommand::Retry), .. } => retry(args),
        ImageCommand::Sources { all, json, command: None } => {
            let mut outcomes = watch::outcomes(&store);
            let before = outcomes.len();
            outcomes.retain(|_, outcome| *all || !outcome.ordinary);
            let ordinary = before - outcomes.len();
            if *json { print_json(&outcomes) } else { print_text(&shown::sources(&outcomes, ordinary)) }
        }
        ImageCommand::Gc => collect(&store),
    }
}

fn open(args: &ImageArgs) -> Result<Store, Failure> {
    let (folder, limits) = match &args.store {
        Some(folder) => (folder.clone(), imagestore::StoreLimits::default()),
        None => {
            let config = config_of(&args.site)?;
            (config.store_folder(), config.store.limits)
        }
    };
    act_as_owner_of(&folder)?;
    Store::open(&folder, limits).map_err(failure)
}

fn with_remote<T>(
    args: &ImageArgs,
    action: impl FnOnce(&Remote, &Runtime) -> Result<T, RemoteError>,
) -> Result<T, Failure> {
    let config = config_of(&args.site)?.store.remote;
    let config = config.ok_or_else(|| Failure::Unusable("the configuration has no [store.remote]".into()))?;
    let runtime =
        Runtime::new().map_err(|error| Failure::Bug(format!("cannot start the runtime: {error}")))?;
    let remote = Remote::open(&config, runtime.handle().clone());
    let done = remote.and_then(|remote| action(&remote, &runtime));
    done.map_err(|error| match error {
        RemoteError::Store(StoreError::Cancelled) => Interrupt::ended("no version was added anywhere"),
        error => Failure::NoAnswer(with_causes(&error)),
    })
}

fn record(store: &Store, name: &str) -> Result<ImageRecord, Failure> {
    netbootd_content::curate::record(store, name).map_err(failure)
}

fn retry(args: &ImageArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let answer = ask(&config, Method::POST, "/sources/retry")?.ok_or_else(|| not_running(&config))?;
    match answer.trim().parse::<u64>().unwrap_or_default() {
        0 => outln!("no source was refused"),
        refused => outln!("retrying {}", count(refused, "refused source")),
    }
    Ok(())
}

fn verify(store: &Store, name: Option<&str>) -> Result<(), Failure> {
    let mut progress = Progress::new("verify");
    let scrubbed = match name {
        None => store.scrub(&mut progress),
        Some(name) => store.verify(&record(store, name)?.current, &mut progress),
    };
    progress.done();
    let Scrubbed { blobs, bytes, bad, missing, cancelled } = scrubbed.map_err(failure)?;
    outln!("{} verified, {}", count(blobs, "blob"), HumanBytes(bytes));
    for digest in &bad {
        outln!("damaged and withdrawn: {digest}");
    }
    for digest in missing.iter().filter(|digest| !bad.contains(digest)) {
        outln!("missing: {digest}");
    }
    if cancelled {
        return Err(Interrupt::ended("the remaining blobs were not read; only damaged blobs were changed"));
    }
    if bad.is_empty() && missing.is_empty() {
        return Ok(());
    }
    Err(Failure::NoAnswer("import the affected images again; until then clients are not offered them".into()))
}

fn collect(store: &Store) -> Result<(), Failure> {
    show_collected(&store.write().and_then(imagestore::Writer::collect).map_err(failure)?);
    Ok(())
}

fn show_collected(collected: &Collected) {
    outln!(
        "removed {}, {}; kept {}",
        count(collected.blobs, "blob"),
        HumanBytes(collected.bytes),
        count(collected.kept, "blob")
    );
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    outln!("{}", serde_json::to_string_pretty(value).map_err(|error| Failure::Bug(error.to_string()))?);
    Ok(())
}

fn print_text(text: &str) -> Result<(), Failure> {
    out!("{text}");
    Ok(())
}

fn failure(error: StoreError) -> Failure {
    match error {
        StoreError::NoImage(_)
        | StoreError::NoVersion { .. }
        | StoreError::Busy
        | StoreError::Blob { .. } => Failure::NoAnswer(error.to_string()),
        error => Failure::Unusable(with_causes(&error)),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
