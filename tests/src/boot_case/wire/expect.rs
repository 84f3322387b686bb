//! The expectations of a case: the answers of the running daemon.

use std::time::Duration;

use serde_json::Value;

use super::super::{packet, words};
use super::Player;
use crate::netbootd::program;
use crate::wait;

impl Player<'_> {
    /// The finding that the running daemon names, at once or within the moment that events take.
    pub(super) fn expect(&self, name: &str, cause: Option<&str>) {
        let mac = packet::text(self.host(name).mac);
        let ask = || Some(self.status(&mac)).filter(|status| status["finding"]["cause"].as_str() == cause);
        let why =
            || format!("{cause:?} is expected, found: {:#}\n{}", self.status(&mac), self.netbootd.log());
        let status = wait::for_some(PATIENCE, ask, why);
        if cause.is_some() {
            words::are_the_same(self.lab, &mac, &status["finding"]);
        }
    }

    /// Words of the finding's evidence: what netbootd sees of itself may take it some seconds.
    pub(super) fn expect_evidence(&self, mac: &str, word: &str) {
        let is_there = || self.status(mac)["finding"]["evidence"].to_string().contains(word);
        wait::until(OUTAGE, is_there, || format!("{word:?} is expected: {:#}", self.status(mac)));
    }

    /// The sender that `netbootd status` names, and no other one.
    pub(super) fn expect_stranger(&self, address: &str) {
        let is_named = || {
            let status = self.asked(&[]);
            let named = status["status"]["strangers"].as_array().cloned().unwrap_or_default();
            matches!(named.as_slice(), [stranger] if stranger["address"] == address)
        };
        wait::until(PATIENCE, is_named, || format!("{:#}\n{}", self.asked(&[]), self.netbootd.log()));
    }

    /// The text of `netbootd status` where a step is overdue and no cause fits.
    pub(super) fn expect_silence(&self, mac: &str, word: &str) {
        let config = self.lab.folder().join("netbootd.toml").display().to_string();
        let status = || {
            let mut command = self.lab.command("server", &program());
            let output = command.args(["status", mac, "--config", &config]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let is_said = || {
            let text = status();
            text.contains("No cause found.") && text.contains(word)
        };
        wait::until(PATIENCE, is_said, || format!("{word:?} is expected:\n{}", status()));
    }

    pub(super) fn status(&self, mac: &str) -> Value {
        self.asked(&[mac])
    }

    /// The JSON that `netbootd status` prints.
    fn asked(&self, about: &[&str]) -> Value {
        let config = self.lab.folder().join("netbootd.toml").display().to_string();
        let mut command = self.lab.command("server", &program());
        let output = command.arg("status").args(about).args(["--json", "--config", &config]).output();
        serde_json::from_slice(&output.unwrap().stdout).unwrap_or_default()
    }
}

/// netbootd tries an upstream several times before it counts as away.
const OUTAGE: Duration = Duration::from_secs(30);
/// Events reach the diagnosis within this time.
const PATIENCE: Duration = Duration::from_secs(8);
