//! The device file: machines in CSV or TOML, looked up in memory, read again when it changes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use pxe_policy::{
    Bans, BootAction, BootImage, Deployment, MacAddr, Purpose, Record, Said, SystemUuid, boot_files,
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
    /// The deployment's id: it is then given once when it is Required.
    pub deployment: String,
    /// `required` or `available`.
    pub purpose: String,
    /// The line it stands in.
    #[serde(skip)]
    pub line: usize,
}

/// A line that says nothing of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
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
            if let Err(what) = table.add(&device) {
                bad.push(BadLine { line: device.line, what });
            }
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
        let macs = device.mac.split([' ', ';', ',', '|']).filter(|text| !text.is_empty());
        let macs: Vec<MacAddr> =
            macs.map(str::parse).collect::<Result<_, _>>().map_err(|error| format!("{error}"))?;
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
        if !device.deployment.is_empty() && device.image.is_empty() {
            return Err("a deployment needs the image that it boots".into());
        }
        let index = self.devices.len();
        self.devices.push(device.clone());
        for mac in macs {
            self.by_mac.entry(mac).or_default().push(index);
        }
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
            found.into_iter().flatten().map(|index| self.devices[*index].record(who)).collect()
        };
        Said {
            by_mac: records(self.by_mac.get(&who.mac)),
            by_uuid: records(who.uuid.and_then(|uuid| self.by_uuid.get(&uuid))),
            ..Said::default()
        }
    }
}

impl Device {
    fn record(&self, who: &Identity) -> Record {
        let image = (!self.image.is_empty()).then(|| self.image.clone());
        let mut record =
            Record { key: format!("line {}", self.line), name: self.name.clone(), ..Record::default() };
        if let (Some(image), false) = (&image, self.deployment.is_empty()) {
            record.deployments.push(Deployment {
                id: self.deployment.clone(),
                collection: "the device file".into(),
                purpose: match self.purpose.eq_ignore_ascii_case("available") {
                    true => Purpose::Available,
                    false => Purpose::Required,
                },
                for_pxe: true,
                boot_image: Some(BootImage { id: image.clone(), arch: None }),
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
                bad.push(BadLine { line: line as usize, what: error.to_string() });
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
mod tests {
    use pxe_policy::ArchType;

    use super::*;

    fn who(mac: &str, uuid: Option<&str>) -> Identity {
        Identity {
            mac: mac.parse().unwrap(),
            uuid: uuid.map(|uuid| uuid.parse().unwrap()),
            arch: Some(ArchType::X64_UEFI),
            is_mac: false,
        }
    }

    const CSV: &str = "\u{feff}Name, MAC, UUID, image, file, deployment, purpose, owner\n\
        kiosk-7, 52-54-00-12-34-56, , linux, , , , Anna\n\
        # a remark\n\
        lab-1, 525400123457; 52:54:00:12:34:58, {E8A3EFAC-201F-4E69-953E-B2DAA1E8B1B6}, , menu.efi\n\
        broken, nonsense, , linux\n\
        nobody, , , linux\n\
        wipe, 52:54:00:12:34:59, , winpe, , reimage-2026, required\n\
        odd, 52:54:00:12:34:60, , winpe, , x, sometimes\n\
        raw, , ACEFA3E81F20694E953EB2DAA1E8B1B7, linux\n";

    #[test]
    fn devices_are_found_by_either_identifier() {
        let (table, bad) = from_csv(CSV.as_bytes()).unwrap();
        let lines: Vec<usize> = bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [5, 6, 8], "{bad:?}");
        let said = table.ask(&who("52:54:00:12:34:56", None));
        let boot = said.by_mac[0].boot.clone().unwrap();
        assert_eq!(
            (said.by_mac[0].name.as_str(), boot.file[0].as_str()),
            ("kiosk-7", "linux/boot/x64/bootmgfw.efi")
        );
        let said = table.ask(&who("52:54:00:12:34:58", Some("E8A3EFAC-201F-4E69-953E-B2DAA1E8B1B6")));
        assert_eq!((said.by_mac.len(), said.by_uuid.len()), (1, 1));
        assert_eq!(said.by_uuid[0].boot.clone().unwrap().file, ["menu.efi"]);
        let said = table.ask(&who("52:54:00:12:34:59", None));
        assert_eq!(
            (said.by_mac[0].deployments[0].purpose, said.by_mac[0].boot.is_none()),
            (Purpose::Required, true)
        );
        // Without hyphens both readings are meant.
        for uuid in ["ACEFA3E8-1F20-694E-953E-B2DAA1E8B1B7", "E8A3EFAC-201F-4E69-953E-B2DAA1E8B1B7"] {
            assert_eq!(table.ask(&who("02:00:00:00:00:01", Some(uuid))).by_uuid.len(), 1, "{uuid}");
        }
        assert_eq!(table.ask(&who("02:00:00:00:00:01", None)), Said::default());
    }

    #[test]
    fn toml_says_the_same() {
        let text = "[[device]]\nname = \"kiosk-7\"\nmac = \"52:54:00:12:34:56\"\nimage = \"linux\"\n\n[[device]]\nname = \"x\"\n";
        let (table, bad) = from_toml(text.as_bytes()).unwrap();
        assert_eq!(table.ask(&who("52:54:00:12:34:56", None)).by_mac.len(), 1);
        assert_eq!(bad, [BadLine { line: 6, what: "it has neither a hardware address nor a GUID".into() }]);
        assert!(from_toml(b"[[device]]\nnmae = \"x\"").unwrap_err().contains("nmae"));
    }

    #[test]
    fn what_is_no_device_file_is_refused() {
        for junk in [&b"\xff\xfe\x00"[..], b"", b"hello\nworld\n", b"{\"a\": 1}"] {
            assert!(from_csv(junk).is_err(), "{junk:?}");
        }
        let (table, bad) = from_csv(b"mac\n\"unclosed\n\xff\xff\n").unwrap();
        assert_eq!((table.devices.len(), bad.len()), (0, 1));
    }

    #[test]
    fn a_change_is_taken_up_and_a_bad_file_leaves_the_old_devices() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("devices.csv");
        fs::write(&path, "mac,image\n52:54:00:12:34:56,a\n").unwrap();
        let file = DeviceFile::open(&path).unwrap();
        fs::write(&path, "mac,image\n52:54:00:12:34:56,a\n52:54:00:12:34:57,b\n").unwrap();
        file.refresh();
        assert_eq!(file.len(), 2);
        fs::write(&path, "nonsense").unwrap();
        file.refresh();
        assert_eq!(file.len(), 2);
        assert!(DeviceFile::open(&path).is_err());
    }
}
