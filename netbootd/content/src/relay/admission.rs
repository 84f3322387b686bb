//! The limits of the relay: machines forwarded at a time, requests a machine, and files a machine.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use imagestore::BootPath;
use ipnet::Ipv4Net;
use netbootd_dhcp::v4::forward::Told;

use super::files::Kind;

/// The recent questions, and the answers to them.
#[derive(Debug, Default)]
pub(super) struct Admission {
    asked: HashMap<Ipv4Addr, Asked>,
    told: VecDeque<Allowed>,
}

/// A machine's questions: places that are left, filled again with time.
#[derive(Debug)]
struct Asked {
    left: f64,
    at: Instant,
}

/// The files that one answer lets a segment fetch.
#[derive(Debug)]
struct Allowed {
    segment: Ipv4Net,
    own_files: Vec<String>,
    at: Instant,
}

impl Admission {
    /// Whether a machine's question is handed on, counting it.
    pub(super) fn admits(&mut self, client: Ipv4Addr, now: Instant) -> bool {
        if self.asked.len() >= MAX_CLIENTS {
            self.asked.retain(|_, asked| now.duration_since(asked.at) < REFILLED);
        }
        if self.asked.len() >= MAX_CLIENTS && !self.asked.contains_key(&client) {
            return false;
        }
        let asked = self.asked.entry(client).or_insert(Asked { left: f64::from(AT_ONCE), at: now });
        let back = now.duration_since(asked.at).as_secs_f64() / EVERY.as_secs_f64();
        asked.left = (asked.left + back).min(f64::from(AT_ONCE));
        asked.at = now;
        let admitted = asked.left >= 1.0;
        if admitted {
            asked.left -= 1.0;
        }
        admitted
    }

    /// Remembers what the responder named to a machine of a segment.
    pub(super) fn note_files(&mut self, segment: Ipv4Net, told: &Told, now: Instant) {
        let own_files = told.own_files().filter_map(|path| BootPath::parse(path.as_str().as_bytes()).ok());
        let own_files = own_files.map(|path| path.to_string().to_ascii_lowercase()).collect();
        if self.told.len() >= MAX_TOLD {
            self.told.pop_front();
        }
        self.told.push_back(Allowed { segment, own_files, at: now });
    }

    /// Whether a client may fetch a file: one of the site's, while a machine of its segment boots;
    /// a machine's own, once it was named there.
    pub(super) fn may_fetch(&mut self, client: Ipv4Addr, path: &BootPath, kind: Kind, now: Instant) -> bool {
        while self.told.front().is_some_and(|told| now.duration_since(told.at) > REMEMBERED) {
            self.told.pop_front();
        }
        let path = path.to_string().to_ascii_lowercase();
        let mut around = self.told.iter().filter(|told| told.segment.contains(&client));
        match kind {
            Kind::OfTheSite => around.next().is_some(),
            Kind::OfAMachine => around.any(|told| told.own_files.contains(&path)),
        }
    }
}

/// Questions of one machine at once: firmware asks and repeats itself, its boot program asks again.
pub(super) const AT_ONCE: u32 = 12;
/// One more after this long. A machine that waits for an operator asks every ten seconds.
const EVERY: Duration = Duration::from_secs(5);
/// After this long every place of a machine is free again.
const REFILLED: Duration = Duration::from_secs(60);
const MAX_CLIENTS: usize = 16_384;
/// A deployment begins within this time of its answer.
const REMEMBERED: Duration = Duration::from_secs(2 * 3600);
const MAX_TOLD: usize = 4096;

#[cfg(test)]
mod tests {
    use pxe_policy::ServedPath;

    use super::*;

    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);

    #[test]
    fn a_machine_asks_as_often_as_machines_do_and_no_more() {
        let (mut admission, start) = (Admission::default(), Instant::now());
        assert!((0..AT_ONCE).all(|_| admission.admits(CLIENT, start)));
        assert!(!admission.admits(CLIENT, start));
        assert!(admission.admits(Ipv4Addr::new(10, 77, 0, 51), start), "others are not held back");
        assert!(admission.admits(CLIENT, start + EVERY));
        assert!(!admission.admits(CLIENT, start + EVERY));
    }

    #[test]
    fn questions_of_made_up_addresses_stay_bounded() {
        let (mut admission, start) = (Admission::default(), Instant::now());
        let client = |n: usize| Ipv4Addr::from(0x0a00_0000 + u32::try_from(n).unwrap());
        assert!((0..MAX_CLIENTS).all(|n| admission.admits(client(n), start)));
        assert!(!admission.admits(client(MAX_CLIENTS), start));
        assert!(admission.admits(client(MAX_CLIENTS), start + REFILLED));
    }

    #[test]
    fn a_machines_own_files_are_for_its_segment_and_a_while() {
        let (mut admission, start) = (Admission::default(), Instant::now());
        let told = Told { bcd: Some(ServedPath::new(b"\\SMSTemp\\1.boot.bcd").unwrap()), ..Told::default() };
        admission.note_files("10.77.0.0/24".parse().unwrap(), &told, start);
        let stranger = Ipv4Addr::new(10, 78, 0, 50);
        let table = [
            ("smstemp/1.BOOT.bcd", Kind::OfAMachine, CLIENT, true),
            ("SMSTemp/2.boot.bcd", Kind::OfAMachine, CLIENT, false),
            ("SMSTemp/1.boot.bcd", Kind::OfAMachine, stranger, false),
            ("SMSBoot/x64/pxeboot.com", Kind::OfTheSite, CLIENT, true),
            ("SMSBoot/x64/pxeboot.com", Kind::OfTheSite, stranger, false),
        ];
        for (path, kind, client, may) in table {
            let path = BootPath::parse(path.as_bytes()).unwrap();
            assert_eq!(admission.may_fetch(client, &path, kind, start), may, "{path} for {client}");
        }
        let path = BootPath::parse(b"SMSTemp/1.boot.bcd").unwrap();
        assert!(!admission.may_fetch(CLIENT, &path, Kind::OfAMachine, start + REMEMBERED * 2));
    }
}
