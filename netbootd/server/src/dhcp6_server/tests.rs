use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use netbootd_dhcp::v6::testing::{MAC, REQUEST, SOLICIT, association, firmware, lan, multicast, opt};
use netbootd_telemetry::event::Answered;

use super::*;
use crate::services::Snapshot;

const CONFIGURATION: &str = "[dhcp6]\nmode = \"server\"\n[[dhcp6.subnet]]\nsubnet = \"2001:db8:1::/64\"\n\
    pool = \"2001:db8:1::1:0/112\"\nlease-time = \"1h\"\n";

#[tokio::test]
async fn leases_of_ipv6_end_by_the_servers_own_clock_also_after_a_restart_under_another_hour() {
    let folder = tempfile::tempdir().unwrap();
    let config = || Config::parse(CONFIGURATION, Path::new("test.toml"), Some(folder.path())).unwrap().0;
    let open = |at: u64| {
        let now = Arc::new(AtomicU64::new(at));
        let clock = Arc::clone(&now);
        let clock = Clock::new(move || clock.load(Ordering::Relaxed));
        let state = Arc::new(State::open(folder.path()).unwrap());
        (Dhcp6Server::open_by(&config(), MAC, Vec::new(), state, clock).unwrap(), now)
    };
    let services = Services::in_memory(Snapshot::new(config(), None).unwrap());
    let (iface, start) = (lan(), 2_000_000_000);
    let arrival = multicast(&iface);

    let (server, now) = open(start);
    let asked = |kind, more: &[Vec<u8>]| firmware(kind, 7, &[&[association(7, None)], more].concat());
    let offer = server.answer(&services, &asked(SOLICIT, &[]), &arrival).await;
    assert_eq!(offer.event.decision, Answered::Offer);
    let request = asked(REQUEST, &[opt(option::SERVER_ID, &server.duid.0)]);
    let given = server.answer(&services, &request, &arrival).await;
    assert_eq!((given.event.decision, given.event.reason), (Answered::Ack, Reason::NoRule));
    let client = server.client_of(&request, *arrival.from.ip());
    for (later, holds) in [(0, true), (3599, true), (3600, false)] {
        now.store(start + later, Ordering::Relaxed);
        assert_eq!(server.holds_lease(&client), holds, "after {later} s");
    }
    drop(server);

    // The host's clock was a day ahead when the lease was given, and was set right since.
    let (server, now) = open(start - 86_400);
    assert!(server.holds_lease(&client));
    now.fetch_add(3600, Ordering::Relaxed);
    assert!(!server.holds_lease(&client));
}
