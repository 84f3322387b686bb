use pxe_policy::{ArchType, DirectoryAnswer, Identity, MacAddr, Purpose, Record};
use serde_json::json;

use super::device::Device;
use super::machines::Machine;
use super::model::{Known, Model};
use super::status::{At, Status};
use super::*;
use crate::configmgr::tables::{TableRows, Tables};
use crate::configmgr::wire::System;

const GUID: &str = "4C4C4544-0057-5810-804A-C3C04F463701";

fn row(id: u64, guid: Option<&str>, mac: &str) -> System {
    let row = json!({
        "resourceid": id, "name": format!("PC{id}"), "smbiosguid": guid, "macaddresses": [mac],
        "obsolete": 0, "creationdate": "2024-03-05T09:12:44Z", "smsassignedsites": ["PS1"],
    });
    serde_json::from_value(row).unwrap()
}

fn who(guid: Option<&str>, last: u8) -> Identity {
    let uuid = guid.map(|guid| guid.parse().unwrap());
    Identity {
        mac: MacAddr([0, 0x15, 0x5d, 0, 0x19, last]),
        uuid,
        arch: Some(ArchType::X64_UEFI),
        is_mac: false,
    }
}

fn deployed(required: bool) -> Arc<Tables> {
    let offer = if required { 0 } else { 2 };
    let rows = json!({
        "advertisements": [{
            "advertisementid": "PS120083", "collectionid": "PS100014", "offertype": offer,
            "advertflags": 0x4_0000, "packageid": "PS100141",
        }],
        "sequences": [{ "packageid": "PS100141", "bootimageid": "PS100005" }],
        "images": [], "unknown": [], "points": [], "guids": [], "macs": [], "unknown_macs": [],
    });
    let rows: TableRows = serde_json::from_value(rows).unwrap();
    Arc::new(Tables::of_rows(&rows))
}

fn model(required: bool) -> Model {
    let mut model = Model::default();
    model.tables = deployed(required);
    model.put(Device::of_row(&row(1, Some(GUID), "00:15:5D:00:19:01")).unwrap());
    model.put(Device::of_row(&row(2, None, "00:15:5D:00:19:02")).unwrap());
    let change = model.members.change("PS100014", &[1]);
    model.members.apply("PS100014", &change);
    model.members.seal("PS100014", vec![1], None);
    model
}

fn names(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.name.as_str()).collect()
}

fn answered(known: Known) -> DirectoryAnswer {
    match known {
        Known::Answer(said) => *said,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_machine_is_found_by_guid_and_by_address_with_what_is_deployed_to_it() {
    let model = model(false);
    let said = answered(model.look_up(&who(Some(GUID), 2)));
    assert_eq!((names(&said.by_uuid), names(&said.by_mac)), (vec!["PC1"], vec!["PC2"]));
    assert_eq!(said.by_uuid[0].deployments[0].id, "PS120083");
    assert_eq!(said.by_uuid[0].site.as_deref(), Some("PS1"));
    assert!(said.decides && said.by_mac[0].deployments.is_empty());
    assert_eq!(model.look_up(&who(None, 9)), Known::Nothing);
}

#[test]
fn a_required_deployment_and_a_machine_without_a_live_record_need_the_site() {
    let mut model = model(true);
    assert!(matches!(model.look_up(&who(Some(GUID), 1)), Known::Confirm(ids, _) if ids == [1]));
    answered(model.look_up(&who(None, 2)));
    let mut device = Device::of_row(&row(1, Some(GUID), "00:15:5D:00:19:01")).unwrap();
    device.retired = true;
    assert!(model.put(device.clone()) && !model.put(device));
    assert_eq!(model.look_up(&who(Some(GUID), 1)), Known::Nothing);
}

#[test]
fn a_record_that_changes_its_identifiers_is_found_by_the_new_ones_alone() {
    let mut model = model(false);
    model.put(Device::of_row(&row(1, None, "00:15:5D:00:19:07")).unwrap());
    assert_eq!(model.look_up(&who(Some(GUID), 1)), Known::Nothing);
    assert_eq!(names(&answered(model.look_up(&who(None, 7))).by_mac), ["PC1"]);
    assert_eq!(model.remove(1).map(|device| device.id), Some(1));
    assert_eq!((model.look_up(&who(None, 7)), model.len()), (Known::Nothing, 1));
}

/// A mirror that was up to date that long ago.
fn mirror(required: bool) -> Mirror {
    let mirror = Mirror::new(PathBuf::new());
    *mirror.model.write() = model(required);
    let now = Some(At::now());
    *mirror.status.lock() =
        Status { loaded: true, whole: true, synced: now, swept: now, ..Status::default() };
    mirror
}

#[test]
fn a_copy_answers_at_once_as_long_as_it_is_fresh_and_starts_nothing_required() {
    let (fresh, stale) = (Duration::from_secs(60), Duration::from_secs(3600));
    let available = mirror(false);
    let answer = available.at_once("configmgr", &who(Some(GUID), 1), fresh).unwrap();
    assert!(!answer.stale && answer.age == 0);
    assert_eq!(available.again.lock().take(9), [1], "it boots now, and is read again");
    assert!(available.at_once("configmgr", &who(None, 9), fresh).is_none(), "an unknown machine");
    let required = mirror(true);
    assert!(required.at_once("configmgr", &who(Some(GUID), 1), fresh).is_none());
    let away = required.while_away("configmgr", &who(Some(GUID), 1), stale).unwrap();
    assert!(away.stale && away.said.unwrap().by_uuid[0].deployments[0].purpose == Purpose::Required);
    assert!(required.while_away("configmgr", &who(None, 9), stale).is_none());
    available.status.lock().whole = false;
    assert!(
        available.at_once("configmgr", &who(Some(GUID), 1), fresh).is_none(),
        "not every device was read"
    );
}

#[test]
fn a_record_that_was_read_again_replaces_the_old_one() {
    let mirror = mirror(false);
    let moved = Machine {
        id: 1,
        row: Some(row(1, Some(GUID), "00:15:5D:00:19:01")),
        collections: Vec::new(),
        given: Vec::new(),
    };
    mirror.take(&[moved]);
    let fresh = Duration::from_secs(60);
    let said = mirror.at_once("configmgr", &who(Some(GUID), 1), fresh).unwrap().said.unwrap();
    assert!(said.by_uuid[0].deployments.is_empty(), "it has left the collection");
    let gone = Machine { id: 1, row: None, collections: Vec::new(), given: Vec::new() };
    assert_eq!(mirror.take(&[gone]).len(), 1);
    assert!(mirror.at_once("configmgr", &who(Some(GUID), 1), fresh).is_none());
}

#[test]
fn a_copy_survives_a_restart_and_one_of_another_site_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = SiteFile::open(folder.path()).unwrap();
    let before = mirror(false);
    before.status.lock().url = "https://cm01/AdminService".into();
    let model = before.model.read();
    let rows: Vec<_> = model.devices().map(kept::device).collect();
    drop(model);
    let others = [kept::members("PS100014", Some("stamp"), &[1]), before.meta()];
    file.write(&[rows, others.to_vec()].concat()).unwrap();
    drop(file);
    let after = Mirror::new(folder.path().to_owned());
    after.load("https://cm01/AdminService");
    assert_eq!((after.model.read().len(), after.age().is_some()), (2, true));
    assert_eq!(after.model.read().members.of(1).collect::<Vec<_>>(), ["PS100014"]);
    assert_eq!(after.model.read().device(1), before.model.read().device(1));
    after.load("https://cm02/AdminService");
    assert_eq!((after.model.read().len(), after.age()), (0, None));
    after.load("https://cm01/AdminService");
    assert_eq!(after.model.read().len(), 0, "the file was emptied");
}

#[test]
fn machines_are_read_again_once_a_minute_and_a_flood_of_them_is_bounded() {
    let (mut again, now) = (Again::default(), Instant::now());
    (0..3).for_each(|_| again.push(7, now));
    assert_eq!((again.take(9), again.take(9)), (vec![7], vec![]));
    again.push(7, now + AGAIN_AFTER);
    assert_eq!(again.take(9), [7]);
    (0..100_000).for_each(|id| again.push(id, now));
    assert!(again.queue.len() <= MAX_AGAIN && again.lately.len() <= MAX_AGAIN);
}
