//! iPXE's error codes in words.
//!
//! ```text
//!  31 30      24 23          13 12    8 7       0
//! +--+----------+--------------+-------+---------+
//! | 0|  number  | source file  | which | platform|    iPXE, src/include/errno.h
//! +--+----------+--------------+-------+---------+
//! ```
//!
//! The number is iPXE's own of a POSIX error. `which` tells apart what one source file means by it.

use std::fmt;

/// An error code as `${errno}` and `https://ipxe.org/CODE` have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScriptError(pub u32);

/// The subject of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The server has no such file.
    NotFound,
    /// The server does not answer, refuses the connection, or cannot be reached.
    Unreachable,
    /// The name of the server is not resolved.
    Name,
    /// The network is not up or has no address.
    Network,
    /// The server, or a policy of the machine, refuses.
    Denied,
    /// The file is nothing that iPXE, or the firmware, starts.
    NotExecutable,
    /// The TLS connection fails: the client does not accept the server's certificate, or its
    /// algorithms.
    Certificate,
    /// The machine's memory does not suffice.
    Memory,
    /// Somebody pressed a key.
    Cancelled,
    /// An error that has no class of its own.
    Other,
}

impl ScriptError {
    /// Reads hex digits as scripts write them: `2d0c618e`, `0x2d0c618e`, `2d:0c:61:8e`. Zero is no
    /// error.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.trim().trim_start_matches("0x").chars().filter(|c| *c != ':').collect();
        let code = u32::from_str_radix(&digits, 16).ok()?;
        (code != 0).then_some(ScriptError(code))
    }

    /// The subject of the error.
    pub fn kind(self) -> ErrorKind {
        match (self.number(), self.which()) {
            (ENOMEM | ENOBUFS, _) => ErrorKind::Memory,
            _ if self.is_tls() => ErrorKind::Certificate,
            (ENOENT, _) => ErrorKind::NotFound,
            (ECONNABORTED | ECONNREFUSED | ECONNRESET | EHOSTUNREACH | ETIMEDOUT, _) => {
                ErrorKind::Unreachable
            }
            (EIO, HTTP_5XX) => ErrorKind::Unreachable,
            (ENXIO, _) => ErrorKind::Name,
            (EADDRNOTAVAIL | ENETDOWN | ENETUNREACH | ENODEV | ENOTCONN, _) => ErrorKind::Network,
            (EACCES | EPERM, _) => ErrorKind::Denied,
            (ENOEXEC | EPLATFORM, _) => ErrorKind::NotExecutable,
            (ENOSPC, _) => ErrorKind::Memory,
            (ECANCELED, _) => ErrorKind::Cancelled,
            _ => ErrorKind::Other,
        }
    }

    /// The error in words, for the finding.
    pub fn words(self) -> &'static str {
        match (self.number(), self.which()) {
            (EACCES, EXPIRED) if self.is_x509() => {
                "the server's certificate has expired, or the machine's clock is wrong"
            }
            (EACCES, UNTRUSTED) if self.is_x509() => "the authority of the certificate is not trusted",
            (EACCES, WRONG_NAME) if self.is_x509() => "the server's certificate is for another name",
            (EACCES, _) if self.is_tls() => "the server's certificate is not accepted",
            (EPERM | EINVAL | ENOTSUP | EPROTO, _) if self.is_tls() => "the TLS connection is refused",
            (ENOENT, 1) if self.is_http() => "the server has no such file (HTTP 404)",
            (ENOENT, _) => "the server has no such file",
            (ECONNREFUSED, _) => "the server refuses the connection",
            // iPXE's TCP says so of a port that is closed, too.
            (ECONNRESET, _) => "the server refuses the connection, or resets it",
            (ECONNABORTED, _) => "the connection broke",
            (EHOSTUNREACH, _) => "the server does not answer ARP",
            (ETIMEDOUT, _) => "the server does not answer in time",
            (EIO, HTTP_4XX) if self.is_http() => "the server refuses the request (HTTP 4xx)",
            (EIO, HTTP_5XX) if self.is_http() => "the server has a fault (HTTP 5xx)",
            (EIO, _) => "input/output error",
            (ENXIO, 1) if self.is_dns() => "the name does not exist in DNS",
            (ENXIO, 2) if self.is_dns() => "the machine has no DNS server",
            (ENXIO, _) => "the name is not resolved",
            (EADDRNOTAVAIL, _) => "no address was had by any method",
            (ENETDOWN, _) => "the network is down",
            (ENETUNREACH, _) => "no route to the server",
            (ENODEV, _) => "there is no such network card",
            (ENOTCONN, _) => "the link is down",
            (EACCES, _) => "permission is denied",
            (EPERM, _) => "the operation is not permitted",
            (ENOEXEC, _) => "the file is no image that this iPXE starts",
            (EPLATFORM, _) => "the firmware refuses it",
            (ENOMEM | ENOBUFS, _) => "there is too little memory",
            (ENOSPC, _) => "there is no space left",
            (ECANCELED, _) => "somebody pressed a key",
            (EINVAL, _) => "an argument is invalid",
            (ENOTSUP, _) => "this build of iPXE does not support it",
            (EPROTO, _) => "the server breaks the protocol",
            _ => "see the page of the code",
        }
    }

    fn number(self) -> u32 {
        self.0 >> 24 & 0x7f
    }

    fn which(self) -> u32 {
        self.0 >> 8 & 0x1f
    }

    fn is_http(self) -> bool {
        self.0 & SOURCE == HTTP
    }

    fn is_x509(self) -> bool {
        self.0 & SOURCE == X509
    }

    /// Whether it comes from TLS, or from checking a certificate for it.
    fn is_tls(self) -> bool {
        matches!(self.0 & SOURCE, X509 | TLS | VALIDATOR | OCSP)
    }

    fn is_dns(self) -> bool {
        self.0 & SOURCE == DNS
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {:08x}: {}", self.0, self.words())
    }
}

const SOURCE: u32 = 0x00ff_e000;
const HTTP: u32 = 0x000c_6000;
const DNS: u32 = 0x0011_6000;
const X509: u32 = 0x0016_e000;
const TLS: u32 = 0x000d_e000;
const VALIDATOR: u32 = 0x002e_e000;
const OCSP: u32 = 0x002f_e000;
/// EACCES of iPXE's src/crypto/x509.c.
const EXPIRED: u32 = 4;
const UNTRUSTED: u32 = 6;
const WRONG_NAME: u32 = 10;
const HTTP_4XX: u32 = 4;
const HTTP_5XX: u32 = 5;
const EACCES: u32 = 0x02;
const EADDRNOTAVAIL: u32 = 0x04;
const ECANCELED: u32 = 0x0b;
const ECONNABORTED: u32 = 0x0d;
const ECONNREFUSED: u32 = 0x0e;
const ECONNRESET: u32 = 0x0f;
const EHOSTUNREACH: u32 = 0x17;
const EINVAL: u32 = 0x1c;
const EIO: u32 = 0x1d;
const ENETDOWN: u32 = 0x26;
const ENETUNREACH: u32 = 0x28;
const ENOBUFS: u32 = 0x2a;
const ENODEV: u32 = 0x2c;
const ENOENT: u32 = 0x2d;
const ENOEXEC: u32 = 0x2e;
const ENOMEM: u32 = 0x31;
const ENOSPC: u32 = 0x34;
const ENOTCONN: u32 = 0x38;
const ENOTSUP: u32 = 0x3c;
const ENXIO: u32 = 0x3e;
const EPERM: u32 = 0x41;
const EPROTO: u32 = 0x43;
const ETIMEDOUT: u32 = 0x4c;
/// An error of the firmware, whose code is the lowest byte.
const EPLATFORM: u32 = 0x7f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_and_put_into_words() {
        let table = [
            ("2d0c618e", ErrorKind::NotFound, "the server has no such file (HTTP 404)"),
            ("0x2d0c613b", ErrorKind::NotFound, "the server has no such file (HTTP 404)"),
            ("2d:12:60:8e", ErrorKind::NotFound, "the server has no such file"),
            ("0e0a6039", ErrorKind::Unreachable, "the server refuses the connection"),
            ("0f0a6095", ErrorKind::Unreachable, "the server refuses the connection, or resets it"),
            ("4c0a6035", ErrorKind::Unreachable, "the server does not answer in time"),
            ("1d0c65b2", ErrorKind::Unreachable, "the server has a fault (HTTP 5xx)"),
            ("3e11618e", ErrorKind::Name, "the name does not exist in DNS"),
            ("3e11628e", ErrorKind::Name, "the machine has no DNS server"),
            ("040ee119", ErrorKind::Network, "no address was had by any method"),
            (
                "0216e48f",
                ErrorKind::Certificate,
                "the server's certificate has expired, or the machine's clock is wrong",
            ),
            ("0216e63c", ErrorKind::Certificate, "the authority of the certificate is not trusted"),
            ("0216ea3c", ErrorKind::Certificate, "the server's certificate is for another name"),
            ("410de13c", ErrorKind::Certificate, "the TLS connection is refused"),
            ("2e008081", ErrorKind::NotExecutable, "the file is no image that this iPXE starts"),
            ("7f04828e", ErrorKind::NotExecutable, "the firmware refuses it"),
            ("31006006", ErrorKind::Memory, "there is too little memory"),
            ("0b8080a0", ErrorKind::Cancelled, "somebody pressed a key"),
            ("1c0c6202", ErrorKind::Other, "an argument is invalid"),
        ];
        for (text, kind, words) in table {
            let error = ScriptError::parse(text).unwrap();
            assert_eq!((error.kind(), error.words()), (kind, words), "{text}");
        }
        for text in ["0", "", "0x", "xyz", "2d0c618e00", "-1"] {
            assert_eq!(ScriptError::parse(text), None, "{text}");
        }
    }
}
