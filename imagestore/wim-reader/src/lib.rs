//! Reads Windows images (`.wim`, `.esd`, `.swm`) for netbootd, in a process of its own.
//!
//! wimlib does the reading, and it is a large C library that parses what anybody may have written.
//! So this program answers one request ([`wim_protocol`]) and ends, and before wimlib sees a byte
//! of an image it gives up everything else ([`sandbox`]): it opens no file but the images that it
//! was handed, no socket, starts no program, and its memory and processor time are limited.
//!
//! wimlib is LGPL-3.0-or-later and its bindings are EUPL-1.2. No other package of this workspace
//! links them; deny.toml sees to that.

pub mod input;
mod names;
pub mod sandbox;
mod serve;
mod unpack;
mod wimlib;

pub use names::{Name, from_units, to_units};
pub use serve::answer;
pub use wimlib::{ReadError, initialize};
