//! The directories that know machines: the device file, the devices of the shared database,
//! Configuration Manager, Active Directory.
//!
//! A directory is a module with an implementation of [`Directory`], and of [`Configured`] for its
//! part of the configuration. [`Directories`] asks all of them at the same time.

pub mod active_directory;
pub mod address;
pub mod certificates;
pub mod configmgr;
mod configured;
pub mod device_file;
mod directories;
mod directory;
pub mod kerberos;
pub mod links;
pub mod settings;
mod shared_devices;

pub use configured::{Configured, OpenError, Settings};
pub use directories::Directories;
pub use directory::{Asking, Directory, PackageTypes};
