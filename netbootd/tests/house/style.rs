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

/// A sentence begins with the noun that it is about: the client, the reply, the file.
#[test]
fn no_sentence_of_a_comment_begins_with_what_or_who() {
    let is_riddle = |sentence: &str| {
        let first = sentence.split_whitespace().next().unwrap_or_default();
        ["What", "What's", "Who"].contains(&first) || sentence.to_lowercase().contains("whoever")
    };
    let found: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| comments(text).into_iter().map(move |comment| (path, comment)))
        .filter(|(_, comment)| comment.sentences().any(is_riddle))
        .map(|(path, comment)| format!("{}:{}: {}", path.display(), comment.line, comment.text))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Three words repeat the name. The help of commands is short on purpose.
#[test]
fn a_doc_comment_has_more_than_three_words() {
    let is_help =
        |path: &Path| path.starts_with("netbootd/src/cli") || path.starts_with("netbootd/src/probe");
    let found: Vec<String> = sources()
        .iter()
        .filter(|(path, _)| !is_help(path))
        .flat_map(|(path, text)| comments(text).into_iter().map(move |comment| (path, comment)))
        .filter(|(_, comment)| comment.is_doc && comment.text.split_whitespace().count() <= 3)
        .map(|(path, comment)| format!("{}:{}: {}", path.display(), comment.line, comment.text))
        .collect();
    assert!(found.is_empty(), "delete it, or say unit, range, source: {found:#?}");
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

/// Consecutive lines of comments with the same marker.
struct Comment {
    /// The number of its last line, from 1.
    line: usize,
    /// Whether it documents an item (`///`).
    is_doc: bool,
    /// Its lines; a blank line is the end of a paragraph.
    text: String,
}

impl Comment {
    fn sentences(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n').flat_map(|paragraph| paragraph.split(". ")).map(str::trim)
    }
}

fn comments(text: &str) -> Vec<Comment> {
    let mut comments: Vec<Comment> = Vec::new();
    let mut before = "";
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        let marker = ["///", "//!", "//"].into_iter().find(|marker| line.starts_with(marker));
        let marker = marker.unwrap_or_default();
        let words = line[marker.len()..].trim();
        match comments.last_mut() {
            _ if marker.is_empty() => {}
            Some(comment) if marker == before => {
                comment.line = number;
                comment.text += if words.is_empty() { "\n" } else { " " };
                comment.text += words;
            }
            _ => comments.push(Comment { line: number, is_doc: marker == "///", text: words.into() }),
        }
        before = marker;
    }
    comments
}

#[test]
fn the_slowest_tests_of_the_documentation_exist() {
    let page = include_str!("../../../docs/architecture.md");
    let (_, table) = page.split_once("## The slowest tests").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ") && line.contains("::"));
    let names: Vec<&str> = rows.filter_map(|row| row.rsplit('`').nth(1)).collect();
    assert_eq!(names.len(), 20, "{names:?}");
    let texts: Vec<String> = sources().into_iter().map(|(_, text)| text).collect();
    let exists = |name: &&str| texts.iter().any(|text| text.contains(&format!("fn {name}(")));
    let gone: Vec<&str> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
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
