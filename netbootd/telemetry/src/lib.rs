//! Events as values: each is recorded once, and feeds the log, the counters, the timelines and the
//! diagnosis.
//!
//! [`event`] holds the events and their recorder, [`timeline`] each machine's latest steps,
//! [`view`] a step as people read it, [`finding`] a finding. [`strangers`] names senders of what no
//! boot client sends. [`smspxe`] reads what another responder wrote about a machine. Nothing here
//! touches the disk or the network.

pub mod event;
pub mod finding;
pub mod smspxe;
pub mod strangers;
pub mod timeline;
pub mod view;
