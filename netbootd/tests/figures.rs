//! A figure stands in one place, docs/figures.toml; pages that repeat it are compared, or written
//! anew with `UPDATE_GOLDEN=1`.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const OPEN: &str = "<!-- figure ";
const CLOSE: &str = "<!-- /figure -->";

#[test]
fn every_figure_that_a_page_repeats_is_the_one_that_was_measured() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let text = fs::read_to_string(docs.join("figures.toml")).unwrap();
    let figures: BTreeMap<String, String> = toml::from_str(&text).unwrap();
    let entries = fs::read_dir(&docs).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    let mut used = BTreeSet::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let filled = fill(&text, &figures, &mut used);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&page, filled).unwrap();
        } else {
            assert_eq!(text, filled, "{}: UPDATE_GOLDEN=1 writes the figures anew", page.display());
        }
    }
    assert_eq!(used, figures.keys().cloned().collect(), "left: in the pages, right: docs/figures.toml");
}

/// A page with each figure between its marks.
fn fill(text: &str, figures: &BTreeMap<String, String>, used: &mut BTreeSet<String>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (name, after) = after.split_once(" -->").expect("a mark has an end");
        let (_, after) = after.split_once(CLOSE).unwrap_or_else(|| panic!("{name} has no end"));
        let value = figures.get(name).unwrap_or_else(|| panic!("{name} is not in docs/figures.toml"));
        used.insert(name.to_owned());
        filled += &format!("{before}{OPEN}{name} -->{value}{CLOSE}");
        rest = after;
    }
    filled + rest
}

#[test]
fn an_old_figure_is_replaced_and_the_rest_of_a_page_stays() {
    let figures = BTreeMap::from([("rate".to_owned(), "9 MB/s".to_owned())]);
    let mut used = BTreeSet::new();
    let page = "| a | <!-- figure rate -->3 MB/s<!-- /figure --> | b\n";
    assert_eq!(fill(page, &figures, &mut used), page.replace('3', "9"));
    assert!(used.contains("rate"));
}
