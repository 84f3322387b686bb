//! Configuration Manager's smspxe.log: what it says of one machine, in plain words.

mod cmtrace;
mod reply;
mod story;

pub use cmtrace::{Entry, escape, read};
pub use reply::{BootAction, Reply};
pub use story::{Step, Story, tell};
