//! An image that can be offered.

use std::net::Ipv4Addr;

use super::{NbiInfo, Problem};
use crate::{BootImageId, ImageKind};

/// An image that can be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootImage {
    /// Its folder's name, such as `Sierra Install.nbi`.
    pub folder: String,
    /// Where that folder is.
    pub place: Place,
    /// The id in BSDP messages.
    pub id: BootImageId,
    /// Its line in the menu.
    pub name: String,
    /// How its system gets at the root.
    pub kind: BootImageType,
    /// The root file system and its protocol.
    pub root: RootPath,
    /// Architectures with their booters, as paths inside the folder.
    pub booters: Vec<(String, String)>,
    /// The key `IsEnabled`: whether it is offered at all.
    pub enabled: bool,
    /// The key `IsDefault`: whether it is the default image.
    pub default: bool,
    /// The key `SupportsDiskless`: whether it runs without a disk.
    pub diskless: bool,
    /// The key `FilterOnly`: whether only the lists below apply.
    pub filter_only: bool,
    /// `EnabledSystemIdentifiers`; empty for every model.
    pub enabled_models: Vec<String>,
    /// The key `DisabledSystemIdentifiers`: models that it is not for.
    pub disabled_models: Vec<String>,
    /// `EnabledMACAddresses`; None for every Mac.
    pub enabled_macs: Option<Vec<[u8; 6]>>,
    /// The key `DisabledMACAddresses`: Macs that it is not for.
    pub disabled_macs: Vec<[u8; 6]>,
    /// `LoadBalanceServer` by its address: the server that gives the files instead of this one.
    pub load_balance_server: Option<Ipv4Addr>,
}

/// Where the folder of image folders is, in each way to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path by TFTP, such as `/NetBoot/NetBootSP0`.
    pub tftp: String,
    /// The path by HTTP, such as `/NetBoot/NetBootSP0`.
    pub http: String,
    /// The parent of the share among the server's NFS exports, such as
    /// `/Library/NetBoot/NetBootSP0`.
    pub nfs_export: String,
}

/// How an image's system gets at its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootImageType {
    /// The Mac mounts its root by NFS.
    Nfs,
    /// The Mac reads its root by HTTP.
    Http,
    /// It has no root: the booter is all, such as iPXE or GRUB.
    BootFileOnly,
}

/// Where an image's root is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootPath {
    /// The image has no root file system.
    None,
    /// A file in the image's folder.
    File(String),
    /// On another host, by NFS.
    Nfs {
        /// The address of the server that holds it.
        host: Ipv4Addr,
        /// The export and the image in it, as sent: `/export:dir/image.dmg`.
        path: String,
    },
    /// On another host, by HTTP: the whole URL, its host an address.
    Http(String),
}

impl BootImage {
    /// Checks what a property list says. `exists` tells whether the folder holds a file, `resolve`
    /// finds a host's address.
    ///
    /// Everything that is wrong is reported, not the first fault only.
    pub fn check(
        folder: &str,
        info: &NbiInfo,
        place: &Place,
        exists: impl Fn(&str) -> bool,
        resolve: impl Fn(&str) -> Option<Ipv4Addr>,
    ) -> Result<BootImage, Vec<Problem>> {
        let mut problems = Vec::new();
        let kind = note(&mut problems, image_type(info));
        let id = note(&mut problems, image_id(info, kind));
        let name = note(&mut problems, name(info));
        let booters = booters(info, exists_ref(&exists), &mut problems);
        let root = kind.and_then(|kind| note(&mut problems, root(info, kind, exists_ref(&exists), &resolve)));
        let load_balance_server = info.text("LoadBalanceServer").filter(|host| !host.is_empty());
        let load_balance_server =
            load_balance_server.and_then(|host| note(&mut problems, address_of(host, &resolve)));
        for (_, booter) in &booters {
            let path = format!("{}/{folder}/{booter}", place.tftp);
            if path.len() > MAX_FILE {
                problems.push(Problem::PathTooLong { have: path.len(), path });
            }
        }
        let (Some(kind), Some(id), Some(name), Some(root)) = (kind, id, name, root) else {
            return Err(problems);
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let texts = |key| info.texts(key).unwrap_or_default().to_vec();
        let macs = |key| info.texts(key).map(|macs| macs.iter().filter_map(|mac| mac_addr(mac)).collect());
        Ok(BootImage {
            folder: folder.to_owned(),
            place: place.clone(),
            id,
            name,
            kind,
            root,
            booters,
            enabled: info.boolean("IsEnabled").unwrap_or(true),
            default: info.boolean("IsDefault").unwrap_or(false),
            diskless: info.boolean("SupportsDiskless").unwrap_or(false),
            filter_only: info.boolean("FilterOnly").unwrap_or(id.kind == ImageKind::DIAGNOSTICS),
            enabled_models: texts("EnabledSystemIdentifiers"),
            disabled_models: texts("DisabledSystemIdentifiers"),
            enabled_macs: macs("EnabledMACAddresses"),
            disabled_macs: macs("DisabledMACAddresses").unwrap_or_default(),
            load_balance_server,
        })
    }

    /// The TFTP path of the booter for an architecture.
    pub fn boot_file(&self, architecture: &str) -> Option<String> {
        let (_, booter) = self.booters.iter().find(|(name, _)| name == architecture)?;
        Some(format!("{}/{}/{booter}", self.place.tftp, self.folder))
    }
}

fn exists_ref(exists: &impl Fn(&str) -> bool) -> &dyn Fn(&str) -> bool {
    exists
}

fn note<T>(problems: &mut Vec<Problem>, result: Result<T, Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn image_type(info: &NbiInfo) -> Result<BootImageType, Problem> {
    match info.text("Type") {
        None => Err(Problem::Missing { key: "Type", wanted: "NFS, HTTP or BootFileOnly" }),
        Some("NFS") => Ok(BootImageType::Nfs),
        Some("HTTP") => Ok(BootImageType::Http),
        Some("BootFileOnly") => Ok(BootImageType::BootFileOnly),
        Some("Classic") => Err(Problem::Classic),
        Some(other) => Err(Problem::Type(other.to_owned())),
    }
}

fn image_id(info: &NbiInfo, kind: Option<BootImageType>) -> Result<BootImageId, Problem> {
    let index =
        info.integer("Index").ok_or(Problem::Missing { key: "Index", wanted: "a number from 1 to 65535" })?;
    let index = match u16::try_from(index) {
        Ok(index) if index > 0 => index,
        _ => return Err(Problem::Index(index)),
    };
    // A kind out of range counts as none.
    let said = info.integer("Kind").and_then(|kind| u8::try_from(kind).ok()).and_then(ImageKind::new);
    let kind = match (said, kind) {
        (Some(said), _) => said,
        (None, Some(BootImageType::BootFileOnly)) => {
            return Err(Problem::Missing {
                key: "Kind",
                wanted: "with Type BootFileOnly, a number from 0 to 127",
            });
        }
        (None, _) => ImageKind::MAC_OS_X,
    };
    Ok(BootImageId { install: info.boolean("IsInstall").unwrap_or(false), kind, index, reserved: 0 })
}

fn name(info: &NbiInfo) -> Result<String, Problem> {
    match info.text("Name") {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(Problem::Missing { key: "Name", wanted: "the image's line in the menu" }),
    }
}

/// The booter of each architecture. Images without a list are of the time when there was PowerPC
/// only.
fn booters(
    info: &NbiInfo,
    exists: &dyn Fn(&str) -> bool,
    problems: &mut Vec<Problem>,
) -> Vec<(String, String)> {
    let Some(boot_file) = note(problems, path(info, "BootFile", "the booter's file name")) else {
        return Vec::new();
    };
    let ppc = ["ppc".to_owned()];
    let mut booters = Vec::new();
    for architecture in info.texts("Architectures").unwrap_or(&ppc) {
        let inside = format!("{architecture}/{boot_file}");
        if inside.contains(char::is_control) {
            problems.push(Problem::ControlCharacter { key: "Architectures", value: architecture.clone() });
        } else if exists(&inside) {
            booters.push((architecture.clone(), inside));
        } else if architecture == "ppc" && exists(boot_file) {
            booters.push((architecture.clone(), boot_file.to_owned()));
        } else {
            problems.push(Problem::NoBooter { architecture: architecture.clone(), path: inside });
        }
    }
    booters
}

fn root(
    info: &NbiInfo,
    kind: BootImageType,
    exists: &dyn Fn(&str) -> bool,
    resolve: &impl Fn(&str) -> Option<Ipv4Addr>,
) -> Result<RootPath, Problem> {
    if kind == BootImageType::BootFileOnly {
        return Ok(RootPath::None);
    }
    let root = path(info, "RootPath", "the root image's file name")?;
    if exists(root) {
        return Ok(RootPath::File(root.to_owned()));
    }
    let wrong = || Problem::RootPath(root.to_owned());
    if let Some(rest) = root.strip_prefix("http://") {
        let (authority, path) = rest.split_once('/').ok_or_else(wrong)?;
        let (login, host) = authority.rsplit_once('@').map_or(("", authority), |(login, host)| (login, host));
        let (host, port) = host.split_once(':').map_or((host, ""), |(host, port)| (host, port));
        let addr = address_of(host, resolve)?;
        let login = if login.is_empty() { String::new() } else { format!("{login}@") };
        let port = if port.is_empty() { String::new() } else { format!(":{port}") };
        return Ok(RootPath::Http(format!("http://{login}{addr}{port}/{path}")));
    }
    match root.split_once(':') {
        Some((host, path)) if path.starts_with('/') => {
            Ok(RootPath::Nfs { host: address_of(host, resolve)?, path: path.to_owned() })
        }
        Some(_) => Err(wrong()),
        None => Err(Problem::NoRootImage { path: root.to_owned() }),
    }
}

/// A path that is sent to Macs: a NUL would end it on the way.
fn path<'a>(info: &'a NbiInfo, key: &'static str, wanted: &'static str) -> Result<&'a str, Problem> {
    match info.text(key) {
        Some(path) if path.contains(char::is_control) => {
            Err(Problem::ControlCharacter { key, value: path.to_owned() })
        }
        Some(path) if !path.is_empty() => Ok(path),
        _ => Err(Problem::Missing { key, wanted }),
    }
}

fn address_of(host: &str, resolve: &impl Fn(&str) -> Option<Ipv4Addr>) -> Result<Ipv4Addr, Problem> {
    let addr = host.parse().ok().or_else(|| resolve(host));
    addr.ok_or_else(|| Problem::UnknownHost(host.to_owned()))
}

/// Six octets with colons between them; one digit will do, in either case.
fn mac_addr(text: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut octets {
        let part = parts.next().filter(|part| !part.is_empty() && part.len() <= 2)?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

/// The reply's file field without its NUL.
const MAX_FILE: usize = 127;

#[cfg(test)]
mod tests;
