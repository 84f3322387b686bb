use pxe_policy::{ArchType, BootImage, ImageArch, Purpose};
use serde_json::{Value, json};

use super::tables::{Tables, join};
use super::wire::{Advertisement, BootImagePackage, Page, TaskSequence};
use super::*;

/// The recorded answer of a name, from the published examples.
fn recorded(id: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../../../tests/data/adminservice.json")).unwrap();
    let found = all["adminservice"].as_array().unwrap().iter().find(|example| example["id"] == id);
    found.unwrap_or_else(|| panic!("{id}"))["response"].clone()
}

fn rows<T: serde::de::DeserializeOwned>(answer: &Value) -> Vec<T> {
    let page = Page::parse(answer.to_string().as_bytes()).unwrap();
    page.value.into_iter().map(|row| serde_json::from_value(row).unwrap()).collect()
}

#[test]
fn machines_are_read_as_they_were_recorded() {
    let systems: Vec<System> = rows(&recorded("r-system-by-mac-two-records"));
    let names: Vec<&str> = systems.iter().map(System::name).collect();
    assert_eq!(names, ["PC0001", "PC0001-OLD"]);
    assert_eq!(systems[0].key(), "16777219");
    assert!(rows::<System>(&recorded("r-system-none")).is_empty());
    // Another write-up has another letter case.
    let minimal: Vec<System> = rows(&recorded("r-system-minimal-real-shape"));
    assert_eq!(minimal[0].resourceid, 16_777_219);
    let retired: System = serde_json::from_value(json!({ "resourceid": 1, "obsolete": 1 })).unwrap();
    assert!(retired.is_retired());
}

#[test]
fn deployments_are_joined_with_their_boot_images() {
    let advertisements: Vec<Advertisement> = rows(&recorded("advertisementinfo-task-sequences"));
    let sequences: Vec<TaskSequence> = rows(&recorded("tasksequencepackage"));
    let images: Vec<BootImagePackage> = rows(&recorded("bootimagepackage"));
    let joined = join(advertisements, &sequences, &images);
    let of = |id: &str| joined.values().flatten().find(|deployment| deployment.id == id).unwrap();
    let required = of("PS120083");
    assert_eq!((required.purpose, required.for_pxe, required.hidden), (Purpose::Required, true, false));
    let image = BootImage { id: "PS100005".into(), arch: Some(ImageArch::X64) };
    assert_eq!(required.boot_image, Some(image));
    assert_eq!(of("PS120084").purpose, Purpose::Available);
    assert!(of("PS120085").hidden);
    assert!(!of("PS120087").for_pxe, "0x40000 is missing");
}

#[test]
fn an_unknown_machine_is_stood_for_by_name_and_never_by_number() {
    let tables =
        Tables::of_unknown(rows(&recorded("r-unknownsystem")), rows(&recorded("distributionpointinfo-pxe")));
    let name = |arch| tables.unknown_object(Some(arch)).unwrap().name().to_owned();
    assert!(name(ArchType::X64_UEFI).starts_with("x64"));
    assert!(name(ArchType::X86_BIOS).starts_with("x64"));
    assert!(name(ArchType::IA32_UEFI).starts_with("x86"));
    assert!(tables.serves_unknown(None) && tables.serves_unknown(Some("DP01.corp.example")));
    assert!(!tables.serves_unknown(Some("dp02.corp.example")));
}

#[test]
fn what_is_no_list_is_refused() {
    for text in ["", "[]", "null", "{}", "{\"value\": 3}", "<html>", "{\"error\": {\"message\": \"x\"}}"] {
        assert!(Page::parse(text.as_bytes()).is_err(), "{text}");
    }
    let paged = Page::parse(recorded("paged-list").to_string().as_bytes()).unwrap();
    assert!(paged.next.unwrap().ends_with("$skip=1000"));
}
