//! Which contents the packages of a library have, as PkgLib says; kept from one look to the next.
//!
//! ConfigMgr writes a package's INI file anew when the package gets another version, and removes it
//! with the package. So a look costs one listing of PkgLib, and reads only the files whose size or
//! time has changed.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirEntry};

use super::{ContentLibrary, LibraryError, ini, io_error};
use crate::platform::MetadataExt;

/// The id of a content: a package or an application, and its version, such as `PS100005.9`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContentId {
    /// The part in front of the version: `PS100005`, `Content_<guid>`.
    pub package: String,
    /// The version; None for an id without one.
    pub version: Option<u64>,
    text: String,
}

/// The entries of the folder PkgLib, by package.
#[derive(Debug, Default)]
pub struct Packages {
    files: HashMap<OsString, IniFile>,
    by_package: BTreeMap<String, Vec<ContentId>>,
    looks: u64,
}

/// One package's INI file.
#[derive(Debug, Default)]
struct IniFile {
    stamp: Stamp,
    ids: Vec<String>,
    trouble: Option<String>,
    /// The look at which it was last there.
    seen: u64,
    /// Whether it named no content at the last look, and did before.
    is_emptied: bool,
}

type Stamp = (u64, i64, i64);

impl ContentId {
    /// Of an id as the library writes it. Any text is one.
    pub fn parse(text: &str) -> Self {
        let numbered = text.rsplit_once('.').and_then(|(package, version)| {
            let digits = version.bytes().all(|byte| byte.is_ascii_digit());
            Some((package.to_owned(), version.parse().ok().filter(|_| digits)?))
        });
        let (package, version) = match numbered {
            Some((package, version)) => (package, Some(version)),
            None => (text.to_owned(), None),
        };
        ContentId { package, version, text: text.to_owned() }
    }

    /// Of the source of an image that came from a library.
    pub fn of_source(source: &str) -> Option<Self> {
        source.strip_prefix(SOURCE)?.strip_prefix(['/', '\\']).map(ContentId::parse)
    }

    /// The id as the library writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The source that an image of a content names.
pub fn source_of(id: &ContentId) -> String {
    format!("{SOURCE}/{id}")
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// By package, then by version as a number: `.9` goes before `.10`.
impl Ord for ContentId {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |id: &Self| (id.package.to_ascii_lowercase(), id.version);
        key(self).cmp(&key(other)).then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for ContentId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Packages {
    /// Looks at PkgLib again. Gives whether what it says has changed.
    pub fn refresh(&mut self, library: &ContentLibrary) -> Result<bool, LibraryError> {
        let folder = library.root.join("PkgLib");
        self.looks += 1;
        let mut changed = false;
        for entry in fs::read_dir(&folder).map_err(io_error(&folder))? {
            let entry = entry.map_err(io_error(&folder))?;
            let name = entry.file_name();
            if name.as_encoded_bytes().to_ascii_lowercase().ends_with(b".ini") {
                changed |= self.look_at(name, &entry, library);
            }
        }
        let before = self.files.len();
        let now = self.looks;
        self.files.retain(|_, file| file.seen == now);
        changed |= self.files.len() != before;
        if changed {
            self.sort();
        }
        Ok(changed)
    }

    /// Every package with its contents, the oldest version first.
    pub fn contents(&self) -> &BTreeMap<String, Vec<ContentId>> {
        &self.by_package
    }

    /// The files of PkgLib that cannot be read, each with why. Their former contents still count.
    pub fn troubles(&self) -> impl Iterator<Item = (String, &str)> {
        self.files
            .iter()
            .filter_map(|(name, file)| Some((name.to_string_lossy().into_owned(), file.trouble.as_deref()?)))
    }

    fn look_at(&mut self, name: OsString, entry: &DirEntry, library: &ContentLibrary) -> bool {
        let stamp = entry.metadata().map(|data| (data.len(), data.mtime(), data.mtime_nsec()));
        let now = self.looks;
        let file = self.files.entry(name).or_default();
        let is_new = file.seen == 0;
        file.seen = now;
        let text = match stamp {
            Ok(stamp) if !is_new && stamp == file.stamp && file.trouble.is_none() && !file.is_emptied => {
                return false;
            }
            Ok(stamp) => {
                file.stamp = stamp;
                library.count_read();
                ini::read(&entry.path())
            }
            Err(error) => Err(error),
        };
        let ids = match text {
            Ok(text) => ini::keys(&text, "Packages"),
            Err(error) => {
                let trouble = Some(error.to_string());
                let changed = file.trouble != trouble;
                file.trouble = trouble;
                return changed;
            }
        };
        let recovered = file.trouble.take().is_some();
        // A file that is being written names nothing for a moment; at the second look it counts.
        if ids.is_empty() && !file.ids.is_empty() && !file.is_emptied {
            file.is_emptied = true;
            return recovered;
        }
        file.is_emptied = false;
        let changed = ids != file.ids;
        file.ids = ids;
        changed || recovered || is_new
    }

    fn sort(&mut self) {
        let ids = self.files.values().flat_map(|file| &file.ids);
        let mut ids: Vec<ContentId> = ids.map(|id| ContentId::parse(id)).collect();
        ids.sort();
        ids.dedup();
        self.by_package.clear();
        for id in ids {
            self.by_package.entry(id.package.clone()).or_default().push(id);
        }
    }
}

const SOURCE: &str = "content library";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> ContentId {
        ContentId::parse(text)
    }

    #[test]
    fn versions_sort_as_numbers() {
        let mut ids = ["PS100005.10", "PS100005.9", "PS100004.11", "PS100005.100", "Content_1"].map(id);
        ids.sort();
        let shown = ids.map(|id| id.to_string());
        assert_eq!(shown, ["Content_1", "PS100004.11", "PS100005.9", "PS100005.10", "PS100005.100"]);
    }

    #[test]
    fn an_id_without_a_number_has_no_version() {
        let parts = |text| (id(text).package, id(text).version);
        assert_eq!(parts("PS100005.9"), ("PS100005".into(), Some(9)));
        assert_eq!(parts("PS100005.9a"), ("PS100005.9a".into(), None));
        assert_eq!(parts("PS100005."), ("PS100005.".into(), None));
        assert_eq!(parts("P.99999999999999999999999"), ("P.99999999999999999999999".into(), None));
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_numbers(a in 0..u64::MAX, b in 0..u64::MAX) {
            prop_assert_eq!(id(&format!("P.{a}")).cmp(&id(&format!("P.{b}"))), a.cmp(&b));
        }

        #[test]
        fn any_text_is_an_id(text in ".{0,40}") {
            prop_assert_eq!(id(&text).to_string(), text);
        }
    }
}
