//! Where the reader's program is.

use std::path::{Path, PathBuf};

/// Beside this program, as it is built and on Windows; in `libexec`, as packages have it; in the
/// PATH.
pub fn find() -> Option<PathBuf> {
    let own = std::env::current_exe().ok();
    let folder = own.as_deref().and_then(Path::parent);
    let beside = folder.map(|folder| folder.join(NAME));
    let packaged = folder.and_then(Path::parent).map(|top| top.join("libexec/netbootd").join(NAME));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    beside.into_iter().chain(packaged).chain(named.map(|folder| folder.join(NAME))).find(|at| at.is_file())
}

/// The name of the reader's program.
#[cfg(unix)]
pub(super) const NAME: &str = "netbootd-wim";
/// The name of the reader's program.
#[cfg(windows)]
pub(super) const NAME: &str = "netbootd-wim.exe";
