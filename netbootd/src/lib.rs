//! The network-boot daemon: its command line, how it starts and ends, the sandbox, and the service
//! manager.
//!
//! [`serve`] opens what the crates below offer and hands it to their listeners; [`cli`] holds the
//! commands, [`probe`] those that act as a client. [`sandbox`] gives up what the daemon does not
//! need, [`service_manager`] speaks with systemd or Windows, [`reload`] puts a changed
//! configuration in force.

mod arguments;
pub mod cli;
pub mod console;
pub mod failure;
pub mod logging;
pub mod platform;
pub mod probe;
pub mod reload;
pub mod sandbox;
pub mod serve;
pub mod service_manager;
