//! Network calls to Linux.

use std::io;

use nix::errno::Errno;
use socket2::Socket;

/// The host's own name.
pub fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok())
}

/// Whether an error says that IPv6 is switched off at boot (no sockets of that kind) or for the
/// interfaces (no address to bind).
pub fn has_no_ipv6(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL | Errno::EPROTONOSUPPORT))
}

/// Whether an error says that another program has the port.
pub fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

/// Lets a port be bound again at once after a restart, whose connections linger.
pub fn let_rebind(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}
