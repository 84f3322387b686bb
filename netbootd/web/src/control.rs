//! The control socket: operators' requests on this host, for root and netbootd's own user alone.
//!
//! Cancelled by the services' shutdown token; a request under way is dropped.

#[cfg_attr(unix, path = "control/unix.rs")]
#[cfg_attr(windows, path = "control/windows.rs")]
mod socket;

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use netbootd_server::daemon::Daemon;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::audit::Change;
use crate::{api, events};
pub use socket::{ControlSocket, ControlStream, connect_control};

/// Listens for operators' requests.
#[derive(Debug)]
pub struct ControlListener {
    daemon: Arc<Daemon>,
    socket: ControlSocket,
}

/// The socket of the netbootd that keeps its state in this folder.
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}

impl ControlListener {
    /// Binds the socket. The process that holds the state file may replace the socket of a former
    /// run.
    pub fn bind(daemon: Arc<Daemon>) -> io::Result<Self> {
        let path = socket_path(&daemon.services.snapshot.load().config.server.state_dir);
        Ok(ControlListener { daemon, socket: ControlSocket::bind(path)? })
    }

    /// Serves commands until the shutdown.
    pub async fn run(mut self) {
        let streams = Arc::new(Semaphore::new(MAX_STREAMS));
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            // Connections beyond the bound wait in the kernel's queue.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = self.daemon.services.lifecycle.shutdown.cancelled() => return,
            };
            match accepted {
                Ok(stream) => {
                    let connection = serve_connection(Arc::clone(&self.daemon), Arc::clone(&streams), stream);
                    tokio::spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "accepting on the control socket failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn serve_connection(daemon: Arc<Daemon>, streams: Arc<Semaphore>, stream: ControlStream) {
    let (asked, places) = (Arc::clone(&daemon), Arc::clone(&streams));
    let service = service_fn(move |request: Request<Incoming>| {
        let (daemon, places) = (Arc::clone(&asked), Arc::clone(&places));
        async move { Ok::<_, Infallible>(answer(&daemon, places, &request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            debug!(%error, "control connection ended");
        },
        () = daemon.services.lifecycle.shutdown.cancelled() => {}
    }
}

async fn answer(
    daemon: &Arc<Daemon>,
    streams: Arc<Semaphore>,
    request: &Request<Incoming>,
) -> Response<BoxBody<Bytes, Infallible>> {
    let uri = request.uri();
    if events::is_stream(uri.path())
        && let Ok(place) = streams.try_acquire_owned()
        && let Some(stream) = events::response(daemon, uri.path(), place)
    {
        return stream;
    }
    let method = request.method();
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    let change =
        changes.then(|| Change::begin(&daemon.services, "command line", "", (method.as_str(), uri.path())));
    let told = api::answer(daemon, method, (uri.path(), uri.query()), Bytes::new()).await;
    if let Some(change) = change {
        change.done(&daemon.services, told.status.as_u16()).await;
    }
    let mut response = Response::new(Full::new(Bytes::from(told.body)).boxed());
    *response.status_mut() = told.status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Commands of operators and scripts that run at a time.
const MAX_CONNECTIONS: usize = 64;
/// Event streams at a time.
const MAX_STREAMS: usize = 16;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);
