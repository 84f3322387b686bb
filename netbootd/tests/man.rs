//! The man pages say what the command line and the configuration take, and nothing else.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{ArgAction, CommandFactory};
use netbootd::cli::Cli;
use netbootd_config::Config;

type Words = BTreeSet<String>;

#[test]
fn the_page_of_the_configuration_describes_every_table_and_key_and_no_other() {
    let (schema, page) = (Schema::read(), page_of_the_configuration());
    let keys = |tables: &BTreeMap<String, Entries>| -> BTreeMap<String, Words> {
        tables.iter().map(|(table, entries)| (table.clone(), entries.keys().cloned().collect())).collect()
    };
    assert_eq!(keys(&page), schema.keys(), "left: docs/man/netbootd.toml.5, right: the schema");
    assert!(schema.tables.len() > 20, "{:?}", schema.keys());
}

#[test]
fn the_page_of_the_configuration_names_every_word_that_a_key_takes_and_no_other() {
    let (schema, page) = (Schema::read(), page_of_the_configuration());
    for (table, key, words) in schema.words() {
        assert_eq!(quoted(&page[table][key]), *words, "left: what {table}.{key} says, right: the schema");
    }
    assert!(schema.words().count() > 10);
}

/// Each key with a value of each kind: whatever is wrong is said in an operator's words.
#[test]
fn no_finding_speaks_of_the_programs_types() {
    let schema = Schema::read();
    assert!(schema.places.len() > 100, "{}", schema.places.len());
    let values = [
        "\"text\"",
        "\"\"",
        "-1",
        "5",
        "99999999999999999999",
        "1.5",
        "true",
        "[]",
        "[1]",
        "[\"a\"]",
        "{}",
        "{ a = 1 }",
        "{ a = {}, b = {} }",
        "1979-05-27",
        "[{}]",
        "[[]]",
    ];
    let words = [
        "variant",
        "struct",
        "newtype",
        "sequence",
        "enum",
        "u8",
        "u16",
        "u32",
        "u64",
        "usize",
        "i64",
        "invalid type",
        "invalid value",
        "invalid length",
        "field",
        "element",
        "overflow",
        "borrowed",
        "map,",
    ];
    for (place, value) in schema.places.iter().flat_map(|place| values.map(|value| (place, value))) {
        let text = place.replace(HERE, value);
        let findings = match Config::parse(&text, Path::new("schema.toml"), Some(Path::new("/"))) {
            Ok((_, findings)) | Err(findings) => findings,
        };
        for finding in findings.iter() {
            let said = format!("{} / {}", finding.message, finding.help.as_deref().unwrap_or_default());
            let found = words.into_iter().find(|word| said.contains(word));
            assert_eq!(found, None, "{text}\n{said}");
        }
    }
}

#[test]
fn the_page_of_the_program_describes_every_command_and_option_and_no_other() {
    let text = fs::read_to_string(page("netbootd.8")).unwrap();
    let common = options(section(&text, "COMMON OPTIONS"));
    let mut described = BTreeMap::new();
    for (title, body) in subsections(section(&text, "COMMANDS")) {
        described.insert(title.to_owned(), options(body));
    }
    let mut taken = BTreeMap::new();
    let mut program = Cli::command();
    program.build();
    collect(&program, "", &mut taken);
    let everywhere: Words = taken.values().flatten().cloned().collect();
    assert!(common.is_subset(&everywhere), "{common:?}");
    for options in taken.values_mut() {
        options.retain(|option| !common.contains(option));
    }
    assert_eq!(described, taken, "left: docs/man/netbootd.8, right: the command line");
}

#[test]
fn the_pages_have_no_faults_of_form() {
    for name in ["netbootd.8", "netbootd.toml.5"] {
        let checked = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(page(name)).output();
        let checked = checked.expect("mandoc is installed by tools/install-packages");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}

/// The configuration's schema, as its reader tells it: it names what it knows when it meets what it
/// does not.
struct Schema {
    tables: BTreeMap<String, BTreeMap<String, Words>>,
    /// A text for each key, with [`HERE`] in the place of its value.
    places: Vec<String>,
}

/// How a table is written below its key.
#[derive(Clone, Copy)]
enum Shape {
    One,
    Many,
    Named,
}

impl Schema {
    fn read() -> Self {
        let mut schema = Schema { tables: BTreeMap::new(), places: Vec::new() };
        for key in known_in(&format!("{STRANGER} = 1")).expect("the root takes no unknown key") {
            if !schema.descend(&key, &key, &|inner| inner) {
                // A table whose keys are names.
                schema.tables.insert(key, BTreeMap::new());
            }
        }
        schema
    }

    /// Notes the table at `key`, if there is one, with what is below it; `whole` writes what is
    /// around its line.
    fn descend(&mut self, name: &str, key: &str, whole: &dyn Fn(String) -> String) -> bool {
        for shape in [Shape::One, Shape::Many, Shape::Named] {
            let around = |inner: String| whole(shape.write(key, &inner));
            let Some(keys) = known_in(&around(format!("{STRANGER} = 1"))) else { continue };
            let name = if matches!(shape, Shape::Named) { format!("{name}.NAME") } else { name.to_owned() };
            let mut entries = BTreeMap::new();
            for key in keys {
                self.places.push(around(format!("{key} = {HERE}")));
                let below = format!("{name}.{key}");
                let words = known_in(&around(format!("{key} = \"{STRANGER}\""))).unwrap_or_default();
                for word in &words {
                    let of_word = |inner: String| around(Shape::One.write(&key, &inner));
                    self.descend(&format!("{below}.{word}"), word, &of_word);
                }
                if !words.is_empty() || !self.descend(&below, &key, &around) {
                    entries.insert(key, words);
                }
            }
            self.tables.insert(name, entries);
            return true;
        }
        false
    }

    fn keys(&self) -> BTreeMap<String, Words> {
        let keys = |entries: &BTreeMap<String, Words>| entries.keys().cloned().collect();
        self.tables.iter().map(|(table, entries)| (table.clone(), keys(entries))).collect()
    }

    /// The keys that take one of some words.
    fn words(&self) -> impl Iterator<Item = (&str, &str, &Words)> {
        self.tables.iter().flat_map(|(table, entries)| {
            let with_words = entries.iter().filter(|(_, words)| !words.is_empty());
            with_words.map(move |(key, words)| (table.as_str(), key.as_str(), words))
        })
    }
}

impl Shape {
    fn write(self, key: &str, inner: &str) -> String {
        match self {
            Shape::One => format!("{key} = {{ {inner} }}"),
            Shape::Many => format!("{key} = [{{ {inner} }}]"),
            Shape::Named => format!("{key} = {{ NAME = {{ {inner} }} }}"),
        }
    }
}

/// The accepted words in the place of the stranger: keys or values. None where neither is asked
/// for.
fn known_in(text: &str) -> Option<Words> {
    let findings = match Config::parse(text, Path::new("schema.toml"), Some(Path::new("/"))) {
        Ok((_, findings)) | Err(findings) => findings,
    };
    let unknown = ["key", "value"].map(|what| format!("unknown {what} `{STRANGER}`"));
    let finding =
        findings.iter().find(|finding| unknown.iter().any(|start| finding.message.starts_with(start)))?;
    let help = finding.help.as_deref().unwrap_or_default();
    Some(help.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

const HERE: &str = "@HERE@";
const STRANGER: &str = "no-such-word";

/// Each key with its text.
type Entries = BTreeMap<String, String>;

fn page_of_the_configuration() -> BTreeMap<String, Entries> {
    let text = fs::read_to_string(page("netbootd.toml.5")).unwrap();
    let mut tables = BTreeMap::new();
    for (title, body) in subsections(section(&text, "TABLES")) {
        let items = body.split("\n.It Ic ").skip(1);
        let entries = items.map(|item| {
            let (key, text) = item.split_once([' ', '\n']).unwrap();
            (key.to_owned(), text.to_owned())
        });
        let entries: Entries = entries.collect();
        for name in title.split(" and ") {
            tables.insert(name.trim_matches(['[', ']']).to_owned(), entries.clone());
        }
    }
    tables
}

/// The words that a text gives as they are written.
fn quoted(text: &str) -> Words {
    let words = text.lines().filter_map(|line| line.strip_prefix(".Ql "));
    words.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn options(text: &str) -> Words {
    let items = text.lines().filter_map(|line| line.strip_prefix(".It Fl Fl "));
    items.filter_map(|item| item.split(' ').next()).map(str::to_owned).collect()
}

/// The text below a heading.
fn section<'a>(text: &'a str, title: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n.Sh {title}\n")).unwrap();
    rest.split("\n.Sh ").next().unwrap()
}

fn subsections(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let marked = text.strip_prefix(".Ss ").unwrap();
    marked.split("\n.Ss ").map(|part| part.split_once('\n').unwrap_or((part, "")))
}

/// Every command that does something, with its options.
fn collect(command: &clap::Command, path: &str, into: &mut BTreeMap<String, Words>) {
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        collect(inner, &format!("{path} {}", inner.get_name()), into);
    }
    if !command.is_subcommand_required_set() {
        // Those that clap adds by itself.
        let added = |action: &ArgAction| matches!(action, ArgAction::Help | ArgAction::Version);
        let own = command.get_arguments().filter(|argument| !added(argument.get_action()));
        let shown = own.filter(|argument| !argument.is_hide_set());
        let options = shown.filter_map(|argument| argument.get_long()).map(str::to_owned);
        into.insert(path.trim_start().to_owned(), options.collect());
    }
}

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man").join(name)
}
