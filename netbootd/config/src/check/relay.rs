//! The distribution point's own responder behind this server.

use std::time::Duration;

use super::super::Relay;
use super::super::finding::Finding;
use super::super::schema::{self, Document, Mode};

pub(super) fn check(document: &Document, findings: &mut Vec<Finding>) -> Option<Relay> {
    let Some(written) = document.relay.as_ref() else {
        for rule in document.rule.iter().filter(|rule| matches!(rule.action.get_ref(), schema::Action::Relay))
        {
            let finding = Finding::error(rule.action.span(), "no responder is named to hand machines on to");
            findings.push(finding.help("[relay] responder = \"dp01.corp.example\""));
        }
        return None;
    };
    let responder = written.responder.get_ref();
    if responder.is_empty() || responder.contains(|letter: char| letter.is_whitespace() || letter == ':') {
        let finding =
            Finding::error(written.responder.span(), format!("{responder:?} is no name or address"));
        findings.push(finding.help("its name or IPv4 address; the ports are 4011 and 69"));
    }
    if document.dhcp.mode == Mode::Off {
        let finding =
            Finding::warning(written.responder.span(), "no machine is forwarded while dhcp.mode is \"off\"");
        findings.push(finding);
    }
    Some(Relay {
        responder: responder.clone(),
        timeout: written.timeout.as_ref().map_or(TIMEOUT, |time| time.0.0),
        segments: written.segments.0.iter().map(|segment| segment.0).collect(),
        cache_limit: written.cache_limit.as_ref().map_or(CACHE_LIMIT, |size| size.0.0),
    })
}

/// Firmware asks again after about four seconds.
const TIMEOUT: Duration = Duration::from_secs(4);
/// A few boot images.
const CACHE_LIMIT: u64 = 8 << 30;
