//! The control socket: a Unix socket in the state folder.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Where operators' commands reach the daemon.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// Either end of the control socket.
pub type ControlStream = UnixStream;

impl ControlSocket {
    /// Binds the socket. The process that holds the state file may replace the socket of a former
    /// run.
    pub fn bind(path: PathBuf) -> io::Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(ControlSocket { listener, path })
    }

    /// Waits for the next connection of a command.
    pub async fn accept(&mut self) -> io::Result<ControlStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // The next start removes it as well.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Reaches the daemon whose control socket this is.
pub async fn connect_control(path: &Path) -> io::Result<ControlStream> {
    UnixStream::connect(path).await
}
