//! IPv6, where the host has it.

use std::io;

use nix::errno::Errno;

/// What was bound, or None on a host without IPv6: such hosts are served as before.
pub(super) fn unless_missing<T>(bound: io::Result<T>) -> io::Result<Option<T>> {
    match bound {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Switched off at boot (no sockets of that kind) or for the interfaces (no address to bind).
fn is_missing(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL | Errno::EPROTONOSUPPORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_ipv6_is_no_error_and_a_taken_port_is_one() {
        for code in [Errno::EAFNOSUPPORT, Errno::EADDRNOTAVAIL] {
            assert!(unless_missing::<()>(Err(code.into())).unwrap().is_none());
        }
        assert!(unless_missing::<()>(Err(Errno::EADDRINUSE.into())).is_err());
        assert!(unless_missing(Ok(())).unwrap().is_some());
    }
}
