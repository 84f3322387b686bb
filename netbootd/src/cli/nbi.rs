//! `netbootd nbi`: what each kind of Mac would be offered from a folder, and why not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bsdp::nbi::SUFFIX;
use bsdp::{BootImage, BootImages, DefaultRule, DisabledModels, Mac, cannot_netboot, eligible, wanted};
use clap::{Args, Subcommand};
use imagestore::{BootTree, Mount};
use netbootd_content::files::Files;
use netbootd_content::settings::Share;
use netbootd_content::shares::{Scan, scan_share};

use super::Failure;
use super::table::table;
use crate::cli::out::out;

#[derive(Debug, Subcommand)]
pub enum NbiCommand {
    /// Show which Macs a folder can boot, and why not.
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// A folder of .nbi folders, or one .nbi folder.
    folder: PathBuf,
    /// Behave like Apple's server: ignore DisabledSystemIdentifiers, and prefer a general default
    /// over a model's.
    #[arg(long)]
    apple: bool,
}

/// Checks and tells. Fails when a folder cannot be offered to anybody.
pub fn run(NbiCommand::Check(args): &NbiCommand) -> Result<(), Failure> {
    let scan = look_through(args)?;
    out!("{}", folders(&scan));
    let disabled = if args.apple { DisabledModels::Ignore } else { DisabledModels::Obey };
    for (architecture, model) in kinds_of_mac(&scan.images) {
        out!("\n{}", offered_to(&architecture, &model, &scan.images, disabled));
    }
    let refused = scan.folders.iter().filter(|read| !read.problems.is_empty()).count();
    match (scan.folders.len(), refused) {
        (0, _) => Err(Failure::NoAnswer(format!("no {SUFFIX} folder in {}", args.folder.display()))),
        (_, 0) => Ok(()),
        (all, refused) => Err(Failure::NoAnswer(format!("{refused} of {all} folders cannot be offered"))),
    }
}

fn look_through(args: &CheckArgs) -> Result<Scan, Failure> {
    let folder = args.folder.canonicalize().map_err(|error| cannot_read(&args.folder, &error))?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (share, only) = match folder.parent() {
        Some(parent) if name.ends_with(SUFFIX) => (parent.to_owned(), Some(name)),
        _ => (folder, None),
    };
    let tree = BootTree::new(&[Mount { at: "NetBoot/share".into(), folder: share.clone() }]);
    let tree = tree.map_err(|error| cannot_read(&error.folder, &error.source))?;
    let nfs_export = share.display().to_string();
    let share = Share { name: "share".into(), folder: share, nfs_export };
    let rule = if args.apple { DefaultRule::Apple } else { DefaultRule::ModelFirst };
    Ok(scan_share(&share, only.as_deref(), rule, &Files::new(tree, None)))
}

fn cannot_read(folder: &Path, error: &std::io::Error) -> Failure {
    Failure::Unusable(format!("cannot read {}: {error}", folder.display()))
}

fn folders(scan: &Scan) -> String {
    let row = |read: &netbootd_telemetry::event::ImageFolderRead| {
        let (id, name) = read
            .image
            .as_ref()
            .map_or((String::new(), String::new()), |(id, name)| (id.to_string(), name.clone()));
        let verdict = if read.problems.is_empty() { "fine".to_owned() } else { read.problems_text() };
        vec![read.folder.clone(), id, name, verdict]
    };
    table(&["FOLDER", "ID", "NAME", "VERDICT"], &scan.folders.iter().map(row).collect::<Vec<_>>())
}

/// Every architecture and model that an image names, and for each architecture a model that none
/// names.
fn kinds_of_mac(images: &BootImages) -> BTreeSet<(String, String)> {
    let mut kinds = BTreeSet::new();
    for image in images.iter() {
        for (architecture, _) in &image.booters {
            kinds.insert((architecture.clone(), ANY_MODEL.to_owned()));
            for model in image.enabled_models.iter().chain(&image.disabled_models) {
                kinds.insert((architecture.clone(), model.clone()));
            }
        }
    }
    kinds
}

fn offered_to(architecture: &str, model: &str, images: &BootImages, disabled: DisabledModels) -> String {
    let mut text = format!("{architecture}, {model}:\n");
    if cannot_netboot(model) {
        return text + "  this model cannot boot from a network\n";
    }
    let mac = Mac { architecture, model, mac: [0; 6] };
    let mut default = true;
    for image in images.iter() {
        match eligible(image, &mac, disabled).and_then(|()| wanted(image, None)) {
            Ok(()) => {
                let mark = if std::mem::take(&mut default) { "offered, default" } else { "offered" };
                text.push_str(&format!("  {}: {mark}{}\n", image.folder, only_for_some(image)));
            }
            Err(why) => text.push_str(&format!("  {}: not offered: {why}\n", image.folder)),
        }
    }
    text
}

fn only_for_some(image: &BootImage) -> &'static str {
    if image.disabled_macs.is_empty() { "" } else { ", but not to the Macs in DisabledMACAddresses" }
}

const ANY_MODEL: &str = "any other model";
