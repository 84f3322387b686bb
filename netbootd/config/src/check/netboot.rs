//! Macs: shares, and how they are answered.

use std::collections::HashSet;
use std::path::Path;

use bsdp::{DefaultRule, DisabledModels};
use imagestore::{BootPath, BootTree, Mount};
use netbootd_content::settings::{Netboot, Share};

use super::super::finding::Finding;
use super::super::schema::{self, Document, Mode, Ports};

/// Adds the shares to the boot tree, below `NetBoot` and once more below the TFTP prefix.
pub(super) fn check(
    document: &Document,
    root: Option<&Path>,
    mounts: &mut Vec<Mount>,
    findings: &mut Vec<Finding>,
) -> Netboot {
    let written = &document.netboot;
    let root = root.unwrap_or(document.boot.root.get_ref());
    let prefix = written.tftp_prefix.get_ref().trim_matches('/').to_owned();
    if !prefix.is_empty() {
        match BootPath::parse(prefix.as_bytes()) {
            Ok(_) => mounts.push(Mount { at: prefix.clone(), folder: root.to_owned() }),
            Err(error) => {
                findings.push(Finding::error(written.tftp_prefix.span(), format!("no path: {error}")));
            }
        }
    }
    let mut names = HashSet::new();
    let mut shares = Vec::with_capacity(written.share.len());
    for share in &written.share {
        let name = share.name.get_ref();
        if BootPath::parse(name.as_bytes()).is_err() || name.contains('/') {
            findings.push(Finding::error(share.name.span(), format!("{name:?} is no name for a folder")));
        }
        if !names.insert(name) {
            findings.push(Finding::error(share.name.span(), format!("the share {name:?} is there twice")));
        }
        let folder = share.folder.get_ref();
        let mount = Mount { at: format!("{FOLDER}/{name}"), folder: folder.clone() };
        if let Err(error) = BootTree::new(std::slice::from_ref(&mount)) {
            let finding = Finding::error(share.folder.span(), format!("{error}: {}", error.source));
            findings
                .push(finding.help("create the folder, make it readable for netbootd, or name another one"));
        }
        if !prefix.is_empty() {
            mounts.push(Mount { at: format!("{prefix}/{FOLDER}/{name}"), folder: folder.clone() });
        }
        mounts.push(mount);
        let nfs_export = share.nfs_export.clone().unwrap_or_else(|| folder.display().to_string());
        shares.push(Share { name: name.clone(), folder: folder.clone(), nfs_export });
    }
    if let Some(share) =
        document.netboot.share.first().filter(|_| document.dhcp.ports == Ports::BootServerOnly)
    {
        let finding =
            Finding::warning(share.name.span(), "Macs ask on port 67, and ports = \"4011-only\" leaves it");
        let right = if document.dhcp.mode == Mode::Off {
            "write ports = \"both\""
        } else {
            "run netbootd on another host"
        };
        findings.push(finding.help(right));
    }
    let block_size = *written.max_block_size.get_ref();
    if !(tftp::MIN_BLOCK_SIZE..=tftp::MAX_BLOCK_SIZE).contains(&block_size) {
        let message = format!("a block of {block_size} bytes is outside RFC 2348");
        findings.push(Finding::error(written.max_block_size.span(), message));
    }
    let shadow = written.shadow.as_ref();
    if let Some(shadow) =
        shadow.filter(|url| !["afp:", "nfs:"].iter().any(|scheme| url.get_ref().starts_with(scheme)))
    {
        let message = format!("{:?} is neither an afp: nor an nfs: URL", shadow.get_ref());
        findings.push(Finding::error(shadow.span(), message));
    }
    Netboot {
        enabled: written.enabled,
        shares,
        default_folder: root.join(FOLDER),
        server_name: written.server_name.clone(),
        tftp_prefix: if prefix.is_empty() { String::new() } else { format!("/{prefix}") },
        max_block_size: block_size,
        default_rule: match written.default_image {
            schema::DefaultImage::ModelFirst => DefaultRule::ModelFirst,
            schema::DefaultImage::Apple => DefaultRule::Apple,
        },
        disabled_models: match written.disabled_models {
            schema::DisabledModels::Obey => DisabledModels::Obey,
            schema::DisabledModels::Ignore => DisabledModels::Ignore,
        },
        priority: written.priority,
        shadow: shadow.map(|url| url.get_ref().clone()),
        netboot_1: written.netboot_1,
        binding_lifetime: written.binding_lifetime.as_ref().map(|time| time.0.0),
        rescan: written.rescan.0.0,
    }
}

/// Where Macs look for their files, by TFTP and by HTTP.
const FOLDER: &str = "NetBoot";
