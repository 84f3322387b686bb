//! Boots of `tests/boots`: played as real packets over a private network against a running
//! netbootd, and replayed as steps of the diagnosis alone.
//!
//! A case is a folder with `config.toml`, which goes behind `[server]` and `[boot]` (`{lab}` in it
//! is the folder of the configuration), and `boot.txt`, a line a packet:
//!
//! ```text
//! host pc 10.77.0.50 52:54:00:4c:01:01     a client; `dhcp` is another DHCP server
//! file shimx64.efi pe x64 signed           a file in the boot folder
//! file vmlinuz 20000                       one of so many bytes; `text ...` holds these words
//! disk images 6                            a folder beside the configuration gets a disk of 6 MB
//! server-mtu 1400                          the MTU of netbootd's interface from now on
//! pc discover class=PXEClient arch=7       a broadcast; `relay=10.77.0.3` names a relay
//! pc request server=10.77.0.2 address=10.77.0.50
//! pc lease class=PXEClient arch=7          a DISCOVER, and a REQUEST for what netbootd offers
//! pc boot-server                           the question to port 4011
//! pc decline                               a DECLINE of the address that it has
//! dhcp offer pc file=... siaddr=... dns=.. another server's broadcast; also `ack` and `nak`
//! pc get shimx64.efi                       by TFTP; also the other words of `script::How`
//! pc get-http /boot.efi                    by HTTP; also `miss-http`, `head-http`, `stall-http`
//! pc report state=up                       the machine's own report
//! evil forge pc initrd                     a read request in the name of `pc`
//! evil flood-of-frames 100000              DISCOVERs of so many machines, while the case goes on
//! pc drops 2999                            the host keeps silent about a UDP port (no ICMP)
//! wait 2.0                                 seconds that pass on the wire
//! expect pc port-blocked                   what `netbootd status` finds, or `none`
//! expect-evidence pc line 2 of boot.ipxe   what its evidence says; `script::Wire` has more
//! ```
//!
//! `healthy.txt` beside it is the same boot with nothing wrong. Nothing may be found in it,
//! whenever one looks.
#![allow(clippy::unwrap_used)] // helpers of tests

mod flood;
mod packet;
mod policy;
mod replay;
mod script;
mod transfer;
mod wire;
mod words;

use std::fs;
use std::path::Path;
use std::thread;

use script::Line;

use crate::{Lab, Netbootd};

pub use replay::Found;

/// One test for each case in a folder of this package, and one that every case has its test.
#[macro_export]
macro_rules! boot_cases {
    ($folder:literal: $($test:ident $name:literal)+) => {
        fn folder() -> ::std::path::PathBuf {
            ::std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join($folder)
        }

        /// The names of the cases.
        fn names() -> ::std::collections::BTreeSet<String> {
            let entries = ::std::fs::read_dir(folder()).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }

        $(#[test]
        fn $test() {
            $crate::boot_case::play(&folder().join($name));
        })+

        /// A folder that no test plays proves nothing.
        #[test]
        fn every_case_is_played() {
            assert_eq!(names(), ::std::collections::BTreeSet::from([$($name.to_owned()),+]));
        }
    };
}

/// Plays a case and its healthy twin as packets, each against a netbootd of its own, side by side.
///
/// # Panics
/// When a line cannot be played, or another finding is there than the case expects.
pub fn play(folder: &Path) {
    let case = Case::read(folder);
    thread::scope(|scope| {
        let players = case.scripts().map(|(name, script)| {
            let configuration = &case.configuration;
            (name, scope.spawn(move || wire::play(configuration, script)))
        });
        let players: Vec<_> = players.collect();
        for (name, player) in players {
            assert!(player.join().is_ok(), "{}/{name}", folder.display());
        }
    });
}

/// Replays a case and its healthy twin without packets; gives what was found, in the order in which
/// the case expects it.
///
/// # Panics
/// When a line cannot be played, something else is found than the case expects, or anything in its
/// twin.
pub fn replay(folder: &Path) -> Vec<Found> {
    let case = Case::read(folder);
    if let Some(healthy) = &case.healthy {
        replay::play(&case.configuration, healthy, true);
    }
    let quiet = case.boot.iter().all(|line| !matches!(line, Line::Expect { cause: Some(_), .. }));
    replay::play(&case.configuration, &case.boot, quiet)
}

/// A script that is played in a laboratory of the caller's.
#[derive(Debug)]
pub struct Script(Vec<Line>);

impl Script {
    /// Adds its hosts to the laboratory and its files to the boot folder.
    ///
    /// # Panics
    /// When a line cannot be read, or a file cannot be written.
    pub fn set_up(lab: &mut Lab, root: &Path, text: &str) -> Self {
        let lines = script::parse(text);
        wire::set_up(lab, root, &lines);
        Script(lines)
    }

    /// Plays it against a running netbootd.
    ///
    /// # Panics
    /// When a line cannot be played, or another finding is there than a line expects.
    pub fn play(&self, lab: &Lab, netbootd: &Netbootd) {
        wire::play_in(lab, netbootd, &self.0);
    }
}

struct Case {
    configuration: String,
    boot: Vec<Line>,
    healthy: Option<Vec<Line>>,
}

impl Case {
    fn read(folder: &Path) -> Self {
        let read = |name: &str| {
            fs::read_to_string(folder.join(name))
                .unwrap_or_else(|error| panic!("{}: {error}", folder.join(name).display()))
        };
        let healthy = folder.join("healthy.txt").exists().then(|| script::parse(&read("healthy.txt")));
        Case { configuration: read("config.toml"), boot: script::parse(&read("boot.txt")), healthy }
    }

    fn scripts(&self) -> impl Iterator<Item = (&'static str, &[Line])> {
        let healthy = self.healthy.as_deref().map(|script| ("healthy.txt", script));
        [("boot.txt", self.boot.as_slice())].into_iter().chain(healthy)
    }
}
