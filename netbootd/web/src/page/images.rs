//! The image store: what is in it, which machines get it, what is uploaded and imported.

use std::collections::BTreeMap;
use std::sync::Arc;

use imagestore::{ImageRecord, Room, Store};
use minijinja::context;
use netbootd_content::menu;
use netbootd_content::uploads::UploadView;
use serde::Serialize;

use super::{Part, framed, query, serialized, words};
use crate::console::{Asked, Console};

#[derive(Debug, Serialize)]
struct ImageLine {
    name: String,
    kind: String,
    /// The title that its import recognised.
    title: Option<String>,
    versions: usize,
    size: String,
    imported: String,
    machines: usize,
    link: String,
    /// Why it is withdrawn, if it is.
    withdrawn: Option<String>,
}

#[derive(Debug, Serialize)]
struct Coming {
    source: String,
    file: String,
    percent: Option<u64>,
    words: String,
}

#[derive(Debug, Serialize)]
struct UploadLine {
    id: String,
    file: String,
    size: u64,
    offset: u64,
    state: &'static str,
    tint: &'static str,
    word: &'static str,
    words: String,
    percent: u64,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct SourceLine {
    source: String,
    why: String,
}

pub(super) async fn page(console: &Console, asked: &Asked<'_>) -> Part {
    let services = &console.services;
    let snapshot = services.snapshot.load_full();
    let users = users(console);
    let catalogue = snapshot.files.catalogue();
    let images: Vec<ImageLine> =
        catalogue.images.iter().map(|(name, record)| line(name, record, &users)).collect();
    let coming = services.content.ingests.under_way().map(|ingest| Coming {
        percent: (ingest.total > 0).then(|| (ingest.bytes * 100 / ingest.total).min(100)),
        words: format!("{} of {}", words::bytes(ingest.bytes), words::bytes(ingest.total)),
        source: ingest.source,
        file: ingest.file,
    });
    let refused = services.content.ingests.refused();
    let refused = refused.into_iter().map(|(source, why)| SourceLine { source, why });
    let (uploads, room) = on_disk(console).await;
    let values = context! {
        total => images.iter().filter(|image| image.withdrawn.is_none()).count(),
        images => serialized(images),
        coming => coming.map(serialized),
        uploads => serialized(uploads.into_iter().map(upload).collect::<Vec<_>>()),
        refused => serialized(refused.take(MOST_REFUSED).collect::<Vec<_>>()),
        room => room.map(|room| words::bytes(room.have)),
        menu => serialized(menu_lines(console)),
        menu_on => snapshot.config.menu.enabled,
        store => console.daemon.images.is_some(),
        trust => serialized(services.trust.counts()),
        drop_folder => snapshot.config.store.drop_folder.as_ref().map(|folder| folder.display().to_string()),
    };
    framed(console, asked, "images.html", "Images", "/images", values)
}

/// How many machines get each image.
pub(super) fn users(console: &Console) -> BTreeMap<String, usize> {
    let mut users: BTreeMap<String, usize> = BTreeMap::new();
    console.board.each(|row| {
        if let Some(gets) = &row.gets {
            match users.get_mut(gets) {
                Some(count) => *count += 1,
                None => drop(users.insert(gets.clone(), 1)),
            }
        }
    });
    users
}

fn line(name: &str, record: &ImageRecord, users: &BTreeMap<String, usize>) -> ImageLine {
    let current = record.current();
    ImageLine {
        kind: current.map(|version| version.kind.to_string()).unwrap_or_default(),
        title: current.and_then(|version| version.about.as_deref()).map(|about| about.title()),
        versions: record.versions.len(),
        size: current.map(|version| words::bytes(version.size)).unwrap_or_default(),
        imported: current.map(|version| words::at(version.at)).unwrap_or_default(),
        machines: users.get(name).copied().unwrap_or_default(),
        link: format!("/machines?image={}", query::encoded(name)),
        withdrawn: record.retired.as_ref().map(|retired| retired.why.clone()),
        name: name.to_owned(),
    }
}

/// The uploads, and how much the store may grow: both are on the disk.
async fn on_disk(console: &Console) -> (Vec<UploadView>, Option<Room>) {
    let Some(images) = console.daemon.images.clone() else { return (Vec::new(), None) };
    let services = Arc::clone(&console.services);
    let look = move || {
        let store: &Store = images.store();
        (services.content.uploads.list(store), store.room().ok())
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

fn upload(upload: UploadView) -> UploadLine {
    let is_whole = upload.offset == upload.size;
    let (tint, word) = match upload.state {
        "importing" => ("busy", "Importing"),
        "failed" => ("bad", "Failed"),
        _ if is_whole => ("wait", "Complete"),
        _ => ("wait", "Paused"),
    };
    UploadLine {
        words: match is_whole {
            true => words::bytes(upload.size),
            false => format!("{} of {}", words::bytes(upload.offset), words::bytes(upload.size)),
        },
        percent: upload.offset.saturating_mul(100).checked_div(upload.size).unwrap_or_default(),
        id: upload.id,
        file: upload.file,
        size: upload.size,
        offset: upload.offset,
        state: upload.state,
        tint,
        word,
        error: upload.error,
    }
}

/// An image's place in the boot menu.
#[derive(Debug, Serialize)]
struct MenuLine {
    image: String,
    title: String,
    #[serde(skip)]
    order: i64,
}

/// The images in the order of the boot menu; which of them a machine is shown depends on what its
/// boot loader starts.
fn menu_lines(console: &Console) -> Vec<MenuLine> {
    let snapshot = console.services.snapshot.load();
    let catalogue = snapshot.files.catalogue();
    let mut lines: Vec<MenuLine> = Vec::new();
    for (name, record) in catalogue.images.iter().filter(|(_, record)| record.retired.is_none()) {
        let Some(version) = record.current() else { continue };
        let label = |key: &str| version.labels.get(key);
        if label(menu::MENU).is_some_and(|word| word == "hidden") {
            continue;
        }
        let order = label(menu::ORDER).and_then(|order| order.parse().ok()).unwrap_or_default();
        lines.push(MenuLine {
            title: label(menu::TITLE).unwrap_or(name).clone(),
            image: name.clone(),
            order,
        });
    }
    lines.sort_by(|one, other| {
        one.order.cmp(&other.order).then_with(|| one.title.to_lowercase().cmp(&other.title.to_lowercase()))
    });
    lines
}

/// Sources that could not be imported, on the page.
const MOST_REFUSED: usize = 10;
