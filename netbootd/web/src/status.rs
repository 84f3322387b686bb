//! The status port: what operators see, over HTTP or HTTPS; apart from the boot port.
//!
//! Reading needs no token, changes do. Cancelled by the services' shutdown token.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use netbootd_config::{Bounds, Status};
use netbootd_net::os::host_name;
use netbootd_server::daemon::Daemon;
use netbootd_server::limits::session_limits::SessionLimits;
use netbootd_server::listen::stall::Impatient;
use pxe_policy::MacAddr;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::api::{self, document, metrics};
use crate::audit::Change;
use crate::console::{Console, Credentials};
use crate::proxied::Client;
use crate::sessions::Role;
use crate::{actions, events, site};

/// Listens for operators and their programs.
pub struct StatusListener {
    daemon: Arc<Daemon>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    settings: Status,
    host_name: Option<String>,
    streams: Arc<SessionLimits>,
    pieces: Semaphore,
    console: Arc<Console>,
}

impl StatusListener {
    /// Binds the port, and reads the certificate if there is one.
    pub async fn bind(daemon: Arc<Daemon>, settings: Status) -> io::Result<Self> {
        let tls = match &settings.tls {
            Some((certificate, key)) => Some(acceptor(certificate, key)?),
            None => None,
        };
        let listener = TcpListener::bind(settings.listen).await?;
        let host_name = host_name();
        let console = Console::new(Arc::clone(&daemon), host_name.clone().unwrap_or_default());
        Ok(StatusListener {
            daemon,
            listener,
            tls,
            settings,
            host_name,
            streams: Arc::default(),
            pieces: Semaphore::new(PIECES),
            console: Arc::new(console),
        })
    }

    /// Serves operators until the shutdown.
    pub async fn run(self) {
        let shared = Arc::new(self);
        let console = Arc::clone(&shared.console);
        tokio::spawn(async move { console.follow().await });
        let places = Arc::<SessionLimits>::default();
        loop {
            let next = async {
                places.room(|| CONNECTIONS.all).await;
                shared.listener.accept().await
            };
            let accepted = tokio::select! {
                accepted = next => accepted,
                () = shared.daemon.services.lifecycle.shutdown.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // One peer that holds many connections is closed to others' good.
                    let bounds = if shared.settings.proxies.contains(&peer.ip().to_canonical()) {
                        &BEHIND_A_PROXY
                    } else {
                        &CONNECTIONS
                    };
                    let Ok(place) = places.open(peer.ip(), bounds) else {
                        debug!(%peer, "too many connections to the status port");
                        continue;
                    };
                    let shared = Arc::clone(&shared);
                    tokio::spawn(async move {
                        let shutdown = shared.daemon.services.lifecycle.shutdown.clone();
                        tokio::select! {
                            () = shared.serve(stream, peer) => {}
                            () = shutdown.cancelled() => {}
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "accepting on the status port failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: tokio::net::TcpStream, peer: SocketAddr) {
        // The answers to a client that never reads would stay in memory.
        let stream = Impatient::new(stream, SEND_TIMEOUT);
        match self.tls.clone() {
            None => self.serve_http(stream, peer).await,
            Some(tls) => match tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.serve_http(stream, peer).await,
                Ok(Err(error)) => debug!(%error, %peer, "no TLS on the status port"),
                Err(_) => debug!(%peer, "no TLS in time on the status port"),
            },
        }
    }

    async fn serve_http(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin, peer: SocketAddr) {
        let service = service_fn(move |request: Request<Incoming>| {
            let shared = Arc::clone(&self);
            async move { Ok::<_, Infallible>(shared.answer(request, peer).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            debug!(%error, %peer, "status connection ended");
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<BoxBody<Bytes, Infallible>> {
        if let Err((status, words)) = self.check_host(&request) {
            return json(status, format!("{{\"error\":\"{words}\"}}"));
        }
        let client = Client::new(peer.ip(), self.tls.is_some(), request.headers(), &self.settings.proxies);
        let user_header = self.settings.user_header.as_deref();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let reads = matches!(method, Method::GET | Method::HEAD);
        if method == Method::POST && actions::is_form(uri.path(), request.headers()) {
            return site::act(&self.console, request, client, user_header).await;
        }
        let credentials = site::credentials(request.headers(), client, user_header);
        let mut who = None;
        if !reads {
            match self.check_token(&request, credentials) {
                Ok(name) => who = Some(name),
                Err((status, words)) => return json(status, format!("{{\"error\":\"{words}\"}}")),
            }
        }
        if reads {
            let stream = || self.streams.open(client.addr, &STREAMS).ok();
            if let Some(response) = site::read(&self.console, &request, (client, credentials), stream).await {
                return response;
            }
        }
        // The same under /api and, for one release more, without it.
        let path = uri.path().strip_prefix("/api").filter(|path| path.starts_with('/')).unwrap_or(uri.path());
        match (reads, path) {
            (true, "/metrics") => {
                let mut response = text(metrics::render(&self.daemon));
                let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response
            }
            (true, "/openapi.json") => json(StatusCode::OK, document::TEXT.to_owned()),
            (true, path) if events::is_stream(path) => {
                let place = self.streams.open(client.addr, &STREAMS).ok();
                let stream = place.and_then(|place| events::response(&self.daemon, path, place));
                stream.unwrap_or_else(too_many_streams)
            }
            _ => {
                let from = client.addr.to_string();
                let is_piece = method == Method::PUT && path.starts_with("/uploads/");
                let (_place, body) = match self.piece(request, is_piece).await {
                    Ok(piece) => piece,
                    Err((status, words)) => return json(status, format!("{{\"error\":\"{words}\"}}")),
                };
                // Its begin and its end are in the audit, and not each of its pieces.
                let who = who.filter(|_| !is_piece);
                let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
                let whole = format!("{path}{query}");
                let change = who
                    .map(|who| Change::begin(&self.daemon.services, &who, &from, (method.as_str(), &whole)));
                let told = api::answer(&self.daemon, &method, (uri.path(), uri.query()), body).await;
                if let Some(change) = change {
                    change.done(&self.daemon.services, told.status.as_u16()).await;
                    let named: Vec<MacAddr> =
                        whole.split(['/', '?', '&', '=']).filter_map(|part| part.parse().ok()).collect();
                    if !named.is_empty() {
                        self.console.board.touch(&self.daemon.services, &named);
                    }
                }
                let mut response = json(told.status, told.body);
                if let Some(methods) = told.allow.and_then(|methods| HeaderValue::from_str(&methods).ok()) {
                    response.headers_mut().insert(header::ALLOW, methods);
                }
                response
            }
        }
    }

    /// The piece of an upload that a request carries, with its place among those under way.
    async fn piece(
        &self,
        request: Request<Incoming>,
        is_piece: bool,
    ) -> Result<(Option<SemaphorePermit<'_>>, Bytes), (StatusCode, &'static str)> {
        if !is_piece {
            return Ok((None, Bytes::new()));
        }
        let place = self.pieces.acquire().await.ok();
        let piece = Limited::new(request.into_body(), api::LARGEST_PIECE).collect();
        match tokio::time::timeout(PIECE_PATIENCE, piece).await {
            Ok(Ok(piece)) => Ok((place, piece.to_bytes())),
            Ok(Err(_)) => Err((StatusCode::PAYLOAD_TOO_LARGE, "a piece has at most 8388608 bytes")),
            Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the piece did not come within a minute")),
        }
    }

    /// Whether the request is for this server. A page from elsewhere that a browser was led here by
    /// (DNS rebinding) names another host; an address cannot be such a name, and over TLS the
    /// certificate does not fit it.
    fn check_host(&self, request: &Request<Incoming>) -> Result<(), (StatusCode, &'static str)> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let named = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
            (None, None) if request.version() < Version::HTTP_11 => return Ok(()),
            _ => None,
        };
        let Some(named) = named else {
            return Err((StatusCode::BAD_REQUEST, "a request names its host once"));
        };
        let named = request.uri().authority().unwrap_or(&named).host().to_owned();
        let host = named.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let own = self.host_name.iter().chain(&self.settings.names);
        let any_name = self.settings.tls.is_some() && self.settings.names.is_empty();
        let is_own = any_name
            || host.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || own.into_iter().any(|name| name.eq_ignore_ascii_case(host));
        let refused = "this port is not served under that name: add it to status.names, or use the address";
        if is_own { Ok(()) } else { Err((StatusCode::MISDIRECTED_REQUEST, refused)) }
    }

    /// The operator whose token the request carries, when the operator may do what it asks for.
    fn check_token(
        &self,
        request: &Request<Incoming>,
        credentials: Credentials<'_>,
    ) -> Result<String, (StatusCode, String)> {
        let sent = actions::bearer(request.headers());
        if sent.is_none()
            && let Some((name, role)) =
                actions::operator_of_script(&self.console, request.headers(), credentials)
        {
            return allowed(name, role, request);
        }
        if !self.console.can_sign_in() {
            return Err((StatusCode::UNAUTHORIZED, "no token is configured: status.token-file".to_owned()));
        }
        let Some((name, role)) = sent.and_then(|sent| self.console.operator_of(sent)) else {
            return Err((StatusCode::UNAUTHORIZED, "the token is missing or wrong".to_owned()));
        };
        allowed(name, role, request)
    }
}

/// The operator, when the role is enough for what the request asks for.
fn allowed(name: String, role: Role, request: &Request<Incoming>) -> Result<String, (StatusCode, String)> {
    let needed = actions::role_of(request.method(), request.uri().path());
    match role >= needed {
        true => Ok(name),
        false => Err((StatusCode::FORBIDDEN, format!("{name} needs the role {}", needed.word()))),
    }
}

pub(crate) fn json(status: StatusCode, body: String) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = text(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) fn text(body: String) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::new(Bytes::from(body)).boxed());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(crate) fn too_many_streams() -> Response<BoxBody<Bytes, Infallible>> {
    json(StatusCode::SERVICE_UNAVAILABLE, "{\"error\":\"too many event streams\"}".into())
}

fn acceptor(certificate: &Path, key: &Path) -> io::Result<TlsAcceptor> {
    let unusable =
        |path: &Path, error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unusable(certificate, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(certificate, &error))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| unusable(certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Connections at a time.
const CONNECTIONS: Bounds = Bounds { all: 256, network: 128, client: 64, unproved: None };
/// Behind a reverse proxy everybody is one peer.
const BEHIND_A_PROXY: Bounds = Bounds { all: 256, network: 224, client: 224, unproved: None };
/// Event streams at a time.
const STREAMS: Bounds = Bounds { all: 64, network: 48, client: 24, unproved: None };
/// A peer that takes nothing of its answer for so long is left.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Pieces of uploads that are in memory at a time.
const PIECES: usize = 4;
const PIECE_PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);
