//! Windows' own provider: it asks as the account that the service runs as (the machine's own, or a
//! group-managed one).

use std::error::Error;
use std::path::Path;

use pxe_policy::{Trouble, TroubleKind};
use thiserror::Error;

use crate::settings::Account;

/// Nothing is to be done: the system holds the tickets.
///
/// # Safety
/// Always safe; unsafe where another library is used.
#[allow(unsafe_code)] // the same form on every system
pub unsafe fn prepare(_keytab: Option<&Path>) {}

/// Nothing is to be done for the service's own account; another one is refused.
pub fn log_in(account: &Account) -> Result<(), Trouble> {
    if account.password.is_none() && account.keytab.is_none() {
        return Ok(());
    }
    Err(Trouble::new(TroubleKind::KerberosNeeded, ForeignAccount))
}

/// Another account than the service's own is configured.
#[derive(Debug, Error)]
#[error("on Windows the account that the service runs as asks: leave out user, password-file and keytab")]
struct ForeignAccount;

/// Whether the provider failed because the clocks of this server and of the domain differ: it says
/// so in its words alone.
pub(super) fn is_clock_skew(_error: &(dyn Error + 'static)) -> bool {
    false
}
