//! DHCP as netbootd speaks it: bytes in, bytes and a destination out.
//!
//! [`guard`] makes a [`Packet`] of hostile bytes, [`intake`] a `BootRequest` of a packet.
//! [`proxy`], [`boot_server`] and [`server`] answer on ports 67 and 4011, [`forward`] passes a
//! question to another responder and its answer back, [`bsdp`] carries the questions of Macs and
//! their answers, [`other_server`] reads what other servers broadcast; [`boot_info`] fills in what
//! a boot client needs; [`reply`] writes the bytes, [`destination`] says where they go, and
//! [`answer`] joins them with the event. None of it touches a socket.

pub mod answer;
pub mod boot_info;
pub mod boot_program;
pub mod boot_server;
pub mod bsdp;
pub mod destination;
pub mod forward;
pub mod guard;
pub mod intake;
pub mod option;
pub mod other_server;
pub mod proxy;
pub mod question;
pub mod reply;
pub mod server;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use answer::{Answer, Reply};
pub use destination::Destination;
pub use guard::{Malformed, Packet};
pub use intake::Arrival;

/// Whether `netbootd probe` sent a packet, and no machine.
pub fn is_probe(packet: &Packet) -> bool {
    packet.first(option::PROBE) == Some(option::PROBE_MARK)
}
