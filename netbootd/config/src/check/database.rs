//! The database that several servers share.

use std::path::Path;
use std::time::Duration;

use netbootd_state::shared::{Database, UrlProblem};
use toml::Spanned;

use super::super::finding::Finding;
use super::super::schema::Document;
use super::directories::{file, secret};

pub(super) fn check(document: &Document, config: &Path, findings: &mut Vec<Finding>) -> Option<Database> {
    let Some(written) = &document.database else {
        if let Some(shared) = document.devices.as_ref().and_then(|devices| devices.shared.as_ref())
            && *shared.get_ref()
        {
            let finding = Finding::error(shared.span(), "there is no [database] to share devices by");
            findings.push(finding.help("write a [database], or name a file"));
        }
        return None;
    };
    let url = written.url.get_ref();
    for problem in Database::check_url(url) {
        let help = match problem {
            UrlProblem::Password => "write it into a file, and name that with password-file",
            UrlProblem::Malformed(_) | UrlProblem::Incomplete => "postgresql://user@db.example.org/netbootd",
        };
        findings.push(Finding::error(written.url.span(), problem.to_string()).help(help));
    }
    if let Some(ca) = written.ca.as_ref().filter(|_| written.allow_plain) {
        findings.push(Finding::warning(ca.span(), "ca does nothing beside allow-plain = true"));
    }
    let deadline = written.deadline.as_ref().map_or(DEADLINE, |time| time.get_ref().0.0);
    if let Some(span) = written.deadline.as_ref().filter(|_| deadline < SHORTEST).map(Spanned::span) {
        let finding = Finding::error(span, format!("{} ms are too short for a commit", deadline.as_millis()));
        findings.push(finding.help("at least 100ms; firmware waits about 4 s for an offer"));
    }
    Some(Database {
        url: url.clone(),
        password: written.password_file.as_ref().and_then(|file| secret(file, config, findings)),
        ca: file(written.ca.as_ref(), config, findings),
        allow_plain: written.allow_plain,
        deadline,
        on_loss: written.on_loss,
    })
}

/// Firmware waits about four seconds for an offer.
const DEADLINE: Duration = Duration::from_secs(3);
const SHORTEST: Duration = Duration::from_millis(100);
