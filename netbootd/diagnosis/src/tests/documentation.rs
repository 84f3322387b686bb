//! The causes in the documentation are those of the table, and each has all its texts.

use super::*;
use crate::finding::{Addition, Finding};
use crate::step::SharedError;

/// The table behind the mark in `docs/troubleshooting.md`; `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_documentation_has_every_cause() {
    let mut text = String::from(
        "| cause | severity | what happened | what to do | on the screen |\n| --- | --- | --- | --- | --- |\n",
    );
    let decisions = Reason::ALL.into_iter().map(Cause::Decision).filter(|cause| cause.is_loud());
    let directories = TroubleKind::ALL.into_iter().map(Cause::Directory);
    let rows = Cause::rows();
    for cause in rows.clone().chain(directories).chain(decisions) {
        let severity = format!("{:?}", cause.severity()).to_lowercase();
        let cure = cause.cure().replace("{server}", "the other server");
        let (name, headline, codes) = (cause.as_str(), cause.headline(), cause.codes().join(", "));
        text.push_str(&format!("| `{name}` | {severity} | {headline} | {cure} | {codes} |\n"));
    }
    text.push_str("\n## How each shows\n");
    for cause in rows {
        text.push_str(&format!("\n### `{}`\n\n{}\n", cause.as_str(), wrapped(cause.handbook())));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/troubleshooting.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, generated) = page.split_once(MARK).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{head}{MARK}{text}")).unwrap();
    } else {
        assert!(
            generated == text,
            "docs/troubleshooting.md differs from the table; UPDATE_GOLDEN=1 rewrites it"
        );
    }
}

/// The text in lines of at most [`WIDTH`] columns.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= WIDTH => line.push_str(&format!(" {word}")),
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

const WIDTH: usize = 100;
const MARK: &str = "<!-- The tests of netbootd-diagnosis generate what follows. -->\n\n";

#[test]
fn a_headline_prints_the_fact_that_it_adds() {
    let error = SharedError::new(std::io::Error::other("network is unreachable"));
    let table = [
        (Addition::SameHost, "it is another program on this server's own host"),
        (Addition::NamesNoFile, "it answers as a boot server (option 60) and names no boot file"),
        (Addition::SendError(error), "network is unreachable"),
        (Addition::UrlFrom([10, 77, 0, 2].into()), "the URL comes from the DHCP server 10.77.0.2"),
        (Addition::UnknownEnding, "firmware does not know what the file is by its name"),
        (Addition::OtherImages, "its rule names other images"),
        (Addition::OtherModels, "it is for other models or architectures"),
        (Addition::ClientMessage("Out of memory.".into()), "it says \"Out of memory.\""),
        (Addition::NearestName("ipxe.efi".into()), "the nearest name is ipxe.efi"),
    ];
    for (addition, text) in table {
        let finding = Finding::new(Cause::FileNotFound, 0).about("ipxeee.efi").adding(addition);
        assert_eq!(finding.headline(), format!("ipxeee.efi is not there; {text}."));
    }
}

#[test]
fn every_cause_of_the_table_has_its_words() {
    let mut names = std::collections::HashSet::new();
    for cause in Cause::rows() {
        assert!(names.insert(cause.as_str()), "{} is there twice", cause.as_str());
        assert!(cause.headline().ends_with('.') && !cause.handbook().is_empty() && !cause.cure().is_empty());
    }
}
