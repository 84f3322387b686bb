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
            user_header: None,
            token: None,
            tls: None,
            operators: Vec::new(),
        });
    };
    let listen = written.listen.as_ref().map_or(usual, |listen| listen.get_ref().0);
    let token = written.token_file.as_ref().and_then(|file| read_token(file, config, findings));
    let user_header = user_header(written, findings);
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
    written.enabled.then_some(Status {
        listen,
        chosen: true,
        names,
        proxies,
        user_header,
        token,
        tls,
        operators,
    })
}

/// The header in which a trusted proxy names the operator.
fn user_header(written: &super::super::schema::Status, findings: &mut Vec<Finding>) -> Option<String> {
    let header = written.user_header.as_ref()?;
    let name = header.get_ref().to_ascii_lowercase();
    let is_plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_plain || TAKEN_HEADERS.contains(&name.as_str()) {
        let message = format!("{:?} is not a header of its own for the operator", header.get_ref());
        let finding = Finding::error(header.span(), message);
        findings.push(finding.help("name the header that the proxy sets, such as \"X-Forwarded-User\""));
    }
    if written.trusted_proxies.0.is_empty() {
        let finding = Finding::error(header.span(), "no proxy is trusted to name operators");
        findings.push(finding.help("set status.trusted-proxies to the addresses of the proxies"));
    }
    Some(name)
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

/// The operators by name. No two have the same token: it tells one from the other.
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
        let mut token = None;
        if let Some(file) = &operator.token_file {
            token = read_token(file, config, findings);
            let known = operators.iter().filter_map(|known| known.token.as_ref()).chain(first);
            let is_same = |token: &Secret| known.into_iter().any(|known| known.reveal() == token.reveal());
            if token.as_ref().is_some_and(is_same) {
                let finding = Finding::error(file.span(), "another operator has the same token");
                findings.push(finding.help("openssl rand -hex 24, for each operator"));
            }
        } else if written.user_header.is_none() {
            let finding = Finding::error(operator.name.span(), format!("{name} cannot sign in"));
            let finding = finding.help("set its token-file, or status.user-header behind a reverse proxy");
            findings.push(finding.missing());
        }
        operators.push(Operator { name: name.clone(), role: operator.role, token });
    }
    operators
}

/// Headers that say something else, or that clients and every proxy set.
const TAKEN_HEADERS: [&str; 14] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "origin",
    "referer",
    "sec-fetch-site",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-netbootd-form-token",
];
const LONGEST_NAME: usize = 64;
const PORT: u16 = 9167;
const SHORTEST_TOKEN: usize = 16;
