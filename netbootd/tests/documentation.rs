//! The documentation holds: its links lead somewhere, its commands are there, and its
//! configurations read.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use netbootd::cli::Cli;
use netbootd_config::{Config, Severity};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

#[test]
fn every_link_between_the_pages_leads_to_a_page_and_a_heading_of_it() {
    let mut checked = 0;
    let mut broken = Vec::new();
    for page in pages() {
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            checked += 1;
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.path.clone() } else { page.folder().join(path) };
            let there =
                target.exists() && (heading.is_empty() || Page::read(&target).headings.contains(heading));
            if !there {
                broken.push(format!("{}: {link}", page.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(checked > 40, "{checked} links");
}

#[test]
fn every_page_is_in_the_book_and_no_link_leaves_it() {
    let docs = root().join("docs");
    let summary = Page::read(&docs.join("SUMMARY.md"));
    let listed: BTreeSet<PathBuf> = summary.links.iter().map(|link| docs.join(link)).collect();
    let inside: Vec<Page> = pages().into_iter().filter(|page| page.path.starts_with(&docs)).collect();
    let others = inside.iter().map(|page| &page.path).filter(|path| !path.ends_with("SUMMARY.md"));
    assert_eq!(listed, others.cloned().collect(), "left: docs/SUMMARY.md, right: docs/*.md");
    for page in &inside {
        let leaves = |link: &&String| link.starts_with("..") || link.starts_with('/');
        assert_eq!(page.links.iter().find(leaves), None, "{}", page.path.display());
    }
}

#[test]
fn every_command_in_the_documentation_exists_with_its_options() {
    let mut program = Cli::command();
    program.build();
    let (mut checked, mut wrong) = (0, Vec::new());
    for page in pages() {
        let inline = page.code.iter().map(String::as_str);
        for line in page.blocks.iter().flat_map(|block| block.lines()).chain(inline) {
            for command in
                line.trim_start_matches("$ ").split("; ").filter_map(|part| part.strip_prefix("netbootd "))
            {
                checked += 1;
                if let Err(error) = takes(&program, command) {
                    wrong.push(format!("{}: netbootd {command}: {error}", page.path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 50, "{checked} commands");
}

#[test]
fn every_configuration_in_the_documentation_reads() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for page in pages() {
        for block in page.blocks.iter().filter(|block| is_configuration(block)) {
            checked += 1;
            let read = Config::parse(block, Path::new("documentation.toml"), Some(&root()));
            let (Ok((_, findings)) | Err(findings)) = read;
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
            // The files and folders that a page names are the reader's.
            let errors = errors.filter(|finding| !finding.message.contains("No such file or directory"));
            let elsewhere = errors.filter(|finding| !finding.message.starts_with("there is no folder"));
            wrong.extend(elsewhere.map(|finding| format!("{}: {finding:?}", page.path.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 20, "{checked} configurations");
}

/// Settings in the middle of a sentence: `policy.prompt = "all"`.
#[test]
fn every_setting_in_the_text_has_a_key_and_a_value_that_read() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for page in pages().into_iter().filter(|page| !page.path.ends_with("CHANGELOG.md")) {
        for code in &page.code {
            let Some((key, value)) = code.split_once(" = ") else { continue };
            let Some((table, key)) = key.rsplit_once('.') else { continue };
            if ["match", "action"].contains(&table) {
                continue; // of a rule
            }
            checked += 1;
            let text = format!("[{table}]\n{key} = {value}\n");
            let read = Config::parse(&text, Path::new("documentation.toml"), Some(&root()));
            let (Ok((_, findings)) | Err(findings)) = read;
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
            // The subnets of a server are not in the sentence.
            let errors = errors.filter(|finding| !finding.message.contains("gives addresses, but no"));
            wrong.extend(
                errors.map(|finding| format!("{}: {code}: {}", page.path.display(), finding.message)),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 15, "{checked} settings");
}

/// The words of docs, help and messages are those of the trade.
#[test]
fn documentation_help_and_messages_avoid_phrases_of_a_private_dialect() {
    let mut texts: Vec<(String, String)> = Vec::new();
    let folders = [root(), root().join("docs"), root().join("docs/man")];
    for path in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let path = path.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if [".md", ".8", ".5"].iter().any(|end| name.ends_with(end)) && name != "CHANGELOG.md" {
            texts.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    help(&mut Cli::command(), &mut texts);
    for folder in ["bsdp", "tftp", "pxe-policy", "imagestore", "netbootd"] {
        messages(&root().join(folder), &mut texts);
    }
    assert!(texts.len() > 200, "{} texts", texts.len());
    let mut found = Vec::new();
    for (name, text) in &texts {
        for line in text.lines().map(str::to_lowercase) {
            let phrase = DIALECT.iter().find(|phrase| line.contains(*phrase));
            found.extend(phrase.map(|phrase| format!("{name}: {phrase:?}: {}", line.trim())));
        }
    }
    for (name, text) in texts.iter().filter(|(name, _)| !name.ends_with(".rs")) {
        let sentences = text.lines().filter(|line| begins_with_a_riddle(line));
        found.extend(sentences.map(|line| format!("{name}: {line}")));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Whether a line has a sentence whose subject is a clause: "What a peer sends may ...".
fn begins_with_a_riddle(line: &str) -> bool {
    let sentences = line.trim_start_matches(['|', '-', '*', ' ']).split(['.', ':', '|']);
    sentences.map(str::trim_start).any(|sentence| {
        let mut words = sentence.split(' ');
        let is_clause = matches!(words.next(), Some("What" | "Who" | "Whoever"));
        // A heading such as "What the wire allows" stands alone, and a question has its mark.
        is_clause && words.next().is_some() && !line.starts_with('#') && !sentence.contains('?')
    })
}

/// Phrases that nobody in the trade uses for a reload, a recently seen machine, a relay, a limit.
const DIALECT: [&str; 20] = [
    "heard of",
    "taken up",
    "take up ",
    "takes up ",
    "is told",
    "are told",
    "was told",
    "no netbootd runs",
    "who has it",
    "from who goes on",
    "left out: the same",
    "in its way",
    "whoever",
    "handed on",
    "hands on",
    "left alone because",
    "being taken in",
    "hands it on",
    "hand it on",
    "tells nobody",
];

fn help(command: &mut clap::Command, texts: &mut Vec<(String, String)>) {
    texts.push((format!("help of {}", command.get_name()), command.render_long_help().to_string()));
    command.get_subcommands_mut().for_each(|inner| help(inner, texts));
}

/// The texts in quotes of what is shipped, without its tests.
fn messages(folder: &Path, texts: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["tests", "target", "benches"].contains(&name.as_str()) {
                messages(&path, texts);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            let shipped = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
            let quoted = code.flat_map(|line| line.split('"').skip(1).step_by(2));
            texts.push((path.display().to_string(), quoted.collect::<Vec<_>>().join("\n")));
        }
    }
}

#[test]
fn every_test_that_stands_for_a_quirk_or_a_deviation_exists() {
    let mut sources = String::new();
    for folder in ["bsdp", "tftp", "pxe-policy", "imagestore", "netbootd", "tests"] {
        read_sources(&root().join(folder), &mut sources);
    }
    let (mut checked, mut missing) = (0, Vec::new());
    for name in ["firmware.md", "deviations.md", "limits.md"] {
        let page = Page::read(&root().join("docs").join(name));
        // A sentence, not the name of a file or of an option.
        let sentence = |word: &&String| {
            let metric = word.starts_with("netbootd_");
            !metric
                && word.matches('_').count() > 1
                && word.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        for test in page.code.iter().filter(sentence) {
            checked += 1;
            // A boot of tests/boots is a line of a macro.
            let is_case = sources.contains(&format!("\n    {test} \""));
            if !is_case && !sources.contains(&format!("fn {test}(")) {
                missing.push(format!("{name}: {test}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(checked > 30, "{checked} tests");
}

#[test]
fn every_promise_has_a_test_that_is_where_the_page_says() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let promises = page.split("\n## Promises").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = promises.lines().filter(|line| line.starts_with("| ")).skip(2);
    let (mut checked, mut missing) = (0, Vec::new());
    for row in rows {
        let proof = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap();
        let mut words = proof.split('`').skip(1).step_by(2);
        let place = words.next().unwrap_or_else(|| panic!("a promise without a test: {row}"));
        let tests: Vec<&str> = words.collect();
        assert!(!tests.is_empty(), "a promise without a test: {row}");
        for test in tests {
            checked += 1;
            if !is_test(place, test) {
                missing.push(format!("{place}: {test}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(checked > 40, "{checked} tests");
}

/// Whether a file, or the module of a package that the path of the test begins with, has the test.
fn is_test(place: &str, test: &str) -> bool {
    let (path, name) = test.rsplit_once("::").unwrap_or(("", test));
    let files = if place.ends_with(".rs") {
        vec![root().join(place)]
    } else {
        let module = root().join(place).join("src").join(path.replace("::", "/"));
        vec![module.with_extension("rs"), module.parent().unwrap().with_extension("rs")]
    };
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).any(|text| {
        let Some(at) = text.find(&format!("fn {name}(")) else { return false };
        // Properties have their attribute too.
        text[..at]
            .lines()
            .rev()
            .take(4)
            .any(|line| line.trim_start().starts_with("#[") && line.contains("test"))
    })
}

fn read_sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// A page as it is read.
struct Page {
    path: PathBuf,
    links: Vec<String>,
    headings: BTreeSet<String>,
    blocks: Vec<String>,
    code: Vec<String>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut page = Page {
            path: path.to_owned(),
            links: Vec::new(),
            headings: BTreeSet::new(),
            blocks: Vec::new(),
            code: Vec::new(),
        };
        let mut heading: Option<String> = None;
        let mut block: Option<String> = None;
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Link { dest_url, .. }) => page.links.push(dest_url.into_string()),
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    page.headings.extend(heading.take().map(|text| anchor(&text)));
                }
                Event::Start(Tag::CodeBlock(_)) => block = Some(String::new()),
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Code(text) => {
                    heading.iter_mut().for_each(|words| words.push_str(&text));
                    page.code.push(text.into_string());
                }
                Event::Text(text) => {
                    [&mut heading, &mut block].into_iter().flatten().for_each(|words| words.push_str(&text));
                }
                _ => {}
            }
        }
        page
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap()
    }
}

/// The pages at the root and in docs/.
fn pages() -> Vec<Page> {
    let folders = [root(), root().join("docs")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let pages: BTreeSet<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.iter().map(|path| Page::read(path)).collect()
}

/// A heading's name in links, by mdBook and by forges: small letters, blanks as hyphens, no signs.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn is_configuration(block: &str) -> bool {
    let mut lines = block.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let table = lines.next().is_some_and(|line| line.starts_with('[') && line.contains(']'));
    table && lines.next().is_some_and(|line| line.contains(" = ") || line.starts_with('['))
}

/// Walks down the commands and looks for each option.
fn takes(program: &clap::Command, words: &str) -> Result<(), String> {
    let (words, _remark) = words.split_once(" #").unwrap_or((words, ""));
    let (words, _remark) = words.split_once("  ").unwrap_or((words, ""));
    let mut command = program;
    for word in words.split_whitespace() {
        let word = word.trim_matches(['[', ']', ')', ',']);
        if let Some(option) = word.strip_prefix("--") {
            let option = option.split('=').next().unwrap_or_default();
            let known = command.get_arguments().any(|argument| argument.get_long() == Some(option));
            if !known {
                return Err(format!("it has no --{option}"));
            }
        } else if command.has_subcommands() {
            for name in word.split('|') {
                command.find_subcommand(name).ok_or_else(|| format!("there is no {name}"))?;
            }
            command =
                word.split('|').next().and_then(|name| command.find_subcommand(name)).unwrap_or(command);
        }
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
