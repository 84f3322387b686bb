//! The checks of machines' reports and of the addresses that findings are sent to.

use std::path::Path;

use netbootd_diagnosis::Severity;

use super::super::finding::Finding;
use super::super::schema::{self, AtLeast, Document};
use super::super::{Reports, Webhook};
use super::directories::{file, refuse_password, secret};

pub(super) fn check(document: &Document) -> Reports {
    Reports { enabled: document.reports.enabled, syslog: document.reports.syslog }
}

pub(super) fn webhooks(document: &Document, config: &Path, findings: &mut Vec<Finding>) -> Vec<Webhook> {
    if let Some(extra) = document.webhook.get(MAX_WEBHOOKS) {
        findings.push(Finding::error(extra.url.span(), format!("there may be {MAX_WEBHOOKS} webhooks")));
    }
    let webhook = |written: &schema::Webhook| {
        let (url, span) = (written.url.get_ref(), written.url.span());
        let fits = is_url(url);
        if !fits {
            let finding = Finding::error(span.clone(), format!("{url:?} is no http or https URL"));
            findings.push(finding.help("https://monitoring.example/hooks/netbootd"));
        }
        refuse_password(url, span.clone(), findings);
        let secret = written.secret_file.as_ref().and_then(|file| secret(file, config, findings));
        if secret.as_ref().is_some_and(|secret| secret.reveal().len() < SHORTEST_SECRET)
            && let Some(file) = &written.secret_file
        {
            let message = format!("a secret of fewer than {SHORTEST_SECRET} characters is guessed");
            findings.push(Finding::error(file.span(), message).help("openssl rand -hex 24"));
        }
        if written.secret_file.is_none() && fits {
            let finding = Finding::warning(span, "without a secret the receiver cannot tell who sends");
            findings.push(finding.help("set secret-file; openssl rand -hex 24 makes a secret"));
        }
        Webhook {
            url: url.clone(),
            severity: match written.severity {
                AtLeast::Notice => Severity::Notice,
                AtLeast::Warning => Severity::Warning,
                AtLeast::Error => Severity::Error,
            },
            secret,
            ca: file(written.ca.as_ref(), config, findings),
        }
    };
    document.webhook.iter().map(webhook).collect()
}

/// Whether it is a URL of http or https with a host.
fn is_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_known = ["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
    is_known && !host.is_empty() && !url.contains(char::is_whitespace)
}

/// Each has a queue and a task of its own.
const MAX_WEBHOOKS: usize = 16;
const SHORTEST_SECRET: usize = 16;
