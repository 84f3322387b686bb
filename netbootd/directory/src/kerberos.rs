//! Kerberos by the system's own means: tokens for HTTP and LDAP, and where their tickets come from.

#[cfg(unix)]
mod mit;
#[cfg(windows)]
mod sspi;

use std::error::Error;

use cross_krb5::{ClientCtx, InitiateFlags};
use pxe_policy::{Trouble, TroubleKind};
use thiserror::Error;

#[cfg(unix)]
use mit::is_clock_skew;
#[cfg(unix)]
pub use mit::{log_in, prepare};
#[cfg(windows)]
use sspi::is_clock_skew;
#[cfg(windows)]
pub use sspi::{log_in, prepare};

/// A token for a service such as `HTTP/cm01.corp.example`. Waits for the network when there is no
/// ticket yet.
pub fn token(service: &str) -> Result<Vec<u8>, Trouble> {
    let made = ClientCtx::new(InitiateFlags::empty(), None, service, None);
    match made {
        Ok((_, token)) => Ok(token.to_vec()),
        Err(error) => {
            let kind = kind_of(error.root_cause());
            Err(Trouble::new(kind, NoTicket { name: service.to_owned(), source: error.into() }))
        }
    }
}

/// The Kerberos library gave no ticket.
#[derive(Debug, Error)]
#[error("no ticket for {name}")]
struct NoTicket {
    /// A service, or the principal that logs in.
    name: String,
    source: Box<dyn Error + Send + Sync>,
}

/// The kind of a failure that another library hands on in the words of the Kerberos library alone.
pub(crate) fn kind_of_words(words: &str) -> TroubleKind {
    if words.contains("Clock skew") { TroubleKind::ClockSkew } else { TroubleKind::KerberosNeeded }
}

fn kind_of(error: &(dyn Error + 'static)) -> TroubleKind {
    if is_clock_skew(error) { TroubleKind::ClockSkew } else { TroubleKind::KerberosNeeded }
}
