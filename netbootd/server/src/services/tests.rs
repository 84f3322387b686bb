use std::net::Ipv4Addr;
use std::path::Path;

use pxe_policy::{ArchType, Deployment, MachineId, Record, Said, Settings};

use super::*;

const GUID: &str = "03000200-0400-0500-0006-000700080009";

fn services(policy: &str) -> Services {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[boot]\nroot = {:?}\n[policy]\n{policy}\n[[rule]]\nname = \"by-guid\"\nmatch = {{ uuid = \"{GUID}\" }}\naction = \"local-boot\"\n\
         [[rule]]\nname = \"by-mac\"\nmatch = {{ mac = \"52:54:00:12:34:56\" }}\naction = \"ignore\"\n",
        folder.path().display().to_string()
    );
    let (config, _) = Config::parse(&text, Path::new("test.toml"), None).unwrap();
    Services::in_memory(Snapshot::new(config, None).unwrap())
}

fn request() -> BootRequest {
    BootRequest {
        mac: MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
        uuid: Some(GUID.parse().unwrap()),
        archs: vec![ArchType(7)],
        class: Class::Pxe,
        relay: None,
        segment: Ipv4Addr::LOCALHOST.into(),
        iface: "lan0".into(),
        address: None,
        boot_program: false,
        secs: 0,
    }
}

fn decided(policy: &str) -> Verdict {
    services(policy).decide(&request(), &[])
}

#[tokio::test]
async fn a_question_of_an_operator_shows_that_the_site_remembers_and_ends_no_boot() {
    let (services, request) = (services(""), request());
    let claim = Deployed {
        id: "PS120083".into(),
        purpose: Purpose::Required,
        machine: MachineId { macs: vec![request.mac], ..MachineId::default() },
        ..Deployed::default()
    };
    let long_ago = now() - 3000;
    services.ledger.give(&claim, request.mac, &Settings::default(), long_ago).await.unwrap();
    let deployment = Deployment {
        id: "PS120083".into(),
        purpose: Purpose::Required,
        for_pxe: true,
        last_pxe: Some("2025-02-03T10:41:07Z".into()),
        ..Deployment::default()
    };
    let record = Record { key: "16777219".into(), deployments: vec![deployment], ..Record::default() };
    let said = Said { by_mac: vec![record], decides: true, ..Said::default() };
    let answer = Answer { directory: "configmgr".into(), age: 0, stale: false, said: Ok(said) };
    services.judge(&request, &[answer]);
    let entry = || services.ledger.with(|ledger| ledger.entries().next().cloned().unwrap());
    while entry().noted.is_none() {
        tokio::task::yield_now().await; // until the disk has it
    }
    assert_eq!((entry().stage, entry().at), (Stage::Firmware, long_ago));
}

#[test]
fn a_banned_guid_leaves_the_decision_to_the_hardware_address() {
    assert_eq!(decided("").rule.as_deref(), Some("by-guid"));
    let verdict = decided(&format!("banned-guids = [\"{GUID}\"]"));
    assert_eq!(verdict.rule.as_deref(), Some("by-mac"));
    let guid = GUID.parse().unwrap();
    assert_eq!(verdict.evidence[0], Evidence::GuidBanned { guid, by: format!("{GUID}, as printed") });
}

#[test]
fn a_machine_on_the_ignore_list_is_never_served() {
    let verdict = decided("banned-macs = [\"52-54-00-12-34-56\"]");
    assert_eq!((verdict.reason, verdict.rule), (Reason::MacIgnored, None));
}

#[tokio::test]
async fn what_has_to_wait_goes_on_beside_and_the_rest_is_done_at_once() {
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let (begun, mut is_begun) = tokio::sync::oneshot::channel();
    let (done, is_done) = tokio::sync::oneshot::channel();
    let work = async move {
        begun.send(()).unwrap();
        wait.await.unwrap();
        done.send(()).unwrap();
    };
    begin(work).await;
    is_begun.try_recv().unwrap();
    go.send(()).unwrap();
    is_done.await.unwrap();
}
