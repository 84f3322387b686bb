//! Which next hops answer address resolution (ARP, IPv6 neighbour discovery), so that a reply to
//! one that does not costs nothing.
//!
//! The kernel keeps a datagram for a neighbour that does not answer for up to three seconds, and
//! charges it to the socket that sent it. Anybody can forge a relay's address, or a client's, that
//! nobody has: without a bound, such replies fill the socket. It has no task.

#[cfg_attr(unix, path = "neighbours/kernel/unix.rs")]
#[cfg_attr(windows, path = "neighbours/kernel/windows.rs")]
mod kernel;
mod table;

use std::net::IpAddr;
use std::time::Instant;

use kernel::Kernel;
use parking_lot::Mutex;
pub use table::{Admitted, Refused};
use table::{Hop, Table};

/// The next hops that datagrams were sent to lately.
#[derive(Debug, Default)]
pub struct Neighbours {
    table: Mutex<Table>,
    kernel: Kernel,
}

/// The kernel's state of a next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has a link-layer address, or needs none: a datagram leaves at once.
    #[cfg_attr(windows, allow(dead_code))] // its kernel is not asked
    Resolved,
    /// A datagram waits until it answers.
    Unresolved,
    /// The kernel cannot tell.
    Unknown,
}

impl Neighbours {
    /// Whether a datagram to this address may be sent now. `ifindex` is the interface that the
    /// socket is bound to; 0 lets the route decide.
    pub fn admit(&self, to: IpAddr, ifindex: u32, now: Instant) -> Result<Admitted, Refused> {
        let mut table = self.table.lock();
        table.admit(Hop { to, ifindex }, now, |hop| self.kernel.state(hop.to, hop.ifindex))
    }

    /// Forgets next hops that nothing was sent to for a while. Returns how many.
    pub fn forget_idle(&self, now: Instant) -> usize {
        self.table.lock().forget_idle(now)
    }

    /// How many next hops are waited for.
    pub fn unresolved(&self) -> usize {
        self.table.lock().trials()
    }
}
