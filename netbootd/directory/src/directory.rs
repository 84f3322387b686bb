//! The seam: a directory, as those that ask it see it.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pxe_policy::{Answer, DirectoryAnswer, Identity, Trouble};

use crate::certificates::Seen;
use crate::configmgr::Mirror;
use crate::links::Links;

/// A directory that knows machines.
pub trait Directory: fmt::Debug + Send + Sync {
    /// Asks for the directory's record of a machine.
    fn ask<'a>(&'a self, who: &'a Identity) -> Asking<'a, Result<DirectoryAnswer, Trouble>>;

    /// The answer that needs no question: of one that is in memory, or about a machine that this
    /// directory is not asked about. `name` is its name in evidence.
    fn at_once(&self, _name: &str, _who: &Identity) -> Option<Answer> {
        None
    }

    /// Its answer while it cannot be reached, no older than `stale`: of a copy that it keeps.
    fn while_away(&self, _name: &str, _who: &Identity, _stale: Duration) -> Option<Answer> {
        None
    }

    /// Answers from this copy of the site from now on, where it is a site that is mirrored.
    fn attach(&self, _mirror: &Arc<Mirror>) {}

    /// The copy of the site that it answers from, where there is one.
    fn mirror(&self) -> Option<&Arc<Mirror>> {
        None
    }

    /// Brings the copy of the site up to date, and gives the time until something is due again.
    /// None where there is no copy.
    fn sync(&self) -> Option<Asking<'_, Result<Duration, Trouble>>> {
        None
    }

    /// Reads its files again if they changed. May block.
    fn refresh(&self) {}

    /// Why it cannot be asked, where it knows that by itself.
    fn trouble(&self) -> Option<Trouble> {
        None
    }

    /// Checks the way to it, link by link, up to the first that is broken.
    fn links<'a>(&'a self, links: &'a mut Links) -> Asking<'a, Option<()>>;

    /// Checks each class that is read there, and names the right that shows it; None for a directory
    /// without such rights.
    fn rights<'a>(&'a self, _links: &'a mut Links) -> Option<Asking<'a, ()>> {
        None
    }

    /// The types of its packages by id; None for a directory that has none.
    fn package_types(&self) -> Option<Asking<'_, PackageTypes>> {
        None
    }

    /// The certificates that it knows of beside those of its servers; None for a directory that knows
    /// none.
    fn certificates(&self) -> Option<Asking<'_, Vec<Seen>>> {
        None
    }
}

/// A question under way.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The types of packages by package id, as Configuration Manager numbers them.
pub type PackageTypes = Result<BTreeMap<String, u32>, Trouble>;

/// The answer of a directory that is in memory.
pub(crate) fn in_memory(name: &str, said: DirectoryAnswer) -> Answer {
    Answer { directory: name.to_owned(), age: 0, stale: false, said: Ok(said) }
}
