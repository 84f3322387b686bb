//! The sandbox of the process, for operators.

use serde::{Deserialize, Serialize};

/// The restrictions in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandboxed {
    /// The process whose sandbox is described.
    pub pid: u32,
    /// The account that the process runs as.
    pub user: String,
    /// Whether the configuration asks for all this.
    pub wanted: bool,
    /// The mechanism that restricts files, in words.
    pub files: String,
    /// Whether anything does beyond owners, modes and access lists.
    pub files_are_held: bool,
    /// How many system calls are refused.
    pub refused_calls: usize,
    /// Notes for an operator.
    pub notes: Vec<String>,
}
