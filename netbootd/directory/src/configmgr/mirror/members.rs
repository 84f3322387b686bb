//! Memberships of the collections that something is deployed to, looked up by machine.

use std::collections::HashMap;

/// The members of some collections.
#[derive(Debug, Default)]
pub(super) struct Members {
    collections: Vec<Collection>,
    index: HashMap<String, u16>,
    of: HashMap<u32, Vec<u16>>,
}

#[derive(Debug)]
struct Collection {
    id: String,
    /// The site's stamp of the members' last change; None where it gives none.
    stamp: Option<String>,
    /// The members' record ids, sorted.
    members: Vec<u32>,
}

/// The difference between two sets of members.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) added: Vec<u32>,
    pub(super) removed: Vec<u32>,
}

impl Members {
    /// The collections that a machine is in.
    pub(super) fn of(&self, id: u32) -> impl Iterator<Item = &str> {
        let list = self.of.get(&id).map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|at| self.collections.get(usize::from(*at))).map(|one| one.id.as_str())
    }

    /// The stamp of a collection, or None when its members were never read.
    pub(super) fn stamp(&self, collection: &str) -> Option<Option<&str>> {
        Some(self.find(collection)?.stamp.as_deref())
    }

    /// The collections that are kept.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// How many memberships there are in all.
    pub(super) fn total(&self) -> usize {
        self.index
            .values()
            .filter_map(|at| self.collections.get(usize::from(*at)))
            .map(|one| one.members.len())
            .sum()
    }

    /// The change that a new list of members would be; `members` is sorted.
    pub(super) fn change(&self, collection: &str, members: &[u32]) -> Change {
        let old = self.find(collection).map(|one| one.members.as_slice()).unwrap_or_default();
        let missing = |from: &[u32], of: &[u32]| {
            of.iter().filter(|id| from.binary_search(id).is_err()).copied().collect()
        };
        Change { added: missing(old, members), removed: missing(members, old) }
    }

    /// Applies one part of a change; the parts in any order.
    pub(super) fn apply(&mut self, collection: &str, change: &Change) {
        let Some(at) = self.place(collection) else { return };
        for id in &change.removed {
            if let Some(list) = self.of.get_mut(id) {
                list.retain(|one| *one != at);
                if list.is_empty() {
                    self.of.remove(id);
                }
            }
        }
        for id in &change.added {
            let list = self.of.entry(*id).or_default();
            if !list.contains(&at) {
                list.push(at);
            }
        }
    }

    /// Ends a change: the list as a whole, sorted, with the site's stamp.
    pub(super) fn seal(&mut self, collection: &str, members: Vec<u32>, stamp: Option<String>) {
        let Some(at) = self.place(collection) else { return };
        let one = &mut self.collections[usize::from(at)];
        (one.members, one.stamp) = (members, stamp);
    }

    /// Puts one machine, whose memberships were read again, into exactly these of the collections
    /// that are kept.
    pub(super) fn put(&mut self, id: u32, collections: &[String]) {
        let now: Vec<u16> =
            collections.iter().filter_map(|collection| self.index.get(collection)).copied().collect();
        let old = self.of.remove(&id).unwrap_or_default();
        for at in old.iter().chain(&now) {
            let members = &mut self.collections[usize::from(*at)].members;
            match (members.binary_search(&id), now.contains(at)) {
                (Ok(place), false) => drop(members.remove(place)),
                (Err(place), true) => members.insert(place, id),
                _ => {}
            }
        }
        if !now.is_empty() {
            self.of.insert(id, now);
        }
    }

    /// Forgets a collection and its members.
    pub(super) fn forget(&mut self, collection: &str) {
        let Some(at) = self.index.remove(collection) else { return };
        let members = std::mem::take(&mut self.collections[usize::from(at)].members);
        self.apply_at(at, &members);
    }

    fn apply_at(&mut self, at: u16, removed: &[u32]) {
        for id in removed {
            if let Some(list) = self.of.get_mut(id) {
                list.retain(|one| *one != at);
                if list.is_empty() {
                    self.of.remove(id);
                }
            }
        }
    }

    fn find(&self, collection: &str) -> Option<&Collection> {
        self.collections.get(usize::from(*self.index.get(collection)?))
    }

    /// The place of a collection, which is made where there is none; None when there are too many.
    fn place(&mut self, collection: &str) -> Option<u16> {
        if let Some(at) = self.index.get(collection) {
            return Some(*at);
        }
        let used: std::collections::HashSet<u16> = self.index.values().copied().collect();
        let free = (0..self.collections.len()).filter_map(|at| u16::try_from(at).ok());
        let new = Collection { id: collection.to_owned(), stamp: None, members: Vec::new() };
        let at = match free.into_iter().find(|at| !used.contains(at)) {
            Some(at) => {
                self.collections[usize::from(at)] = new;
                at
            }
            None => {
                let at = u16::try_from(self.collections.len()).ok()?;
                self.collections.push(new);
                at
            }
        };
        self.index.insert(collection.to_owned(), at);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(members: &Members, id: u32) -> Vec<&str> {
        members.of(id).collect()
    }

    fn read(members: &mut Members, collection: &str, ids: &[u32], stamp: &str) {
        let change = members.change(collection, ids);
        members.apply(collection, &change);
        members.seal(collection, ids.to_vec(), Some(stamp.to_owned()));
    }

    #[test]
    fn members_are_found_by_machine_as_lists_change() {
        let mut members = Members::default();
        read(&mut members, "A", &[1, 2], "one");
        read(&mut members, "B", &[2, 3], "one");
        assert_eq!((of(&members, 1), of(&members, 2), of(&members, 4)), (vec!["A"], vec!["A", "B"], vec![]));
        assert_eq!(members.change("A", &[2, 4]), Change { added: vec![4], removed: vec![1] });
        read(&mut members, "A", &[2, 4], "two");
        assert_eq!((of(&members, 1), of(&members, 4)), (vec![], vec!["A"]));
        assert_eq!((members.stamp("A"), members.stamp("C")), (Some(Some("two")), None));
        members.put(2, &["B".into(), "unknown".into()]);
        assert_eq!((of(&members, 2), members.total()), (vec!["B"], 3));
        assert_eq!(members.change("A", &[2, 4]), Change { added: vec![2], removed: vec![] });
        members.forget("B");
        assert_eq!((of(&members, 2), of(&members, 3)), (vec![], vec![]));
        // Its place is used again, and nobody is in the new collection by the old one's list.
        read(&mut members, "C", &[9], "one");
        assert_eq!((of(&members, 9), of(&members, 3), members.total()), (vec!["C"], vec![], 2));
    }
}
