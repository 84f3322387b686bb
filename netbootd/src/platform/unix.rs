//! Linux.

use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use netbootd_config::Server;
use nix::errno::Errno;
use socket2::Socket;
use tokio::net::{UnixListener, UnixStream};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::Failure;

/// How to be one who may.
pub(crate) const PRIVILEGED: &str = "run as root";

/// Where operators' commands reach the daemon.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

pub(crate) type ControlStream = UnixStream;

impl ControlSocket {
    /// Binds the socket. Whoever holds the state file may replace what a former run left behind.
    pub(crate) fn bind(path: PathBuf) -> io::Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(ControlSocket { listener, path })
    }

    pub(crate) async fn accept(&mut self) -> io::Result<ControlStream> {
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
pub(crate) async fn connect_control(path: &Path) -> io::Result<ControlStream> {
    UnixStream::connect(path).await
}

/// Gives a file the owner and the mode of another one.
pub(crate) fn give_owner_of(other: &Metadata, file: &Path) -> io::Result<()> {
    if std::fs::metadata(file).is_ok_and(|own| (own.uid(), own.gid()) != (other.uid(), other.gid())) {
        chown(file, Some(other.uid()), Some(other.gid()))?;
    }
    std::fs::set_permissions(file, other.permissions())
}

/// The host's own name.
pub(crate) fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok())
}

/// Whether an error says that IPv6 is switched off at boot (no sockets of that kind) or for the interfaces (no address to bind).
pub(crate) fn has_no_ipv6(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL | Errno::EPROTONOSUPPORT))
}

/// Whether an error says that another program has the port.
pub(crate) fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

/// Lets a port be bound again at once after a restart, whose connections linger.
pub(crate) fn let_rebind(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// How the log is written: as the configuration says.
pub(crate) fn log_settings(server: &Server) -> Server {
    server.clone()
}

/// Has all events go to a log.
pub(crate) fn take_up_log(log: impl Subscriber + Send + Sync) {
    log.init();
}

/// Each field is a field of the journal's too: `journalctl F_MAC=52:54:00:12:34:56`.
pub(crate) fn start_journal(level: Level) -> Result<(), Failure> {
    let journal = tracing_journald::layer()
        .map_err(|error| Failure::Unusable(format!("the journal of systemd is not there: {error}")))?;
    let level = tracing_subscriber::filter::LevelFilter::from_level(level);
    tracing_subscriber::registry().with(level).with(journal).init();
    Ok(())
}
