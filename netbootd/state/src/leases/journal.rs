//! The leases given since the table on the disk was last brought up to date, one behind the other.
//!
//! A lease must be on the disk before its ACK leaves, and a building asks for thousands at a time.
//! The file has its full size from the beginning, so a batch of leases is one write and one flush
//! of data that changes nothing about the file itself. It is read once, at the start. It has two
//! halves: while the table takes over what is in the one, the other is filled. Each record carries
//! the number of the filling it belongs to: records of former fillings are not seen.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use imagestore::platform::{FileExt, OpenOptionsExt, sync_folder};
use pxe_policy::MacAddr;

use super::{Lease, Seconds};

/// A change of a machine's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It was given or renewed.
    Given(Lease),
    /// It was given back.
    Gone(MacAddr),
}

/// The journal's file and its position.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    filling: u64,
    /// The half that is filled, 0 or 1.
    half: usize,
    /// How many it has.
    records: usize,
}

impl Change {
    /// The machine whose lease the entry is about.
    pub(super) fn mac(&self) -> MacAddr {
        match self {
            Change::Given(lease) => lease.mac,
            Change::Gone(mac) => *mac,
        }
    }
}

impl Journal {
    /// Opens or makes the file in a folder; gives what it holds of this filling and of the one
    /// after it. It has no room until it is turned.
    pub(super) fn open(folder: &Path, oldest: u64) -> io::Result<(Self, Vec<Change>)> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(folder.join(FILE_NAME))?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        if length < SIZE {
            file.write_all_at(&vec![0; SIZE - length], length as u64)?;
            file.sync_all()?;
            sync_folder(folder)?;
        }
        let mut bytes = vec![0; SIZE];
        file.read_exact_at(&mut bytes, 0)?;
        let newest = oldest.wrapping_add(1);
        let (records, _) = bytes.as_chunks::<RECORD>();
        let changes = [oldest, newest].into_iter().flat_map(|filling| {
            let halves = records.chunks(RECORDS);
            halves.flat_map(move |half| half.iter().map_while(move |record| parse(record, filling)))
        });
        let changes = changes.collect();
        Ok((Journal { file, filling: newest, half: 0, records: RECORDS }, changes))
    }

    /// The number of the filling.
    pub(super) fn filling(&self) -> u64 {
        self.filling
    }

    /// How many more records fit.
    pub(super) fn room(&self) -> usize {
        RECORDS - self.records
    }

    /// Adds records, at most as many as there is room for. When it returns, they are on the disk;
    /// after an error none of them counts.
    pub(super) fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        let bytes: Vec<u8> = changes.iter().flat_map(|change| emit(change, self.filling)).collect();
        self.file.write_all_at(&bytes, ((self.half * RECORDS + self.records) * RECORD) as u64)?;
        self.file.sync_data()?;
        self.records += changes.len();
        Ok(())
    }

    /// Begins the next filling, in the other half. The former contents of that half no longer
    /// count.
    pub(super) fn turn(&mut self) {
        (self.filling, self.half, self.records) = (self.filling.wrapping_add(1), 1 - self.half, 0);
    }
}

/// Filling 8, end 8, address 4 (0.0.0.0: gone), hardware address 6, zero 2, check 4; numbers in
/// network order.
fn emit(change: &Change, filling: u64) -> [u8; RECORD] {
    let (mac, address, until) = match *change {
        Change::Given(Lease { mac, address, until }) => (mac, address, until),
        Change::Gone(mac) => (mac, Ipv4Addr::UNSPECIFIED, 0),
    };
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&filling.to_be_bytes());
    record[8..16].copy_from_slice(&until.to_be_bytes());
    record[16..20].copy_from_slice(&address.octets());
    record[20..26].copy_from_slice(&mac.octets());
    let check = check(&record[..CHECK_AT]);
    record[CHECK_AT..].copy_from_slice(&check.to_be_bytes());
    record
}

/// None for what belongs to another filling, or was not written to its end.
fn parse(record: &[u8; RECORD], filling: u64) -> Option<Change> {
    let [filled @ .., _, _, _, _] = record;
    if record[CHECK_AT..] != check(filled).to_be_bytes() || record[..8] != filling.to_be_bytes() {
        return None;
    }
    let until = Seconds::from_be_bytes(record[8..16].try_into().ok()?);
    let address: [u8; 4] = record[16..20].try_into().ok()?;
    let (mac, address) = (MacAddr(record[20..26].try_into().ok()?), Ipv4Addr::from(address));
    Some(if address.is_unspecified() {
        Change::Gone(mac)
    } else {
        Change::Given(Lease { mac, address, until })
    })
}

/// FNV-1a: it tells a record that was written half from a whole one; nobody forges them. Another
/// sum, such as crc32fast's, could not read the journals that exist.
fn check(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

const FILE_NAME: &str = "leases.journal";
/// A divisor of a disk's sector: a record is never spread over two.
const RECORD: usize = 32;
const CHECK_AT: usize = RECORD - 4;
/// Of a half: enough that the table is brought up to date now and then only.
pub(super) const RECORDS: usize = 32_768;
const SIZE: usize = 2 * RECORDS * RECORD;

#[cfg(test)]
mod tests {
    use super::*;

    fn given(n: u8) -> Change {
        let (mac, address) = (MacAddr([2, 0, 0, 0, 0, n]), Ipv4Addr::new(10, 0, 0, n));
        Change::Given(Lease { mac, address, until: 1_000_000 + u64::from(n) })
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        for change in [given(1), Change::Gone(given(2).mac())] {
            let record = emit(&change, 7);
            assert_eq!(parse(&record, 7), Some(change));
            assert_eq!(parse(&record, 8), None, "it belongs to another filling");
            for at in 0..RECORD {
                let mut torn = record;
                torn[at] ^= 1;
                assert_eq!(parse(&torn, 7), None, "byte {at}");
            }
        }
        assert_eq!(parse(&[0; RECORD], 0), None, "nothing was ever written there");
    }

    #[test]
    fn what_was_appended_is_there_after_a_restart_up_to_a_record_that_was_not_finished() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, before) = Journal::open(folder.path(), 1).unwrap();
        assert_eq!((before, journal.room()), (Vec::new(), 0));
        journal.turn();
        journal.append(&[given(1), given(2)]).unwrap();
        journal.append(&[given(3)]).unwrap();
        assert_eq!((journal.filling(), journal.room()), (3, RECORDS - 3));
        let end = ((journal.half * RECORDS + journal.records) * RECORD) as u64;
        journal.file.write_all_at(&emit(&given(4), 3)[..20], end).unwrap();
        assert_eq!(Journal::open(folder.path(), 3).unwrap().1, [given(1), given(2), given(3)]);
        journal.turn();
        journal.append(&[given(9)]).unwrap();
        assert_eq!(Journal::open(folder.path(), 3).unwrap().1, [given(1), given(2), given(3), given(9)]);
        assert_eq!(
            Journal::open(folder.path(), 4).unwrap().1,
            [given(9)],
            "others are of the filling before"
        );
        journal.turn();
        journal.append(&[given(1)]).unwrap();
        assert_eq!(Journal::open(folder.path(), 4).unwrap().1, [given(9), given(1)], "the older one first");
    }

    #[test]
    fn a_filling_over_both_halves_is_of_a_former_version_and_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(folder.path(), 1).unwrap();
        let records = (0..=RECORDS).flat_map(|_| emit(&given(1), 7)).collect::<Vec<u8>>();
        journal.file.write_all_at(&records, 0).unwrap();
        assert_eq!(Journal::open(folder.path(), 7).unwrap().1.len(), RECORDS + 1);
    }
}
