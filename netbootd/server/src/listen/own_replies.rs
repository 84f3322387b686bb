//! The broadcast replies of this server, by their hash: the clients' port hears them as it hears
//! those of other servers, and a reply from this host's address may be another program's.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;

use parking_lot::Mutex;

/// The last [`MOST`] broadcast replies.
#[derive(Debug, Default)]
pub struct OwnReplies {
    keys: RandomState,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    order: VecDeque<u64>,
    hashes: HashSet<u64>,
}

impl OwnReplies {
    /// Notes a reply, before it leaves.
    pub(super) fn note(&self, bytes: &[u8]) {
        let hash = self.keys.hash_one(bytes);
        let mut kept = self.kept.lock();
        if kept.hashes.insert(hash) {
            kept.order.push_back(hash);
        }
        if kept.order.len() > MOST
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.hashes.remove(&oldest);
        }
    }

    /// Whether these bytes are one of them.
    pub(super) fn contains(&self, bytes: &[u8]) -> bool {
        let hash = self.keys.hash_one(bytes);
        self.kept.lock().hashes.contains(&hash)
    }
}

/// More than the clients' port of an interface queues: some 400 packets in a socket's usual buffer.
const MOST: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_known_until_many_others_have_left() {
        let own = OwnReplies::default();
        own.note(b"offer");
        own.note(b"offer");
        assert!(own.contains(b"offer") && !own.contains(b"offer of another program"));
        for n in 0..MOST {
            own.note(&n.to_be_bytes());
        }
        assert!(!own.contains(b"offer"));
        let kept = own.kept.lock();
        assert_eq!((kept.order.len(), kept.hashes.len()), (MOST, MOST));
    }
}
