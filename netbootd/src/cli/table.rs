//! Lists: as tables that fit the terminal, or as JSON. By hand: one layout, with text from outside
//! escaped, is shorter than comfy-table's settings for it.

use anstyle::Style;
use clap::Args;
use serde::Serialize;

use super::colour::styled;
use super::{Failure, SiteArgs};
use crate::cli::out::{out, outln};

/// A command that lists something.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub(super) site: SiteArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Shows a list as it was asked for; `empty` is what people read of an empty one.
pub(super) fn show<T: Serialize>(
    args: &ListArgs,
    list: &[T],
    empty: &str,
    rendered: impl FnOnce(&[T]) -> String,
) -> Result<(), Failure> {
    if args.json {
        let text = serde_json::to_string_pretty(list).map_err(|error| Failure::Bug(error.to_string()))?;
        outln!("{text}");
    } else if list.is_empty() {
        outln!("{empty}");
    } else {
        out!("{}", rendered(list));
    }
    Ok(())
}

/// Lays out rows below a heading. On a terminal, cells of the widest columns continue on further
/// lines. Text that came from outside is escaped.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    styled_table(heading, rows, |_| None)
}

/// The same, with a style for some of the rows.
pub(super) fn styled_table(
    heading: &[&str],
    rows: &[Vec<String>],
    style: impl Fn(usize) -> Option<Style>,
) -> String {
    let terminal = console::Term::stdout();
    let columns = terminal.is_term().then(|| terminal.size_checked()).flatten();
    laid_out(heading, rows, columns.map_or(usize::MAX, |(_, columns)| columns.into()), style)
}

fn laid_out(
    heading: &[&str],
    rows: &[Vec<String>],
    columns: usize,
    style: impl Fn(usize) -> Option<Style>,
) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.chars().map(shown).collect()).collect()).collect();
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..heading.len()).map(widest).collect();
    narrow(&mut widths, columns.saturating_sub(GAP.len() * heading.len().saturating_sub(1)));
    let mut text = row_text(heading, &widths);
    for (at, row) in rows.iter().enumerate() {
        let lines = row_text(&row.iter().map(String::as_str).collect::<Vec<_>>(), &widths);
        match style(at) {
            Some(style) => text.extend(lines.lines().map(|line| styled(style, line) + "\n")),
            None => text.push_str(&lines),
        }
    }
    text
}

/// Takes from the widest columns until all fit, or none can give any more.
fn narrow(widths: &mut [usize], room: usize) {
    while widths.iter().sum::<usize>() > room {
        let Some(widest) = widths.iter_mut().max() else { return };
        if *widest <= NARROWEST {
            return;
        }
        *widest -= 1;
    }
}

/// A row, on as many lines as its longest cell needs.
fn row_text(cells: &[&str], widths: &[usize]) -> String {
    let wrapped: Vec<Vec<String>> =
        cells.iter().zip(widths).map(|(cell, width)| wrapped(cell, *width)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    let line = |at: usize| {
        let cell = |(lines, width): (&Vec<String>, &usize)| {
            format!("{:<width$}", lines.get(at).map_or("", String::as_str))
        };
        let cells: Vec<String> = wrapped.iter().zip(widths).map(cell).collect();
        cells.join(GAP).trim_end().to_owned() + "\n"
    };
    (0..height).map(line).collect()
}

/// Lines of at most `width` characters, broken after a blank where there is one.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut rest) = (Vec::new(), text);
    while rest.chars().count() > width {
        let end = rest.char_indices().nth(width.max(1)).map_or(rest.len(), |(at, _)| at);
        let blank = rest[..end].rfind(' ').filter(|at| *at > 0);
        let (line, after) = rest.split_at(blank.unwrap_or(end));
        lines.push(line.to_owned());
        rest = after.trim_start();
    }
    lines.push(rest.to_owned());
    lines
}

fn shown(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

const GAP: &str = "  ";
/// No column is narrower because of the others.
const NARROWEST: usize = 12;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(heading: &[&str], rows: &[Vec<String>], columns: usize) -> String {
        laid_out(heading, rows, columns, |_| None)
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["ü".into(), "x\u{1b}".into()], vec!["long".into(), String::new()]];
        assert_eq!(table(&["A", "B"], &rows), "A     B\nü     x\u{fffd}\nlong\n");
    }

    #[test]
    fn a_wide_cell_continues_on_the_next_line() {
        let rows = [vec!["pc-1".into(), "waits for an operator since this morning".into(), "x".into()]];
        assert_eq!(
            plain(&["NAME", "STATE", "N"], &rows, 30),
            "NAME  STATE                  N\npc-1  waits for an           x\n      operator since this\n      morning\n"
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_lines_fit(
            cells in prop::collection::vec(prop::collection::vec("[a-z ]{0,60}", 3), 0..5),
            columns in 45_usize..200,
        ) {
            let text = plain(&["ONE", "TWO", "THREE"], &cells, columns);
            prop_assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
            let letters = |text: &str| text.chars().filter(char::is_ascii_lowercase).count();
            prop_assert_eq!(letters(&text), cells.concat().iter().map(|cell| letters(cell)).sum::<usize>());
        }
    }
}
