//! The faults of a directory server.

use ldap3::LdapError;
use netbootd_net::tls;
use pxe_policy::{Trouble, TroubleKind};
use thiserror::Error;

use super::PATIENCE;
use crate::kerberos;

/// The trouble of a failed operation.
pub(super) fn failed(error: LdapError) -> Trouble {
    let result = match error {
        LdapError::LdapResult { result } => result,
        LdapError::Timeout { .. } => return Trouble::new(TroubleKind::Timeout, LdapFault::Late),
        LdapError::GssapiOperationError(words) => {
            return Trouble::new(kerberos::kind_of_words(&words), LdapFault::Gssapi(words));
        }
        error => return tls::trouble(error),
    };
    let (kind, meaning) = match result.rc {
        49 => (TroubleKind::Unauthorized, "it does not accept user and password"),
        8 => (
            TroubleKind::Unauthorized,
            "it wants TLS or GSSAPI (strongAuthRequired): use ldaps:// or start-tls",
        ),
        48 | 7 | 53 => (TroubleKind::Unauthorized, "it does not take this kind of bind"),
        50 | 1 if result.text.contains("bind") => (TroubleKind::Unauthorized, "it wants a bind first"),
        50 => (TroubleKind::Forbidden, "the account may not read there"),
        32 => (TroubleKind::Malformed, "there is no such base"),
        3 | 4 | 11 => (TroubleKind::TooLarge, "more than it gives or netbootd reads"),
        _ => (TroubleKind::Failed, "it failed"),
    };
    Trouble::new(kind, LdapFault::Result { code: result.rc, meaning, text: result.text })
}

/// Why a directory did not answer a search or a bind.
#[derive(Debug, Error)]
pub(super) enum LdapFault {
    #[error("the connection does not last")]
    Unstable,
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
    #[error("it does not say what it serves: set `base`")]
    NoBase,
    /// The GSSAPI library's own message.
    #[error("{0}")]
    Gssapi(String),
    /// A result code of RFC 4511 §4.1.9, with the server's own message.
    #[error("LDAP result {code}: {meaning}: {}", .text.escape_debug())]
    Result { code: u32, meaning: &'static str, text: String },
}
