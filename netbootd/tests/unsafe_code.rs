//! Where the compiler's checks are switched off, and that docs/security.md names each place with
//! its reason.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The workspace, and the packages beside it.
const FOLDERS: [&str; 8] = ["netbootd", "bsdp", "tftp", "imagestore", "pxe-policy", "bench", "tests", "fuzz"];
const HEADING: &str = "## Code without the compiler's checks";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether a line of code, not of comment, opens such a place or permits one.
fn is_unchecked(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let word = concat!("un", "safe");
    let opens = code.split(word).skip(1).any(|after| {
        let after = after.trim_start();
        ["{", "fn ", "impl ", "trait ", "extern ", "("].iter().any(|next| after.starts_with(next))
    });
    opens || (code.contains(&format!("{word}_code")) && code.contains("allow"))
}

#[test]
fn every_file_without_the_compilers_checks_is_in_the_list_with_its_reason() {
    let root = root();
    let mut files = Vec::new();
    FOLDERS.iter().for_each(|folder| sources(&root.join(folder), &mut files));
    assert!(files.len() > 300, "only {} files were looked at", files.len());
    let found: BTreeSet<String> = files
        .iter()
        .filter(|file| fs::read_to_string(file).unwrap().lines().any(is_unchecked))
        .map(|file| file.strip_prefix(&root).unwrap().display().to_string())
        .collect();
    let document = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let section = document.split(HEADING).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let listed: BTreeSet<String> =
        rows.filter(|(_, reason)| reason.len() > 20).map(|(file, _)| file.to_owned()).collect();
    assert_eq!(found, listed, "found in the code, and listed with a reason in docs/security.md");
}

#[test]
fn a_line_is_told_from_words_about_it() {
    let word = concat!("un", "safe");
    for line in
        [format!("    {word} {{ f() }}"), format!("#![allow({word}_code)]"), format!("pub {word} fn f()")]
    {
        assert!(is_unchecked(&line), "{line}");
    }
    for line in
        [format!("// {word} {{"), format!("\"style-src '{word}-inline'\""), "let safe = 1;".to_owned()]
    {
        assert!(!is_unchecked(&line), "{line}");
    }
}
