//! How full the disks are, in words.

use super::super::words;
use super::Line;
use crate::console::Console;
use crate::storage::{Folder, Store};

/// The state folder and the image store.
pub(super) async fn lines(console: &Console) -> Vec<Line> {
    let state_dir = console.services.snapshot.load().config.server.state_dir.clone();
    let seen = console.storage.look(&state_dir, console.daemon.images.clone()).await;
    let mut lines: Vec<Line> = seen.folders.iter().map(folder).collect();
    lines.extend(seen.store.as_ref().map(store));
    lines
}

fn folder(folder: &Folder) -> Line {
    let (name, path) = (folder.name.to_owned(), folder.path.display());
    match &folder.free {
        Ok(free) => {
            let tint = if *free < SCARCE { "warn" } else { "ok" };
            Line { tint, name, words: format!("{} free at {path}", words::bytes(*free)) }
        }
        Err(error) => Line { tint: "bad", name, words: format!("{path}: {error}") },
    }
}

fn store(store: &Store) -> Line {
    let name = "Store".to_owned();
    match store {
        Store::Open { used, room, quota } => {
            let used = words::bytes(*used);
            let words = match quota {
                Some(quota) => format!("{used} of the quota of {}", words::bytes(*quota)),
                None => format!("{used} used, room for {}", words::bytes(*room)),
            };
            Line { tint: if *room < SCARCE { "warn" } else { "ok" }, name, words }
        }
        Store::Unreadable(why) => Line { tint: "bad", name, words: why.clone() },
    }
}

/// Less than a boot image of room is worth a look.
const SCARCE: u64 = 1 << 30;
