use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use netbootd_config::Config;
use netbootd_server::daemon::Daemon;
use netbootd_server::services::Snapshot;
use netbootd_telemetry::event::testing::{completed, offer, refused, started};
use netbootd_telemetry::event::{Event, Recorded};
use pxe_policy::MacAddr;

use super::testing::text_of;
use super::*;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn console() -> Console {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[boot]\nroot = {:?}\n", folder.path().display().to_string());
    let (config, _) = Config::parse(&text, Path::new("test.toml"), None).unwrap();
    Console::new(Arc::new(Daemon::in_memory(Snapshot::new(config, None).unwrap())), "boot".to_owned())
}

fn record(console: &Console, event: Event) {
    console.services.timelines.record(&Arc::new(Recorded { at: SystemTime::now(), event }));
}

async fn get(console: &Console, address: &str) -> Option<Part> {
    let (path, query) = address.split_once('?').map_or((address, None), |(path, query)| (path, Some(query)));
    part(console, &Asked { path, query, ..Asked::default() }).await
}

#[tokio::test]
async fn every_page_is_whole_for_nobody_and_for_a_machine() {
    let console = console();
    let pages = [
        "/",
        "/machines",
        "/findings",
        "/images",
        "/server",
        "/explain",
        "/sign-in",
        "/wall",
        "/m",
        "/server/leases",
        "/server/ledger",
        "/server/bindings",
        "/findings/no-address",
        "/findings/unknown-machine",
        "/findings/clock-off",
    ];
    for with_machine in [false, true] {
        for address in pages {
            let page = get(&console, address).await.unwrap();
            assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.body);
            assert!(page.body.contains("</html>") && !page.body.contains("style="), "{address}");
        }
        if !with_machine {
            record(&console, offer(MAC));
            record(&console, started(1, MAC, "ipxe.efi"));
            record(&console, completed(1, MAC, "ipxe.efi"));
            record(&console, refused(MAC, "boot.ipxe"));
            console.look();
        }
    }
    for address in [
        "/machines/02:00:00:00:00:01",
        "/machines/02:00:00:00:00:01/approve",
        "/machines/02:00:00:00:00:01/boot",
        "/machines/02:00:00:00:00:01/assign",
        "/server/audit",
        "/explain?mac=02:00:00:00:00:01",
    ] {
        let page = get(&console, address).await.unwrap();
        assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.body);
    }
    assert_eq!(get(&console, "/m/0").await.unwrap().status, StatusCode::NOT_FOUND);
    let found = get(&console, "/find.json?q=02:00").await.unwrap();
    assert!(found.body.contains("Boot 02:00:00:00:00:01 next"), "{}", found.body);
    assert!(get(&console, "/").await.unwrap().body.len() < 40_000);
    for nothing in ["/nothing", "/machines/<b>", "/findings/nothing", "/boots/x", "/images/nothing"] {
        assert!(get(&console, nothing).await.is_none(), "{nothing}");
    }
}

#[tokio::test]
async fn what_machines_say_is_shown_and_never_run() {
    let console = console();
    record(&console, offer(MAC));
    record(&console, refused(MAC, "<img src=x onerror=alert(1)>\u{1b}[2J<!--/part-->`x`"));
    console.look();
    for address in [
        "/",
        "/machines",
        "/machines?q=<script>alert(1)</script>",
        "/findings",
        "/machines/02:00:00:00:00:01",
        "/explain?mac=<script>",
        "/m/<script>",
        "/server/leases?q=<script>",
    ] {
        let page = get(&console, address).await.unwrap().body;
        assert!(!page.contains("<img") && !page.contains("<script>"), "{address}: {page}");
    }
}

/// The clock was an hour ahead when the machine asked, and a year behind when it asked again.
#[tokio::test]
async fn a_clock_that_jumps_breaks_no_page() {
    let console = console();
    let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
    let times = [now + hour, now - 365 * 24 * hour, SystemTime::UNIX_EPOCH, now];
    for (at, event) in times.into_iter().zip([
        offer(MAC),
        started(1, MAC, "ipxe.efi"),
        completed(1, MAC, "ipxe.efi"),
        refused(MAC, "boot.ipxe"),
    ]) {
        console.services.timelines.record(&Arc::new(Recorded { at, event }));
    }
    console.look();
    let machine = "/machines/02:00:00:00:00:01";
    let other_boots = format!("{machine}?boots=all");
    for address in ["/", "/machines", "/machines?since=24h", machine, &other_boots, "/wall", "/findings"] {
        let page = get(&console, address).await.unwrap();
        assert_eq!(page.status, StatusCode::OK, "{address}");
        // No span of the page is longer than the clock has gone.
        for wrong in ["NaN", "inf", "18446744073", "584 542"] {
            assert!(!page.body.contains(wrong), "{address}: {wrong}: {}", page.body);
        }
    }
    let list = get(&console, "/machines").await.unwrap().body;
    assert!(list.contains("02:00:00:00:00:01"), "{list}");
}

#[tokio::test]
async fn a_list_of_ten_thousand_is_fifty_rows_of_each_page() {
    let console = console();
    for n in 0..10_000_u32 {
        let [_, a, b, c] = n.to_be_bytes();
        record(&console, refused(MacAddr([0xd4, 0xae, 0x52, a, b, c]), "winpe/boot/BCD"));
    }
    console.look();
    let page = get(&console, "/machines?vendor=Dell").await.unwrap().body;
    assert_eq!(page.matches("<tr id=").count(), 50);
    assert!(page.len() < 100_000 && page.contains("1 to 50 of 10\u{202f}000"), "{} bytes", page.len());
    let next =
        page.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let second = get(&console, &next.replace("&#x2f;", "/")).await.unwrap().body;
    assert!(second.contains("51 to 100 of 10\u{202f}000"), "{next}");
    assert!(get(&console, "/machines.csv").await.unwrap().body.lines().count() == 10_001);
    let none = get(&console, "/machines?q=nobody").await.unwrap().body;
    assert!(none.contains("No recently seen machine fits"));
}

#[tokio::test]
async fn the_page_of_a_cause_has_the_words_of_the_table() {
    let console = console();
    for cause in findings::every() {
        let page = get(&console, &format!("/findings/{}", cause.as_str())).await.unwrap().body;
        let page = text_of(&page);
        let cure = cause.cure().replace("{server}", "the other server");
        for wanted in [findings::sentence(&cause.headline()), findings::sentence(&cure)] {
            assert!(page.contains(&wanted.replace('`', "")), "{}: {wanted}\n{page}", cause.as_str());
        }
        for code in cause.codes() {
            assert!(page.contains(code), "{}: {code}", cause.as_str());
        }
    }
}
