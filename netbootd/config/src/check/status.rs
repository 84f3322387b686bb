//! Checks of `[status]`: address, token, operators.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use netbootd_net::Secret;
use toml::Spanned;

use super::super::finding::Finding;
use super::super::schema::Document;
use super::super::{Operator, Status};
use super::directories::{file, secret, warn_if_open};

pub(super) fn check(document: &Document, config: &Path, findings: &mut Vec<Finding>) -> Option<Status> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let Some(written) = &document.status else {
        return Some(Status {
            listen: usual,
            chosen: false,
            names: Vec::new(),
            proxies: Vec::new(),
            token: None,
            tls: None,
            operators: Vec::new(),
        });
    };
    let listen = written.listen.as_ref().map_or(usual, |listen| listen.get_ref().0);
    let token = written.token_file.as_ref().and_then(|file| read_token(file, config, findings));
    let operators = operators(written, token.as_ref(), config, findings);
    let certificate = file(written.certificate.as_ref(), config, findings);
    let key = file(written.key.as_ref(), config, findings);
    if let (Some(written), Some(key)) = (&written.key, &key) {
        warn_if_open(written, key, findings);
    }
    let tls = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            let span = written.certificate.as_ref().or(written.key.as_ref()).map_or(0..0, Spanned::span);
            findings.push(Finding::error(span, "a certificate and its key belong together").missing());
            None
        }
    };
    if let Some(at) = written.listen.as_ref().filter(|_| !listen.ip().is_loopback() && tls.is_none()) {
        let finding =
            Finding::warning(at.span(), "machines and their names are shown to the network, without TLS");
        findings.push(finding.help("set status.certificate and status.key, or listen on 127.0.0.1"));
    }
    let names = written.names.0.clone();
    let proxies = written.trusted_proxies.0.iter().map(|proxy| proxy.0).collect();
    written.enabled.then_some(Status { listen, chosen: true, names, proxies, token, tls, operators })
}

/// A token, which must not be a short one.
fn read_token(file: &Spanned<PathBuf>, config: &Path, findings: &mut Vec<Finding>) -> Option<Secret> {
    let token = secret(file, config, findings)?;
    if token.reveal().len() < SHORTEST_TOKEN {
        let message = format!("a token of fewer than {SHORTEST_TOKEN} characters is guessed");
        findings.push(Finding::error(file.span(), message).help("openssl rand -hex 24"));
    }
    Some(token)
}

/// The operators with tokens of their own. A token tells who it is, so each has another one.
fn operators(
    written: &super::super::schema::Status,
    first: Option<&Secret>,
    config: &Path,
    findings: &mut Vec<Finding>,
) -> Vec<Operator> {
    let mut operators: Vec<Operator> = Vec::new();
    for operator in &written.operator {
        let name = operator.name.get_ref();
        let plain = |letter: char| letter.is_alphanumeric() || "-_.@".contains(letter);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
            let message = format!("a name has 1 to {LONGEST_NAME} letters, digits, -, _, . or @");
            findings.push(Finding::error(operator.name.span(), message));
        }
        if operators.iter().any(|known| known.name == *name) {
            findings
                .push(Finding::error(operator.name.span(), format!("two operators have the name {name}")));
        }
        let Some(token) = read_token(&operator.token_file, config, findings) else { continue };
        let known = operators.iter().map(|known| &known.token).chain(first);
        if known.into_iter().any(|known| known.reveal() == token.reveal()) {
            let message = "another operator has the same token";
            let finding = Finding::error(operator.token_file.span(), message);
            findings.push(finding.help("openssl rand -hex 24, for each operator"));
        }
        operators.push(Operator { name: name.clone(), role: operator.role, token });
    }
    operators
}

const LONGEST_NAME: usize = 64;
const PORT: u16 = 9167;
const SHORTEST_TOKEN: usize = 16;
