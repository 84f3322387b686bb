//! Devices that come to a device file, which keeps everything else that is in it: its rows,
//! columns, remarks and the order of them.

use std::collections::HashSet;
use std::io;

use pxe_policy::Bans;
use thiserror::Error;

use super::{Device, DeviceListError, Table, from_csv, from_toml};

/// A device file after an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Its bytes. Those of before, when no device came.
    pub bytes: Vec<u8>,
    /// The names of the devices that came.
    pub added: Vec<String>,
    /// How many were there already.
    pub there: usize,
    /// Names of devices that did not come, each with the reason.
    pub failed: Vec<(String, NotAdded)>,
}

/// Why a device does not come to the file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAdded {
    /// The same import has it already.
    #[error("another computer of the directory has the same GUID or hardware address")]
    Twin,
    /// Nothing tells it from others.
    #[error("its netbootGUID is neither a GUID nor a hardware address")]
    NoIdentifier,
    /// The file has its name for another machine.
    #[error(
        "a device of this name is there with another GUID or hardware address than {}; \
         change that row by hand",
        .identifiers.join(", ")
    )]
    NameTaken {
        /// Its own hardware addresses and GUIDs.
        identifiers: Vec<String>,
    },
}

/// Why no device can come to a file.
#[derive(Debug, Error)]
pub enum MergeError {
    /// It is no list of devices.
    #[error(transparent)]
    NoList(#[from] DeviceListError),
    /// A quotation that stays open.
    #[error("a row in it is not complete, so that none can be added behind it; run check-config")]
    Incomplete,
    /// A row that cannot be written as CSV.
    #[error("cannot write a row")]
    Row(#[source] csv::Error),
    /// The rows could not be written.
    #[error("cannot write the rows")]
    Write(#[source] io::Error),
}

/// The kinds of device files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line of names, and a line for each device.
    Csv,
    /// A `[[device]]` table for each.
    Toml,
}

/// Adds devices to a file, unless one with the same GUID or hardware address is there. After an
/// error nothing came.
pub fn merge(file: &[u8], format: Format, devices: &[Device]) -> Result<Merged, MergeError> {
    let read = |bytes: &[u8]| match format {
        Format::Csv => from_csv(bytes),
        Format::Toml => from_toml(bytes),
    };
    let blank = file.iter().all(u8::is_ascii_whitespace);
    let (table, _) = if blank { (Table::default(), Vec::new()) } else { read(file)? };
    let mut known = Known::new(&table);
    let mut came = Known::default();
    let mut merged = Merged { bytes: file.to_vec(), added: Vec::new(), there: 0, failed: Vec::new() };
    let mut new = Vec::new();
    for device in devices {
        if came.has(device) {
            merged.failed.push((device.name.clone(), NotAdded::Twin));
            continue;
        }
        came.add(device);
        match known.look(device) {
            Ok(true) => merged.there += 1,
            Ok(false) => {
                known.add(device);
                merged.added.push(device.name.clone());
                new.push(device.clone());
            }
            Err(why) => merged.failed.push((device.name.clone(), why)),
        }
    }
    if new.is_empty() {
        return Ok(merged);
    }
    merged.bytes = match format {
        Format::Csv => with_rows(file, blank, &new)?,
        Format::Toml => with_tables(file, &new),
    };
    // A quotation mark that is never closed would swallow what comes behind it.
    let (after, _) = read(&merged.bytes)?;
    if after.len() != table.len() + new.len() {
        return Err(MergeError::Incomplete);
    }
    Ok(merged)
}

/// The identifiers and names of all devices in the file.
#[derive(Default)]
struct Known {
    identifiers: HashSet<String>,
    names: HashSet<String>,
}

impl Known {
    fn new(table: &Table) -> Self {
        let mut known = Known::default();
        table.devices().iter().for_each(|device| known.add(device));
        known
    }

    fn add(&mut self, device: &Device) {
        self.identifiers.extend(identifiers(device));
        self.names.extend(name_of(device));
    }

    fn has(&self, device: &Device) -> bool {
        identifiers(device).iter().any(|one| self.identifiers.contains(one))
    }

    /// Whether it is there.
    fn look(&self, device: &Device) -> Result<bool, NotAdded> {
        let own = identifiers(device);
        if own.is_empty() {
            return Err(NotAdded::NoIdentifier);
        }
        let is_there = self.has(device);
        if !is_there && name_of(device).is_some_and(|name| self.names.contains(&name)) {
            return Err(NotAdded::NameTaken { identifiers: own });
        }
        Ok(is_there)
    }
}

fn name_of(device: &Device) -> Option<String> {
    Some(device.name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty())
}

/// Hardware addresses and GUIDs in one spelling.
fn identifiers(device: &Device) -> Vec<String> {
    let macs = device.macs().unwrap_or_default().into_iter().map(|mac| mac.to_string());
    let guids = Bans::guids_meant(device.uuid.trim()).unwrap_or_default();
    macs.chain(guids.into_iter().map(|guid| guid.to_string())).collect()
}

/// The file with a row for each device, in its own columns. A column that it lacks comes behind the
/// others.
fn with_rows(file: &[u8], blank: bool, devices: &[Device]) -> Result<Vec<u8>, MergeError> {
    let start = b"name,mac,uuid,image,file,deployment,purpose,run\n";
    let file = if blank { &start[..] } else { file };
    let mark = if file.starts_with(MARK) { MARK.len() } else { 0 };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(&file[mark..]);
    let names = reader.byte_headers().map_err(DeviceListError::from)?;
    let mut names: Vec<String> =
        names.iter().map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase()).collect();
    let head_ends = mark.saturating_add(usize::try_from(reader.position().byte()).unwrap_or(usize::MAX));
    let (head, rest) = file.split_at(head_ends.min(file.len()));
    // Of \r\n the reader has taken the first only.
    let (head, rest) = match (head.ends_with(b"\r"), rest.strip_prefix(b"\n")) {
        (true, Some(rest)) => (&file[..=head.len()], rest),
        _ => (head, rest),
    };
    let text_ends = head.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    let (head, line_end) = head.split_at(text_ends);
    let line_end = if line_end.starts_with(b"\r\n") { &b"\r\n"[..] } else { &b"\n"[..] };
    let mut bytes = head.to_vec();
    for (name, value) in COLUMNS {
        let is_needed = devices.iter().any(|device| !value(device).is_empty());
        let is_there = names.iter().any(|known| known == name || name == "uuid" && known == "guid");
        if is_needed && !is_there {
            bytes.extend([b",", name.as_bytes()].concat());
            names.push(name.to_owned());
        }
    }
    bytes.extend(line_end);
    bytes.extend(rest);
    if !bytes.ends_with(b"\n") {
        bytes.extend(line_end);
    }
    let terminator = match line_end {
        b"\r\n" => csv::Terminator::CRLF,
        _ => csv::Terminator::Any(b'\n'),
    };
    let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(bytes);
    for device in devices {
        let value = |name: &String| {
            let name = if name == "guid" { "uuid" } else { name.as_str() };
            COLUMNS.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value(device))
        };
        writer.write_record(names.iter().map(value)).map_err(MergeError::Row)?;
    }
    writer.into_inner().map_err(|error| MergeError::Write(error.into_error()))
}

fn with_tables(file: &[u8], devices: &[Device]) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(file).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for device in devices {
        text.push_str(if text.is_empty() { "[[device]]\n" } else { "\n[[device]]\n" });
        for (name, value) in COLUMNS {
            let value = value(device);
            if !value.is_empty() {
                text.push_str(&format!("{name} = {}\n", toml::Value::from(value)));
            }
        }
    }
    text.into_bytes()
}

type Column = (&'static str, fn(&Device) -> &str);

/// The columns of a device that an import fills.
const COLUMNS: [Column; 4] = [
    ("name", |device| &device.name),
    ("mac", |device| &device.mac),
    ("uuid", |device| &device.uuid),
    ("file", |device| &device.file),
];
/// The byte order mark that some editors write before UTF-8 text.
const MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, mac: &str, uuid: &str) -> Device {
        Device { name: name.into(), mac: mac.into(), uuid: uuid.into(), ..Device::default() }
    }

    const GUID: &str = "4c4c4544-0057-5810-804a-c3c04f463732";
    const MAC: &str = "52:54:00:12:34:56";

    fn text(merged: &Merged) -> &str {
        std::str::from_utf8(&merged.bytes).unwrap()
    }

    #[test]
    fn a_file_keeps_its_columns_rows_remarks_and_order() {
        let file =
            "\u{feff}# ours\r\nOwner, MAC ,image,name\r\nAnna,52-54-00-12-34-56,winpe,kiosk\r\n# the end\r\n";
        let new =
            [device("PC01", "", GUID), device("PC02", MAC, ""), device("PC, 3", "52:54:00:12:34:57", "")];
        let merged = merge(file.as_bytes(), Format::Csv, &new).unwrap();
        let head = file.replace(",name\r\n", ",name,uuid\r\n");
        let rows = format!(",,,PC01,{GUID}\r\n,52:54:00:12:34:57,,\"PC, 3\",\r\n");
        assert_eq!(text(&merged), head + &rows);
        assert_eq!((merged.added.len(), merged.there, merged.failed.len()), (2, 1, 0));
        let again = merge(&merged.bytes, Format::Csv, &new).unwrap();
        assert_eq!((again.bytes == merged.bytes, again.added.len(), again.there), (true, 0, 3));
    }

    #[test]
    fn a_new_file_has_every_column() {
        for file in [&b""[..], b"\n"] {
            let merged = merge(file, Format::Csv, &[device("PC01", MAC, "")]).unwrap();
            let head = "name,mac,uuid,image,file,deployment,purpose,run\n";
            assert_eq!(text(&merged), format!("{head}PC01,{MAC},,,,,,\n"));
        }
        let merged = merge(b"", Format::Toml, &[device("PC \"01\"", MAC, "")]).unwrap();
        let (table, bad) = from_toml(&merged.bytes).unwrap();
        assert_eq!((table.devices()[0].name.as_str(), bad.len()), ("PC \"01\"", 0));
        let again = merge(&merged.bytes, Format::Toml, &[device("PC02", "", GUID)]).unwrap();
        assert!(text(&again).starts_with(text(&merged)));
        assert_eq!(from_toml(&again.bytes).unwrap().0.len(), 2);
    }

    #[test]
    fn a_row_that_cannot_come_is_told_and_the_others_come() {
        let file = format!("name,mac\nPC01,{MAC}");
        let new = [
            device("pc01", "", GUID),
            device("PC02", "", ""),
            device("PC03", "52:54:00:12:34:57", ""),
            device("PC03-OLD", "52:54:00:12:34:57", ""),
        ];
        let merged = merge(file.as_bytes(), Format::Csv, &new).unwrap();
        let failed: Vec<&str> = merged.failed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(merged.added, ["PC03"]);
        assert_eq!(failed, ["pc01", "PC02", "PC03-OLD"]);
        let why: Vec<&NotAdded> = merged.failed.iter().map(|(_, why)| why).collect();
        let taken = NotAdded::NameTaken { identifiers: vec![GUID.to_owned()] };
        assert_eq!(why, [&taken, &NotAdded::NoIdentifier, &NotAdded::Twin]);
        assert_eq!(text(&merged), format!("name,mac\nPC01,{MAC}\nPC03,52:54:00:12:34:57\n"));
    }

    #[test]
    fn a_file_that_is_no_device_file_or_has_an_open_quotation_is_left_alone() {
        let new = [device("PC01", MAC, "")];
        assert!(merge(b"hello\nworld\n", Format::Csv, &new).is_err());
        let open = merge(b"name,mac\n\"kiosk,52:54:00:12:34:58\n", Format::Csv, &new).unwrap_err();
        assert!(matches!(open, MergeError::Incomplete), "{open}");
        assert!(merge(b"[[device]\n", Format::Toml, &new).is_err());
    }
}
