//! IPv6, where the host has it.

use std::io;
use std::sync::Arc;

use netbootd_config::Mode;
use netbootd_dhcp::Iface;
use netbootd_dhcp::v6::answer::{BOOT_SERVER_PORT, SERVER_PORT};
use netbootd_net::os::has_no_ipv6;
use netbootd_net::with_causes;
use netbootd_server::daemon::Daemon;
use netbootd_server::dhcp6_server::Dhcp6Server;
use netbootd_server::listen::dhcp6::Dhcp6Listener;
use netbootd_state::file::State;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::ports::cannot_bind;
use crate::failure::Failure;

/// DHCPv6 on every interface that has an address beyond its link. A port that nobody asked for is
/// done without when it is taken.
pub(super) fn bind_dhcp(
    daemon: &Daemon,
    ifaces: &[Iface],
    state: &Arc<State>,
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let services = &daemon.services;
    let snapshot = services.snapshot.load_full();
    let dhcp6 = &snapshot.config.dhcp6;
    if dhcp6.mode == Mode::Off {
        return Ok(());
    }
    let served = || ifaces.iter().filter(|iface| iface.global_addrs6().next().is_some());
    let Some(mac) = served().chain(ifaces).find_map(|iface| iface.mac).filter(|_| served().next().is_some())
    else {
        if dhcp6.chosen {
            warn!("no interface has an IPv6 address beyond its link: DHCPv6 is not answered");
        }
        return Ok(());
    };
    let own = served().flat_map(|iface| iface.addrs6.iter().map(|net| net.addr())).collect();
    let server = Dhcp6Server::open(&snapshot.config, mac, own, Arc::clone(state))
        .map_err(|error| Failure::Unusable(with_causes(&error)))?;
    let server = Arc::new(server);
    let _ = daemon.addresses.v6.set(Arc::clone(&server)); // once, at the start
    for iface in served() {
        for port in [SERVER_PORT, BOOT_SERVER_PORT] {
            let bind = Dhcp6Listener::bind(Arc::clone(services), Arc::clone(&server), iface.clone(), port);
            match bind {
                Ok(listener) => drop(tasks.spawn(listener.run())),
                Err(error) if dhcp6.chosen => return Err(cannot_bind(&error, port, Some(iface))),
                Err(error) => info!(iface = iface.name, port, %error, "no DHCPv6 on this port"),
            }
        }
    }
    Ok(())
}

/// The bound socket, or None on a host without IPv6: such hosts are served as before.
pub(super) fn unless_missing<T>(bound: io::Result<T>) -> io::Result<Option<T>> {
    match bound {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if has_no_ipv6(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

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
