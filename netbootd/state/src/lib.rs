//! The state that survives a restart: the ledger, leases, bindings of Macs, operators' decisions
//! and assignments, and the history.
//!
//! [`file`] is this host's own file, with one writer that shares its commits ([`batch`]); leases
//! have a journal of their own beside it. [`shared`] is PostgreSQL, for several servers.
//! [`durable`] is the trait that both are written through. [`lease_server`] leases the addresses of
//! any [`pool`]. [`history`] appends every machine's steps to files of JSON lines. [`site_file`]
//! holds the copy of a Configuration Manager site.

pub mod approvals;
pub mod assignments;
pub mod batch;
pub mod bindings;
pub mod durable;
pub mod file;
pub mod history;
pub mod lease_server;
pub mod leases;
pub mod leases6;
pub mod ledger;
pub mod pool;
pub mod scrub;
pub mod shared;
pub mod site_file;
pub mod trust;
