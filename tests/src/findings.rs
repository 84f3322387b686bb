//! Findings of a running netbootd for the machines of a laboratory.

use std::time::Duration;

use serde_json::Value;

use crate::{Lab, Netbootd, wait};

/// No machine has a finding: asked at the end of a boot that went well.
///
/// # Panics
/// When one has, or no machine is known.
pub fn none(lab: &Lab, netbootd: &Netbootd) {
    let devices = get(lab, "/devices");
    let listed = devices.as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(!listed.is_empty(), "no machine was seen:\n{}", netbootd.log());
    if let Some(device) = listed.iter().find(|device| !device["finding"].is_null()) {
        let path = format!("/devices/{}", device["mac"].as_str().unwrap_or_default());
        panic!("a healthy boot has a finding: {:#}\n{}", get(lab, &path), netbootd.log());
    }
}

/// Waits until a machine has this finding; gives it.
///
/// # Panics
/// When it does not get it in time.
pub fn wait_for(lab: &Lab, netbootd: &Netbootd, mac: &str, cause: &str) -> Value {
    let device = || get(lab, &format!("/devices/{mac}"));
    let finding = || Some(device()["finding"].take()).filter(|finding| finding["cause"] == cause);
    wait::for_some(PATIENCE, finding, || format!("no {cause} in {:#}\n{}", device(), netbootd.log()))
}

/// Null for a machine that is not known yet.
fn get(lab: &Lab, path: &str) -> Value {
    let output =
        lab.command("server", "curl").args(["-sS", &format!("http://127.0.0.1:9167{path}")]).output();
    output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok()).unwrap_or_default()
}

/// Firmware is emulated: it takes its time until it asks, and as long again until it gives up.
const PATIENCE: Duration = Duration::from_secs(120);
