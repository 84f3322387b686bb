//! The crates that the daemon links, and their licences.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    let output = cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The crates that a package of the workspace links, itself included; those that only its tests
/// need are left out.
fn made_of<'a>(metadata: &'a Value, package: &str) -> Vec<&'a Value> {
    let list = |value: &'a Value| value.as_array().unwrap().iter();
    let packages: HashMap<&str, &Value> =
        list(&metadata["packages"]).map(|package| (text(package, "id"), package)).collect();
    let nodes: HashMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).map(|node| (text(node, "id"), node)).collect();
    let root = packages.values().find(|known| text(known, "name") == package).unwrap();
    let (mut open, mut seen) = (vec![text(root, "id")], BTreeSet::new());
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            let shipped = list(&nodes[id]["deps"])
                .filter(|dep| list(&dep["dep_kinds"]).any(|kind| text(kind, "kind") != "dev"));
            open.extend(shipped.map(|dep| text(dep, "pkg")));
        }
    }
    seen.into_iter().map(|id| packages[id]).collect()
}

fn is_copyleft(package: &Value) -> bool {
    let licence = text(package, "license");
    // One of several may be chosen.
    let choices = licence.split(['/']).flat_map(|part| part.split(" OR "));
    choices
        .into_iter()
        .all(|choice| ["GPL", "EUPL", "CDDL", "OSL", "SSPL"].iter().any(|word| choice.contains(word)))
}

#[test]
fn nothing_copyleft_is_in_the_daemon() {
    let metadata = metadata();
    let copyleft = |package| -> Vec<&str> {
        let parts = made_of(&metadata, package);
        assert!(parts.len() > 20, "{package}: {}", parts.len());
        parts.into_iter().filter(|part| is_copyleft(part)).map(|part| text(part, "name")).collect()
    };
    assert_eq!(copyleft("netbootd"), Vec::<&str>::new());
    assert_eq!(copyleft("netbootd-wim"), ["wimlib-sys"]);
}

#[test]
fn both_licences_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, words) in [("LICENSE-MIT", "MIT License"), ("LICENSE-APACHE", "Version 2.0, January 2004")] {
        assert!(std::fs::read_to_string(root.join(name)).unwrap().contains(words), "{name}");
    }
}
