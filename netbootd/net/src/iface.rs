//! The host's network interfaces and their addresses.

#[cfg_attr(unix, path = "iface/unix.rs")]
#[cfg_attr(windows, path = "iface/windows.rs")]
mod listing;

use std::io;

use netbootd_dhcp::Iface;

/// Every interface that is up and has an address; loopback only when asked for.
pub fn list(with_loopback: bool) -> io::Result<Vec<Iface>> {
    listing::list(with_loopback)
}

/// Whether there is an interface of this name, up or not, with or without an address.
pub fn exists(name: &str) -> bool {
    listing::exists(name)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn loopback_is_found_only_when_asked_for() {
        let loopback = list(true).unwrap().into_iter().find(|iface| iface.name == "lo").unwrap();
        assert!(loopback.owns(Ipv4Addr::LOCALHOST));
        assert!(list(false).unwrap().iter().all(|iface| iface.name != "lo"));
    }
}
