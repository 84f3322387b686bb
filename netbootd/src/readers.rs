//! Machines that run from an image: a Mac reads its root by ranges for as long as it is on, so it goes on with the version that it began
//! with, whatever becomes current meanwhile.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use imagestore::Digest;

/// Which version each client reads by ranges. At most [`MAX_READERS`]; the one not heard of for longest leaves first.
#[derive(Debug, Default)]
pub struct Readers {
    held: Mutex<HashMap<(IpAddr, String), (Digest, Instant)>>,
}

impl Readers {
    /// The version that a client reads a path from, unless it has been silent for too long.
    pub fn version(&self, client: IpAddr, path: &str, now: Instant) -> Option<Digest> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, last) = held.get(&(client, path.to_ascii_lowercase()))?;
        (now.saturating_duration_since(*last) < SILENCE).then_some(*version)
    }

    /// Notes what a client reads.
    pub fn reads(&self, client: IpAddr, path: &str, version: Digest, now: Instant) {
        let key = (client, path.to_ascii_lowercase());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MAX_READERS && !held.contains_key(&key) {
            let oldest = held.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| key.clone());
            oldest.map(|key| held.remove(&key));
        }
        held.insert(key, (version, now));
    }

    /// Forgets a client: it boots anew.
    pub fn begins_anew(&self, client: IpAddr) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).retain(|(reader, _), _| *reader != client);
    }
}

/// As long as a lease keeps a version in the store.
const SILENCE: Duration = Duration::from_secs(2 * 3600);
/// Macs that run from one server at a time; a hundred bytes each.
const MAX_READERS: usize = 4096;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_client_keeps_its_version_until_it_boots_anew_or_falls_silent() {
        let (readers, now) = (Readers::default(), Instant::now());
        let (mac, other) = (Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(10, 0, 0, 2).into());
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        readers.reads(mac, "Sierra/Root.dmg", old, now);
        readers.reads(other, "Sierra/Root.dmg", new, now);
        assert_eq!(readers.version(mac, "sierra/root.DMG", now), Some(old));
        assert_eq!(readers.version(other, "Sierra/Root.dmg", now), Some(new));
        assert_eq!(readers.version(mac, "Sierra/other", now), None);
        assert_eq!(readers.version(mac, "Sierra/Root.dmg", now + SILENCE), None);
        readers.begins_anew(mac);
        assert_eq!(readers.version(mac, "Sierra/Root.dmg", now), None);
        assert_eq!(readers.version(other, "Sierra/Root.dmg", now), Some(new));
    }

    #[test]
    fn the_list_is_bounded() {
        let (readers, now) = (Readers::default(), Instant::now());
        for n in 0..u32::try_from(MAX_READERS).unwrap() + 10 {
            let at = now + Duration::from_millis(n.into());
            readers.reads(Ipv4Addr::from(n).into(), "a", Digest::of(b"a"), at);
        }
        assert_eq!(readers.held.lock().unwrap().len(), MAX_READERS);
        assert_eq!(readers.version(Ipv4Addr::from(0).into(), "a", now), None, "the oldest left");
    }
}
