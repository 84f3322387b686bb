//! The configurations of README, pages, man page and examples boot the classes of clients that they
//! speak of.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use netbootd_config::Config;
use pxe_policy::{Action, ArchType, Class, Rule};
use serde_json::Value;

/// The clients that ask for a boot: class, architecture, and the arguments of `netbootd explain`.
const CLIENTS: [(Class, ArchType, [&str; 4]); 5] = [
    (Class::Ipxe, ArchType::X64_UEFI, ["--class", "ipxe", "--arch", "x64-uefi"]),
    (Class::Pxe, ArchType::X86_BIOS, ["--class", "pxe", "--arch", "x86-bios"]),
    (Class::Pxe, ArchType::X64_UEFI, ["--class", "pxe", "--arch", "x64-uefi"]),
    (Class::Http, ArchType::X64_UEFI_HTTP, ["--class", "http", "--arch", "x64-uefi-http"]),
    (Class::Bsdp, ArchType::X64_UEFI, ["--class", "bsdp", "--arch", "x64-uefi"]),
];

#[test]
fn the_configuration_of_the_readme_boots_every_class_of_client() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let configuration = blocks(&readme).into_iter().find(|block| block.contains("[[rule]]")).unwrap();
    for (class, arch, words) in CLIENTS {
        let explained = explained(&configuration, &words);
        let boots = if class == Class::Bsdp { "images" } else { "boot" };
        assert_eq!(explained["decision"], boots, "{class} {arch}: {explained:#}");
        let has_file = explained["boot_file"].as_str().is_some_and(|file| !file.is_empty());
        assert!(has_file || class == Class::Bsdp, "{class} {arch}: {explained:#}");
    }
}

#[test]
fn every_rule_of_the_documentation_boots_a_client_of_its_class() {
    let mut checked = 0;
    for (name, configuration) in configurations() {
        let config = parsed(&name, &configuration);
        for rule in config.rules.0.iter().filter(|rule| is_for_any_machine(rule)) {
            let fits = |(class, arch, _): &&(Class, ArchType, [&str; 4])| {
                let matches = &rule.matches;
                (matches.class.is_empty() || matches.class.contains(class))
                    && (matches.arch.is_empty() || matches.arch.iter().any(|one| one.same_family(*arch)))
            };
            // Rare architectures are not asked for here.
            let Some((_, _, words)) = CLIENTS.iter().find(fits) else { continue };
            checked += 1;
            // A rule behind another one for the same machines is still a rule that can be carried
            // out.
            let explained = explained(&configuration, words);
            assert_eq!(explained["decision"], "boot", "{name}, rule {:?}: {explained:#}", rule.name);
        }
    }
    assert!(checked > 7, "{checked} rules");
}

/// A rule that hands out something, to machines that no address or directory singles out.
fn is_for_any_machine(rule: &Rule) -> bool {
    let matches = &rule.matches;
    let boots = match &rule.action {
        Action::Boot(boot) => boot.refer.is_none() && boot.next_server.is_none(),
        _ => false,
    };
    boots
        && matches.mac.is_empty()
        && matches.uuid.is_empty()
        && matches.subnet.is_empty()
        && matches.relay.is_empty()
        && matches.iface.is_empty()
        && matches.boundary.is_empty()
        && matches.known.is_none()
}

/// The decision of `netbootd explain` by a configuration whose boot files are all there.
fn explained(configuration: &str, words: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(&root).unwrap();
    let text: String = configuration
        .lines()
        .filter(|line| !line.starts_with("root = "))
        .map(|line| match line.trim() {
            "[boot]" => String::new(),
            _ => format!("{line}\n"),
        })
        .collect();
    let head = format!(
        "boot.root = {:?}\nserver.state-dir = {:?}\n",
        root.display().to_string(),
        folder.path().join("state").display().to_string()
    );
    for rule in &parsed("rules", &text).rules.0 {
        let Action::Boot(boot) = &rule.action else { continue };
        for file in boot.file.iter().filter(|file| !file.contains("://")) {
            let place = root.join(file.trim_start_matches('/'));
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, "a boot file").unwrap();
        }
    }
    let file = folder.path().join("netbootd.toml");
    fs::write(&file, head + &text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_netbootd"));
    command.args(["explain", "52:54:00:12:34:99", "--offline", "--json", "--config"]).arg(&file).args(words);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}\n{text}"))
}

fn parsed(name: &str, configuration: &str) -> Config {
    match Config::parse(configuration, Path::new("test.toml"), Some(Path::new("/"))) {
        Ok((config, _)) => config,
        Err(findings) => panic!("{name}: {findings}"),
    }
}

/// The configurations with rules in README and docs, each with the name of its page.
fn configurations() -> Vec<(String, String)> {
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.chain([root().join("README.md")]);
    let mut found = Vec::new();
    for page in pages.filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        for block in blocks(&fs::read_to_string(&page).unwrap()) {
            let needs_more = [
                "directories",
                "[configmgr]",
                "[https]",
                "[devices]",
                "[relay]",
                "images = ",
                "preseed",
                "answer",
                "\"ubuntu\"",
            ];
            if block.contains("[[rule]]") && !needs_more.iter().any(|word| block.contains(word)) {
                found.push((name.clone(), block));
            }
        }
    }
    found
}

/// Indented blocks of code.
fn blocks(page: &str) -> Vec<String> {
    let (mut blocks, mut block) = (Vec::new(), String::new());
    for line in page.lines() {
        match line.strip_prefix("       ").or_else(|| line.strip_prefix("    ")) {
            Some(code) => block.push_str(&format!("{}\n", code.trim_end())),
            None if line.trim().is_empty() => block.push('\n'),
            None => blocks.push(std::mem::take(&mut block)),
        }
    }
    blocks.push(block);
    blocks.into_iter().filter(|block| block.trim_start().starts_with('[')).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
