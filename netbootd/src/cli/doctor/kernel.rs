//! The kernel's tables of neighbours. When one is full, machines on the server's own links cannot
//! be answered at all, and the kernel's log is the only place that names it. Where there is no such
//! table to read, nothing is checked.

use std::fs;

use super::Check;

/// How full they are.
pub(super) fn checks() -> Vec<Check> {
    TABLES.iter().filter_map(Table::check).collect()
}

struct Table {
    link: &'static str,
    counters: &'static str,
    limit: &'static str,
    cure: &'static str,
}

const TABLES: [Table; 2] = [
    Table {
        link: "arp",
        counters: "/proc/net/stat/arp_cache",
        limit: "/proc/sys/net/ipv4/neigh/default/gc_thresh3",
        cure: "sysctl net.ipv4.neigh.default.gc_thresh3: more than there are machines on this server's own links (gc_thresh2 half of it); \
               requests from made-up addresses of a link fill it as well",
    },
    Table {
        link: "ipv6",
        counters: "/proc/net/stat/ndisc_cache",
        limit: "/proc/sys/net/ipv6/neigh/default/gc_thresh3",
        cure: "sysctl net.ipv6.neigh.default.gc_thresh3: more than there are machines on this server's own links (gc_thresh2 half of it); \
               requests from made-up addresses of a link fill it as well",
    },
];

impl Table {
    fn check(&self) -> Option<Check> {
        let counters = fs::read_to_string(self.counters).ok()?;
        let limit = fs::read_to_string(self.limit).ok()?;
        self.judge(&counters, &limit)
    }

    fn judge(&self, counters: &str, limit: &str) -> Option<Check> {
        let (entries, overflows) = counted(counters)?;
        let limit: u64 = limit.trim().parse().ok()?;
        let passed = entries < limit - limit / 4;
        Some(Check {
            part: "neighbours".into(),
            link: self.link,
            passed,
            seen: format!(
                "{entries} of {limit} entries, full {overflows} times since the system was started"
            ),
            cure: (!passed || overflows > 0).then_some(self.cure),
        })
    }
}

/// The entries, and how often there was no room for one: columns of hexadecimal numbers under their
/// names, a line for each processor.
fn counted(text: &str) -> Option<(u64, u64)> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.split_whitespace().collect();
    let column = |wanted| names.iter().position(|name| *name == wanted);
    let (entries_at, overflows_at) = (column("entries")?, column("table_fulls")?);
    let (mut entries, mut overflows) = (0, 0);
    for line in lines {
        let numbers: Vec<u64> =
            line.split_whitespace().map_while(|number| u64::from_str_radix(number, 16).ok()).collect();
        entries = *numbers.get(entries_at)?;
        overflows += numbers.get(overflows_at)?;
    }
    Some((entries, overflows))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTERS: &str = "entries  allocs   destroys hash_grows lookups  hits     res_failed table_fulls\n\
                            000003f0 0000a1b2 00000010 00000001   00000100 00000100 00000011   0000001f\n\
                            000003f0 00000001 00000000 00000000   00000000 00000000 00000000   00000001\n";

    #[test]
    fn a_table_that_is_nearly_full_fails_with_the_sysctl_and_one_with_room_passes() {
        let full = TABLES[0].judge(COUNTERS, "1024\n").unwrap();
        assert!(!full.passed && full.cure.unwrap().contains("gc_thresh3"), "{full:?}");
        assert_eq!(full.seen, "1008 of 1024 entries, full 32 times since the system was started");
        // It was full once; now it has room.
        let roomy = TABLES[0].judge(COUNTERS, "8192\n").unwrap();
        assert!(roomy.passed && roomy.cure.is_some(), "{roomy:?}");
        let never =
            TABLES[1].judge(&COUNTERS.replace("0000001f", "0").replace("00000001\n", "0\n"), "8192").unwrap();
        assert!(never.passed && never.cure.is_none(), "{never:?}");
    }

    #[test]
    fn what_is_no_such_table_is_not_judged() {
        for (counters, limit) in
            [("", "1024"), ("a b\n1 2\n", "1024"), (COUNTERS, "many"), ("entries table_fulls\n1\n", "9")]
        {
            assert_eq!(TABLES[0].judge(counters, limit), None, "{counters:?} {limit}");
        }
    }
}
