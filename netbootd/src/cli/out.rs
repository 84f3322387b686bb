//! The output of commands. When nobody reads any more, a command finishes its work without a word;
//! any other failure to write, such as a full disk behind `>`, is reported once, at the end.

use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;

/// Prints to the standard output.
macro_rules! out {
    ($($word:tt)*) => { $crate::cli::out::print(format_args!($($word)*)) };
}

/// Prints a line to the standard output.
macro_rules! outln {
    ($($word:tt)*) => { $crate::cli::out::print(format_args!("{}\n", format_args!($($word)*))) };
}

/// Prints to the standard error.
macro_rules! err {
    ($($word:tt)*) => { $crate::cli::out::print_error(format_args!($($word)*)) };
}

/// Prints a line to the standard error.
macro_rules! errln {
    ($($word:tt)*) => { $crate::cli::out::print_error(format_args!("{}\n", format_args!($($word)*))) };
}

pub(crate) use {err, errln, out, outln};

/// Prints to the standard output, unless that has failed before. Colours are left out where it is
/// no terminal.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    if FAILED.get().is_some() {
        return;
    }
    if let Err(error) = anstream::stdout().write_fmt(text) {
        let _ = FAILED.set(error.kind()); // the first one counts
    }
}

/// Prints to the standard error. There is nobody to tell when that fails.
pub(crate) fn print_error(text: fmt::Arguments<'_>) {
    let _ = anstream::stderr().write_fmt(text);
}

/// Why the output did not reach its reader, unless the reader has just gone away. To be called at
/// the end.
pub(super) fn failure() -> Option<io::ErrorKind> {
    if let Err(error) = io::stdout().flush() {
        let _ = FAILED.set(error.kind());
    }
    FAILED.get().copied().filter(|kind| *kind != io::ErrorKind::BrokenPipe)
}

static FAILED: OnceLock<io::ErrorKind> = OnceLock::new();
