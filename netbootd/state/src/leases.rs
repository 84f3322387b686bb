//! The addresses that the full DHCP service gives: who has which, until when, and the files that
//! remember it.

mod clock;
mod journal;
pub mod pool;
pub mod store;
mod table;

pub use crate::pool::Denied;
pub use clock::Clock;
pub use pool::{Client, Lease, LeaseTable, Offer, Want};
pub use pxe_policy::Seconds;
pub use store::LeaseStore;
