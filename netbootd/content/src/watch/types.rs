//! The types of the site's packages. While a site is down its last answer counts, over restarts
//! too.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use imagestore::Store;
use imagestore::ingest::PackageUse;

use parking_lot::Mutex;

/// The types of a site's packages, by package id; `SMS_Package.PackageType` and its kin.
pub type Types = BTreeMap<String, u32>;

/// The site's last answer.
#[derive(Debug)]
pub struct PackageTypes {
    place: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    types: Option<Types>,
    /// Whether the site was asked since the start.
    is_asked: bool,
    /// Goes up with each change.
    version: u64,
}

impl PackageTypes {
    /// Reads the last answer of former runs.
    pub fn open(store: &Store) -> Self {
        let place = store.root().join("package-types.json");
        let types = fs::read(&place).ok().and_then(|text| serde_json::from_slice(&text).ok());
        PackageTypes { place, known: Mutex::new(Known { types, ..Known::default() }) }
    }

    /// Takes what the site says now; None when it cannot be asked.
    pub fn set(&self, types: Option<Types>) {
        let mut known = self.known.lock();
        if !known.is_asked {
            known.is_asked = true;
            known.version += 1;
        }
        let Some(types) = types.filter(|types| known.types.as_ref() != Some(types)) else { return };
        let temporary = self.place.with_extension("new");
        // Strings and numbers always have a JSON form.
        let text = serde_json::to_vec(&types).unwrap_or_default();
        let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &self.place));
        if let Err(error) = written {
            tracing::warn!(%error, "the types of the site's packages are not saved");
        }
        known.types = Some(types);
        known.version += 1;
    }

    /// How a package is used; None until the site has answered, or was seen not to.
    pub(super) fn package_use(&self, package: &str) -> Option<PackageUse> {
        let known = self.known.lock();
        match &known.types {
            None if !known.is_asked => None,
            Some(types) if types.get(package) == Some(&BOOT_IMAGE) => Some(PackageUse::BootImage),
            _ => Some(PackageUse::Files),
        }
    }

    /// Another number after each change.
    pub(super) fn version(&self) -> u64 {
        self.known.lock().version
    }
}

/// The type of a package in `SMS_BootImagePackage`.
const BOOT_IMAGE: u32 = 258;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_that_is_down_keeps_what_it_said_last() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), imagestore::StoreLimits::default()).unwrap();
        let types = PackageTypes::open(&store);
        assert_eq!(types.package_use("PS100005"), None, "the site was not asked yet");
        types.set(None);
        assert_eq!(types.package_use("PS100005"), Some(PackageUse::Files), "nothing says that it boots");
        let version = types.version();
        types.set(Some(Types::from([("PS100005".into(), 258), ("PS100006".into(), 257)])));
        assert!(types.version() > version);
        types.set(None);
        assert_eq!(types.package_use("PS100005"), Some(PackageUse::BootImage));
        let restarted = PackageTypes::open(&store);
        assert_eq!(restarted.package_use("PS100005"), Some(PackageUse::BootImage));
        assert_eq!(restarted.package_use("PS100006"), Some(PackageUse::Files));
    }
}
