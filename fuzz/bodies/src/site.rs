//! The inputs from Configuration Manager: its AdminService's JSON, and the log of its responder.

use netbootd_directory::configmgr::wire::Page;
use netbootd_directory::configmgr::{Bodies, Tables};
use netbootd_telemetry::smspxe::{Reply, escape, read, tell};
use pxe_policy::{ArchType, Identity, MacAddr, SystemUuid};
use serde_json::{Value, json};

/// Any answers of a site, a NUL between each two: pages that read, and tables that are joined of
/// them. A list that is not there is empty.
pub fn admin_service(bytes: &[u8]) {
    let bodies: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    for body in &bodies {
        let Ok(page) = Page::parse(body) else { continue };
        let written = json!({ "VALUE": page.value, "@odata.nextLink": page.next }).to_string();
        let again = Page::parse(written.as_bytes()).expect("our own JSON reads");
        assert_eq!(again.next, page.next);
        assert_eq!(again.value.len(), page.value.len());
        assert!(
            again
                .value
                .iter()
                .filter_map(Value::as_object)
                .all(|row| { row.keys().all(|name| !name.bytes().any(|byte| byte.is_ascii_uppercase())) })
        );
    }
    let body = |at: usize| bodies.get(at).copied().filter(|body| !body.is_empty()).unwrap_or(EMPTY);
    let tables = Tables::of_bodies(&Bodies {
        advertisements: body(0),
        sequences: body(1),
        images: body(2),
        unknown: body(3),
        points: body(4),
        duplicates: body(5),
        collections: body(6),
    });
    let Ok(tables) = tables else { return };
    let advertised = Page::parse(body(0)).map_or(0, |page| page.value.len());
    assert_eq!(tables.deployments(), advertised, "none is lost");
    assert!(!tables.serves_unknown(Some("a name that no distribution point has")));
    let (uuid, mac, left_out) = tables.screen(&WHO);
    let kept = usize::from(uuid.is_some()) + usize::from(mac.is_some());
    assert_eq!(kept + left_out.len(), 2, "an identifier is used or left out");
}

/// Any log: entries, the management point's answers in them, and a machine's story. Written as such
/// a log they read the same.
pub fn smspxe(bytes: &[u8]) {
    let entries = read(bytes);
    let mut log = String::new();
    for entry in &entries {
        if let Some(reply) = Reply::parse(&entry.message) {
            assert!(reply.boot_action.is_none_or(|action| action.offer.as_deref() != Some("")));
        }
        let (message, thread) = (escape(&entry.message), &entry.thread);
        let line =
            format!("<![LOG[{message}]LOG]!><time=\"03:53:49\" date=\"11-14-2022\" thread=\"{thread}\">\r\n");
        log.push_str(&line);
    }
    let again = read(log.as_bytes());
    assert_eq!(again.len(), entries.len());
    for (again, entry) in again.iter().zip(&entries) {
        assert_eq!((&again.message, &again.thread), (&escape(&entry.message), &entry.thread));
    }
    let story = tell(&entries, MacAddr([0, 0x15, 0x5d, 0, 0x19, 0xca]));
    assert!(story.steps.len() <= entries.len());
    assert!(story.to_string().lines().count() >= story.steps.len() + story.troubles.len());
}

const EMPTY: &[u8] = b"{\"value\": []}";

const WHO: Identity = Identity {
    mac: MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
    uuid: Some(SystemUuid::from_wire([7; 16])),
    arch: Some(ArchType::X64_UEFI),
    is_mac: false,
};
