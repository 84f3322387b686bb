use std::path::Path;

use netbootd_config::Config;
use netbootd_server::services::Snapshot;
use netbootd_telemetry::event::testing::{completed, offer, refused, started};
use netbootd_telemetry::event::{Event, Recorded};

use super::*;

fn services() -> Services {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[boot]\nroot = {:?}\n", folder.path().display().to_string());
    let (config, _) = Config::parse(&text, Path::new("test.toml"), None).unwrap();
    Services::in_memory(Snapshot::new(config, None).unwrap())
}

fn mac(n: u32) -> MacAddr {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddr([2, 0, a, b, c, d])
}

fn record(services: &Services, at: SystemTime, event: Event) {
    services.timelines.record(&Arc::new(Recorded { at, event }));
}

#[test]
fn a_machine_boots_is_loaded_and_counts_once() {
    let (services, board) = (services(), Board::default());
    let now = SystemTime::now();
    record(&services, now, offer(mac(1)));
    record(&services, now, started(1, mac(1), "memtest.efi"));
    board.look(&services, now);
    let row = board.row(mac(1)).unwrap();
    assert_eq!((row.state, row.transfer.as_ref().unwrap().file.as_str()), (State::Booting, "memtest.efi"));
    assert_eq!((board.count(State::Booting), board.machines(), board.version()), (1, 1, 1));
    record(&services, now, completed(1, mac(1), "memtest.efi"));
    board.look(&services, now);
    assert_eq!(board.count(State::Booting), 1, "it may go on");
    // Nothing comes any more, and the board looks by itself.
    board.look(&services, now + Duration::from_secs(31));
    assert_eq!((board.count(State::Booting), board.count(State::Loaded)), (0, 1));
    let version = board.version();
    board.look(&services, now + Duration::from_secs(40));
    assert_eq!(board.version(), version, "nothing changed");
}

#[test]
fn machines_with_the_same_trouble_are_a_group_with_what_they_share() {
    let (services, board) = (services(), Board::default());
    let now = SystemTime::now();
    for n in 0..100 {
        record(&services, now, offer(mac(n)));
        if n < 25 {
            record(&services, now, refused(mac(n), "winpe/boot/BCD"));
        }
    }
    board.look(&services, now);
    board.look(&services, now + Duration::from_secs(9));
    let groups = board.groups();
    let group = groups.iter().find(|group| group.machines.len() == 25).unwrap();
    assert_eq!(group.cause.as_str(), "file-not-found");
    assert!(group.headline.contains("winpe/boot/BCD"), "{}", group.headline);
    // The file stands in the headline, and everything else is the same for all.
    assert_eq!(group.common, None);
    assert_eq!(group.names.len(), 3);
}

#[test]
fn made_up_machines_leave_a_bounded_board() {
    let (services, board) = (services(), Board::default());
    let now = SystemTime::now();
    for n in 0..12_000 {
        record(&services, now + Duration::from_millis(n.into()), offer(mac(n)));
        if n % 1000 == 0 {
            board.look(&services, now);
        }
    }
    board.look(&services, now);
    assert!(board.machines() <= MAX_MACHINES.get() + AT_ONCE, "{}", board.machines());
    assert!(board.row(mac(11_999)).is_some());
    let counted: usize = State::ALL.iter().map(|state| board.count(*state)).sum();
    assert_eq!(counted, board.machines());
}
