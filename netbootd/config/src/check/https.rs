//! Checks of `[https]`: the certificates, their keys and names, and the rules that want HTTPS.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use netbootd_net::server_tls::{CertificateFiles, Pair, PairError, SignatureAlgorithm, certificate_der};
use netbootd_net::with_causes;
use toml::Spanned;

use super::super::finding::Finding;
use super::super::schema::{self, Action, Document};
use super::super::{Https, Mode};
use super::directories::{beside, warn_if_open};

pub(super) fn check(document: &Document, config: &Path, findings: &mut Vec<Finding>) -> Option<Https> {
    let written = document.https.as_ref().filter(|https| https.enabled);
    check_rules(document, written, findings);
    let written = written?;
    let port = written.port.as_ref().map_or(PORT, |port| *port.get_ref());
    if document.http.enabled && port == document.http.port {
        let span = written.port.as_ref().map_or(0..0, Spanned::span);
        findings.push(Finding::error(span, format!("HTTP has port {port} already")).help("443 is usual"));
    }
    if written.certificate.is_empty() {
        let finding = Finding::error(0..0, "[https] needs a certificate").missing();
        findings.push(finding.help("add [[https.certificate]] with chain and key, or write enabled = false"));
    }
    let mut pairs = Vec::new();
    let mut certificates = Vec::new();
    for one in &written.certificate {
        let files = CertificateFiles {
            chain: beside(config, one.chain.get_ref()),
            key: beside(config, one.key.get_ref()),
        };
        warn_if_open(&one.key, &files.key, findings);
        match Pair::load(&files) {
            Ok(pair) => {
                check_pair(&pair, one, written.name.as_ref(), findings);
                pairs.push(pair);
            }
            Err(error) => findings.push(unusable(&error, one)),
        }
        certificates.push(files);
    }
    let is_rsa = |pair: &Pair| pair.algorithm == SignatureAlgorithm::RSA;
    if let Some(one) = written.certificate.first().filter(|_| !pairs.is_empty() && !pairs.iter().any(is_rsa))
    {
        let message = "iPXE before 2.0, and firmware without elliptic curves, take RSA certificates alone";
        findings.push(Finding::warning(one.chain.span(), message).help("add an RSA certificate beside it"));
    }
    let authority = written.authority.as_ref().and_then(|file| authority(file, config, &pairs, findings));
    let name = written.name.as_ref().map(|name| name.get_ref().clone());
    Some(Https { port, name, certificates, authority })
}

/// A rule's URLs have to lead somewhere that a certificate is for.
fn check_rules(document: &Document, https: Option<&schema::Https>, findings: &mut Vec<Finding>) {
    let wanted = document.rule.iter().filter_map(|rule| match rule.action.get_ref() {
        Action::Boot(boot) => boot.https.as_ref().filter(|https| *https.get_ref()),
        _ => None,
    });
    let mut warned = false;
    for wanted in wanted {
        let Some(https) = https else {
            let finding = Finding::error(wanted.span(), "https = true needs the table [https]").missing();
            findings
                .push(finding.help("add [https] with name, and [[https.certificate]] with chain and key"));
            continue;
        };
        let Some(name) = &https.name else {
            let finding = Finding::error(wanted.span(), "https = true needs https.name").missing();
            findings
                .push(finding.help("the host in the URLs: a name or an address that the certificate is for"));
            continue;
        };
        let is_name = name.get_ref().parse::<IpAddr>().is_err();
        let without_dns = document.dhcp.subnet.iter().find(|subnet| subnet.dns.0.is_empty());
        if let Some(subnet) = without_dns.filter(|_| is_name && !warned && document.dhcp.mode == Mode::Server)
        {
            warned = true;
            let message = format!("machines of this subnet get no DNS server that knows {}", name.get_ref());
            findings.push(Finding::warning(subnet.subnet.span(), message).help("set dns in [[dhcp.subnet]]"));
        }
    }
}

fn check_pair(
    pair: &Pair,
    written: &schema::ServerCertificate,
    name: Option<&Spanned<String>>,
    findings: &mut Vec<Finding>,
) {
    let span = written.chain.span();
    let file = written.chain.get_ref().display();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let days = (pair.until - now).div_euclid(86_400);
    if pair.until < now {
        let ago = (now - pair.until) / 86_400;
        let message = format!("the certificate {file} expired {ago} days ago");
        findings.push(Finding::warning(span.clone(), message).help("machines refuse it; renew it"));
    } else if days < SOON {
        let message = format!("the certificate {file} expires in {days} days");
        findings.push(Finding::warning(span.clone(), message).help("renew it; no restart is needed"));
    }
    if pair.since > now {
        findings.push(Finding::warning(span.clone(), format!("the certificate {file} is not valid yet")));
    }
    if !pair.has_names() {
        let message = format!("the certificate {file} is for no DNS name (subjectAltName)");
        findings
            .push(Finding::warning(span.clone(), message).help("machines compare it with the URL's host"));
    } else if let Some(name) = name.filter(|name| !pair.covers(name.get_ref())) {
        let message = format!("the certificate {file} is not for {}", name.get_ref());
        findings
            .push(Finding::error(name.span(), message).help(format!("it is for {}", pair.names.join(", "))));
    }
}

fn unusable(error: &PairError, written: &schema::ServerCertificate) -> Finding {
    let is_key = match error {
        PairError::Mismatch { .. } => true,
        PairError::Read { path, .. } | PairError::Unusable { path, .. } => {
            path.ends_with(written.key.get_ref())
        }
        PairError::Empty(_) => false,
    };
    let span = if is_key { written.key.span() } else { written.chain.span() };
    let finding = Finding::error(span, with_causes(error));
    match error.denied() {
        Some(denied) => finding.because(denied),
        None => finding,
    }
}

fn authority(
    written: &Spanned<PathBuf>,
    config: &Path,
    pairs: &[Pair],
    findings: &mut Vec<Finding>,
) -> Option<PathBuf> {
    let file = beside(config, written.get_ref());
    match certificate_der(&file) {
        Ok(der) => {
            if !pairs.is_empty() && !pairs.iter().all(|pair| pair.is_issued_by(&der)) {
                let message = format!("{} did not issue every certificate of this server", file.display());
                findings.push(
                    Finding::warning(written.span(), message)
                        .help("a machine in which it is enrolled refuses the others"),
                );
            }
        }
        Err(error) => findings.push(Finding::error(written.span(), with_causes(&error))),
    }
    Some(file)
}

const PORT: u16 = 443;
/// Days; certificates of directories are spoken of as early.
const SOON: i64 = 30;
