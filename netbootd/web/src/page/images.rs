//! The image store: what is in it, which machines get it, and what is being imported.

use std::collections::BTreeMap;

use minijinja::context;
use serde::Serialize;

use super::{Part, framed, serialized, words};
use crate::console::{Asked, Console};

#[derive(Debug, Serialize)]
struct ImageLine {
    name: String,
    kind: String,
    labels: Vec<String>,
    machines: usize,
    link: String,
}

#[derive(Debug, Serialize)]
struct Coming {
    source: String,
    file: String,
    percent: Option<u64>,
    words: String,
}

pub(super) fn page(console: &Console, asked: &Asked<'_>) -> Part {
    let services = &console.services;
    let snapshot = services.snapshot.load();
    let mut users: BTreeMap<String, usize> = BTreeMap::new();
    for row in console.board.rows(|row| row.gets.is_some()) {
        if let Some(gets) = &row.gets {
            *users.entry(gets.clone()).or_default() += 1;
        }
    }
    let images: Vec<ImageLine> = snapshot
        .files
        .images()
        .into_iter()
        .map(|image| ImageLine {
            labels: snapshot
                .files
                .image_labels(&image.name)
                .into_iter()
                .take(6)
                .map(|(name, value)| format!("{name}: {value}"))
                .collect(),
            machines: users.get(&image.name).copied().unwrap_or_default(),
            link: format!("/machines?image={}", super::query::encoded(&image.name)),
            name: image.name,
            kind: image.kind,
        })
        .collect();
    let coming = services.content.ingests.under_way().map(|ingest| Coming {
        percent: (ingest.total > 0).then(|| (ingest.bytes * 100 / ingest.total).min(100)),
        words: format!("{} of {}", words::bytes(ingest.bytes), words::bytes(ingest.total)),
        source: ingest.source,
        file: ingest.file,
    });
    let values = context! {
        images => serialized(images),
        coming => coming.map(serialized),
        store => console.daemon.images.is_some(),
        drop_folder => snapshot.config.store.drop_folder.as_ref().map(|folder| folder.display().to_string()),
    };
    framed(console, asked, "images.html", "Images", "/images", values)
}
