//! Messages to Windows' service control manager: starting, running, stopping.

use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::OnceLock;
use std::time::Duration;

use netbootd_net::os::is_taken;
use thiserror::Error;
use tokio::sync::Notify;
use tracing::debug;
use windows_service::service::{
    ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::ServiceStatusHandle;

/// The service is to stop.
pub(crate) static STOP: Notify = Notify::const_new();
/// The configuration is to be read again (`sc control netbootd paramchange`).
pub(crate) static RELOAD: Notify = Notify::const_new();
static STATUS: OnceLock<ServiceStatusHandle> = OnceLock::new();

/// Reports to the manager from now on; the first report is that the service starts.
pub(crate) fn follow(status: ServiceStatusHandle) {
    let _ = STATUS.set(status); // a process has one service
    tell(ServiceState::StartPending, ServiceExitCode::NO_ERROR);
}

/// Everything is bound and served.
pub fn ready(_status: &str) {
    tell(ServiceState::Running, ServiceExitCode::NO_ERROR);
}

/// The configuration is being read again, which the manager has no word for.
pub fn reloading() {}

/// Reports that the listeners stop.
pub fn stopping() {
    tell(ServiceState::StopPending, ServiceExitCode::NO_ERROR);
}

/// The pause between two looks at the listeners.
pub fn sign_of_life_every() -> Option<Duration> {
    Some(LOOK_EVERY)
}

/// The manager has no use for signs of life: what hangs is said in the log.
pub fn alive() {}

pub(crate) fn tell(state: ServiceState, exit_code: ServiceExitCode) {
    let Some(handle) = STATUS.get() else { return };
    let pending = matches!(state, ServiceState::StartPending | ServiceState::StopPending);
    let controls_accepted = match state {
        ServiceState::Running => {
            ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN | ServiceControlAccept::PARAM_CHANGE
        }
        _ => ServiceControlAccept::empty(),
    };
    let status = ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted,
        exit_code,
        checkpoint: u32::from(pending),
        wait_hint: if pending { PATIENCE } else { Duration::ZERO },
        process_id: None,
    };
    if let Err(error) = handle.set_service_status(status) {
        debug!(%error, "the service control manager could not be told");
    }
}

/// Sockets that hear for every interface, each interface with a listener of its own: Windows cannot
/// hold a socket to one interface and have its broadcasts as well.
#[derive(Debug, Default)]
pub struct Sockets;

/// Why a port cannot be bound.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another program has it.
    #[error(
        "port {port} is taken by another program (netstat -abno tells which); \
         stop it, or give this service another port"
    )]
    Taken {
        /// The port that is taken.
        port: u16,
    },
    /// The port cannot be bound for another reason.
    #[error("cannot bind port {port}")]
    Bind {
        /// The port that cannot be bound.
        port: u16,
        /// The system's error that stopped it.
        source: io::Error,
    },
}

impl Sockets {
    /// Nothing is handed over here; sockets are bound when they are asked for.
    pub fn inherit() -> Result<Self, SocketError> {
        Ok(Sockets)
    }

    /// A socket on this port of all interfaces.
    pub fn udp(&mut self, _name: &str, port: u16) -> Result<Option<UdpSocket>, SocketError> {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).map(Some).map_err(|source| {
            if is_taken(&source) { SocketError::Taken { port } } else { SocketError::Bind { port, source } }
        })
    }

    /// A TCP port is bound by who listens there.
    pub fn tcp(&mut self, _name: &str, _port: u16) -> Result<Option<TcpListener>, SocketError> {
        Ok(None)
    }

    /// Nobody has left any.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
}

/// The time that a slow disk may take to start, and the transfers under way to end.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(15);
