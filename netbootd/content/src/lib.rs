//! From a path to bytes: the boot folder, images, object storage, templates, Windows PE, and the
//! files of the distribution point's own responder.
//!
//! [`Content::open`] gives what a client gets for a path. [`files`] holds the boot tree and the
//! images, [`readers`] and [`files`]' pins keep a client on one version, [`relay`] and [`remote`]
//! fetch what others have ([`fetch`]), [`template`] and [`winpe`] make files for the machine that
//! asks, which [`machines`] remembers; [`boot_script`] has the lines by which scripts report,
//! [`unattended`] the answer files of installers. [`watch`], [`uploads`] and [`ingests`] take
//! images in, [`curate`] removes and labels them; [`shares`] reads the folders of Macs' images.

pub mod boot_media;
pub mod boot_script;
mod content;
pub mod curate;
pub mod fetch;
pub mod files;
pub mod ingests;
pub mod machines;
pub mod menu;
pub mod programs;
pub mod readers;
mod refused;
pub mod relay;
pub mod remote;
mod requested;
pub mod secure_boot;
mod served;
pub mod settings;
pub mod shares;
pub mod template;
pub mod unattended;
pub mod uploads;
pub mod watch;
pub mod winpe;

pub use content::{Caller, Content, Digests, Extent, available};
pub use refused::Refused;
pub use requested::Requested;
pub use served::{Known, Served};
