//! Faults on purpose, and what must hold through them. `make chaos` runs all of it, `make test` a
//! short form.
//!
//! Each check panics with what it saw when a promise is broken, and gives the words for its line
//! otherwise.

mod blobs;
mod churn;
mod clients;
mod connections;
mod directories;
mod fill;
mod flood;
mod kills;
mod links;
mod machines;
mod macs;
mod overwrites;
mod power;
mod reads;
mod seed;
mod silent;
mod site;
mod stops;

pub use blobs::{damaged_blobs, unreadable_blobs};
pub use churn::{churn, strangers};
pub use connections::{idle_connections, stuck_connections};
pub use directories::hanging_directories;
pub use fill::full_state_disk;
pub use flood::{flood, flood_at_full_speed};
pub use kills::{kills, power_losses};
pub use links::links;
pub use overwrites::overwrites;
pub use reads::{forged_reads, forged_reads_briefly};
pub use silent::{silent_relays, silent_relays_briefly};
pub use stops::{reloads, stops};
