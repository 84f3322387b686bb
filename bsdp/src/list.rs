//! The boot image list (sub-option 9): its entries, and how many of them a reply holds.
//!
//! ```text
//! +----+----+----+----+-------+--------------------+
//! | image id          | count | name, UTF-8 (count)|
//! +----+----+----+----+-------+--------------------+
//! ```

use nom::bytes::complete::take;
use nom::combinator::all_consuming;
use nom::multi::{length_data, many0};
use nom::number::complete::u8;
use nom::{IResult, Parser};
use thiserror::Error;

use crate::BootImageId;
use crate::option43::{IMAGE_LIST, MAX_OPTION, SubOption, put};

/// One line of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// The image's number in the list.
    pub id: BootImageId,
    /// Its name, at most 255 bytes. Macs drop an entry whose name is not UTF-8.
    pub name: Vec<u8>,
}

/// A list whose counts do not add up to its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the {have} bytes of the image list are no whole entries")]
pub struct ListError {
    /// The bytes that are there.
    pub have: usize,
}

impl ListEntry {
    /// An entry whose name is cut to what one option 43 holds, never inside a character.
    pub fn new(id: BootImageId, name: &str) -> Self {
        let name = &name[..name.floor_char_boundary(MAX_NAME)];
        ListEntry { id, name: name.as_bytes().to_vec() }
    }

    /// Reads the value of a sub-option 9.
    pub fn parse_all(value: &[u8]) -> Result<Vec<Self>, ListError> {
        let entries: IResult<&[u8], Vec<ListEntry>> = all_consuming(many0(entry)).parse(value);
        entries.map(|(_, entries)| entries).map_err(|_| ListError { have: value.len() })
    }

    /// The value of the sub-option in bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = self.id.wire().to_vec();
        bytes.push(self.name.len().min(255) as u8);
        bytes.extend(&self.name[..self.name.len().min(255)]);
        bytes
    }
}

fn entry(input: &[u8]) -> IResult<&[u8], ListEntry> {
    let id =
        take(4_usize).map(|bytes: &[u8]| BootImageId::from_wire([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let name = length_data(u8).map(<[u8]>::to_vec);
    (id, name).map(|(id, name)| ListEntry { id, name }).parse(input)
}

/// A list as it fits into a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    /// The values of the option 43s.
    pub(crate) values: Vec<Vec<u8>>,
    /// How many of the entries they hold, from the first on.
    pub(crate) entries: usize,
}

/// Puts `head` and then entries into option 43s, as Apple's server does: an entry that does not fit
/// begins a new option 43 with a new sub-option 9, until `room` bytes, the options' own codes and
/// lengths included, are used up.
pub(crate) fn pack(head: &[SubOption], entries: &[ListEntry], room: usize) -> Packed {
    let mut value = Vec::new();
    for option in head {
        let (code, bytes) = option.to_wire();
        put(&mut value, code, &bytes);
    }
    let mut packed = Packed { values: Vec::new(), entries: 0 };
    let mut left = room.saturating_sub(2 + value.len());
    let mut list: Vec<u8> = Vec::new();
    for entry in entries {
        let bytes = entry.emit();
        let opening = if list.is_empty() { 2 } else { 0 };
        if value.len() + 2 + list.len() + bytes.len() > MAX_OPTION || opening + bytes.len() > left {
            // A new option 43 with a new list in it.
            if 4 + bytes.len() > left {
                break;
            }
            close(&mut value, &mut list);
            packed.values.push(std::mem::take(&mut value));
            left -= 4 + bytes.len();
        } else {
            left -= opening + bytes.len();
        }
        list.extend(bytes);
        packed.entries += 1;
    }
    close(&mut value, &mut list);
    packed.values.push(value);
    packed
}

fn close(value: &mut Vec<u8>, list: &mut Vec<u8>) {
    if !list.is_empty() {
        put(value, IMAGE_LIST, list);
        list.clear();
    }
}

/// The room for a name in an option 43: without the entry's id and count, and the list's own code
/// and length. Apple's server cuts names there too.
const MAX_NAME: usize = MAX_OPTION - 2 - 2 - 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BsdpMessageType, option43};

    #[test]
    fn a_name_is_cut_between_characters() {
        let id = BootImageId::from_wire([1, 0, 0, 1]);
        let name = format!("x{}", "é".repeat(200));
        let entry = ListEntry::new(id, &name);
        assert_eq!(entry.name.len(), 245);
        assert!(std::str::from_utf8(&entry.name).is_ok());
        assert_eq!(ListEntry::new(id, &"x".repeat(300)).name.len(), 246);
    }

    #[test]
    fn a_list_that_does_not_add_up_is_refused() {
        for bytes in [&[1, 0, 0, 1][..], &[1, 0, 0, 1, 2, b'x'], &[1, 0, 0, 1, 0, 9]] {
            assert_eq!(ListEntry::parse_all(bytes), Err(ListError { have: bytes.len() }));
        }
        assert_eq!(ListEntry::parse_all(&[]), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn a_packed_list_stays_in_its_room_and_holds_its_first_entries(
            names in prop::collection::vec("[a-zé]{0,260}", 0..60),
            room in 40_usize..9000,
        ) {
            let entries: Vec<ListEntry> = names.iter().enumerate().map(|(at, name)| {
                let [high, low] = u16::try_from(at).unwrap().to_be_bytes();
                ListEntry::new(BootImageId::from_wire([1, 0, high, low]), name)
            }).collect();
            let head = [SubOption::MessageType(BsdpMessageType::List), SubOption::ServerPriority(7)];
            let packed = pack(&head, &entries, room);
            prop_assert!(packed.values.iter().map(|value| 2 + value.len()).sum::<usize>() <= room);
            prop_assert!(packed.values.iter().all(|value| value.len() <= MAX_OPTION));
            let read = option43::parse(packed.values.iter().map(Vec::as_slice)).unwrap();
            let read: Vec<ListEntry> = read.into_iter().flat_map(|option| match option {
                SubOption::BootImageList(entries) => entries,
                _ => Vec::new(),
            }).collect();
            prop_assert_eq!(&read[..], &entries[..packed.entries]);
            if room > 9000 - 100 && entries.len() < 20 {
                prop_assert_eq!(packed.entries, entries.len());
            }
        }
    }
}
