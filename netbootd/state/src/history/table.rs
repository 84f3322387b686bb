//! The table of the state file in which netbootd 0.1 kept the steps.

use std::io::{self, Write};

use redb::{ReadableTable, TableDefinition, TableError};

use super::segments::Segments;
use crate::file::State;

/// Writes the table's steps to files of their days, and removes the table once they are on the
/// disk. A crash in between repeats it.
pub(super) fn migrate(state: &State, segments: &Segments) -> io::Result<()> {
    let read = state.read().map_err(io::Error::other)?;
    match read.open_table(STEPS) {
        Ok(table) => write(&table, segments)?,
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(io::Error::other(error)),
    }
    drop(read);
    state.write_now(|transaction| Ok(transaction.delete_table(STEPS).map(drop)?)).map_err(io::Error::other)
}

fn write(table: &impl ReadableTable<Key, &'static str>, segments: &Segments) -> io::Result<()> {
    segments.make_folder()?;
    let mut open: Option<(u64, io::BufWriter<std::fs::File>)> = None;
    let end = |open: &mut Option<(u64, io::BufWriter<std::fs::File>)>| match open.take() {
        Some((_, file)) => file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all(),
        None => Ok(()),
    };
    for step in table.iter().map_err(io::Error::other)? {
        let (key, json) = step.map_err(io::Error::other)?;
        let day = u64::from(key.value().0);
        if open.as_ref().is_none_or(|(known, _)| *known != day) {
            end(&mut open)?;
            let path = segments.path(day, MIGRATED);
            let _ = std::fs::remove_file(&path); // of a migration that was cut short
            open = Some((day, io::BufWriter::new(segments.open(&path)?)));
        }
        if let Some((_, file)) = &mut open {
            file.write_all(json.value().as_bytes())?;
            file.write_all(b"\n")?;
        }
    }
    end(&mut open)
}

/// Day since 1970, machine, milliseconds since 1970, number within the run.
type Key = (u32, [u8; 6], u64, u64);

pub(super) const STEPS: TableDefinition<'static, Key, &'static str> = TableDefinition::new("steps");
/// Before the files that are written to.
const MIGRATED: u64 = 0;
