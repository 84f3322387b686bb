//! Kerberos by the system's own means: tokens for HTTP and LDAP, and where their tickets come from.

#[cfg(unix)]
mod mit;
#[cfg(windows)]
mod sspi;

use cross_krb5::{ClientCtx, InitiateFlags};
use pxe_policy::{Trouble, TroubleKind};

#[cfg(unix)]
pub use mit::{log_in, prepare};
#[cfg(windows)]
pub use sspi::{log_in, prepare};

/// A token for a service such as `HTTP/cm01.corp.example`. Waits for the network when there is no ticket yet.
pub fn token(service: &str) -> Result<Vec<u8>, Trouble> {
    let made = ClientCtx::new(InitiateFlags::empty(), None, service, None);
    match made {
        Ok((_, token)) => Ok(token.to_vec()),
        Err(error) => {
            Err(Trouble::new(TroubleKind::KerberosNeeded, format!("no ticket for {service}: {error:#}")))
        }
    }
}
