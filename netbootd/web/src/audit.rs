//! The audit log: operator, change, time and address, a line of JSON a change, in the state folder.
//!
//! The page, scripts and the command line append to the same file, each line with one write. Lines
//! are kept for ninety days, and two files of at most [`LARGEST`] bytes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use imagestore::platform::OpenOptionsExt;
use netbootd_server::services::Services;
use netbootd_telemetry::view::rfc3339;
use pxe_policy::{Approval, MacAddr};
use serde::{Deserialize, Serialize};

/// One change of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When it was made (RFC 3339).
    pub(crate) at: String,
    /// The operator, or `command line`.
    pub(crate) who: String,
    /// The address it came from; empty for this host's command line.
    #[serde(default)]
    pub(crate) from: String,
    /// The method and the path of the API.
    pub(crate) what: String,
    /// The status of the answer.
    pub(crate) status: u16,
    /// The decision about the machine before, and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
}

/// A change that is about to be made.
#[derive(Debug)]
pub(crate) struct Change {
    who: String,
    from: String,
    what: String,
    mac: Option<MacAddr>,
    before: Option<String>,
}

impl Change {
    /// Notes how things stand before a change.
    pub(crate) fn begin(services: &Services, who: &str, from: &str, (method, path): (&str, &str)) -> Self {
        let mac = path.split(['/', '?']).find_map(|part| part.parse().ok());
        let what = format!("{method} {path}").chars().take(LONGEST).collect();
        let before = mac.map(|mac| decided(services, mac));
        Change { who: who.to_owned(), from: from.to_owned(), what, mac, before }
    }

    /// Writes it down with its outcome.
    pub(crate) async fn done(self, services: &Arc<Services>, status: u16) {
        let after = self.mac.map(|mac| decided(services, mac));
        let (before, after) = if self.before == after { (None, None) } else { (self.before, after) };
        let at = rfc3339(SystemTime::now());
        let entry = Entry { at, who: self.who, from: self.from, what: self.what, status, before, after };
        tracing::info!(operator = entry.who, from = entry.from, what = entry.what, status, "changed");
        let file = path(services);
        let written = tokio::task::spawn_blocking(move || append(&file, &entry)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "cannot write the audit");
        }
    }
}

/// The entries of the last ninety days that have a word in them, the newest first, at most `most`.
pub(crate) async fn entries(services: &Arc<Services>, word: &str, most: usize) -> Vec<Entry> {
    let (file, word) = (path(services), word.to_lowercase());
    let read = move || {
        let oldest = rfc3339(SystemTime::now() - KEPT);
        let mut found: Vec<Entry> = Vec::new();
        for file in [file.clone(), older(&file)] {
            let Ok(text) = fs::read_to_string(&file) else { continue };
            for line in text.lines().rev() {
                // A line that a power cut has left half is none.
                let Ok(entry) = serde_json::from_str::<Entry>(line) else { continue };
                if entry.at < oldest || found.len() >= most {
                    return found;
                }
                if word.is_empty() || line.to_lowercase().contains(&word) {
                    found.push(entry);
                }
            }
        }
        found
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

fn decided(services: &Services, mac: MacAddr) -> String {
    match services.approvals.get(mac) {
        Approval::Pending => "undecided",
        Approval::Approved => "approved",
        Approval::Rejected => "rejected",
    }
    .to_owned()
}

fn append(file: &PathBuf, entry: &Entry) -> io::Result<()> {
    if fs::metadata(file).is_ok_and(|data| data.len() > LARGEST) {
        fs::rename(file, older(file))?;
    }
    let mut line = serde_json::to_string(entry)?;
    line.push('\n');
    // Names of machines and operators are in it.
    let mut file = File::options().create(true).append(true).mode(0o600).open(file)?;
    file.write_all(line.as_bytes())
}

fn path(services: &Services) -> PathBuf {
    services.snapshot.load().config.server.state_dir.join("audit.jsonl")
}

fn older(file: &std::path::Path) -> PathBuf {
    file.with_extension("1.jsonl")
}

/// Letters of one change: a list of machines may be long.
const LONGEST: usize = 500;
/// Bytes of one file: about fifty thousand changes.
const LARGEST: u64 = 8 << 20;
/// A quarter of a year.
const KEPT: Duration = Duration::from_secs(90 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_hides_no_other_and_a_full_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let entry = |what: &str| Entry {
            at: rfc3339(SystemTime::now()),
            who: "anna".into(),
            from: String::new(),
            what: what.into(),
            status: 200,
            before: None,
            after: None,
        };
        append(&file, &entry("POST /reload")).unwrap();
        let whole = fs::read_to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(whole.trim()).unwrap().what, "POST /reload");
        fs::write(&file, vec![b'x'; usize::try_from(LARGEST).unwrap() + 1]).unwrap();
        append(&file, &entry("POST /rescan")).unwrap();
        assert!(older(&file).exists());
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
    }
}
