//! The causes that rules find, in the order of a boot. A new diagnosis is one row in a file of this
//! folder and one rule in [`crate::rules`]; a test proves that each row has a boot that ends in it.

mod address;
mod file;
mod machine;
mod program;
mod report;
mod transfer;

use super::Cause;

impl Cause {
    /// The rows of the table, in the order of a boot.
    pub fn rows() -> impl Iterator<Item = Cause> + Clone {
        TABLES.iter().flat_map(|rows| rows.iter().copied())
    }

    /// The names of the rows in the code.
    #[cfg(test)]
    pub(crate) fn row_names() -> impl Iterator<Item = &'static str> {
        let tables = [
            address::ROW_NAMES,
            transfer::ROW_NAMES,
            file::ROW_NAMES,
            report::ROW_NAMES,
            program::ROW_NAMES,
            machine::ROW_NAMES,
        ];
        tables.into_iter().flatten().copied()
    }
}

const TABLES: [&[Cause]; 6] =
    [address::ROWS, transfer::ROWS, file::ROWS, report::ROWS, program::ROWS, machine::ROWS];
