//! Deployment day: a list of machines as tiles, for a big screen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use minijinja::context;
use pxe_policy::MacAddr;
use serde::Serialize;

use super::{Part, framed, serialized, words};
use crate::board::{Row, State};
use crate::console::{Asked, Console};

/// A machine of the list.
#[derive(Debug, Serialize)]
struct Tile {
    id: String,
    title: String,
    link: Option<String>,
    tint: &'static str,
    word: &'static str,
    /// The file that comes, or what is wrong.
    under: String,
    percent: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Slow {
    title: String,
    mac: String,
    took: String,
}

/// How far the day is.
#[derive(Debug, Default)]
struct Counts {
    done: usize,
    failed: usize,
    booting: usize,
    waiting: usize,
    never: usize,
}

pub(super) fn page(console: &Console, asked: &Asked<'_>) -> Part {
    let (list, now) = (console.daemon.day.list(), SystemTime::now());
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(list.since.min(words::LAST_SECOND));
    let rows = rows(console);
    let (mut counts, mut tiles, mut slow) = (Counts::default(), Vec::new(), Vec::new());
    for (n, name) in list.machines.iter().enumerate() {
        let row = rows.get(&name.to_lowercase()).filter(|row| row.seen >= since);
        tiles.push(tile(n, name, row.map(|row| &**row)));
        let Some(row) = row else {
            counts.never += 1;
            continue;
        };
        match row.state {
            State::Loaded | State::Up => counts.done += 1,
            State::Failed | State::Attention => counts.failed += 1,
            State::Booting => counts.booting += 1,
            State::Waiting => counts.waiting += 1,
            State::ToDisk | State::LeftAlone => counts.done += 1,
        }
        let end = if row.state == State::Booting { now } else { row.seen };
        slow.push((end.duration_since(row.started).unwrap_or_default(), Arc::clone(row)));
    }
    slow.sort_by_key(|(took, row)| (std::cmp::Reverse(*took), row.mac));
    let slowest = slow.into_iter().take(SLOWEST).map(|(took, row)| Slow {
        title: row.title(),
        mac: row.mac.to_string(),
        took: words::span(took.as_secs_f64()),
    });
    let elapsed = now.duration_since(since).unwrap_or_default();
    let values = context! {
        total => list.machines.len(),
        text => list.machines.join("\n"),
        done => counts.done,
        failed => counts.failed,
        booting => counts.booting,
        waiting => counts.waiting,
        never => counts.never,
        left => left(elapsed, &counts, list.machines.len()),
        began => (!list.machines.is_empty()).then(|| words::at(list.since)),
        tiles => serialized(tiles),
        slowest => serialized(slowest.collect::<Vec<_>>()),
    };
    framed(console, asked, "wall.html", "Deployment day", "/server", values)
}

/// All machines of the board, by their address and by their name, in small letters.
fn rows(console: &Console) -> HashMap<String, Arc<Row>> {
    let mut rows = HashMap::new();
    console.board.each(|row| {
        rows.insert(row.mac.to_string(), Arc::clone(row));
        if let Some(name) = &row.name {
            rows.insert(name.to_lowercase(), Arc::clone(row));
        }
    });
    rows
}

fn tile(n: usize, name: &str, row: Option<&Row>) -> Tile {
    let Some(row) = row else {
        let is_address = name.parse::<MacAddr>().is_ok();
        return Tile {
            id: n.to_string(),
            title: name.to_owned(),
            link: is_address.then(|| format!("/machines/{}", name.to_lowercase())),
            tint: "off",
            word: "Not seen yet",
            under: String::new(),
            percent: None,
        };
    };
    let transfer = row.transfer.as_ref();
    let percent = transfer.and_then(|transfer| {
        let size = transfer.size.filter(|size| *size > 0)?;
        Some((transfer.bytes * 100 / size).min(100))
    });
    let under = match (&row.found, transfer) {
        (Some(found), _) if row.state != State::Booting => found.headline.clone(),
        (_, Some(transfer)) => transfer.file.clone(),
        _ => row.gets.clone().unwrap_or_default(),
    };
    Tile {
        id: n.to_string(),
        title: row.title(),
        link: Some(format!("/machines/{}", row.mac)),
        tint: row.state.tint(),
        word: row.state.word(),
        under,
        percent,
    }
}

/// The time that the rest takes, if it goes on as so far; None before anything is done.
fn left(elapsed: Duration, counts: &Counts, total: usize) -> Option<String> {
    let rest = total.saturating_sub(counts.done);
    if counts.done == 0 || rest == 0 {
        return None;
    }
    Some(words::span(elapsed.as_secs_f64() * rest as f64 / counts.done as f64))
}

/// Machines that are named as the slowest.
const SLOWEST: usize = 5;
