//! Registered devices: added, changed, listed, and taken to another server as CSV.

use std::path::Path;

use hyper::Method;
use netbootd_server::devices::Changed;
use netbootd_state::assignments::{DeviceUpdate, DeviceView};
use pxe_policy::{Assignment, InvalidAssignment, InvalidMac, InvalidUuid, MacAddr};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::store::{Devices, query};
use super::{DeviceArgs, ExportArgs};
use crate::cli::boot::{time, warn, word};
use crate::cli::out::{out, outln};
use crate::cli::table::{ListArgs, show, table};
use crate::cli::{Failure, MachineArgs, SiteArgs};

/// A row of the CSV file. A device file has `uuid`, `image` and `file` for `guid` and `boot`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Row {
    mac: String,
    #[serde(alias = "uuid")]
    guid: String,
    name: String,
    /// The tags, separated by blanks.
    tags: String,
    note: String,
    boot: String,
    #[serde(skip_serializing)]
    image: String,
    #[serde(skip_serializing)]
    file: String,
}

/// The fault of a row.
#[derive(Debug, Error)]
enum BadRow {
    #[error(transparent)]
    Csv(#[from] csv::Error),
    #[error(transparent)]
    Mac(#[from] InvalidMac),
    #[error(transparent)]
    Guid(#[from] InvalidUuid),
    #[error(transparent)]
    Device(#[from] InvalidAssignment),
}

/// `netbootd device add` and `set`.
pub(super) fn put(args: &DeviceArgs, is_new: bool) -> Result<(), Failure> {
    let devices = Devices::from_site(&args.site)?;
    let is_there = devices.list()?.iter().any(|device| device.mac == args.mac.to_string());
    match (is_new, is_there) {
        (true, true) => {
            let words = format!("{} is registered already; change it with `netbootd device set`", args.mac);
            return Err(Failure::NoAnswer(words));
        }
        (false, false) => {
            let words = format!("{} is not registered; `netbootd device add` registers it", args.mac);
            return Err(Failure::NoAnswer(words));
        }
        _ => {}
    }
    let values = [
        ("name", &args.name),
        ("tags", &args.tags),
        ("note", &args.note),
        ("guid", &args.guid),
        ("boot", &args.boot),
    ];
    let values: Vec<(&str, &str)> =
        values.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let changed = change(&devices, args.mac, &values)?;
    outln!("{}: {}", args.mac, if is_new { "registered" } else { "changed" });
    warn(&changed);
    Ok(())
}

fn change(devices: &Devices, mac: MacAddr, values: &[(&str, &str)]) -> Result<Changed, Failure> {
    // A device of which nothing is said has its address for a name.
    let address = mac.to_string();
    let named = values.iter().any(|(_, value)| !value.is_empty());
    let fallback = [("name", address.as_str())];
    let values = if named || !values.is_empty() { values } else { &fallback };
    if let Some(changed) = devices.ask(Method::PUT, &format!("/api/devices/{mac}?{}", query(values)))? {
        return Ok(changed);
    }
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let guid = match value("guid") {
        None => None,
        Some("") => Some(None),
        Some(text) => Some(Some(text.parse().map_err(|error: InvalidUuid| unusable(&error))?)),
    };
    devices.offline(
        async |store, target_of| {
            let boot = value("boot").map(|text| (!text.is_empty()).then(|| target_of(text)));
            let text = |name| value(name).map(str::to_owned);
            let tags = value("tags").map(words);
            let update = DeviceUpdate { guid, name: text("name"), tags, note: text("note"), boot };
            store.update(mac, update).await
        },
        mac,
    )
}

/// Carries out `netbootd device list`.
pub(super) fn list(args: &ListArgs) -> Result<(), Failure> {
    show(args, &Devices::from_site(&args.site)?.list()?, "no device is registered", rendered)
}

/// Carries out `netbootd device remove`.
pub(super) fn remove(args: &MachineArgs) -> Result<(), Failure> {
    let devices = Devices::from_site(&args.site)?;
    let mac = args.mac;
    if devices.ask::<serde_json::Value>(Method::DELETE, &format!("/api/devices/{mac}"))?.is_none() {
        devices.offline(async |store, _| store.remove(mac).await.map(drop), mac)?;
    }
    outln!("{mac}: removed");
    Ok(())
}

/// Carries out `netbootd device export`.
pub(super) fn export(args: &ExportArgs) -> Result<(), Failure> {
    let mut written = csv::Writer::from_writer(Vec::new());
    for device in Devices::from_site(&args.site)?.list()? {
        written.serialize(row(&device)).map_err(|error| unusable(&error))?;
    }
    let bytes = written.into_inner().map_err(|error| unusable(&error))?;
    match &args.file {
        None => out!("{}", String::from_utf8_lossy(&bytes)),
        Some(file) => std::fs::write(file, bytes)
            .map_err(|error| Failure::Unusable(format!("cannot write {}: {error}", file.display())))?,
    }
    Ok(())
}

/// `netbootd device import`. A file with a bad row changes nothing.
pub(super) fn import(file: &Path, site: &SiteArgs) -> Result<(), Failure> {
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::Unusable(format!("cannot read {}: {error}", file.display())))?;
    let mut rows = Vec::new();
    for (line, row) in (2..).zip(csv::Reader::from_reader(bytes.as_slice()).into_deserialize::<Row>()) {
        let device = row.map_err(BadRow::from).and_then(|row| Ok((check(&row)?, row)));
        rows.push(device.map_err(|error| {
            Failure::Unusable(format!("{}:{line}: {error}; nothing was imported", file.display()))
        })?);
    }
    let devices = Devices::from_site(site)?;
    for (mac, row) in &rows {
        let boot = match (row.image.as_str(), row.file.as_str()) {
            ("", "") => row.boot.clone(),
            (image, "") => format!("image:{image}"),
            (_, file) => format!("file:{file}"),
        };
        let values = [
            ("name", row.name.as_str()),
            ("tags", &row.tags),
            ("note", &row.note),
            ("guid", &row.guid),
            ("boot", &boot),
        ];
        warn(&change(&devices, *mac, &values)?);
    }
    outln!("imported: {} devices", rows.len());
    Ok(())
}

fn check(row: &Row) -> Result<MacAddr, BadRow> {
    let mac: MacAddr = row.mac.trim().parse()?;
    let guid = match row.guid.trim() {
        "" => None,
        text => Some(text.parse()?),
    };
    let (name, tags, note) = (row.name.clone(), words(&row.tags), row.note.clone());
    Assignment { guid, name, tags, note, ..Assignment::new(mac) }.check()?;
    Ok(mac)
}

fn row(device: &DeviceView) -> Row {
    Row {
        mac: device.mac.clone(),
        guid: device.guid.clone().unwrap_or_default(),
        name: device.name.clone(),
        tags: device.tags.join(" "),
        note: device.note.clone(),
        boot: device.boot.as_ref().map(word).unwrap_or_default(),
        ..Row::default()
    }
}

fn rendered(devices: &[DeviceView]) -> String {
    let row = |device: &DeviceView| {
        let next = device.next.as_ref().map(|next| {
            let state = match (next.used, next.expired, next.until) {
                (Some(at), ..) => format!("used {}", time(at)),
                (None, true, _) => "expired".to_owned(),
                (None, false, Some(until)) => format!("until {}", time(until)),
                (None, false, None) => String::new(),
            };
            format!("{} {state}", word(&next.target)).trim_end().to_owned()
        });
        vec![
            device.mac.clone(),
            device.name.clone(),
            device.tags.join(" "),
            device.boot.as_ref().map(word).unwrap_or_default(),
            next.unwrap_or_default(),
            device.note.clone(),
        ]
    };
    let rows: Vec<_> = devices.iter().map(row).collect();
    table(&["MAC", "NAME", "TAGS", "BOOTS", "NEXT", "NOTE"], &rows)
}

fn words(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn unusable(error: &dyn std::error::Error) -> Failure {
    Failure::Unusable(netbootd_net::with_causes(error))
}
