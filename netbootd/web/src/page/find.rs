//! The results of the field in the bar: pages and commands, machines, images, causes. As JSON for
//! the page's script; without it the field searches machines.

use hyper::StatusCode;
use serde::Serialize;

use super::{Part, findings, query};
use crate::console::{Asked, Console};

#[derive(Debug, Serialize)]
struct Hit {
    title: String,
    under: String,
    link: String,
}

/// Pages and commands, in the order in which they are offered.
const COMMANDS: [(&str, &str, &str); 19] = [
    ("Now", "what waits, what is wrong, what boots", "/"),
    ("Machines", "find, filter, act on many", "/machines"),
    ("Waiting machines", "approve them", "/machines?state=waiting"),
    ("Failed machines", "what stopped them", "/machines?state=failed"),
    ("Number on a screen", "the machine that shows it", "/m"),
    ("Findings", "causes and cures", "/findings"),
    ("Images", "versions, the boot menu", "/images"),
    ("Upload an image", "ISO, WIM, DMG or disk image", "/images#upload-h"),
    ("Explain", "what a machine would get, and why", "/explain"),
    ("Deployment day", "a list of machines on a big screen", "/wall"),
    ("Server", "interfaces, disk, sandbox", "/server"),
    ("Rules", "in their order", "/server#rules"),
    ("Leases", "the addresses that are given", "/server/leases"),
    ("Ledger", "Required deployments that were given", "/server/ledger"),
    ("Choices of Macs", "which image each Mac chose", "/server/bindings"),
    ("Audit", "who changed what", "/server/audit"),
    ("Reload the configuration", "with what it would change", "/server/reload"),
    ("Export machines", "as comma-separated values", "/machines.csv"),
    ("Export the audit", "as comma-separated values", "/server/audit.csv"),
];

pub(super) fn json(console: &Console, asked: &Asked<'_>) -> Part {
    let q = query::value(asked.query, "q").unwrap_or_default().trim().to_lowercase();
    let mut hits: Vec<Hit> = COMMANDS
        .iter()
        .filter(|(title, under, _)| q.is_empty() || holds(title, &q) || holds(under, &q))
        .map(|(title, under, link)| hit(*title, *under, *link))
        .take(if q.is_empty() { COMMANDS.len() } else { MOST_OF_A_KIND })
        .collect();
    if !q.is_empty() {
        hits.extend(machines(console, &q));
        let snapshot = console.services.snapshot.load();
        let images = snapshot.files.images().into_iter().filter(|image| holds(&image.name, &q));
        hits.extend(images.take(MOST_OF_A_KIND).map(|image| {
            let link = format!("/images/{}", query::encoded(&image.name));
            hit(image.name, format!("image, {}", image.kind), link)
        }));
        let causes = findings::every().filter(|cause| holds(cause.as_str(), &q));
        hits.extend(
            causes
                .take(MOST_OF_A_KIND)
                .map(|cause| hit(cause.as_str(), "in the handbook", format!("/findings/{}", cause.as_str()))),
        );
    }
    hits.truncate(MOST);
    Part {
        status: StatusCode::OK,
        content_type: "application/json",
        body: serde_json::to_string(&hits).unwrap_or_default(), // plain structs always have a JSON form
    }
}

/// Machines with the word, and what can be done with the one that is left.
fn machines(console: &Console, q: &str) -> Vec<Hit> {
    let number = q.parse::<u32>().ok();
    let mut rows = console
        .board
        .rows(|row| row.haystack.contains(q) || number.is_some_and(|number| number == row.number));
    rows.sort_by_key(|row| (std::cmp::Reverse(row.seen), row.mac));
    let mut hits: Vec<Hit> = Vec::new();
    for row in rows.iter().take(MOST_OF_A_KIND) {
        let about = [Some(row.state.word().to_owned()), row.vendor.clone(), row.address.clone()];
        let about = about.into_iter().flatten().collect::<Vec<_>>().join(" · ");
        hits.push(hit(row.title(), about, format!("/machines/{}", row.mac)));
    }
    if let [row] = rows.as_slice() {
        let (title, mac) = (row.title(), row.mac);
        if row.is_asked {
            hits.push(hit(format!("Approve {title}"), "…", format!("/machines/{mac}/approve")));
        }
        hits.push(hit(
            format!("Boot {title} next"),
            "once, or until a time",
            format!("/machines/{mac}/boot"),
        ));
        hits.push(hit(
            format!("Assign {title}"),
            "name, tags, what it boots",
            format!("/machines/{mac}/assign"),
        ));
        hits.push(hit(
            format!("Explain {title}"),
            "what it would get, and why",
            format!("/explain?mac={mac}"),
        ));
    }
    hits
}

fn hit(title: impl Into<String>, under: impl Into<String>, link: impl Into<String>) -> Hit {
    Hit { title: title.into(), under: under.into(), link: link.into() }
}

fn holds(text: &str, word: &str) -> bool {
    text.to_lowercase().contains(word)
}

const MOST: usize = 20;
const MOST_OF_A_KIND: usize = 6;
