//! The sources' form: their size, the words of their comments, and where tests sleep.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn no_source_file_has_more_than_400_lines() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 400)
        .collect();
    assert!(long.is_empty(), "split by meaning: {long:?}");
}

/// The subject of a sentence is the client, the server, the operator.
#[test]
fn comments_name_the_actor() {
    let is_riddle = |line: &str| {
        let comment = line.trim_start().strip_prefix("//").unwrap_or_default();
        let comment = comment.trim_start_matches(['/', '!', ' ']);
        comment.to_lowercase().contains("whoever") || comment.starts_with("Who ")
    };
    let found: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| text.lines().map(move |line| (path, line)))
        .filter(|(_, line)| is_riddle(line))
        .map(|(path, line)| format!("{}: {}", path.display(), line.trim()))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// A fixed sleep is too long on one machine and too short on another.
#[test]
fn tests_of_whole_boots_sleep_in_one_helper_alone() {
    let of_tests = |(path, _): &(PathBuf, String)| path.starts_with("tests");
    let sleeps = |text: &str| text.contains(concat!("thread::", "sleep"));
    let found = sources().into_iter().filter(of_tests).filter(|(_, text)| sleeps(text));
    let found: Vec<PathBuf> = found.map(|(path, _)| path).collect();
    assert_eq!(found, [PathBuf::from("tests/src/wait.rs")]);
}

/// Every Rust file of the workspace, by its path from the root.
fn sources() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    read(&root, &root, &mut sources);
    assert!(sources.len() > 500, "{}", sources.len());
    sources.sort();
    sources
}

fn read(root: &Path, folder: &Path, into: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            read(root, &path, into);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            into.push((path.strip_prefix(root).unwrap().to_owned(), text));
        }
    }
}
