//! The device file: machines in CSV or TOML, looked up in memory, read again when it changes.

pub mod merge;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use pxe_policy::{
    Bans, BootAction, BootImage, Deployment, ImageOffer, InvalidMac, MacAddr, Purpose, Record, Said,
    SystemUuid, boot_files,
};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::Identity;

/// A file of devices.
#[derive(Debug)]
pub struct DeviceFile {
    path: PathBuf,
    table: ArcSwap<Table>,
    seen: Mutex<Option<Look>>,
}

/// Size and time: equal ones mean that nobody has written to it.
type Look = (u64, Option<SystemTime>);

/// The devices, found by what they have.
#[derive(Debug, Default, PartialEq)]
pub struct Table {
    devices: Vec<Device>,
    /// The hardware addresses of each.
    macs: Vec<Vec<MacAddr>>,
    by_mac: HashMap<MacAddr, Vec<usize>>,
    by_uuid: HashMap<SystemUuid, Vec<usize>>,
}

/// One device, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Hardware addresses, with blanks between them.
    pub mac: String,
    /// Its GUID.
    pub uuid: String,
    /// The image that it boots.
    pub image: String,
    /// A boot file, instead of the image's own.
    pub file: String,
    /// The deployment's id. It is Required unless `purpose` says something else, and then given once.
    pub deployment: String,
    /// `required` or `available`. Without a deployment's id, the boot file or the image is the deployment.
    pub purpose: String,
    /// Any word: another one asks for the deployment once more.
    pub run: String,
    /// What a Mac is offered, with `;` between: names, ids, `label:KEY=VALUE`; `all`, `none`.
    pub images: String,
    /// The one of them that goes first.
    #[serde(rename = "default-image")]
    pub default_image: String,
    /// The line it stands in.
    #[serde(skip)]
    pub line: usize,
}

/// A line with a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// Whether it makes a device all the same.
    pub kept: bool,
}

impl DeviceFile {
    /// Reads it. Bad lines are told of and left out.
    pub fn open(path: &Path) -> Result<Self, String> {
        let seen = look(path);
        let (table, bad) = read(path)?;
        tell(path, &table, &bad);
        Ok(DeviceFile { path: path.to_owned(), table: ArcSwap::from_pointee(table), seen: Mutex::new(seen) })
    }

    /// Reads it again if somebody has written to it. A file that cannot be read leaves the old devices.
    pub fn refresh(&self) {
        let now = look(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return;
        }
        *seen = now;
        match read(&self.path) {
            Ok((table, bad)) => {
                tell(&self.path, &table, &bad);
                self.table.store(table.into());
            }
            Err(error) => warn!("the devices stay as they were: {error}"),
        }
    }

    /// What it says of a machine.
    pub fn ask(&self, who: &Identity) -> Said {
        self.table.load().ask(who)
    }

    /// How many devices it has.
    pub fn len(&self) -> usize {
        self.table.load().devices.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Table {
    /// Of devices in the order of the file, with the lines that make none.
    pub fn new(devices: Vec<Device>) -> (Self, Vec<BadLine>) {
        let (mut table, mut bad) = (Table::default(), Vec::new());
        for device in devices {
            let fault = match table.add(&device) {
                Err(what) => Some(BadLine { line: device.line, what, kept: false }),
                Ok(()) if !device.run.is_empty() && !device.is_deployed() => {
                    let what = "run has no effect without a deployment or a purpose".into();
                    Some(BadLine { line: device.line, what, kept: true })
                }
                Ok(()) => None,
            };
            bad.extend(fault);
        }
        (table, bad)
    }

    /// The devices, in the order of the file.
    pub fn into_devices(self) -> Vec<Device> {
        self.devices
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    fn add(&mut self, device: &Device) -> Result<(), String> {
        let macs = device.macs().map_err(|error| error.to_string())?;
        let uuid = device.uuid.trim();
        let uuids = if uuid.is_empty() {
            Vec::new()
        } else {
            Bans::guids_meant(uuid).map_err(|error| error.to_string())?
        };
        if macs.is_empty() && uuids.is_empty() {
            return Err("it has neither a hardware address nor a GUID".into());
        }
        if !matches!(device.purpose.to_ascii_lowercase().as_str(), "" | "required" | "available") {
            return Err(format!("{:?} is no purpose: required or available was expected", device.purpose));
        }
        if device.is_deployed() && device.boots().is_none() {
            return Err("a deployment or a purpose needs the image or the file that it boots".into());
        }
        device.offer()?;
        let index = self.devices.len();
        self.devices.push(device.clone());
        for mac in &macs {
            self.by_mac.entry(*mac).or_default().push(index);
        }
        self.macs.push(macs);
        for uuid in uuids {
            self.by_uuid.entry(uuid).or_default().push(index);
        }
        Ok(())
    }

    /// The devices in the order of the file.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// What it says of a machine.
    pub fn ask(&self, who: &Identity) -> Said {
        let records = |found: Option<&Vec<usize>>| {
            let found = found.into_iter().flatten();
            found.map(|index| self.devices[*index].record(who, self.macs[*index].clone())).collect()
        };
        Said {
            by_mac: records(self.by_mac.get(&who.mac)),
            by_uuid: records(who.uuid.and_then(|uuid| self.by_uuid.get(&uuid))),
            ..Said::default()
        }
    }
}

impl Device {
    fn macs(&self) -> Result<Vec<MacAddr>, InvalidMac> {
        self.mac.split([' ', ';', ',', '|']).filter(|text| !text.is_empty()).map(str::parse).collect()
    }

    /// Whether it boots by a deployment, and not whenever it asks.
    fn is_deployed(&self) -> bool {
        !self.deployment.is_empty() || !self.purpose.is_empty()
    }

    /// What it boots: its own file, or what the image has for it.
    fn boots(&self) -> Option<&str> {
        [&self.file, &self.image].into_iter().find(|text| !text.is_empty()).map(String::as_str)
    }

    /// What tells its deployment from others. Nothing in it depends on the place in the file.
    fn deployment_id(&self) -> &str {
        if self.deployment.is_empty() { self.boots().unwrap_or_default() } else { &self.deployment }
    }

    /// The record of a Mac. One that names neither images nor a boot file leaves the rules to decide.
    fn record_of_mac(&self) -> Record {
        let names = [&self.images, &self.default_image, &self.image, &self.file];
        let boots = names.iter().any(|name| !name.trim().is_empty());
        // Bad lines make no device.
        let boot = || BootAction { images: self.offer().ok().flatten(), ..BootAction::default() };
        Record {
            key: format!("line {}", self.line),
            name: self.name.clone(),
            boot: boots.then(boot),
            ..Record::default()
        }
    }

    /// What a Mac is offered: `images`, else the one that `image` names; None for every image.
    fn offer(&self) -> Result<Option<ImageOffer>, String> {
        let words = if self.images.trim().is_empty() { &self.image } else { &self.images };
        let default = match self.default_image.trim() {
            "" => None,
            text => Some(text.parse().map_err(|error| format!("{error}"))?),
        };
        match words.trim() {
            "" => Ok(default.map(|default| ImageOffer { only: None, default: Some(default) })),
            words => {
                let offer = ImageOffer::of_words(words.split(';')).map_err(|error| error.to_string())?;
                Ok(Some(ImageOffer { default, ..offer }))
            }
        }
    }

    fn record(&self, who: &Identity, macs: Vec<MacAddr>) -> Record {
        if who.is_mac {
            return Record { macs, ..self.record_of_mac() };
        }
        let image = (!self.image.is_empty()).then(|| self.image.clone());
        // The key is for people, who look for it in the file.
        let key = format!("line {}", self.line);
        let mut record = Record { key, name: self.name.clone(), macs, ..Record::default() };
        if self.is_deployed() {
            record.deployments.push(Deployment {
                id: self.deployment_id().to_owned(),
                run: self.run.clone(),
                collection: "the device file".into(),
                purpose: match self.purpose.eq_ignore_ascii_case("available") {
                    true => Purpose::Available,
                    false => Purpose::Required,
                },
                for_pxe: true,
                boot_image: image.map(|id| BootImage { id, arch: None }),
                file: Some(self.file.clone()).filter(|file| !file.is_empty()),
                ..Deployment::default()
            });
        } else if !self.file.is_empty() {
            record.boot = Some(BootAction { file: vec![self.file.clone()], image, ..BootAction::default() });
        } else if let Some(image) = image {
            let inside = who.arch.map(|arch| boot_files(arch, None, false)).unwrap_or_default();
            let file = inside.iter().map(|path| format!("{image}/{path}")).collect();
            record.boot = Some(BootAction { file, image: Some(image), ..BootAction::default() });
        }
        record
    }
}

fn look(path: &Path) -> Option<Look> {
    fs::metadata(path).ok().map(|metadata| (metadata.len(), metadata.modified().ok()))
}

/// Reads a file; `.toml` has `[[device]]` tables, everything else is CSV with a line of names above.
pub fn read(path: &Path) -> Result<(Table, Vec<BadLine>), String> {
    let place = path.display();
    let size = fs::metadata(path).map_err(|error| format!("{place}: {error}"))?.len();
    if size > MAX_SIZE {
        return Err(format!("{place}: {size} bytes are more than a device file has ({MAX_SIZE})"));
    }
    let bytes = fs::read(path).map_err(|error| format!("{place}: {error}"))?;
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        from_toml(&bytes).map_err(|what| format!("{place}: {what}"))
    } else {
        from_csv(&bytes).map_err(|what| format!("{place}: {what}"))
    }
}

/// Devices as TOML.
pub fn from_toml(bytes: &[u8]) -> Result<(Table, Vec<BadLine>), String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        device: Vec<toml::Spanned<Device>>,
    }
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let devices = file.device.into_iter().map(|device| {
        let line = text[..device.span().start].matches('\n').count() + 1;
        Device { line, ..device.into_inner() }
    });
    Ok(Table::new(devices.collect()))
}

/// Devices as CSV. A file whose first line has none of the names is refused; other lines are judged one by one.
pub fn from_csv(bytes: &[u8]) -> Result<(Table, Vec<BadLine>), String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).comment(Some(b'#')).from_reader(bytes);
    let head = reader.byte_headers().map_err(|error| error.to_string())?.clone();
    let names: Vec<String> =
        head.iter().map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase()).collect();
    if !names.iter().any(|name| matches!(name.as_str(), "mac" | "uuid" | "guid")) {
        return Err("the first line has neither a column mac nor a column uuid".into());
    }
    let (mut devices, mut bad) = (Vec::new(), Vec::new());
    for row in reader.byte_records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                bad.push(BadLine { line: line as usize, what: error.to_string(), kept: false });
                continue;
            }
        };
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
                _ => {}
            }
        }
        devices.push(device);
    }
    let (table, more) = Table::new(devices);
    bad.extend(more);
    bad.sort_by_key(|bad| bad.line);
    Ok((table, bad))
}

fn tell(path: &Path, table: &Table, bad: &[BadLine]) {
    info!(file = %path.display(), devices = table.devices.len(), "device file read");
    for bad in bad.iter().take(MAX_TOLD) {
        warn!("{}:{}: {}", path.display(), bad.line, bad.what);
    }
    if bad.len() > MAX_TOLD {
        warn!("{}: {} more lines like these", path.display(), bad.len() - MAX_TOLD);
    }
}

/// A campus of a million machines fits.
const MAX_SIZE: u64 = 256 << 20;
/// A file that is no such list is told of by its first lines.
const MAX_TOLD: usize = 10;

#[cfg(test)]
mod tests;
