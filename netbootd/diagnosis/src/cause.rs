//! The causes: for each its name, how bad it is, a headline, a cure, the codes on the machine's
//! screen, and a handbook paragraph.
//!
//! The same table feeds the terminal, the page, the API and docs/troubleshooting.md.

mod decision;
mod row;
mod table;

use pxe_policy::{Reason, TroubleKind};
use serde::Serialize;

use row::Row;

/// Why a machine does not boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The decision itself: nothing was offered, for this reason.
    Decision(Reason),
    /// A directory did not answer, for this reason.
    Directory(TroubleKind),
    /// One of the table.
    Row(&'static Row),
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; the machine boots.
    Notice,
    /// The machine boots, but not as it should.
    Warning,
    /// The machine does not boot.
    Error,
}

impl Severity {
    /// The word for the API, metrics and the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl Cause {
    /// The word for the page, the API, metrics and the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Decision(reason) => reason.as_str(),
            Cause::Directory(kind) => decision::of_directory(kind).0,
            Cause::Row(row) => row.name,
        }
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Cause::Decision(reason) => decision::of_reason(reason).severity,
            Cause::Directory(_) => Severity::Error,
            Cause::Row(row) => row.severity,
        }
    }

    /// The headline, with `{file}` and `{server}` where a finding names one.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Cause::Decision(reason) => decision::of_reason(reason).headline,
            Cause::Directory(kind) => decision::of_directory(kind).1,
            Cause::Row(row) => row.headline,
        }
    }

    /// The headline without names.
    pub fn headline(self) -> String {
        self.template().replace("{file}", "the file").replace("{server}", "another server")
    }

    /// The remedy for an administrator.
    pub fn cure(self) -> &'static str {
        match self {
            Cause::Decision(reason) => reason.cure().unwrap_or_default(),
            Cause::Directory(kind) => kind.cure(),
            Cause::Row(row) => row.cure,
        }
    }

    /// The codes that firmware may show on its screen meanwhile.
    pub fn codes(self) -> &'static [&'static str] {
        match self {
            Cause::Decision(reason) => decision::of_reason(reason).codes,
            Cause::Directory(_) => &["PXE-E53"],
            Cause::Row(row) => row.codes,
        }
    }

    /// A paragraph of the handbook: how this shows, and what tells it from its neighbours. Empty
    /// for decisions, which `explain` explains.
    pub fn handbook(self) -> &'static str {
        match self {
            Cause::Row(row) => row.handbook,
            Cause::Decision(_) | Cause::Directory(_) => "",
        }
    }

    /// Whether somebody has to do something about a decision.
    pub fn is_loud(self) -> bool {
        match self {
            Cause::Decision(reason) => decision::is_loud(reason),
            Cause::Directory(_) | Cause::Row(_) => true,
        }
    }
}
