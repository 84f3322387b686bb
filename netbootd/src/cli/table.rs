//! Lists: as tables for people, columns as wide as their widest cell, or as JSON.

use clap::Args;
use serde::Serialize;

use super::{Failure, SiteArgs};
use crate::cli::out::{out, outln};

/// A command that lists something.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub(super) site: SiteArgs,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Shows a list as it was asked for.
pub(super) fn show<T: Serialize>(
    args: &ListArgs,
    list: &[T],
    rendered: impl FnOnce(&[T]) -> String,
) -> Result<(), Failure> {
    if args.json {
        let text = serde_json::to_string_pretty(list).map_err(|error| Failure::Bug(error.to_string()))?;
        outln!("{text}");
    } else {
        out!("{}", rendered(list));
    }
    Ok(())
}

/// Lays out rows below a heading; text that came from outside is escaped.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.chars().map(shown).collect()).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(heading.to_vec());
    for row in &rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

fn shown(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["ü".into(), "x\u{1b}".into()], vec!["long".into(), String::new()]];
        assert_eq!(table(&["A", "B"], &rows), "A     B\nü     x\u{fffd}\nlong\n");
    }
}
