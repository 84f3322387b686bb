//! Open files: what the limits need of them, and how many transfers there may be where the system
//! allows fewer. HTTP and the state keep theirs, whatever TFTP is asked for.

use netbootd_config::{Bounds, Unproved};

/// The open files that sessions need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// TFTP transfers: a socket and a file each, or a socket alone as long as nothing was
    /// acknowledged.
    pub transfers: Bounds,
    /// HTTP connections: a socket and a file each.
    pub connections: usize,
}

impl Need {
    /// Files that all limits together need.
    pub fn files(&self) -> u64 {
        RESERVED.saturating_add(self.of_tftp()).saturating_add(self.of_http())
    }

    /// How many transfers there may be with so many open files.
    pub fn transfers_within(&self, files: u64) -> Bounds {
        if self.files() <= files {
            return self.transfers;
        }
        let rest = files.saturating_sub(RESERVED);
        let share = rest - self.of_http().min(rest / HTTP_PART);
        let most = |files: u64| usize::try_from(files).unwrap_or(usize::MAX).max(1);
        let unproved = self
            .transfers
            .unproved
            .map(|unproved| Unproved { all: unproved.all.min(most(share / UNPROVED_PART)), ..unproved });
        let left = share.saturating_sub(unproved.map_or(0, |unproved| unproved.all as u64));
        Bounds { all: self.transfers.all.min(most(left / 2)), unproved, ..self.transfers }
    }

    fn of_tftp(&self) -> u64 {
        let unproved = self.transfers.unproved.map_or(0, |unproved| unproved.all);
        (self.transfers.all as u64).saturating_mul(2).saturating_add(unproved as u64)
    }

    fn of_http(&self) -> u64 {
        (self.connections as u64).saturating_mul(2)
    }
}

/// The state, the store, listeners, directories, the status port.
const RESERVED: u64 = 512;
/// Of the files, one in four is HTTP's.
const HTTP_PART: u64 = 4;
/// Of the files that TFTP may have, one in eight may wait for a first acknowledgement. Most that
/// wait share a socket.
const UNPROVED_PART: u64 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn need(all: usize, unproved: usize, connections: usize) -> Need {
        let unproved = Some(Unproved { client: 512, all: unproved });
        Need { transfers: Bounds { all, network: 4096, client: 1024, unproved }, connections }
    }

    #[test]
    fn the_limits_hold_where_there_are_files_for_all_of_them() {
        let need = need(16_384, 4096, 16_384);
        assert_eq!(need.files(), 512 + 2 * 16_384 + 4096 + 2 * 16_384);
        assert_eq!(need.transfers_within(need.files()), need.transfers);
        let few = need.transfers_within(4096);
        assert_eq!((few.all, few.unproved.map(|unproved| unproved.all)), (1176, Some(336)));
    }

    proptest! {
        #[test]
        fn tftp_never_takes_what_http_and_the_state_need(
            all in 1..50_000_usize, unproved in 1..10_000_usize, connections in 1..50_000_usize, files in 1024..200_000_u64
        ) {
            let bounds = need(all, unproved, connections).transfers_within(files);
            let most = bounds.unproved.map(|unproved| unproved.all).unwrap();
            let taken = 2 * bounds.all as u64 + most as u64;
            prop_assert!(bounds.all >= 1 && most >= 1 && bounds.all <= all && most <= unproved);
            prop_assert!(taken + RESERVED + (2 * connections as u64).min((files - RESERVED) / 4) <= files);
        }
    }
}
