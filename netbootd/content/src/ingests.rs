//! The imports under way from watched sources, and the refused ones: for operators, and for
//! machines whose files are not there.

use std::collections::BTreeMap;
use std::path::Path;

use imagestore::Observer;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

use crate::refused::Refused;

/// The table. It holds at most as many refused sources as there are sources.
#[derive(Debug, Default)]
pub struct Ingests {
    inner: Mutex<Inner>,
    retry: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    under_way: Option<Ingest>,
    refused: BTreeMap<String, String>,
    retry: bool,
}

/// A source that is being taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ingest {
    /// A path, or a content id.
    pub source: String,
    /// The file that is being read.
    pub file: String,
    /// Bytes that are read already.
    pub bytes: u64,
    /// Bytes to be read, as far as is known.
    pub total: u64,
}

/// Told how one ingest goes; takes it off the table when it is dropped.
#[derive(Debug)]
pub struct Watched<'a>(&'a Ingests);

impl Ingests {
    /// A source begins to be taken in.
    pub fn begin(&self, source: &str) -> Watched<'_> {
        let begun = Ingest { source: source.to_owned(), file: String::new(), bytes: 0, total: 0 };
        self.with(|inner| inner.under_way = Some(begun));
        Watched(self)
    }

    /// Notes the end of a source's import, and why it was refused, if it was.
    pub fn ended(&self, source: &str, refused: Option<String>) {
        self.with(|inner| match refused {
            Some(why) => drop(inner.refused.insert(source.to_owned(), why)),
            None => drop(inner.refused.remove(source)),
        });
    }

    /// The import under way.
    pub fn under_way(&self) -> Option<Ingest> {
        self.with(|inner| inner.under_way.clone())
    }

    /// The sources that were refused, with the reasons.
    pub fn refused(&self) -> BTreeMap<String, String> {
        self.with(|inner| inner.refused.clone())
    }

    /// Asks for another try of every source that was refused; gives how many there are.
    pub fn retry(&self) -> usize {
        let refused = self.with(|inner| {
            inner.retry = true;
            inner.refused.len()
        });
        self.retry.notify_one();
        refused
    }

    /// Whether another try was asked for since the last call.
    pub fn take_retries(&self) -> bool {
        self.with(|inner| std::mem::take(&mut inner.retry))
    }

    /// Waits until another try is asked for.
    pub async fn retry_asked(&self) {
        self.retry.notified().await;
    }

    /// Why a file of an image that is not there yet cannot be had. The image goes by the source's
    /// name: `Sierra.nbi`, `winpe.wim`.
    pub fn about(&self, path: &str) -> Option<Refused> {
        let names: Vec<&str> = named(path).collect();
        let is_of = |source: &str| {
            stem(source).is_some_and(|stem| names.iter().any(|name| name.eq_ignore_ascii_case(stem)))
        };
        self.with(|inner| {
            if let Some(ingest) = inner.under_way.as_ref().filter(|ingest| is_of(&ingest.source)) {
                let Ingest { source, bytes, total, .. } = ingest.clone();
                return Some(Refused::Importing { origin: source, bytes, total });
            }
            let (source, why) = inner.refused.iter().find(|(source, _)| is_of(source))?;
            Some(Refused::NotImported { origin: source.clone(), why: why.clone() })
        })
    }

    fn with<T>(&self, action: impl FnOnce(&mut Inner) -> T) -> T {
        action(&mut self.inner.lock())
    }
}

/// The images that a path may be of: `winpe/boot/BCD`, `NetBoot/Images/Sierra.nbi/booter`.
pub fn named(path: &str) -> impl Iterator<Item = &str> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let first = parts.next();
    first.into_iter().chain(parts).enumerate().filter_map(|(n, part)| match part.strip_suffix(".nbi") {
        Some(name) => Some(name),
        None => (n == 0).then_some(part),
    })
}

fn stem(source: &str) -> Option<&str> {
    Path::new(source).file_stem()?.to_str()
}

impl Watched<'_> {
    fn change(&self, change: impl FnOnce(&mut Ingest)) {
        self.0.with(|inner| inner.under_way.as_mut().map(change));
    }
}

impl Observer for Watched<'_> {
    fn total(&mut self, bytes: u64) {
        self.change(|ingest| ingest.total += bytes);
    }

    fn file(&mut self, name: &str) {
        self.change(|ingest| name.clone_into(&mut ingest.file));
    }

    fn bytes(&mut self, count: u64) {
        self.change(|ingest| ingest.bytes += count);
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.with(|inner| inner.under_way = None);
    }
}

#[cfg(test)]
mod tests {
    use netbootd_telemetry::event::Refusal;

    use super::*;

    #[test]
    fn a_file_of_an_image_that_comes_or_did_not_come_is_told_apart_from_others() {
        let ingests = Ingests::default();
        let mut watched = ingests.begin("/srv/drop/winpe.wim");
        watched.total(100);
        watched.bytes(40);
        let told = ingests.about("WinPE/boot/BCD").unwrap();
        assert_eq!(told.refusal(), Refusal::ImageComing);
        assert!(told.to_string().ends_with("winpe.wim is being imported: 40 of 100 bytes"), "{told}");
        assert_eq!(ingests.under_way().map(|ingest| (ingest.bytes, ingest.total)), Some((40, 100)));
        assert!(ingests.about("boot/winpe/BCD").is_none());
        drop(watched);
        assert_eq!(ingests.under_way(), None);
        assert!(ingests.about("winpe/boot/BCD").is_none());
        ingests.ended("/srv/drop/Sierra.nbi", Some("the list does not read".into()));
        let told = ingests.about("NetBoot/Images/sierra.nbi/i386/booter").unwrap();
        assert_eq!(told.refusal(), Refusal::ImageRefused);
        assert_eq!(told.to_string(), "/srv/drop/Sierra.nbi was not imported: the list does not read");
        ingests.ended("/srv/drop/Sierra.nbi", None);
        assert!(ingests.about("Sierra/booter").is_none());
    }
}
