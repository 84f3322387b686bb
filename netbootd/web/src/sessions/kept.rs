//! The sessions of an earlier run: `sessions.json` in the state folder, for netbootd's user alone.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use imagestore::platform::OpenOptionsExt;
use serde::{Deserialize, Serialize};

/// The file of the sessions in the state folder, with the key of their tokens.
#[derive(Debug)]
pub(super) struct Kept {
    file: PathBuf,
    key: [u8; 32],
}

/// A session of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) digest: String,
    pub(super) name: String,
    pub(super) token: String,
    pub(super) left: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    key: String,
    sessions: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    digest: String,
    name: String,
    token: String,
    /// Expiry, in seconds since 1970.
    ends: u64,
}

impl Kept {
    /// In a state folder; with the key that is there, or a new one.
    pub(super) fn new(folder: &Path) -> Self {
        let file = folder.join("sessions.json");
        let known = document(&file).and_then(|document| key_of(&document.key));
        // Without random numbers nobody can sign in: no cookie is made.
        Kept { file, key: known.or_else(random).unwrap_or_default() }
    }

    /// The key, and the sessions that have not ended. `now` is this host's clock: where it jumped,
    /// no session lasts longer than a new one.
    pub(super) fn read(&self, now: SystemTime) -> ([u8; 32], Vec<Remembered>) {
        let now = seconds(now);
        let sessions = document(&self.file).map(|document| document.sessions).unwrap_or_default();
        let running = sessions.into_iter().filter(|line| line.ends > now).map(|line| Remembered {
            digest: line.digest,
            name: line.name,
            token: line.token,
            left: Duration::from_secs(line.ends - now),
        });
        (self.key, running.collect())
    }

    pub(super) fn write(&self, sessions: &[Remembered], now: SystemTime) {
        let line = |one: &Remembered| Line {
            digest: one.digest.clone(),
            name: one.name.clone(),
            token: one.token.clone(),
            ends: seconds(now).saturating_add(one.left.as_secs()),
        };
        let document = Document { key: super::hex(&self.key), sessions: sessions.iter().map(line).collect() };
        if let Err(error) = replace(&self.file, &document) {
            tracing::warn!(%error, "sessions end with this run: they cannot be written to the state folder");
        }
    }
}

/// 32 random bytes; None when the system has none.
pub(super) fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes).ok()?;
    Some(bytes)
}

fn document(file: &Path) -> Option<Document> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn replace(file: &Path, document: &Document) -> io::Result<()> {
    let fresh = file.with_extension("part");
    let _ = fs::remove_file(&fresh); // an old one may be readable for others
    let mut written = File::options().create_new(true).write(true).mode(0o600).open(&fresh)?;
    written.write_all(&serde_json::to_vec(document)?)?;
    written.sync_data()?;
    fs::rename(&fresh, file)
}

fn key_of(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes().chunks_exact(2);
    let bytes: Option<Vec<u8>> =
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect();
    bytes?.try_into().ok()
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
