//! The addresses that the full DHCP service gives: who has which, until when, and the files that remember it.

mod clock;
mod journal;
pub mod pool;
pub mod store;
mod table;

pub use clock::Clock;
pub use pool::{Client, Denied, Lease, LeaseTable, Offer, Seconds, Want};
pub use store::LeaseStore;
