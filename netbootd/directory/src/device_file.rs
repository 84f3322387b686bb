//! The device file: machines in CSV or TOML, looked up in memory, read again when it changes.

pub mod merge;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::Utf8Error;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use netbootd_net::with_causes;
use parking_lot::Mutex;
use pxe_policy::{Answer, BadLine, Device, DirectoryAnswer, Identity, Table, Trouble};
use serde::Deserialize;
use thiserror::Error;
use tracing::{info, warn};

use crate::configured::{Configured, OpenError};
use crate::directory::{Asking, Directory, in_memory};
use crate::links::Links;
use crate::settings::Devices;

/// A file of devices.
#[derive(Debug)]
pub struct DeviceFile {
    path: PathBuf,
    table: ArcSwap<Table>,
    seen: Mutex<Option<Look>>,
}

/// Why a device file cannot be used.
#[derive(Debug, Error)]
pub enum DeviceFileError {
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file that cannot be read.
        path: PathBuf,
        /// The system's error that stopped it.
        source: io::Error,
    },
    /// It is larger than any list of devices.
    #[error("{}: {size} bytes are more than a device file has ({MAX_SIZE})", .path.display())]
    TooLarge {
        /// The file that is too large.
        path: PathBuf,
        /// The file's size in bytes.
        size: u64,
    },
    /// It holds no list of devices.
    #[error("{}", .path.display())]
    NoList {
        /// The file that cannot be parsed.
        path: PathBuf,
        /// The error of the parser.
        source: DeviceListError,
    },
}

/// Why bytes are no list of devices.
#[derive(Debug, Error)]
pub enum DeviceListError {
    /// The bytes are no UTF-8, which TOML is.
    #[error("it is not text in UTF-8")]
    Text(#[from] Utf8Error),
    /// No TOML, or no `[[device]]` tables.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// The text is no CSV.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// CSV of other things.
    #[error("the first line has neither a column mac nor a column uuid")]
    NoIdentifiers,
}

/// Size and time: equal ones mean that nobody has written to it.
type Look = (u64, Option<SystemTime>);

impl DeviceFile {
    /// Reads it. Bad lines are logged and left out.
    pub fn open(path: &Path) -> Result<Self, DeviceFileError> {
        let seen = look(path);
        let (table, bad) = read(path)?;
        tell(path, &table, &bad);
        Ok(DeviceFile { path: path.to_owned(), table: ArcSwap::from_pointee(table), seen: Mutex::new(seen) })
    }

    /// Reads it again if somebody has written to it. A file that cannot be read leaves the old
    /// devices.
    pub fn refresh(&self) {
        let now = look(&self.path);
        let mut seen = self.seen.lock();
        if *seen == now {
            return;
        }
        *seen = now;
        match read(&self.path) {
            Ok((table, bad)) => {
                tell(&self.path, &table, &bad);
                self.table.store(table.into());
            }
            Err(error) => warn!("the devices stay as they were: {}", with_causes(&error)),
        }
    }

    /// The file's record of a machine.
    pub fn ask(&self, who: &Identity) -> DirectoryAnswer {
        self.table.load().ask(who)
    }

    /// How many devices it has.
    pub fn len(&self) -> usize {
        self.table.load().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Configured for Devices<'_> {
    fn name(&self) -> &'static str {
        DEVICES
    }

    fn open(&self, _fresh: Duration) -> Result<Box<dyn Directory>, OpenError> {
        Ok(Box::new(DeviceFile::open(self.0).map_err(OpenError::new)?))
    }

    fn keeps_answers(&self) -> bool {
        false
    }

    fn files(&self) -> Vec<(&Path, &'static str)> {
        vec![(self.0, "the device file")]
    }
}

impl Directory for DeviceFile {
    fn ask<'a>(&'a self, who: &'a Identity) -> Asking<'a, Result<DirectoryAnswer, Trouble>> {
        Box::pin(async move { Ok(DeviceFile::ask(self, who)) })
    }

    fn at_once(&self, name: &str, who: &Identity) -> Option<Answer> {
        Some(in_memory(name, DeviceFile::ask(self, who)))
    }

    fn refresh(&self) {
        DeviceFile::refresh(self);
    }

    fn links<'a>(&'a self, links: &'a mut Links) -> Asking<'a, Option<()>> {
        Box::pin(async move { links.note("read", Ok(format!("{} devices", self.len()))) })
    }
}

fn look(path: &Path) -> Option<Look> {
    fs::metadata(path).ok().map(|metadata| (metadata.len(), metadata.modified().ok()))
}

/// Reads a file; `.toml` has `[[device]]` tables, everything else is CSV with a line of names
/// above.
pub fn read(path: &Path) -> Result<(Table, Vec<BadLine>), DeviceFileError> {
    let unread = |source| DeviceFileError::Read { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(unread)?.len();
    if size > MAX_SIZE {
        return Err(DeviceFileError::TooLarge { path: path.to_owned(), size });
    }
    let bytes = fs::read(path).map_err(unread)?;
    let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    let list = if is_toml { from_toml(&bytes) } else { from_csv(&bytes) };
    list.map_err(|source| DeviceFileError::NoList { path: path.to_owned(), source })
}

/// Reads the devices of a TOML file.
pub fn from_toml(bytes: &[u8]) -> Result<(Table, Vec<BadLine>), DeviceListError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        device: Vec<toml::Spanned<Device>>,
    }
    let text = std::str::from_utf8(bytes)?;
    let file: File = toml::from_str(text)?;
    let devices = file.device.into_iter().map(|device| {
        let line = text[..device.span().start].matches('\n').count() + 1;
        Device { line, ..device.into_inner() }
    });
    Ok(Table::new(devices.collect()))
}

/// Devices as CSV. A file whose first line has none of the names is refused; other lines are judged
/// one by one.
pub fn from_csv(bytes: &[u8]) -> Result<(Table, Vec<BadLine>), DeviceListError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).comment(Some(b'#')).from_reader(bytes);
    let head = reader.byte_headers()?.clone();
    let names: Vec<String> =
        head.iter().map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase()).collect();
    if !names.iter().any(|name| matches!(name.as_str(), "mac" | "uuid" | "guid")) {
        return Err(DeviceListError::NoIdentifiers);
    }
    let mut devices = Vec::new();
    for row in reader.byte_records() {
        // Any row of bytes is a row: columns may be missing, and an open quotation ends with the
        // file.
        let row = row?;
        let mut device =
            Device { line: row.position().map_or(0, |at| at.line() as usize), ..Device::default() };
        for (name, value) in names.iter().zip(row.iter()) {
            let value = String::from_utf8_lossy(value).into_owned();
            match name.as_str() {
                "name" => device.name = value,
                "mac" => device.mac = value,
                "uuid" | "guid" => device.uuid = value,
                "image" => device.image = value,
                "file" => device.file = value,
                "deployment" => device.deployment = value,
                "purpose" => device.purpose = value,
                "run" => device.run = value,
                "images" => device.images = value,
                "default-image" => device.default_image = value,
                "trusts" => device.trusts = value,
                _ => {}
            }
        }
        devices.push(device);
    }
    Ok(Table::new(devices))
}

fn tell(path: &Path, table: &Table, bad: &[BadLine]) {
    info!(file = %path.display(), devices = table.len(), "device file read");
    for bad in bad.iter().take(MAX_TOLD) {
        warn!("{}:{}: {}", path.display(), bad.line, bad.what);
    }
    if bad.len() > MAX_TOLD {
        warn!("{}: {} more lines like these", path.display(), bad.len() - MAX_TOLD);
    }
}

/// The name of the devices in evidence, wherever they come from: the ledger knows machines by it.
pub const DEVICES: &str = "devices";
/// A campus of a million machines fits.
const MAX_SIZE: u64 = 256 << 20;
/// The first lines of a file that is no such list are enough for its error.
const MAX_TOLD: usize = 10;

#[cfg(test)]
mod tests;
