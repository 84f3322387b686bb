//! Looking through the shares: which image folders there are, and what is wrong with those that are offered to nobody.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use bsdp::nbi::{INFO_FILE, MAX_PLIST, SUFFIX};
use bsdp::{BootImage, BootImages, NbiInfo, Place, Problem};
use imagestore::BootTree;

use crate::config::{Netboot, Share};
use crate::event::ImageFolderRead;

/// What the shares hold.
#[derive(Debug, Default)]
pub struct Scan {
    /// The images, in order.
    pub images: BootImages,
    /// Every image folder, good or not, by share and name.
    pub folders: Vec<ImageFolderRead>,
}

/// Looks through every share. Files are looked for as clients will: through the boot tree.
pub fn scan(netboot: &Netboot, tree: &BootTree) -> Scan {
    let mut scan = Scan::default();
    let mut images = Vec::new();
    for share in shares(netboot) {
        let place = Place {
            tftp: format!("{}/NetBoot/{}", netboot.tftp_prefix, share.name),
            http: format!("/NetBoot/{}", share.name),
            nfs_export: share.nfs_export.clone(),
        };
        let folders = match image_folders(&share.folder) {
            Ok(folders) => folders,
            Err(error) => {
                scan.folders.push(refused(
                    &share.name,
                    "",
                    [Problem::Unreadable(format!("cannot list the share: {error}"))],
                ));
                continue;
            }
        };
        for Found { name, misplaced } in folders {
            let read = match misplaced {
                Some(inside) => Err(vec![Problem::Unreadable(format!(
                    "{inside} is one folder too deep; move it up into the share"
                ))]),
                None => read(&name, &place, tree),
            };
            match read {
                Ok(image) => images.push(image),
                Err(problems) => scan.folders.push(refused(&share.name, &name, problems)),
            }
        }
    }
    let share_name = |image: &BootImage| image.place.http.trim_start_matches("/NetBoot/").to_owned();
    let (images, doubles) = BootImages::new(images, netboot.default_rule);
    for (image, problem) in doubles {
        scan.folders.push(refused(&share_name(&image), &image.folder, [problem]));
    }
    for image in images.iter() {
        scan.folders.push(ImageFolderRead {
            share: share_name(image),
            folder: image.folder.clone(),
            image: Some((image.id, image.name.clone())),
            problems: Vec::new(),
        });
    }
    scan.folders.sort_by(|a, b| (&a.share, &a.folder).cmp(&(&b.share, &b.folder)));
    scan.images = images;
    scan
}

/// The configured shares, or every folder in the default place.
fn shares(netboot: &Netboot) -> Vec<Share> {
    if !netboot.shares.is_empty() {
        return netboot.shares.clone();
    }
    let mut shares: Vec<Share> = Vec::new();
    // It need not be there: most sites have no Macs.
    for entry in std::fs::read_dir(&netboot.default_folder).into_iter().flatten().flatten() {
        let (folder, Ok(name)) = (entry.path(), entry.file_name().into_string()) else { continue };
        if folder.is_dir() {
            shares.push(Share { name, nfs_export: folder.display().to_string(), folder });
        }
    }
    shares.sort_by(|a, b| a.name.cmp(&b.name));
    shares
}

/// A folder of a share that is, or should be, an image folder.
struct Found {
    name: String,
    misplaced: Option<String>,
}

/// The image folders of a share by name, and the folders that hold image folders and are none.
fn image_folders(share: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(share)? {
        let entry = entry?;
        // A name that is not UTF-8 cannot be put into a URL or a DHCP field.
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !entry.path().is_dir() {
            continue;
        }
        if name.ends_with(SUFFIX) {
            found.push(Found { name, misplaced: None });
        } else if let Some(inside) = first_image_folder(&entry.path()) {
            let misplaced = Some(inside.display().to_string());
            found.push(Found { name, misplaced });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn first_image_folder(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten().take(MAX_LOOKED_AT);
    entries
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "nbi"))
}

fn read(folder: &str, place: &Place, tree: &BootTree) -> Result<BootImage, Vec<Problem>> {
    let inside = |path: &str| format!("{}/{folder}/{path}", place.http);
    let unreadable =
        |error: &dyn std::fmt::Display| vec![Problem::Unreadable(format!("{INFO_FILE}: {error}"))];
    let list = tree.open_raw(inside(INFO_FILE).as_bytes()).map_err(|error| unreadable(&error))?;
    let length = usize::try_from(list.len()).unwrap_or(usize::MAX).min(MAX_PLIST + 1);
    let mut bytes = vec![0; length];
    list.read_exact_at(0, &mut bytes).map_err(|error| unreadable(&error))?;
    let info = NbiInfo::parse(&bytes).map_err(|error| vec![Problem::Plist(error)])?;
    let exists = |path: &str| tree.open_raw(inside(path).as_bytes()).is_ok();
    BootImage::check(folder, &info, place, exists, resolve)
}

/// The first IPv4 address of a host.
fn resolve(host: &str) -> Option<Ipv4Addr> {
    (host, 0_u16).to_socket_addrs().ok()?.find_map(|addr| match addr {
        SocketAddr::V4(addr) => Some(*addr.ip()),
        SocketAddr::V6(_) => None,
    })
}

fn refused(share: &str, folder: &str, problems: impl IntoIterator<Item = Problem>) -> ImageFolderRead {
    ImageFolderRead {
        share: share.to_owned(),
        folder: folder.to_owned(),
        image: None,
        problems: problems.into_iter().map(|problem| problem.to_string()).collect(),
    }
}

/// Entries of a folder that are looked at to see whether it holds image folders.
const MAX_LOOKED_AT: usize = 1000;

#[cfg(test)]
mod tests;
