//! The settings of a distribution point's own PXE responders in Windows' registry, as defaults: a
//! key of the configuration always counts.
//!
//! The names are Microsoft's. `BannedGuids` is WDS's; the others are those of the ConfigMgr
//! responder and of the content library.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;

use pxe_policy::Bans;
use thiserror::Error;
use toml::Spanned;

use super::finding::Finding;
use super::schema::{Document, Mode, Ports};

#[cfg(unix)]
pub(crate) use unix::read;
#[cfg(windows)]
pub(crate) use windows::read;

/// A value of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A `REG_DWORD` or a `REG_QWORD`.
    Number(u64),
    /// A `REG_SZ` or a `REG_EXPAND_SZ`.
    Text(String),
    /// A `REG_MULTI_SZ`: several texts.
    Texts(Vec<String>),
    /// Of a kind that nobody expects here.
    Other(String),
}

/// Values by their key below `HKLM` and their name.
pub type Values = BTreeMap<(&'static str, &'static str), Value>;

/// Adds values that the configuration file does not have, and notes the origin of each.
pub(super) fn fill(document: &mut Document, text: &str, values: &Values, findings: &mut Vec<Finding>) {
    if values.is_empty() {
        return;
    }
    let written = text.parse::<toml::Table>().unwrap_or_default();
    let is_written =
        |table: &str, word: &str| written.get(table).is_some_and(|table| table.get(word).is_some());
    for ((key, name), value) in values {
        let from = format!(r"HKLM\{key}, {name}");
        let meant = match meaning(name, value, values) {
            Ok(Some(meant)) => meant,
            Ok(None) => continue,
            Err(why) => {
                findings.push(Finding::warning(0..0, format!("{from} is not taken: {why}")));
                continue;
            }
        };
        for other in &meant.left_out {
            findings.push(Finding::warning(0..0, format!("{from}: {other:?} is no GUID and is left out")));
        }
        let (table, word) = meant.setting.place();
        let shown = meant.setting.shown();
        let message = if is_written(table, word) {
            format!("{table}.{word} is the configuration's own: {shown} is not taken from {from}")
        } else if matches!(meant.setting, Setting::BootServerOnly) && document.dhcp.mode != Mode::Proxy {
            format!("dhcp.mode is not proxy: {table}.{word} = {shown} is not taken from {from}")
        } else {
            meant.setting.apply(document);
            format!("{table}.{word} = {shown} is taken from {from}")
        };
        findings.push(Finding::note(0..0, message));
    }
}

/// The setting that a value stands for.
struct Meant {
    setting: Setting,
    left_out: Vec<String>,
}

enum Setting {
    BannedGuids(Vec<String>),
    MacIgnoreList(String),
    BlockSize(u16),
    WindowSize(NonZeroU16),
    BootServerOnly,
    ContentLibrary(String),
    ContentLibraryDrives(Vec<String>),
}

/// Why a value is not used.
#[derive(Debug, Error)]
enum NoSetting {
    #[error("{0} is no size of a block")]
    BlockSize(u64),
    #[error("{0} is no size of a window")]
    WindowSize(u64),
    #[error("{0:?} is of another kind than it should be")]
    Kind(Value),
}

/// None for a value that says nothing.
fn meaning(name: &str, value: &Value, values: &Values) -> Result<Option<Meant>, NoSetting> {
    let setting = match (name, value) {
        (BANNED_GUIDS, Value::Texts(texts)) => {
            let texts = texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            let (guids, left_out): (Vec<_>, Vec<_>) = texts.partition(|text| Bans::guids_meant(text).is_ok());
            return Ok(Some(Meant { setting: Setting::BannedGuids(guids), left_out }));
        }
        (MAC_IGNORE_LIST, Value::Text(file)) => not_empty(file).map(Setting::MacIgnoreList),
        (BLOCK_SIZE, Value::Number(size)) => {
            let fits = u16::try_from(*size).ok().filter(|size| (512..=tftp::MAX_BLOCK_SIZE).contains(size));
            Some(Setting::BlockSize(fits.ok_or(NoSetting::BlockSize(*size))?))
        }
        (WINDOW_SIZE, Value::Number(size)) => {
            let fits = u16::try_from(*size).ok().and_then(NonZeroU16::new);
            Some(Setting::WindowSize(fits.ok_or(NoSetting::WindowSize(*size))?))
        }
        (NOT_ON_DHCP_PORT, Value::Number(on)) => (*on != 0).then_some(Setting::BootServerOnly),
        (LIBRARY, Value::Text(folder)) => not_empty(folder).map(Setting::ContentLibrary),
        (LIBRARY_DRIVES, Value::Text(drives)) => {
            let folders = further_libraries(drives, values.get(&(DP, LIBRARY)));
            (!folders.is_empty()).then_some(Setting::ContentLibraryDrives(folders))
        }
        (_, other) => return Err(NoSetting::Kind(other.clone())),
    };
    Ok(setting.map(|setting| Meant { setting, left_out: Vec::new() }))
}

fn not_empty(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The libraries of drives such as `D:\,E:\`, but for the one that is named by itself.
fn further_libraries(drives: &str, named: Option<&Value>) -> Vec<String> {
    let drives = drives.split([',', ';']).map(|drive| drive.trim().trim_end_matches(['\\', ':']));
    let folders = drives.filter(|drive| !drive.is_empty()).map(|drive| format!(r"{drive}:\SCCMContentLib"));
    let is_named = |folder: &str| matches!(named, Some(Value::Text(named)) if named.trim().trim_end_matches('\\').eq_ignore_ascii_case(folder));
    folders.filter(|folder| !is_named(folder)).collect()
}

impl Setting {
    /// Its table and its name there.
    fn place(&self) -> (&'static str, &'static str) {
        match self {
            Setting::BannedGuids(_) => ("policy", "banned-guids"),
            Setting::MacIgnoreList(_) => ("policy", "mac-ignore-list"),
            Setting::BlockSize(_) => ("winpe", "block-size"),
            Setting::WindowSize(_) => ("winpe", "window-size"),
            Setting::BootServerOnly => ("dhcp", "ports"),
            Setting::ContentLibrary(_) => ("store", "content-library"),
            Setting::ContentLibraryDrives(_) => ("store", "content-library-drives"),
        }
    }

    /// As it would be written.
    fn shown(&self) -> String {
        let quoted = |text: &String| format!("'{text}'");
        let list = |texts: &[String]| texts.iter().map(quoted).collect::<Vec<_>>().join(", ");
        match self {
            Setting::BannedGuids(texts) | Setting::ContentLibraryDrives(texts) => {
                format!("[{}]", list(texts))
            }
            Setting::MacIgnoreList(path) | Setting::ContentLibrary(path) => quoted(path),
            Setting::BlockSize(size) => size.to_string(),
            Setting::WindowSize(size) => size.to_string(),
            Setting::BootServerOnly => "\"4011-only\"".to_owned(),
        }
    }

    fn apply(self, document: &mut Document) {
        let path = |text: String| Spanned::new(0..0, PathBuf::from(text));
        match self {
            Setting::BannedGuids(texts) => {
                document.policy.banned_guids =
                    texts.into_iter().map(|text| Spanned::new(0..0, text)).collect();
            }
            Setting::MacIgnoreList(file) => document.policy.mac_ignore_list = Some(path(file)),
            Setting::BlockSize(size) => document.winpe.block_size = Some(Spanned::new(0..0, size)),
            Setting::WindowSize(size) => document.winpe.window_size = Some(size),
            Setting::BootServerOnly => document.dhcp.ports = Ports::BootServerOnly,
            Setting::ContentLibrary(folder) => document.store.content_library = Some(path(folder)),
            Setting::ContentLibraryDrives(folders) => {
                document.store.content_library_drives = folders.into_iter().map(PathBuf::from).collect();
            }
        }
    }
}

/// The values that are looked for, by key and name.
pub const READ: [(&str, &str); 7] = [
    (WDS, BANNED_GUIDS),
    (DP, MAC_IGNORE_LIST),
    (DP, BLOCK_SIZE),
    (DP, WINDOW_SIZE),
    (DP, NOT_ON_DHCP_PORT),
    (DP, LIBRARY),
    (DP, LIBRARY_DRIVES),
];
const DP: &str = r"SOFTWARE\Microsoft\SMS\DP";
const WDS: &str = r"SYSTEM\CurrentControlSet\Services\WDSServer\Providers\WDSPXE";
const BANNED_GUIDS: &str = "BannedGuids";
const MAC_IGNORE_LIST: &str = "MACIgnoreListFile";
const BLOCK_SIZE: &str = "RamDiskTFTPBlockSize";
const WINDOW_SIZE: &str = "RamDiskTFTPWindowSize";
const NOT_ON_DHCP_PORT: &str = "DoNotListenOnDhcpPort";
const LIBRARY: &str = "ContentLibraryPath";
const LIBRARY_DRIVES: &str = "ContentLibUsableDrives";

#[cfg(test)]
mod tests;
