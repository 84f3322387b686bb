//! The first page: what waits for an operator, what is wrong, what boots, and the last hour.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use minijinja::context;
use netbootd_config::Mode;
use netbootd_net::iface;
use serde::Serialize;

use super::findings::GroupView;
use super::rows::RowView;
use super::{Part, framed, serialized, words};
use crate::board::{Row, State};
use crate::console::{Asked, Console};

#[derive(Debug, Serialize)]
struct Listed {
    total: usize,
    rows: Vec<RowView>,
}

/// One count of the last hour.
#[derive(Debug, Serialize)]
struct Count {
    word: String,
    count: usize,
    link: String,
}

/// One line of what a server without machines shows.
#[derive(Debug, Serialize)]
struct Check {
    tint: &'static str,
    words: String,
}

pub(super) fn page(console: &Console, asked: &Asked<'_>) -> Part {
    let (board, now) = (&console.board, SystemTime::now());
    let listed = |state: State, most: usize, key: fn(&Row) -> SystemTime| {
        let mut rows = board.rows(|row| row.state == state);
        rows.sort_by_key(|row| (key(row), row.mac));
        let total = rows.len();
        rows.truncate(most);
        Listed { total, rows: rows.iter().map(|row| RowView::new(row, now)).collect() }
    };
    // The machine that waits longest is first, and no row moves while others arrive.
    let mut waiting = listed(State::Waiting, WAITING, |row| row.started);
    let numbers: HashMap<String, u32> =
        console.services.approvals.list().into_iter().map(|machine| (machine.mac, machine.id)).collect();
    for row in &mut waiting.rows {
        row.screen = numbers.get(&row.mac).map(|number| words::number((*number).into()));
    }
    let booting = listed(State::Booting, BOOTING, |row| row.started);
    let groups = board.groups();
    let values = context! {
        waiting => serialized(waiting),
        booting => serialized(booting),
        groups => serialized(groups.iter().take(CAUSES).map(|group| GroupView::new(console, group)).collect::<Vec<_>>()),
        causes => groups.len(),
        affected => groups.iter().map(|group| group.machines.len()).sum::<usize>(),
        machines => board.machines(),
        hour => serialized(hour(console, now)),
        checks => serialized(if board.machines() == 0 { checks(console) } else { Vec::new() }),
    };
    framed(console, asked, "now.html", "Now", "/", values)
}

fn hour(console: &Console, now: SystemTime) -> Vec<Count> {
    let mut counts = [0; State::ALL.len()];
    console.board.each(|row| {
        if now.duration_since(row.seen).unwrap_or_default() <= HOUR {
            counts[row.state.place()] += 1;
        }
    });
    let all = counts.iter().sum();
    let word = if all == 1 { "machine" } else { "machines" };
    let first = Count { word: word.to_owned(), count: all, link: "/machines?since=1h".to_owned() };
    let states = State::ALL.iter().zip(counts).filter(|(_, count)| *count > 0).map(|(state, count)| Count {
        word: state.word().to_lowercase(),
        count,
        link: format!("/machines?state={}&since=1h", state.key()),
    });
    std::iter::once(first).chain(states).collect()
}

/// The prerequisites of the first boot.
fn checks(console: &Console) -> Vec<Check> {
    let snapshot = console.services.snapshot.load();
    let config = &snapshot.config;
    let mut checks = Vec::new();
    let addresses: Vec<String> = iface::list(false)
        .unwrap_or_default()
        .iter()
        .flat_map(|iface| {
            iface.addrs.iter().map(|addr| format!("`{addr}` on {}", iface.name)).collect::<Vec<_>>()
        })
        .collect();
    let mode = match config.dhcp.mode {
        Mode::Off => "DHCP is off",
        Mode::Server => "This server gives addresses and boot files",
        _ => "This server adds boot files to another server's addresses",
    };
    checks.push(match addresses.is_empty() {
        true => Check { tint: "bad", words: "No interface has an IPv4 address.".to_owned() },
        false => Check { tint: "ok", words: format!("{mode}, at {}.", addresses.join(", ")) },
    });
    let rules = config.rules.0.len();
    checks.push(match rules {
        0 => Check {
            tint: "wait",
            words: "No rule names a boot file: see `[[rule]]` in the handbook.".to_owned(),
        },
        _ => Check { tint: "ok", words: format!("{} in force.", words::count(rules as u64, "rule")) },
    });
    for path in boot_files(console) {
        checks.push(match snapshot.files.has(&path) {
            true => Check { tint: "ok", words: format!("`{path}` is there.") },
            false => Check {
                tint: "bad",
                words: format!("`{path}` is not in the boot folder, and a rule names it."),
            },
        });
    }
    checks.push(Check {
        tint: "wait",
        words: "Now start a machine in its network boot, or run `netbootd probe pxe` from its segment."
            .to_owned(),
    });
    checks
}

/// Boot files that rules name, as far as they are plain paths.
fn boot_files(console: &Console) -> Vec<String> {
    let snapshot = console.services.snapshot.load();
    let mut files: Vec<String> = Vec::new();
    for rule in &snapshot.config.rules.0 {
        if let pxe_policy::Action::Boot(boot) = &rule.action {
            files.extend(boot.all_files().cloned());
        }
    }
    files.retain(|file| !file.contains("://") && !file.contains('{'));
    files.sort();
    files.dedup();
    files.truncate(6);
    files
}

const HOUR: Duration = Duration::from_secs(3600);
/// Rows of a section; a link leads to the others.
const WAITING: usize = 10;
const CAUSES: usize = 6;
const BOOTING: usize = 20;
