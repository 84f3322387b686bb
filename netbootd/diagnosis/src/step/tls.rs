//! A TLS handshake of the boot port that failed.

use std::fmt;
use std::net::SocketAddr;

use pxe_policy::MacAddr;

/// A client that connected to the HTTPS port and did not come to its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFailed {
    /// The client's address and port.
    pub peer: SocketAddr,
    /// The machine that uses the address.
    pub mac: Option<MacAddr>,
    /// How the handshake ended.
    pub why: TlsFailure,
    /// The words of the TLS library.
    pub detail: Option<String>,
}

/// How a handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFailure {
    /// The client sent an alert (RFC 8446 §6), of this number.
    Alert(u8),
    /// The client closed the connection once it had the certificate, as EDK2 does with one that it
    /// does not trust.
    LeftAtCertificate,
    /// No version, cipher suite or kind of certificate is known to both sides.
    NothingInCommon,
    /// The bytes are not TLS.
    NoTls,
    /// The client took too long.
    Late,
}

impl TlsFailure {
    /// The word of the log and the metrics.
    pub fn name(self) -> &'static str {
        match self {
            TlsFailure::Alert(_) => "tls-alert",
            TlsFailure::LeftAtCertificate => "tls-left-at-certificate",
            TlsFailure::NothingInCommon => "tls-nothing-in-common",
            TlsFailure::NoTls => "no-tls",
            TlsFailure::Late => "tls-timeout",
        }
    }

    /// Whether the client refused the certificate.
    pub fn is_distrust(self) -> bool {
        match self {
            TlsFailure::Alert(alert) => (42..=48).contains(&alert) && alert != 47,
            TlsFailure::LeftAtCertificate => true,
            TlsFailure::NothingInCommon | TlsFailure::NoTls | TlsFailure::Late => false,
        }
    }

    /// Whether the two sides have nothing in common: so the server found, or the client says.
    pub fn is_incompatible(self) -> bool {
        matches!(self, TlsFailure::NothingInCommon | TlsFailure::Alert(40 | 70 | 71 | 86))
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsFailure::Alert(number) => {
                let name = ALERTS.iter().find(|(known, _)| known == number);
                write!(f, "TLS alert {} ({number})", name.map_or("without a name", |(_, name)| name))
            }
            TlsFailure::LeftAtCertificate => {
                f.write_str("the connection was closed once the certificate was sent")
            }
            TlsFailure::NothingInCommon => {
                f.write_str("no TLS version, cipher suite or kind of certificate in common")
            }
            TlsFailure::NoTls => f.write_str("what was sent is not TLS"),
            TlsFailure::Late => f.write_str("the TLS handshake took too long"),
        }
    }
}

/// The alerts of RFC 8446 §6.2 and RFC 5246 §7.2.2 that say why a client leaves.
const ALERTS: [(u8, &str); 12] = [
    (40, "handshake_failure"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (86, "inappropriate_fallback"),
    (112, "unrecognized_name"),
];
