//! Reading a whole class page by page, and which of the rows that were known are gone. Pure: the
//! edge asks, this says what to ask next.

use std::collections::HashSet;

use thiserror::Error;

/// How a site serves pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Paging {
    /// By key: `ResourceId gt N`, in order. No row can move past the reader.
    Keyset,
    /// By number: `$top` and `$skip`.
    Skip,
    /// By the site's own links.
    Links,
}

/// A class that is being read as a whole.
#[derive(Debug)]
pub(super) struct Sweep {
    paging: Paging,
    key: Key,
    last: u64,
    read: usize,
    seen: HashSet<u32>,
    pages: usize,
}

/// Why pages are no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum SweepError {
    #[error("its rows do not come in the order of their ids")]
    Disorder,
    #[error("its pages do not end")]
    Endless,
}

/// The rows that are read: the name of their id, and the filter that all of them fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) field: &'static str,
    /// Empty for all rows.
    pub(super) filter: String,
}

impl Sweep {
    /// From the row behind this id on; 0 for all.
    pub(super) fn begin(paging: Paging, key: Key, last: u32) -> Self {
        Sweep { paging, key, last: u64::from(last), read: 0, seen: HashSet::new(), pages: 0 }
    }

    /// The options of the next page, beside `$select`.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let Key { field, filter } = &self.key;
        let behind = format!("{field} gt {}", self.last);
        let filter = match (self.paging, filter.as_str()) {
            (Paging::Keyset, "") => behind,
            (Paging::Keyset, filter) => format!("{filter} and {behind}"),
            (_, filter) => filter.to_owned(),
        };
        let mut query = Vec::new();
        if !filter.is_empty() {
            query.push(("$filter", filter));
        }
        if self.paging != Paging::Links {
            query.extend([("$orderby", (*field).to_owned()), ("$top", PAGE.to_string())]);
        }
        if self.paging == Paging::Skip {
            query.push(("$skip", self.read.to_string()));
        }
        query
    }

    /// Takes the ids of a page's rows; true once it was the last page. `links_on` is whether the
    /// site names a next page.
    pub(super) fn take(&mut self, ids: &[u32], links_on: bool) -> Result<bool, SweepError> {
        self.pages += 1;
        if self.pages > MAX_PAGES {
            return Err(SweepError::Endless);
        }
        if self.paging == Paging::Keyset {
            for id in ids {
                if u64::from(*id) <= self.last {
                    return Err(SweepError::Disorder);
                }
                self.last = u64::from(*id);
            }
        }
        self.read += ids.len();
        let known = self.seen.len();
        self.seen.extend(ids);
        if self.seen.len() == known && !ids.is_empty() {
            return Err(SweepError::Endless); // the site gives the same page again
        }
        // A site may serve fewer rows than were asked for; an empty page alone is the end.
        Ok(match self.paging {
            Paging::Keyset | Paging::Skip => ids.is_empty(),
            Paging::Links => !links_on,
        })
    }

    /// The ids of the rows that were seen, sorted.
    pub(super) fn ids(self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.seen.into_iter().collect();
        ids.sort_unstable();
        ids
    }

    /// Which of the known rows are gone. By number and by link a row may have moved to a page that
    /// was read already: it is gone when two sweeps in a row do not see it. Many at a time are held
    /// back, unless an operator has accepted it.
    pub(super) fn end(
        self,
        known: impl Iterator<Item = u32>,
        missed_before: &HashSet<u32>,
        accepted: bool,
    ) -> Ended {
        let (mut missing, mut of) = (HashSet::new(), 0);
        for id in known {
            of += 1;
            if !self.seen.contains(&id) {
                missing.insert(id);
            }
        }
        if missing.len() > most_removed(of) && !accepted {
            let held = Held { missing: missing.len(), of };
            return Ended { removed: Vec::new(), missed: missing, held: Some(held) };
        }
        let certain = self.paging == Paging::Keyset || accepted;
        let removed: HashSet<u32> =
            missing.iter().filter(|id| certain || missed_before.contains(id)).copied().collect();
        missing.retain(|id| !removed.contains(id));
        Ended { removed: removed.into_iter().collect(), missed: missing, held: None }
    }
}

/// The outcome of a sweep.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) removed: Vec<u32>,
    /// Not seen, and not removed yet.
    pub(super) missed: HashSet<u32>,
    pub(super) held: Option<Held>,
}

/// Rows that the site does not show any more, too many to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Held {
    /// Rows that are gone.
    pub missing: usize,
    /// Rows that were known.
    pub of: usize,
}

/// A tenth, and never less than what an operator removes by hand in a morning.
pub(super) fn most_removed(of: usize) -> usize {
    (of / 10).max(MOST_BY_HAND)
}

const MOST_BY_HAND: usize = 10;
/// Rows that are asked for at a time.
pub(super) const PAGE: usize = 1000;
/// 2,000,000 devices in pages of 1000.
const MAX_PAGES: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(paging: Paging) -> Sweep {
        Sweep::begin(paging, Key { field: "ResourceId", filter: String::new() }, 0)
    }

    fn swept(paging: Paging, pages: &[&[u32]]) -> Sweep {
        let mut sweep = begin(paging);
        for page in pages {
            assert!(!sweep.take(page, true).unwrap());
        }
        assert!(sweep.take(&[], false).unwrap());
        sweep
    }

    #[test]
    fn pages_follow_the_key_until_an_empty_one() {
        let mut sweep = begin(Paging::Keyset);
        assert_eq!(sweep.query()[0].1, "ResourceId gt 0");
        assert_eq!(sweep.take(&[3, 7], false), Ok(false));
        assert_eq!(sweep.query()[0].1, "ResourceId gt 7");
        assert_eq!(sweep.take(&[9, 8], false), Err(SweepError::Disorder));
        let mut sweep = begin(Paging::Skip);
        assert_eq!(sweep.take(&[9, 8, 8], false), Ok(false), "duplicates count for the number of rows");
        assert_eq!(sweep.query()[2].1, "3");
        assert_eq!(sweep.ids(), [8, 9]);
        let mut sweep = begin(Paging::Links);
        assert_eq!((sweep.take(&[1], true), sweep.take(&[2], false)), (Ok(false), Ok(true)));
        let key = Key { field: "ResourceID", filter: "CollectionID eq 'PS1'".into() };
        assert_eq!(
            Sweep::begin(Paging::Keyset, key.clone(), 5).query()[0].1,
            "CollectionID eq 'PS1' and ResourceID gt 5"
        );
        assert_eq!(
            Sweep::begin(Paging::Links, key, 0).query(),
            [("$filter", "CollectionID eq 'PS1'".to_owned())]
        );
    }

    #[test]
    fn pages_that_do_not_end_are_given_up() {
        let mut sweep = begin(Paging::Skip);
        assert_eq!(sweep.take(&[1], true), Ok(false));
        assert_eq!(sweep.take(&[1], true), Err(SweepError::Endless), "the same page again");
        let mut sweep = begin(Paging::Links);
        let ended = (1..).map(|id| sweep.take(&[id], true)).find(Result::is_err);
        assert_eq!(ended, Some(Err(SweepError::Endless)));
    }

    #[test]
    fn a_row_that_may_have_moved_goes_with_the_second_sweep_that_misses_it() {
        let none = HashSet::new();
        let by_key = swept(Paging::Keyset, &[&[1, 2]]).end([1, 2, 3].into_iter(), &none, false);
        assert_eq!(by_key, Ended { removed: vec![3], missed: none.clone(), held: None });
        let by_number = swept(Paging::Skip, &[&[1, 2]]).end([1, 2, 3].into_iter(), &none, false);
        assert_eq!((&by_number.removed[..], &by_number.missed), (&[][..], &HashSet::from([3])));
        let again = swept(Paging::Skip, &[&[1, 2]]).end([1, 2, 3].into_iter(), &by_number.missed, false);
        assert_eq!(again.removed, [3]);
    }

    #[test]
    fn a_mass_removal_is_held_back_until_it_is_accepted() {
        let none = HashSet::new();
        let half: Vec<u32> = (1..=50).collect();
        let ended = |accepted| swept(Paging::Keyset, &[&half]).end(1..=100, &none, accepted);
        assert_eq!((ended(false).removed.len(), ended(false).held), (0, Some(Held { missing: 50, of: 100 })));
        assert_eq!((ended(true).removed.len(), ended(true).held), (50, None));
        let few = swept(Paging::Keyset, &[&[1]]).end(1..=11, &none, false);
        assert_eq!((few.removed.len(), few.held), (10, None));
    }
}
