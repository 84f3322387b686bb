//! Every published vector: `data/vectors.json` names the source and the meaning of each.
#![allow(clippy::unwrap_used)] // helpers of tests

mod scenarios;

use bsdp::{BootImageId, ListEntry, SubOption, VendorClass, option43};
use serde_json::Value;

fn vectors(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("data/vectors.json")).unwrap();
    let of_kind: Vec<Value> =
        all["vectors"].as_array().unwrap().iter().filter(|vector| vector["kind"] == kind).cloned().collect();
    assert!(!of_kind.is_empty(), "no vector of kind {kind}");
    of_kind
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_option_43_reads_as_said_and_writes_back() {
    for vector in vectors("opt43") {
        let id = &vector["id"];
        let value = bytes(&vector["hex"]);
        let options = option43::parse([value.as_slice()]).unwrap();
        let read: Vec<(u64, Vec<u8>)> =
            options.iter().map(SubOption::to_wire).map(|(code, value)| (code.into(), value)).collect();
        let said: Vec<(u64, Vec<u8>)> = vector["suboptions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_u64().unwrap(), bytes(&pair[1])))
            .collect();
        assert_eq!(read, said, "{id}");
        assert_eq!(option43::emit(&options), Ok(vec![value]), "{id}");
        for option in options {
            check_meaning(&option, &vector["meaning"], id);
        }
    }
}

fn check_meaning(option: &SubOption, meaning: &Value, id: &Value) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match option {
        SubOption::MessageType(kind) => {
            assert_eq!(meaning["message_type"], format!("{kind:?}").to_uppercase(), "{id}");
        }
        SubOption::Version(version) => assert_eq!(meaning["version"], format!("{version:04x}"), "{id}"),
        SubOption::ServerIdentifier(addr) => {
            assert_eq!(meaning["server_identifier"], addr.to_string(), "{id}");
        }
        SubOption::ServerPriority(priority) => assert_eq!(meaning["server_priority"], *priority, "{id}"),
        SubOption::DefaultBootImageId(image) => {
            assert_eq!(meaning["default_image"], image.to_string(), "{id}");
        }
        SubOption::SelectedBootImageId(image) => {
            assert_eq!(meaning["selected_image"], image.to_string(), "{id}");
        }
        SubOption::BootImageList(entries) => check_entries(entries, &meaning["images"], id),
        SubOption::AttributesFilter(filter) => {
            let filter: Vec<String> = filter.iter().map(|attributes| format!("{attributes:04x}")).collect();
            assert_eq!(meaning["attributes_filter"], serde_json::json!(filter), "{id}");
        }
        SubOption::MachineName(name) => assert_eq!(meaning["machine_name"], text(name), "{id}"),
        SubOption::ShadowMountPath(path) => assert_eq!(meaning["shadow_mount_path"], text(path), "{id}"),
        SubOption::ShadowFilePath(path) => assert_eq!(meaning["shadow_file_path"], text(path), "{id}"),
        other => panic!("{id}: {other:?} has no meaning in the vectors"),
    }
}

fn check_entries(entries: &[ListEntry], said: &Value, id: &Value) {
    let said = said.as_array().unwrap();
    assert_eq!(entries.len(), said.len(), "{id}");
    for (entry, said) in entries.iter().zip(said) {
        assert_eq!(said["id"], entry.id.to_string(), "{id}");
        assert_eq!(said["install"], entry.id.install, "{id}");
        assert_eq!(said["kind"], entry.id.kind.number(), "{id}");
        assert_eq!(said["index"], entry.id.index, "{id}");
        assert_eq!(said["name"], String::from_utf8(entry.name.clone()).unwrap(), "{id}");
    }
}

#[test]
fn image_lists_read_as_said_or_are_refused() {
    for vector in vectors("option9-data") {
        let value = bytes(&vector["hex"]);
        let entries = ListEntry::parse_all(&value);
        assert_eq!(entries.is_ok(), vector["valid"].as_bool().unwrap(), "{}", vector["id"]);
        if let Ok(entries) = entries {
            check_entries(&entries, &vector["images"], &vector["id"]);
            assert_eq!(entries.iter().flat_map(ListEntry::emit).collect::<Vec<u8>>(), value);
        }
    }
}

#[test]
fn image_ids_read_as_said() {
    for vector in vectors("image-id") {
        let id = BootImageId::from_wire(bytes(&vector["hex"]).try_into().unwrap());
        assert_eq!(vector["install"], id.install);
        assert_eq!(vector["image_kind"], id.kind.number());
        assert_eq!(vector["index"], id.index);
        assert_eq!(vector["server_local"], id.is_local_to_server());
    }
}

#[test]
fn vendor_classes_are_taken_or_refused_as_said() {
    for vector in vectors("class-id") {
        let class = VendorClass::parse(&bytes(&vector["hex"]));
        assert_eq!(class.is_ok(), vector["accepted"].as_bool().unwrap(), "{}", vector["id"]);
        if let Ok(class) = class {
            assert_eq!(
                (&vector["arch"], &vector["model"]),
                (&class.architecture.into(), &class.model.into())
            );
        }
    }
}
