//! Network calls to Windows.

use std::io;

use socket2::Socket;
use windows_sys::Win32::Networking::WinSock::{WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT, WSAEPROTONOSUPPORT};

/// The host's own name.
pub fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

/// Whether an error says that IPv6 is switched off.
pub fn has_no_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(WSAEAFNOSUPPORT | WSAEADDRNOTAVAIL | WSAEPROTONOSUPPORT))
}

/// Whether an error says that another program has the port: Windows' own web server keeps port 80
/// from others by denying it.
pub fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// Windows lets ports be bound again at once; the option of that name would let other programs in.
pub fn let_rebind(_socket: &Socket) -> io::Result<()> {
    Ok(())
}
