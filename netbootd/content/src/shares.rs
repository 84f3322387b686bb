//! Looking through the shares: which image folders there are, and what is wrong with those that are
//! offered to nobody.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use bsdp::nbi::{INFO_FILE, MAX_PLIST, SUFFIX};
use bsdp::{
    BootImage, BootImageId, BootImageType, BootImages, DefaultRule, NbiInfo, Place, Problem, RootPath,
};
use imagestore::ingest::InfoProblem;
use imagestore::{BootFile, ImageKind, NETBOOT_SHARE};
use netbootd_telemetry::event::ImageFolderRead;

use crate::files::Files;
use crate::settings::{Netboot, Share};

/// The contents of the shares.
#[derive(Debug, Default)]
pub struct Scan {
    /// The images, in order.
    pub images: BootImages,
    /// Every image folder, good or not, by share and name.
    pub folders: Vec<ImageFolderRead>,
    /// The labels of those that are in the image store.
    pub labels: HashMap<BootImageId, BTreeMap<String, String>>,
}

/// Looks through every share. Files are looked for as clients will: through the boot tree.
pub fn scan(netboot: &Netboot, files: &Files) -> Scan {
    let mut reading = Reading::default();
    for share in shares(netboot) {
        reading.share(&share, None, &netboot.tftp_prefix, files);
    }
    reading.images(&netboot.tftp_prefix, files);
    let mut scan = reading.finish(netboot.default_rule);
    let stored = format!("/NetBoot/{NETBOOT_SHARE}");
    let of_store = scan.images.iter().filter(|image| image.place.http == stored);
    let labels = of_store.map(|image| {
        let name = image.folder.strip_suffix(SUFFIX).unwrap_or(&image.folder);
        (image.id, files.image_labels(name))
    });
    scan.labels = labels.collect();
    scan
}

/// Looks through one share, or at one image folder in it.
pub fn scan_share(share: &Share, only: Option<&str>, rule: DefaultRule, files: &Files) -> Scan {
    let mut reading = Reading::default();
    reading.share(share, only, "", files);
    reading.finish(rule)
}

#[derive(Default)]
struct Reading {
    images: Vec<BootImage>,
    folders: Vec<ImageFolderRead>,
}

impl Reading {
    fn share(&mut self, share: &Share, only: Option<&str>, tftp_prefix: &str, files: &Files) {
        let place = Place {
            tftp: format!("{tftp_prefix}/NetBoot/{}", share.name),
            http: format!("/NetBoot/{}", share.name),
            nfs_export: share.nfs_export.clone(),
        };
        let mut refuse = |folder: &str, problems: Vec<Problem>| {
            self.folders.push(read_event(&share.name, folder, None, &problems));
        };
        let found = match image_folders(&share.folder) {
            Ok(found) => found,
            Err(error) => {
                return refuse("", vec![Problem::Unreadable(format!("cannot list the share: {error}"))]);
            }
        };
        for Found { name, misplaced } in found {
            if only.is_some_and(|only| only != name) {
                continue;
            }
            if let Some(inside) = misplaced {
                let problem = format!("{inside} is one folder too deep; move it up into the share");
                refuse(&name, vec![Problem::Unreadable(problem)]);
                continue;
            }
            match read(&name, &place, files) {
                Ok(image) => self.images.push(image),
                Err(problems) => refuse(&name, problems),
            }
        }
    }

    /// The NetBoot images of the store. They have no NFS export: their files have no names on the
    /// disk.
    fn images(&mut self, tftp_prefix: &str, files: &Files) {
        let place = Place {
            tftp: format!("{tftp_prefix}/NetBoot/{NETBOOT_SHARE}"),
            http: format!("/NetBoot/{NETBOOT_SHARE}"),
            nfs_export: String::new(),
        };
        for name in files.image_names(ImageKind::Nbi) {
            let folder = format!("{name}{SUFFIX}");
            match read(&folder, &place, files) {
                Ok(image) if image.kind == BootImageType::Nfs && matches!(image.root, RootPath::File(_)) => {
                    let problem =
                        "its Type is NFS, and files of the store have no names for NFS; Type HTTP works";
                    let problem = Problem::Unreadable(problem.to_owned());
                    self.folders.push(read_event(NETBOOT_SHARE, &folder, None, &[problem]));
                }
                Ok(image) => self.images.push(image),
                Err(problems) => self.folders.push(read_event(NETBOOT_SHARE, &folder, None, &problems)),
            }
        }
    }

    fn finish(self, rule: DefaultRule) -> Scan {
        let mut folders = self.folders;
        let share_of = |image: &BootImage| image.place.http.trim_start_matches("/NetBoot/").to_owned();
        let (images, doubles) = BootImages::new(self.images, rule);
        for (image, problem) in doubles {
            folders.push(read_event(&share_of(&image), &image.folder, None, &[problem]));
        }
        for image in images.iter() {
            folders.push(read_event(&share_of(image), &image.folder, Some(image), &[]));
        }
        folders.sort_by(|a, b| (&a.share, &a.folder).cmp(&(&b.share, &b.folder)));
        Scan { images, folders, labels: HashMap::new() }
    }
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

fn read(folder: &str, place: &Place, files: &Files) -> Result<BootImage, Vec<Problem>> {
    let inside = |path: &str| format!("{}/{folder}/{path}", place.http);
    let unreadable =
        |error: &dyn std::fmt::Display| vec![Problem::Unreadable(format!("{INFO_FILE}: {error}"))];
    let list = files.open_raw(inside(INFO_FILE).as_bytes()).map_err(|error| unreadable(&error))?;
    let info = read_info(&list).map_err(|problem| vec![problem])?;
    let exists = |path: &str| files.open_raw(inside(path).as_bytes()).is_ok();
    BootImage::check(folder, &info, place, exists, resolve)
}

fn read_info(list: &BootFile) -> Result<NbiInfo, Problem> {
    let length = usize::try_from(list.len()).unwrap_or(usize::MAX).min(MAX_PLIST + 1);
    let mut bytes = vec![0; length];
    list.read_exact_at(0, &mut bytes)
        .map_err(|error| Problem::Unreadable(format!("{INFO_FILE}: {error}")))?;
    NbiInfo::parse(&bytes).map_err(Problem::Plist)
}

/// Says whether an `NBImageInfo.plist` can be read at all, before its set is taken in.
pub fn check_info(list: &BootFile) -> Result<(), InfoProblem> {
    Ok(read_info(list).map(drop)?)
}

/// The first IPv4 address of a host.
fn resolve(host: &str) -> Option<Ipv4Addr> {
    (host, 0_u16).to_socket_addrs().ok()?.find_map(|addr| match addr {
        SocketAddr::V4(addr) => Some(*addr.ip()),
        SocketAddr::V6(_) => None,
    })
}

fn read_event(share: &str, folder: &str, image: Option<&BootImage>, problems: &[Problem]) -> ImageFolderRead {
    ImageFolderRead {
        share: share.to_owned(),
        folder: folder.to_owned(),
        image: image.map(|image| (image.id, image.name.clone())),
        problems: problems.to_vec(),
    }
}

/// Entries of a folder that are looked at to see whether it holds image folders.
const MAX_LOOKED_AT: usize = 1000;

#[cfg(test)]
mod tests;
