//! Notices about links and addresses: none yet, so the interfaces are listed each second.

use std::future::pending;
use std::io;

/// Changes that Windows reports by a callback on another thread (NotifyIpInterfaceChange).
#[derive(Debug)]
pub(super) struct Notices;

impl Notices {
    /// Reports that there are none.
    pub(super) fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) async fn next(&self) -> io::Result<()> {
        pending().await
    }
}
