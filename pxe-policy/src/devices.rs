//! A list of devices: what an operator wrote about each machine, looked up by hardware address and
//! GUID.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    Bans, BootAction, BootImage, Deployment, DirectoryAnswer, Identity, ImageOffer, InvalidGeneration,
    InvalidMac, InvalidSelector, InvalidUuid, MacAddr, Purpose, Record, SystemUuid, Trusts, boot_files,
};

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
    /// The name of the device.
    pub name: String,
    /// Hardware addresses, with blanks between them.
    pub mac: String,
    /// The device's GUID, as it is written.
    pub uuid: String,
    /// The image that it boots.
    pub image: String,
    /// A boot file, instead of the image's own.
    pub file: String,
    /// The deployment's id. It is Required unless `purpose` says something else, and then given
    /// once.
    pub deployment: String,
    /// `required` or `available`. Without a deployment's id, the boot file or the image is the
    /// deployment.
    pub purpose: String,
    /// Any word: another one asks for the deployment once more.
    pub run: String,
    /// The images offered to a Mac, with `;` between: names, ids, `label:KEY=VALUE`; `all`, `none`.
    pub images: String,
    /// The one of them that goes first.
    #[serde(rename = "default-image")]
    pub default_image: String,
    /// The generations of Secure Boot authorities that it trusts: `2011`, `2023`, both, or `none`;
    /// empty when that is not known.
    pub trusts: String,
    /// The line it stands in.
    #[serde(skip)]
    pub line: usize,
}

/// A line with a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// The fault of the line.
    pub what: DeviceFault,
    /// Whether it makes a device all the same.
    pub kept: bool,
}

/// The faults of a device.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeviceFault {
    /// One of its hardware addresses.
    #[error(transparent)]
    Mac(#[from] InvalidMac),
    /// The GUID cannot be parsed.
    #[error(transparent)]
    Guid(#[from] InvalidUuid),
    /// Its images, or the default one of them.
    #[error(transparent)]
    Images(#[from] InvalidSelector),
    /// The authorities that it trusts.
    #[error(transparent)]
    Trusts(#[from] InvalidGeneration),
    /// No machine can be this device.
    #[error("it has neither a hardware address nor a GUID")]
    NoIdentifier,
    /// A purpose of another name.
    #[error("{0:?} is no purpose: required or available was expected")]
    Purpose(String),
    /// A deployment of nothing.
    #[error("a deployment or a purpose needs the image or the file that it boots")]
    NothingToBoot,
    /// It counts runs of a deployment that is not there.
    #[error("run has no effect without a deployment or a purpose")]
    RunWithoutDeployment,
}

impl Table {
    /// Of devices in the order of the file, with the lines that make none.
    pub fn new(devices: Vec<Device>) -> (Self, Vec<BadLine>) {
        let (mut table, mut bad) = (Table::default(), Vec::new());
        for device in devices {
            let fault = match table.add(&device) {
                Err(what) => Some(BadLine { line: device.line, what, kept: false }),
                Ok(()) if !device.run.is_empty() && !device.is_deployed() => {
                    let what = DeviceFault::RunWithoutDeployment;
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

    fn add(&mut self, device: &Device) -> Result<(), DeviceFault> {
        let macs = device.macs()?;
        let uuid = device.uuid.trim();
        let uuids = if uuid.is_empty() { Vec::new() } else { Bans::guids_meant(uuid)? };
        if macs.is_empty() && uuids.is_empty() {
            return Err(DeviceFault::NoIdentifier);
        }
        if !matches!(device.purpose.to_ascii_lowercase().as_str(), "" | "required" | "available") {
            return Err(DeviceFault::Purpose(device.purpose.clone()));
        }
        if device.is_deployed() && device.boots().is_none() {
            return Err(DeviceFault::NothingToBoot);
        }
        device.offer()?;
        device.trusted()?;
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

    /// The records that match a machine, as a directory's answer.
    pub fn ask(&self, who: &Identity) -> DirectoryAnswer {
        let records = |found: Option<&Vec<usize>>| {
            let found = found.into_iter().flatten();
            found.map(|index| self.devices[*index].record(who, self.macs[*index].clone())).collect()
        };
        DirectoryAnswer {
            by_mac: records(self.by_mac.get(&who.mac)),
            by_uuid: records(who.uuid.and_then(|uuid| self.by_uuid.get(&uuid))),
            ..DirectoryAnswer::default()
        }
    }
}

impl Device {
    /// The hardware addresses of the device, parsed.
    pub fn macs(&self) -> Result<Vec<MacAddr>, InvalidMac> {
        self.mac.split([' ', ';', ',', '|']).filter(|text| !text.is_empty()).map(str::parse).collect()
    }

    /// Whether it boots by a deployment, and not whenever it asks.
    fn is_deployed(&self) -> bool {
        !self.deployment.is_empty() || !self.purpose.is_empty()
    }

    /// The file that it boots: its own, or the image's.
    fn boots(&self) -> Option<&str> {
        [&self.file, &self.image].into_iter().find(|text| !text.is_empty()).map(String::as_str)
    }

    /// The id of its deployment. Nothing in it depends on the place in the file.
    fn deployment_id(&self) -> &str {
        if self.deployment.is_empty() { self.boots().unwrap_or_default() } else { &self.deployment }
    }

    /// The generations that it trusts; None when the column is empty.
    fn trusted(&self) -> Result<Option<Trusts>, InvalidGeneration> {
        match self.trusts.trim() {
            "" => Ok(None),
            text => text.parse().map(Some),
        }
    }

    /// The record of a Mac. One that names neither images nor a boot file leaves the rules to
    /// decide.
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

    /// The images offered to a Mac: `images`, else the one that `image` names; None for every
    /// image.
    fn offer(&self) -> Result<Option<ImageOffer>, InvalidSelector> {
        let words = if self.images.trim().is_empty() { &self.image } else { &self.images };
        let default = match self.default_image.trim() {
            "" => None,
            text => Some(text.parse()?),
        };
        match words.trim() {
            "" => Ok(default.map(|default| ImageOffer { only: None, default: Some(default) })),
            words => {
                let offer = ImageOffer::of_words(words.split(';'))?;
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
        let trusts = self.trusted().ok().flatten(); // bad lines make no device
        let mut record = Record { key, name: self.name.clone(), macs, trusts, ..Record::default() };
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
