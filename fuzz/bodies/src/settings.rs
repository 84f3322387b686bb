//! The inputs of operators: the configuration and the device file.

use std::path::Path;

use netbootd_config::Config;
use netbootd_directory::device_file::{from_csv, from_toml};
use pxe_policy::{ArchType, Device, Identity, MacAddr, Table};
use serde_json::json;

/// Any configuration: one that can be used, or findings that point into it.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Folders and templates that are named are looked at: devices and other processes are nothing
    // to look at by chance.
    if text.contains("/dev") || text.contains("/proc") || text.contains("\\") {
        return;
    }
    let parsed = Config::parse(text, Path::new("/nonexistent/netbootd.toml"), Some(Path::new("/")));
    let is_sound = parsed.is_ok();
    let (Ok((_, findings)) | Err(findings)) = parsed;
    assert_eq!(is_sound, findings.errors() == 0, "no configuration only where something is wrong");
    for finding in findings.iter() {
        let shown = text.get(finding.span.clone());
        assert!(shown.is_some() && !finding.message.is_empty(), "{finding:?} is about a place in the text");
    }
    let shown = findings.render(false);
    assert!(findings.errors() + findings.warnings() == 0 || shown.contains("/nonexistent/netbootd.toml"));
}

/// Any device file, CSV or TOML: devices, bad lines, or an error. The devices are the same when
/// they are written as TOML and read again.
pub fn device_file(bytes: &[u8]) {
    let Ok((table, bad)) = from_csv(bytes).or_else(|_| from_toml(bytes)) else { return };
    assert!(table.ask(&WHO).by_uuid.is_empty(), "it was not asked for");
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    assert!(table.devices().iter().all(|device| (1..=lines).contains(&device.line)));
    assert!(bad.iter().all(|bad| bad.line <= lines && !bad.what.to_string().is_empty()));
    compare(&table);
}

fn compare(table: &Table) {
    let plain = |device: &Device| Device { line: 0, ..device.clone() };
    let devices: Vec<Device> = table.devices().iter().map(plain).collect();
    let written = toml::to_string(&json!({ "device": devices })).expect("strings only");
    let (again, bad) = from_toml(written.as_bytes()).expect("our own TOML reads");
    assert!(bad.iter().all(|bad| bad.kept), "a device that was good once is good again");
    assert_eq!(again.devices().iter().map(plain).collect::<Vec<_>>(), devices);
}

const WHO: Identity = Identity {
    mac: MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
    uuid: None,
    arch: Some(ArchType::X64_UEFI),
    is_mac: false,
};
