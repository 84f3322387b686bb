//! The kernel's facts about a process: `/proc/PID/status` (proc(5)).

use std::io;

use caps::Capability;

/// The part that tells what a process may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The effective user of the process.
    pub uid: Option<u32>,
    /// The capabilities in effect.
    pub capabilities: u64,
    /// Whether nothing that it starts can gain rights.
    pub no_new_privs: bool,
    /// Whether its system calls are filtered.
    pub filtered: bool,
}

impl Seen {
    /// Reads the state of a process from /proc.
    pub fn read(pid: u32) -> io::Result<Self> {
        Ok(Seen::parse(&std::fs::read_to_string(format!("/proc/{pid}/status"))?))
    }

    fn parse(text: &str) -> Self {
        let mut seen = Seen::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name {
                "Uid" => seen.uid = value.split_whitespace().nth(1).and_then(|uid| uid.parse().ok()),
                "CapEff" => seen.capabilities = u64::from_str_radix(value, 16).unwrap_or(u64::MAX),
                "NoNewPrivs" => seen.no_new_privs = value == "1",
                "Seccomp" => seen.filtered = value == "2",
                _ => {}
            }
        }
        seen
    }

    /// The capabilities by name.
    pub fn capability_names(&self) -> Vec<String> {
        let mut names: Vec<String> = caps::all()
            .into_iter()
            .filter(|capability| self.capabilities & capability.bitmask() != 0)
            .map(|capability: Capability| capability.to_string())
            .collect();
        names.sort();
        names
    }

    /// Whether it has more capabilities than netbootd keeps.
    pub fn has_more(&self) -> bool {
        let kept = super::account::KEPT.iter().fold(0, |kept, capability| kept | capability.bitmask());
        self.capabilities & !kept != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let text =
            "Name:\tnetbootd\nUid:\t0\t999\t0\t0\nCapEff:\t0000000000002400\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        let seen = Seen::parse(text);
        assert_eq!((seen.uid, seen.no_new_privs, seen.filtered), (Some(999), true, true));
        assert_eq!(seen.capability_names(), ["CAP_NET_BIND_SERVICE", "CAP_NET_RAW"]);
        assert!(!seen.has_more());
        assert!(Seen::parse("CapEff:\t0000000000002401\n").has_more());
    }

    #[test]
    fn what_cannot_be_read_counts_as_every_capability() {
        assert!(Seen::parse("CapEff:\tnonsense\n").has_more());
    }
}
