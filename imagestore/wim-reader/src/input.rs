//! The request, and the images that come with it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

use std::fs::File;

use wim_protocol::{MAX_REQUEST, Request};

use crate::names::Name;
use crate::wimlib::ReadError;

#[cfg(target_os = "linux")]
pub(crate) use linux::open;
#[cfg(all(test, target_os = "linux"))]
pub(crate) use linux::path_of;
#[cfg(target_os = "linux")]
pub use linux::receive;
#[cfg(windows)]
pub(crate) use windows::open;
#[cfg(windows)]
pub use windows::receive;

/// The request of this process, with its files.
#[derive(Debug)]
pub struct Input {
    /// The request that came on standard input.
    pub request: Request,
    /// The image file and its further parts, as wimlib is to open them.
    pub parts: Vec<Name>,
    /// Where the frames go.
    pub frames: File,
    /// The images as they came, so that the sandbox can name them.
    #[cfg(target_os = "linux")]
    pub(crate) descriptors: Vec<std::os::fd::OwnedFd>,
}

fn decode(bytes: &[u8]) -> Result<Request, ReadError> {
    Ok(Request::decode(bytes)?)
}

/// One byte more than may be, so that too long a request is seen to be one.
const READ: u64 = MAX_REQUEST as u64 + 1;
