//! Which packet of a machine is its latest.
//!
//! A DISCOVER waits for a probe, for directories or for the disk. Meanwhile the machine may ask
//! again, be answered and take its lease; an offer that comes after that starts nothing and looks
//! like one that nobody took.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use pxe_policy::MacAddr;

/// The latest packet of each machine, by the way it came: a relay may pass on what comes directly
/// as well, and each is answered. At most [`MAX_ASKING`]; the ones that asked longest ago leave
/// first.
#[derive(Debug)]
pub(super) struct Turns {
    latest: Mutex<LruCache<Asker, u64>>,
}

/// The turn of one packet among those of its machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    asker: Asker,
    number: u64,
}

type Asker = (MacAddr, Option<Ipv4Addr>);

impl Turns {
    /// A new packet: those before it are overtaken.
    pub(super) fn begin(&self, mac: MacAddr, relay: Option<Ipv4Addr>) -> Turn {
        let (mut latest, asker) = (self.latest.lock(), (mac, relay));
        let number = latest.get(&asker).map_or(0, |number| number.wrapping_add(1));
        latest.put(asker, number);
        Turn { asker, number }
    }

    /// Whether the machine has sent another packet since.
    pub(super) fn is_overtaken(&self, turn: Turn) -> bool {
        let latest = self.latest.lock();
        latest.peek(&turn.asker).is_some_and(|number| *number != turn.number)
    }
}

impl Default for Turns {
    fn default() -> Self {
        Turns { latest: Mutex::new(LruCache::new(MAX_ASKING)) }
    }
}

/// Four times the packets that may wait at a time.
const MAX_ASKING: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_packet_overtakes_the_ones_before_it_on_the_same_way() {
        let (turns, mac) = (Turns::default(), MacAddr([2, 0, 0, 0, 0, 1]));
        let relay = Some(Ipv4Addr::new(10, 78, 0, 254));
        let (first, relayed) = (turns.begin(mac, None), turns.begin(mac, relay));
        let other = turns.begin(MacAddr([2, 0, 0, 0, 0, 2]), None);
        assert!(!turns.is_overtaken(first) && !turns.is_overtaken(relayed));
        let second = turns.begin(mac, None);
        assert!(turns.is_overtaken(first));
        assert!(!turns.is_overtaken(second) && !turns.is_overtaken(relayed) && !turns.is_overtaken(other));
    }
}
