//! MIT's library: keytab or password.
//!
//! The library takes both from the environment of the process. [`prepare`] sets that once, before
//! any thread runs; tickets are kept in memory and renewed from the keytab by the library, from the
//! password by [`log_in`].

use std::error::Error;
use std::path::Path;

use libgssapi::credential::{Cred, CredUsage};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_KRB5_PRINCIPAL, OidSet};
use pxe_policy::Trouble;

use super::NoTicket;
use crate::settings::Account;

/// Tells the library where the keytab is, and to keep tickets in memory.
///
/// # Safety
/// Must run before another thread does: the environment is changed.
#[allow(unsafe_code)] // the environment is how the system's Kerberos library is told
pub unsafe fn prepare(keytab: Option<&Path>) {
    // SAFETY: the caller runs this before any other thread, as this function asks.
    unsafe {
        std::env::set_var("KRB5CCNAME", "MEMORY:netbootd");
        if let Some(keytab) = keytab {
            std::env::set_var("KRB5_CLIENT_KTNAME", keytab);
        }
    }
}

/// Fetches tickets with a password, if the account has one. Waits for the network.
pub fn log_in(account: &Account) -> Result<(), Trouble> {
    let (Some(principal), Some(password)) = (&account.user, &account.password) else { return Ok(()) };
    let failed = |error: libgssapi::error::Error| {
        let kind = super::kind_of(&error);
        Trouble::new(kind, NoTicket { name: principal.clone(), source: error.into() })
    };
    let name = Name::new(principal.as_bytes(), Some(&GSS_NT_KRB5_PRINCIPAL)).map_err(failed)?;
    let mut kerberos = OidSet::new().map_err(failed)?;
    kerberos.add(&GSS_MECH_KRB5).map_err(failed)?;
    let password = password.reveal();
    let tickets =
        Cred::acquire_with_password(Some(&name), password, None, CredUsage::Initiate, Some(&kerberos))
            .map_err(failed)?;
    tickets
        .store_into("MEMORY:netbootd", true, true, CredUsage::Initiate, Some(&GSS_MECH_KRB5))
        .map_err(failed)
}

/// Whether the library failed because the clocks of this server and of the domain differ.
pub(super) fn is_clock_skew(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<libgssapi::error::Error>()
        .is_some_and(|error| CLOCK_SKEW.contains(&error.minor.cast_signed()))
}

/// `KRB5KRB_AP_ERR_SKEW` and `KRB5_KDCREP_SKEW` of krb5.h: the server's word, and the library's
/// own.
const CLOCK_SKEW: [i32; 2] = [-1_765_328_347, -1_765_328_236];

#[cfg(test)]
mod tests {
    use libgssapi::error::{Error, MajorFlags};
    use pxe_policy::TroubleKind;

    use super::super::kind_of;

    #[test]
    fn a_clock_that_is_off_is_told_from_other_failures_by_the_librarys_number() {
        let of = |minor: i32| Error { major: MajorFlags::GSS_S_FAILURE, minor: minor.cast_unsigned() };
        assert_eq!(kind_of(&of(-1_765_328_347)), TroubleKind::ClockSkew);
        assert_eq!(kind_of(&of(-1_765_328_236)), TroubleKind::ClockSkew);
        // KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN
        assert_eq!(kind_of(&of(-1_765_328_377)), TroubleKind::KerberosNeeded);
    }
}
