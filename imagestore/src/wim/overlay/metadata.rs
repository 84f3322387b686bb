//! The metadata of an image: security descriptors, then folders as lists of entries. A folder's entry
//! says where its list begins; an entry without a length ends a list.
//!
//! An entry is added in its list, and what says where a later list begins is moved along: every byte
//! belongs to a list, as 7-Zip wants it.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Added, HASH, OverlayError, number};

/// Metadata with these files in a folder below the root, and the hashes of the files that they replace.
pub(super) fn with_files(
    metadata: Vec<u8>,
    folder: &[&str],
    files: &[Added<'_>],
    hashes: &[[u8; HASH]],
) -> Result<(Vec<u8>, Vec<[u8; HASH]>), OverlayError> {
    let mut replaced = Vec::new();
    let mut tree = Tree::read(metadata)?;
    for depth in 0..folder.len() {
        if tree.find(&folder[..=depth])?.is_none() {
            tree.insert(&folder[..depth], folder[depth], FOLDER, &[0; HASH])?;
        }
    }
    for (file, hash) in files.iter().zip(hashes) {
        replaced.extend(tree.remove(folder, file.name)?);
        tree.insert(folder, file.name, NORMAL, if file.bytes.is_empty() { &[0; HASH] } else { hash })?;
    }
    Ok((tree.metadata, replaced))
}

struct Tree {
    metadata: Vec<u8>,
    /// Where the root's entry begins.
    root: usize,
    /// Where the entries begin of folders that have a list.
    folders: Vec<usize>,
    /// The time of new entries, as Windows writes it: that of the root.
    time: [u8; 8],
}

impl Tree {
    /// Walks through all folders.
    fn read(mut metadata: Vec<u8>) -> Result<Self, OverlayError> {
        metadata.resize(metadata.len().next_multiple_of(8), 0);
        let security = metadata.get(..4).ok_or(DAMAGED)?;
        let begin = (number(security, 0) as usize).max(8).checked_next_multiple_of(8).ok_or(DAMAGED)?;
        let root = Entry::read(&metadata, begin)?.ok_or(DAMAGED)?;
        let time = metadata.get(begin + TIME..).and_then(|bytes| bytes.first_chunk()).ok_or(DAMAGED)?;
        let mut tree = Tree { root: begin, folders: Vec::new(), time: *time, metadata };
        // Each list once, and no more entries than there is room for: lists may lead in a circle.
        let (mut lists, mut waiting) = (BTreeSet::new(), vec![root]);
        let mut left = tree.metadata.len() / FIXED;
        while let Some(entry) = waiting.pop() {
            if !entry.is_folder || entry.list == 0 {
                continue;
            }
            tree.folders.push(entry.range.start);
            if lists.insert(entry.list) {
                let children = tree.children(&entry)?;
                left = left.checked_sub(children.len()).ok_or(DAMAGED)?;
                waiting.extend(children);
            }
        }
        Ok(tree)
    }

    /// The entry at a path; the root for an empty one.
    fn find(&self, path: &[&str]) -> Result<Option<Entry>, OverlayError> {
        let mut found = Entry::read(&self.metadata, self.root)?.ok_or(DAMAGED)?;
        for name in path {
            let is_it = |child: &Entry| child.is_folder && child.name.eq_ignore_ascii_case(name);
            match self.children(&found)?.into_iter().find(is_it) {
                Some(child) => found = child,
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// Adds an entry to a folder that is there.
    fn insert(
        &mut self,
        folder: &[&str],
        name: &str,
        attributes: u32,
        hash: &[u8; HASH],
    ) -> Result<(), OverlayError> {
        let folder = self.find(folder)?.ok_or(DAMAGED)?;
        let entry = self.entry(name, attributes, hash);
        if folder.list == 0 {
            let at = self.metadata.len() as u64;
            self.metadata.extend(entry);
            self.metadata.extend([0; 8]);
            self.set_list(folder.range.start, at);
            self.folders.push(folder.range.start);
            return Ok(());
        }
        let upper = name.to_uppercase();
        let children = self.children(&folder)?;
        let behind = children.iter().find(|child| child.name.to_uppercase() > upper);
        let end = children.last().map_or(folder.list as usize, |child| child.range.end);
        let at = behind.map_or(end, |child| child.range.start);
        self.replace(at..at, &entry);
        Ok(())
    }

    /// Removes the entries of a name from a folder; gives their hashes.
    fn remove(&mut self, folder: &[&str], name: &str) -> Result<Vec<[u8; HASH]>, OverlayError> {
        let folder = self.find(folder)?.ok_or(DAMAGED)?;
        let children = self.children(&folder)?;
        // The last one first: the places of those before it stay.
        let mut hashes = Vec::new();
        for child in children.iter().rev().filter(|child| child.name.eq_ignore_ascii_case(name)) {
            hashes.push(child.hash);
            self.folders.retain(|begin| *begin != child.range.start);
            self.replace(child.range.clone(), &[]);
        }
        Ok(hashes)
    }

    /// Puts bytes in the place of others, all within one list.
    fn replace(&mut self, range: Range<usize>, bytes: &[u8]) {
        let moved = |at: usize| (at + bytes.len()).saturating_sub(range.len());
        for folder in 0..self.folders.len() {
            let begin = self.folders[folder];
            let list = long(&self.metadata, begin + LIST).unwrap_or_default() as usize;
            // A list that begins here is the one that is changed.
            if list > range.start {
                self.set_list(begin, moved(list) as u64);
            }
            if begin >= range.end {
                self.folders[folder] = moved(begin);
            }
        }
        if self.root >= range.end {
            self.root = moved(self.root);
        }
        self.metadata.splice(range, bytes.iter().copied());
    }

    /// In damaged metadata the entry may be gone, with another one that lay over it.
    fn set_list(&mut self, entry: usize, list: u64) {
        if let Some(place) = self.metadata.get_mut(entry + LIST..entry + LIST + 8) {
            place.copy_from_slice(&list.to_le_bytes());
        }
    }

    fn children(&self, folder: &Entry) -> Result<Vec<Entry>, OverlayError> {
        let mut at = usize::try_from(folder.list).map_err(|_| DAMAGED)?;
        let mut children = Vec::new();
        // An empty folder may have no list.
        while at != 0
            && let Some(entry) = Entry::read(&self.metadata, at)?
        {
            at = entry.range.end;
            children.push(entry);
        }
        Ok(children)
    }

    /// An entry without a short name, streams or a security descriptor of its own.
    fn entry(&self, name: &str, attributes: u32, hash: &[u8; HASH]) -> Vec<u8> {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = (FIXED + name.len() + 2).next_multiple_of(8);
        let mut entry = Vec::with_capacity(length);
        entry.extend((length as u64).to_le_bytes());
        entry.extend(attributes.to_le_bytes());
        entry.extend(NO_SECURITY.to_le_bytes());
        // A folder's list comes with its first entry.
        entry.extend([0; 24]);
        (0..3).for_each(|_| entry.extend(self.time));
        entry.extend(hash);
        entry.resize(NAME_LENGTH, 0);
        entry.extend((name.len() as u16).to_le_bytes());
        entry.extend(name);
        entry.resize(length, 0);
        entry
    }
}

/// An entry as it lies in the metadata.
struct Entry {
    /// With the named streams behind it.
    range: Range<usize>,
    name: String,
    is_folder: bool,
    /// SHA-1 of the file's bytes.
    hash: [u8; HASH],
    /// Where its list begins; 0 without one.
    list: u64,
}

impl Entry {
    /// None at the end of a list.
    fn read(metadata: &[u8], at: usize) -> Result<Option<Self>, OverlayError> {
        let bytes = metadata.get(at..).ok_or(DAMAGED)?;
        let length = long(bytes, 0)?;
        if length <= 8 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| DAMAGED)?;
        let entry = bytes.get(..length).filter(|entry| entry.len() >= FIXED).ok_or(DAMAGED)?;
        let short = |at: usize| usize::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
        let name = entry.get(FIXED..FIXED + short(NAME_LENGTH)).ok_or(DAMAGED)?;
        let name: Vec<u16> = name.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        let mut end = length.checked_next_multiple_of(8).ok_or(DAMAGED)?;
        for _ in 0..short(STREAMS) {
            let stream = usize::try_from(long(bytes, end)?).map_err(|_| DAMAGED)?;
            let stream = stream.checked_next_multiple_of(8).filter(|stream| *stream > 0).ok_or(DAMAGED)?;
            end = end.checked_add(stream).filter(|end| *end <= bytes.len()).ok_or(DAMAGED)?;
        }
        let end = at.checked_add(end).filter(|end| *end <= metadata.len()).ok_or(DAMAGED)?;
        Ok(Some(Entry {
            range: at..end,
            name: String::from_utf16_lossy(&name),
            is_folder: number(entry, 8) & FOLDER != 0,
            hash: *entry[SHA1..].first_chunk().ok_or(DAMAGED)?,
            list: long(entry, LIST)?,
        }))
    }
}

fn long(bytes: &[u8], at: usize) -> Result<u64, OverlayError> {
    let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk()).ok_or(DAMAGED)?;
    Ok(u64::from_le_bytes(*bytes))
}

const DAMAGED: OverlayError = OverlayError::Damaged("its metadata");
/// An entry without its name.
const FIXED: usize = 102;
/// Places in an entry: of the folder's list, the last write, the hash, the number of streams, the name's
/// length.
const LIST: usize = 16;
const TIME: usize = 56;
const SHA1: usize = 64;
const STREAMS: usize = 96;
const NAME_LENGTH: usize = 100;
/// Windows' `FILE_ATTRIBUTE_NORMAL` and `FILE_ATTRIBUTE_DIRECTORY`.
const NORMAL: u32 = 0x80;
const FOLDER: u32 = 0x10;
const NO_SECURITY: i32 = -1;
