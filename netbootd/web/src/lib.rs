//! The operators' interface: the status API, metrics, events as they happen, and the page.
//!
//! [`status`] is the port that operators reach over HTTP or HTTPS, [`control`] the socket of this
//! host's commands. Both give the answers of [`api`]; [`page`] shows them to people.

mod actions;
pub mod api;
mod audit;
mod board;
pub mod console;
pub mod control;
mod events;
mod form;
mod live;
pub mod page;
mod proxied;
mod rendered;
mod sessions;
mod site;
pub mod status;
mod storage;
