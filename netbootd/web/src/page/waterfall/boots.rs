//! Steps as the history keeps them, and where one boot ends and the next begins.

use serde::Deserialize;

use super::super::words;

/// One step: the JSON of a `StepView`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(in crate::page) struct Step {
    pub(in crate::page) at: String,
    pub(super) proto: String,
    pub(super) asked: Option<String>,
    pub(super) what: String,
    pub(super) reason: Option<String>,
    pub(super) by: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) file: Option<String>,
    pub(super) negotiated: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) resends: Option<u64>,
    pub(super) seconds: Option<f64>,
    pub(super) rate: Option<f64>,
}

/// The steps of one boot, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::page) struct BootSteps {
    pub(in crate::page) steps: Vec<Step>,
}

impl Step {
    /// When it was recorded, in seconds since 1970.
    pub(super) fn time(&self) -> f64 {
        words::time(&self.at).map_or(0.0, words::seconds)
    }

    pub(super) fn is_dhcp(&self) -> bool {
        matches!(self.proto.as_str(), "proxy" | "dhcp" | "dhcp6" | "bsdp")
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self.proto.as_str(), "tftp" | "http")
    }
}

impl BootSteps {
    /// When it began (RFC 3339).
    pub(in crate::page) fn started(&self) -> &str {
        self.steps.first().map_or("", |step| &step.at)
    }

    /// A word for addresses: milliseconds since 1970.
    pub(in crate::page) fn key(&self) -> u64 {
        self.steps.first().map_or(0, |step| (step.time() * 1000.0).round() as u64)
    }

    /// The boot file that it was given.
    pub(in crate::page) fn gets(&self) -> Option<&str> {
        let named = self.steps.iter().rev().filter(|step| step.is_dhcp() || step.proto == "pxe");
        named.filter_map(|step| step.file.as_deref()).next()
    }

    /// Its steps up to a moment, in seconds since 1970.
    pub(in crate::page) fn until(&self, moment: f64) -> Vec<Step> {
        // Steps are recorded in milliseconds.
        self.steps.iter().filter(|step| step.time() <= moment + 0.001).cloned().collect()
    }

    /// Its last step in words.
    pub(in crate::page) fn end(&self) -> String {
        let Some(last) = self.steps.last() else { return String::new() };
        let words = [Some(last.proto.as_str()), Some(last.what.as_str()), last.file.as_deref()];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// From its first step to its last, in seconds.
    pub(in crate::page) fn seconds(&self) -> f64 {
        let time = |step: Option<&Step>| step.map_or(0.0, Step::time);
        time(self.steps.last()) - time(self.steps.first())
    }
}

/// Cuts a machine's steps into boots: firmware that asks again after files came, or a long silence,
/// begins another one.
pub(in crate::page) fn boots(steps: Vec<Step>) -> Vec<BootSteps> {
    let mut boots: Vec<BootSteps> = Vec::new();
    let (mut has_files, mut last, mut runs) = (false, 0.0, 0_u32);
    for step in steps {
        // An event about the machine is no step of it.
        if step.proto == "diagnosis" || step.proto == "image" {
            continue;
        }
        let at = step.time();
        let asked = step.asked.as_deref().unwrap_or_default();
        let firmware = step.is_dhcp() && !asked.is_empty() && !asked.contains("ipxe") && step.what != "ack";
        let stale = runs == 0 && at - last > ONE_BOOT;
        if boots.is_empty() || stale || firmware && has_files {
            boots.push(BootSteps::default());
            (has_files, runs) = (false, 0);
        }
        if step.is_file() {
            match step.what.as_str() {
                "transfer" => runs += 1,
                "completed" => (has_files, runs) = (true, runs.saturating_sub(1)),
                _ if step.seconds.is_some() => runs = runs.saturating_sub(1),
                _ => {}
            }
        }
        last = at;
        if let Some(boot) = boots.last_mut() {
            boot.steps.push(step);
        }
    }
    boots
}

/// Silence after which whatever a machine asks begins another boot, in seconds.
const ONE_BOOT: f64 = 150.0;
