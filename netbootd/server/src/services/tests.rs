use std::net::Ipv4Addr;
use std::path::Path;

use netbootd_content::{Caller, Extent, Requested};
use pxe_policy::{ArchType, Deployment, DirectoryAnswer, MachineId, Record, Settings};

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
        item: None,
        tags: Vec::new(),
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
    let said = DirectoryAnswer { by_mac: vec![record], decides: true, ..DirectoryAnswer::default() };
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

#[test]
fn a_raspberry_pis_boot_image_has_its_digest_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("net")).unwrap();
    std::fs::write(folder.path().join("net/boot.img"), b"an image").unwrap();
    let text = format!("[boot]\nroot = {:?}\n", folder.path().display().to_string());
    let (config, _) = Config::parse(&text, Path::new("test.toml"), None).unwrap();
    let services = Services::in_memory(Snapshot::new(config, None).unwrap());
    let address = IpAddr::from([10, 77, 0, 50]);
    let caller = Caller { client: address, server: address, https: None, extent: Extent::Whole };
    let text = |path: &str| {
        let content = services.open_content(&Requested::new(path.as_bytes()), &caller).ok()?;
        let mut bytes = vec![0; usize::try_from(content.len()).unwrap()];
        content.read_exact_at(0, &mut bytes).unwrap();
        Some(String::from_utf8(bytes).unwrap())
    };
    let signature = text("net/boot.sig").unwrap();
    let (digest, time) = signature.split_once('\n').unwrap();
    assert_eq!(digest, imagestore::Digest::compute(b"an image").to_string());
    let seconds: u64 = time.strip_prefix("ts: ").unwrap().trim_end().parse().unwrap();
    assert!(seconds > 0 && signature.ends_with('\n'));
    assert_eq!(text("boot.sig"), None, "there is no image beside it");
    // One that an operator signed is served as it is.
    std::fs::write(folder.path().join("net/boot.sig"), b"signed").unwrap();
    assert_eq!(text("net/boot.sig").as_deref(), Some("signed"));
}
