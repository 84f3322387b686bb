//! The status port.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::super::Status;
use super::super::finding::Finding;
use super::super::schema::Document;
use super::directories::{file, secret, warn_if_open};

pub(super) fn check(document: &Document, config: &Path, findings: &mut Vec<Finding>) -> Option<Status> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let Some(written) = &document.status else {
        return Some(Status { listen: usual, chosen: false, names: Vec::new(), token: None, tls: None });
    };
    let listen = written.listen.as_ref().map_or(usual, |listen| listen.get_ref().0);
    let token = written.token_file.as_ref().and_then(|file| secret(file, config, findings));
    if token.as_ref().is_some_and(|token| token.reveal().len() < SHORTEST_TOKEN)
        && let Some(file) = &written.token_file
    {
        let message = format!("a token of fewer than {SHORTEST_TOKEN} characters is guessed");
        findings.push(Finding::error(file.span(), message).help("openssl rand -hex 24"));
    }
    let certificate = file(written.certificate.as_ref(), config, findings);
    let key = file(written.key.as_ref(), config, findings);
    if let (Some(written), Some(key)) = (&written.key, &key) {
        warn_if_open(written, key, findings);
    }
    let tls = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            let span =
                written.certificate.as_ref().or(written.key.as_ref()).map_or(0..0, toml::Spanned::span);
            findings.push(Finding::error(span, "a certificate and its key belong together"));
            None
        }
    };
    if let Some(at) = written.listen.as_ref().filter(|_| !listen.ip().is_loopback() && tls.is_none()) {
        let finding =
            Finding::warning(at.span(), "machines and their names are shown to the network, without TLS");
        findings.push(finding.help("set status.certificate and status.key, or listen on 127.0.0.1"));
    }
    let names = written.names.0.clone();
    written.enabled.then_some(Status { listen, chosen: true, names, token, tls })
}

const PORT: u16 = 9167;
const SHORTEST_TOKEN: usize = 16;
