//! Faults of a configuration, shown where they are written.

use std::cmp::Reverse;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// One thing that is wrong, or looks wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the daemon starts all the same.
    pub severity: Severity,
    /// The fault, in one line.
    pub message: String,
    /// The correct form, or the remedy.
    pub help: Option<String>,
    /// Where, as bytes of the text; an empty range is about the whole file.
    pub span: Range<usize>,
    /// Whether the system denied access to what is named.
    pub denied: bool,
    /// Whether it is about something that is not written.
    pub missing: bool,
}

/// Whether the daemon starts all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does, and this is only worth knowing.
    Note,
    /// netbootd starts, and something probably does not work.
    Warning,
    /// netbootd does not start with it.
    Error,
}

/// Everything that was found in one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    path: PathBuf,
    text: String,
    findings: Vec<Finding>,
}

impl Finding {
    /// An error at a place of the file.
    pub fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Finding {
            severity: Severity::Error,
            message: message.into(),
            help: None,
            span,
            denied: false,
            missing: false,
        }
    }

    /// A warning at a place of the file.
    pub fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Finding {
            severity: Severity::Warning,
            message: message.into(),
            help: None,
            span,
            denied: false,
            missing: false,
        }
    }

    /// A note at a place of the file.
    pub fn note(span: Range<usize>, message: impl Into<String>) -> Self {
        Finding {
            severity: Severity::Note,
            message: message.into(),
            help: None,
            span,
            denied: false,
            missing: false,
        }
    }

    /// Notes that the system denied it, if it did.
    pub(super) fn because(mut self, error: &io::Error) -> Self {
        self.denied |= error.kind() == io::ErrorKind::PermissionDenied;
        self
    }

    /// Whether it is sure although parts of the text could not be read: an error about a value that
    /// is written, without a mistake inside. Anything else may follow from what is left out.
    pub(super) fn stands_beside(&self, mistakes: &[Finding]) -> bool {
        let holds =
            |mistake: &Finding| self.span.start <= mistake.span.start && mistake.span.end <= self.span.end;
        self.severity == Severity::Error
            && !self.missing
            && !self.span.is_empty()
            && !mistakes.iter().any(holds)
    }

    /// Notes that it is about something that is not written.
    pub(super) fn missing(mut self) -> Self {
        self.missing = true;
        self
    }

    /// Adds what would be right.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Findings {
    pub(super) fn new(path: &Path, text: &str, mut findings: Vec<Finding>) -> Self {
        if findings.len() > MAX_FINDINGS {
            // However much there is to warn of, an error is an error.
            findings.sort_by_key(|finding| Reverse(finding.severity));
            findings.truncate(MAX_FINDINGS);
        }
        findings.sort_by_key(|finding| finding.span.start);
        Findings { path: path.to_owned(), text: text.to_owned(), findings }
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// One by one, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter()
    }

    /// As a person reads them, with colours or without.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let path = self.path.display().to_string();
        let mut out = String::new();
        for finding in &self.findings {
            let level = match finding.severity {
                Severity::Error => Level::ERROR,
                Severity::Warning => Level::WARNING,
                Severity::Note => Level::NOTE,
            };
            let title = level.primary_title(finding.message.as_str());
            let group = if self.text.is_empty() {
                Group::with_title(title)
            } else {
                let end = self.text.len();
                let span = finding.span.start.min(end)..finding.span.end.min(end);
                let snippet = Snippet::source(self.text.as_str()).path(path.as_str());
                title.element(snippet.annotation(AnnotationKind::Primary.span(span)))
            };
            let group = match &finding.help {
                Some(help) => group.element(Level::HELP.message(help.as_str())),
                None => group,
            };
            out.push_str(&renderer.render(&[group]));
            out.push_str("\n\n");
        }
        let (errors, warnings) = (self.errors(), self.warnings());
        if errors + warnings > 0 {
            out.push_str(&format!("{path}: {}, {}\n", count(errors, "error"), count(warnings, "warning")));
        }
        out
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A file that is no configuration at all need not be shown line by line.
const MAX_FINDINGS: usize = 50;
