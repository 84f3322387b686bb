//! Which boot program each address fetched last: shim asks for its second stage in its own folder.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use netbootd_diagnosis::FileKind;
use parking_lot::Mutex;
use pxe_policy::ArchType;

/// The last program of each address. At most [`MAX_ADDRESSES`]; the one not heard from longest
/// leaves first.
#[derive(Debug)]
pub struct Programs {
    last: Mutex<LruCache<IpAddr, LastProgram>>,
}

/// A program that an address fetched whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastProgram {
    /// Its path as it was served.
    pub path: Arc<str>,
    /// The architecture that its header says.
    pub arch: Option<ArchType>,
    at: Instant,
}

impl Default for Programs {
    fn default() -> Self {
        Programs { last: Mutex::new(LruCache::new(MAX_ADDRESSES)) }
    }
}

impl Programs {
    /// An address fetched a file whole, and showed that it is there. Files that are no programs
    /// change nothing.
    pub fn fetched(&self, client: IpAddr, path: &Arc<str>, arch: Option<ArchType>, now: Instant) {
        if FileKind::from_path(path).is_program() {
            let program = LastProgram { path: Arc::clone(path), arch, at: now };
            self.last.lock().put(client, program);
        }
    }

    /// The program that an address runs, as long as that was a moment ago.
    pub fn running(&self, client: IpAddr, now: Instant) -> Option<LastProgram> {
        let last = self.last.lock().peek(&client).cloned();
        last.filter(|program| now.saturating_duration_since(program.at) < A_MOMENT)
    }
}

/// A boot program asks for its next file within this time.
const A_MOMENT: Duration = Duration::from_secs(120);
const MAX_ADDRESSES: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_last_program_counts_for_a_moment_and_the_table_is_bounded() {
        let (programs, now) = (Programs::default(), Instant::now());
        let client = |n: u32| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + n));
        let last = |n, at| programs.running(client(n), at).map(|program| program.path.to_string());
        programs.fetched(client(1), &"grub/shimx64.efi".into(), None, now);
        programs.fetched(client(1), &"grub/grub.cfg".into(), None, now);
        assert_eq!(last(1, now).as_deref(), Some("grub/shimx64.efi"));
        assert_eq!((last(2, now), last(1, now + A_MOMENT)), (None, None));
        programs.fetched(client(1), &"grub/grubx64.efi".into(), None, now);
        assert_eq!(last(1, now).as_deref(), Some("grub/grubx64.efi"));
        for n in 2..10_000 {
            programs.fetched(client(n), &"ipxe.efi".into(), None, now);
        }
        assert_eq!(programs.last.lock().len(), MAX_ADDRESSES.get());
    }
}
