//! The network-boot daemon: its command line, how it starts and ends, the sandbox, and the service manager.
//!
//! [`serve`] opens what the crates below offer and hands it to their listeners; [`cli`] holds the commands,
//! [`probe`] those that act as a client. [`confine`] gives up what the daemon does not need, [`systemd`]
//! speaks with the service manager, [`reload`] puts a changed configuration in force.

pub mod cli;
#[cfg_attr(windows, path = "platform/windows/confine.rs")]
pub mod confine;
pub mod console;
pub mod logging;
pub mod platform;
pub mod probe;
pub mod reload;
pub mod serve;
#[cfg_attr(windows, path = "platform/windows/manager.rs")]
pub mod systemd;
