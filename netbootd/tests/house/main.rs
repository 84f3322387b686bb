//! The crates depend on each other in one direction, and only the named ones on the large
//! libraries.
#![allow(clippy::unwrap_used)] // helpers of tests

mod circles;
mod style;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Every crate of the workspace, lowest floor first. A crate depends on crates of lower floors
/// only.
const FLOORS: [&[&str]; 12] = [
    &["boot-program", "bsdp", "pxe-policy", "tftp", "wim-protocol"],
    &["imagestore", "netbootd-dhcp", "netbootd-wim"],
    &["netbootd-diagnosis", "netbootd-net"],
    &["netbootd-telemetry"],
    &["netbootd-state"],
    &["netbootd-content", "netbootd-directory"],
    &["netbootd-config"],
    &["netbootd-server"],
    &["netbootd-web"],
    &["netbootd"],
    &["fuzz-bodies", "netbootd-tests"],
    &["bench"],
];

/// The crates without clock, sockets, files, log, randomness and threads, and all that they depend
/// on.
const PURE: [&str; 6] = ["boot-program", "bsdp", "netbootd-dhcp", "netbootd-diagnosis", "pxe-policy", "tftp"];
const ALLOWED_IN_PURE: [&str; 16] = [
    "cms",
    "der",
    "dhcproto",
    "form_urlencoded",
    "humantime",
    "ipnet",
    "lru",
    "nom",
    "object",
    "percent-encoding",
    "plist",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "x509-cert",
];

/// The folders of what is shipped.
const SHIPPED: [&str; 6] = ["netbootd", "boot-program", "bsdp", "imagestore", "pxe-policy", "tftp"];

/// The large libraries, and the crates that depend on them; tests, benches and fuzz targets aside.
const OWNERS: [(&str, &[&str]); 5] = [
    ("ldap3", &["netbootd-directory"]),
    ("object_store", &["netbootd-content"]),
    ("redb", &["imagestore", "netbootd-state"]),
    (
        "tokio",
        &[
            "netbootd",
            "netbootd-content",
            "netbootd-directory",
            "netbootd-net",
            "netbootd-server",
            "netbootd-state",
            "netbootd-telemetry",
            "netbootd-web",
        ],
    ),
    ("tokio-postgres", &["netbootd-state"]),
];

#[test]
fn a_crate_depends_on_lower_floors_only() {
    let crates = crates();
    let listed: BTreeSet<&str> = FLOORS.concat().into_iter().collect();
    let members: BTreeSet<&str> = crates.iter().map(|member| &*member.name).collect();
    assert_eq!(listed, members, "left: the floors, right: the workspace");
    for member in &crates {
        for dependency in member.dependencies(&["normal", "build", "dev"]) {
            let (Some(below), Some(here)) = (floor(dependency), floor(&member.name)) else { continue };
            assert!(below < here, "{} depends on {dependency}", member.name);
        }
    }
}

#[test]
fn the_pure_crates_depend_on_nothing_that_could_make_them_impure() {
    for member in crates().iter().filter(|member| PURE.contains(&&*member.name)) {
        for dependency in member.dependencies(&["normal", "build"]) {
            let pure = PURE.contains(&dependency) || ALLOWED_IN_PURE.contains(&dependency);
            assert!(pure, "{} depends on {dependency}", member.name);
        }
    }
}

#[test]
fn only_the_named_crates_depend_on_the_large_libraries() {
    let daemon = |member: &&Crate| floor(&member.name) <= floor("netbootd");
    let crates = crates();
    for (library, owners) in OWNERS {
        let users = crates.iter().filter(daemon);
        let users = users.filter(|member| member.dependencies(&["normal", "build"]).contains(&library));
        let users: Vec<&str> = users.map(|member| &*member.name).collect();
        assert_eq!(users, owners, "{library}");
    }
}

#[test]
fn no_more_than_three_files_of_a_crate_use_each_other() {
    let mut files = 0;
    for member in crates() {
        let Some(src) = &member.src else { continue };
        for circle in circles::of_crate(src) {
            assert!(circle.len() <= 3, "{}: {}", member.name, circle.join(", "));
            files += circle.len();
        }
    }
    assert!(files > 0, "some files do use each other");
}

#[test]
fn a_circle_of_files_is_found_through_what_other_files_export() {
    let texts = |files: &[(&str, &str)]| -> BTreeMap<Vec<String>, String> {
        let module =
            |name: &str| name.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        files.iter().map(|(name, text)| (module(name), (*text).to_owned())).collect()
    };
    let circle = texts(&[
        ("", "mod a;\nmod b;\npub use a::{Left, inner::{Deep as Other}};\n"),
        ("a", "mod inner;\nuse crate::{\n    b::Right,\n    Missing,\n};\n"),
        ("a/inner", "use super::Left; // its parent\nuse std::fmt;\n"),
        ("b", "pub(crate) use c::Far;\n\nmod c;\n"),
        ("b/c", "use crate::Left;\n"),
        ("d", "use crate::b::Far;\n#[cfg(test)]\nmod tests {\n    use crate::a::Left;\n}\n"),
    ]);
    assert_eq!(circles::of_texts(&circle), [[""; 0]; 0], "a uses b, and c alone uses a");
    let back = texts(&[
        ("", "pub use a::Left;\n"),
        ("a", "use crate::b::Far;\n"),
        ("b", "pub(crate) use c::Far;\n"),
        ("b/c", "use crate::{Left, d};\n"),
        ("d", "use super::a::Left;\n"),
    ]);
    assert_eq!(circles::of_texts(&back), [["a", "b/c", "d"]]);
}

#[test]
fn no_function_returns_a_sentence_as_its_error() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let mut files = Vec::new();
    SHIPPED.iter().chain(&["bench"]).for_each(|folder| sources(&root.join(folder), &mut files));
    assert!(files.len() > 300, "only {} files were looked at", files.len());
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let results = shipped.split("Result<").skip(1).filter(|rest| error_of(rest) == Some("String"));
        found.extend(results.map(|_| file.strip_prefix(&root).unwrap().display().to_string()));
    }
    assert_eq!(found, [""; 0], "an enum with the data and the cause in its fields says more");
    for (rest, error) in [
        ("(), String> {", Some("String")),
        ("Vec<(String, String)>, String>,", Some("String")),
        ("(String, String), Error>", Some("Error")),
        ("fn(&str) -> u8, String>", Some("String")),
        ("String>;", None),
    ] {
        assert_eq!(error_of(rest), error, "{rest}");
    }
}

/// The second parameter of a type whose text follows `Result<`.
fn error_of(rest: &str) -> Option<&str> {
    let (mut depth, mut comma, mut before) = (0_usize, None, ' ');
    for (at, c) in rest.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' if before == '-' => {}
            '>' if depth == 0 => return Some(rest[comma? + 1..at].trim()),
            '>' | ')' | ']' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => comma = Some(at),
            ';' | '{' if depth == 0 => return None,
            _ => {}
        }
        before = c;
    }
    None
}

/// The sources of the package, without its tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = ["tests", "tests.rs", "target"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !is_test {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            found.push(path);
        }
    }
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|crates| crates.contains(&name))
}

/// A crate of the workspace: the dependencies are kind and name.
struct Crate {
    name: String,
    /// The folder of its library or, without one, of its program.
    src: Option<PathBuf>,
    dependencies: Vec<(String, String)>,
}

impl Crate {
    fn dependencies(&self, kinds: &[&str]) -> Vec<&str> {
        let wanted = self.dependencies.iter().filter(|(kind, _)| kinds.contains(&kind.as_str()));
        wanted.map(|(_, name)| name.as_str()).collect()
    }
}

/// The crates of the workspace in `cargo metadata`, by name.
fn crates() -> Vec<Crate> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args(["metadata", "--format-version=1", "--no-deps", "--offline"]);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut crates: Vec<Crate> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| Crate {
            name: package["name"].as_str().unwrap().to_owned(),
            src: src_of(package),
            dependencies: package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .map(|dependency| {
                    let kind = dependency["kind"].as_str().unwrap_or("normal");
                    (kind.to_owned(), dependency["name"].as_str().unwrap().to_owned())
                })
                .collect(),
        })
        .collect();
    crates.sort_by(|a, b| a.name.cmp(&b.name));
    crates
}

fn src_of(package: &Value) -> Option<PathBuf> {
    let roots = package["targets"].as_array()?.iter().filter_map(|target| target["src_path"].as_str());
    let mut roots = roots.map(Path::new);
    let root = roots.find(|root| root.ends_with("src/lib.rs") || root.ends_with("src/main.rs"))?;
    Some(root.parent()?.to_owned())
}
