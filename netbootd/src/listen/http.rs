//! The boot HTTP port: files of the boot tree, whole or in ranges.
//!
//! Ends once the services stop; answers under way go on to their end, or to the shutdown, which closes every connection.

mod body;
mod connection;
mod exchange;
pub mod range;
mod record;
mod sendfile;
mod stream;

use std::borrow::Cow;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

use crate::content::{Caller, Content, Extent, Refused};
use crate::event::{Event, FileRefused, Proto, Refusal, TransferFinished, TransferOutcome, TransferStarted};
use crate::heartbeat::Pulse;
use crate::limits::places::Place;
use crate::platform;
use crate::services::Services;
use body::Reply;
use exchange::{Answering, Exchange};
use range::{Wanted, wanted};
use record::Record;

/// Listens for connections.
#[derive(Debug)]
pub struct HttpListener {
    services: Arc<Services>,
    listener: TcpListener,
    ipv6: Option<(TcpListener, Pulse)>,
    pulse: Pulse,
}

impl HttpListener {
    /// Binds the port on all IPv4 addresses of the host.
    pub async fn bind(services: Arc<Services>, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        let pulse = services.heartbeat.pulse("http");
        Ok(HttpListener { services, listener, ipv6: None, pulse })
    }

    /// Takes over a bound socket.
    pub fn adopt(services: Arc<Services>, listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let pulse = services.heartbeat.pulse("http");
        Ok(HttpListener { services, listener: TcpListener::from_std(listener)?, ipv6: None, pulse })
    }

    /// Binds the port on all IPv6 addresses too, by a socket of its own.
    pub fn bind_ipv6(&mut self) -> io::Result<()> {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_only_v6(true)?;
        platform::let_rebind(&socket)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port()?)).into())?;
        socket.listen(QUEUE)?;
        let pulse = self.services.heartbeat.pulse("http over IPv6");
        self.ipv6 = Some((TcpListener::from_std(socket.into())?, pulse));
        Ok(())
    }

    /// The bound port.
    pub fn port(&self) -> io::Result<u16> {
        self.listener.local_addr().map(|addr| addr.port())
    }

    /// Accepts connections until the services stop.
    pub async fn run(self) {
        let second = async {
            if let Some((listener, pulse)) = &self.ipv6 {
                self.serve(listener, pulse).await;
            }
        };
        tokio::join!(self.serve(&self.listener, &self.pulse), second);
    }

    async fn serve(&self, listener: &TcpListener, pulse: &Pulse) {
        loop {
            // A connection waits in the kernel's queue until there is a place.
            let places = &self.services.limits.connections;
            let most = || self.services.snapshot.load().config.http.max_connections;
            let next = async {
                places.room(most).await;
                listener.accept().await
            };
            let accepted = tokio::select! {
                accepted = pulse.during(next) => accepted,
                () = self.services.stopping.cancelled() => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(proto = %Proto::Http, %error, "accepting failed");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            if let Some(place) = self.place(&stream, peer) {
                let services = Arc::clone(&self.services);
                tokio::spawn(async move {
                    connection::serve(services, stream, peer).await;
                    drop(place);
                });
            }
        }
    }

    /// A place for a connection; without one it is closed.
    fn place(&self, stream: &TcpStream, peer: SocketAddr) -> Option<Place> {
        let services = &self.services;
        let local = stream.local_addr().ok()?;
        if !services.serves_on(local.ip()) || !services.snapshot.load().config.limits.allows_client(peer.ip())
        {
            services.disallows(Proto::Http, peer);
            return None;
        }
        let snapshot = services.snapshot.load();
        let bounds = snapshot.config.limits.connections(snapshot.config.http.max_connections);
        match services.limits.connections.take(peer.ip(), &bounds) {
            Ok(place) => Some(place),
            Err(full) => {
                services.refuses(Proto::Http, peer, full.into());
                None
            }
        }
    }
}

/// Who is at the other end of a connection.
struct Client {
    services: Arc<Services>,
    peer: SocketAddr,
    local: SocketAddr,
    exchange: Arc<Exchange>,
    answers: AtomicU64,
}

impl Client {
    fn new(services: Arc<Services>, peer: SocketAddr, local: SocketAddr) -> Self {
        Client { services, peer, local, exchange: Arc::default(), answers: AtomicU64::new(0) }
    }

    /// Counts a request.
    fn begins(&self) -> Answering {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.exchange.answers()
    }

    /// How many requests there were.
    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

async fn answer(client: &Client, request: &Request<Incoming>) -> Response<Reply> {
    if client.services.stopping.is_cancelled() {
        let refused = Refused { refusal: Refusal::Stopping, detail: "netbootd ends".into() };
        let mut response = refuse(&client.services, request.uri().path(), refused, client.peer);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    if client.services.leaves_client_alone(Proto::Http, client.peer).is_some() {
        return plain(StatusCode::TOO_MANY_REQUESTS, "too many requests from this address");
    }
    let head_only = match *request.method() {
        Method::GET => false,
        Method::HEAD => true,
        _ => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
    };
    let asked = request.uri().path();
    let found = match decode(asked) {
        Some(raw) => {
            let part = request.headers().contains_key(header::RANGE);
            let extent = if part { Extent::Part } else { Extent::Whole };
            let caller = Caller { client: client.peer.ip(), server: client.local.ip(), extent };
            open(&client.services, raw, caller).await
        }
        None => Err(Refused { refusal: Refusal::Malformed, detail: "a % without two hex digits".into() }),
    };
    match found {
        Ok(content) => respond(client, request.headers(), asked, content, head_only),
        Err(refused) => refuse(&client.services, asked, refused, client.peer),
    }
}

async fn open(services: &Arc<Services>, raw: Vec<u8>, caller: Caller) -> Result<Content, Refused> {
    // Handing over to a thread that may block costs more than a small file.
    if let Some(content) = Content::open_at_once(services, &raw) {
        return Ok(content);
    }
    let services = Arc::clone(services);
    let opened = tokio::task::spawn_blocking(move || Content::open(&services, &raw, caller));
    opened.await.unwrap_or_else(|error| Err(Refused { refusal: Refusal::Failed, detail: error.to_string() }))
}

fn respond(
    client: &Client,
    headers: &HeaderMap,
    asked: &str,
    content: Content,
    head_only: bool,
) -> Response<Reply> {
    let etag = content.etag().into_owned();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // RFC 9110 §13.2.2: first If-Match, then If-None-Match; If-Range only decides over Range.
    if text(header::IF_MATCH).is_some_and(|tags| !lists(tags, &etag)) {
        return plain(StatusCode::PRECONDITION_FAILED, "the file is another one by now");
    }
    if text(header::IF_NONE_MATCH).is_some_and(|tags| lists(tags, &etag)) {
        let mut response = Response::new(Reply::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        put(response.headers_mut(), header::ETAG, etag);
        return response;
    }
    let modified = content.modified().map(httpdate::fmt_http_date);
    let unchanged = text(header::IF_RANGE)
        .is_none_or(|validator| validator == etag || modified.as_deref() == Some(validator));
    let len = content.len();
    let (status, first, end) = match wanted(text(header::RANGE).filter(|_| unchanged), len) {
        Wanted::Whole => (StatusCode::OK, 0, len),
        Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last + 1),
        Wanted::Unsatisfiable => {
            let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE, "the file has no such bytes");
            put(response.headers_mut(), header::CONTENT_RANGE, format!("bytes */{len}"));
            return response;
        }
    };
    let content_type = content.content_type();
    let body = if head_only {
        Reply::empty()
    } else {
        let record = record(&client.services, asked, client.peer, end - first, status);
        Reply::file(Arc::new(content), first, end, record, &client.exchange)
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let out = response.headers_mut();
    out.reserve(HEADERS);
    put(out, header::CONTENT_TYPE, content_type);
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(end - first));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    put(out, header::ETAG, etag);
    if let Some(modified) = modified {
        put(out, header::LAST_MODIFIED, modified);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        put(out, header::CONTENT_RANGE, format!("bytes {first}-{}/{len}", end - 1));
    }
    response
}

fn record(services: &Arc<Services>, asked: &str, peer: SocketAddr, total: u64, status: StatusCode) -> Record {
    let id = services.recorder.transfer_id();
    let mac = services.machines.mac_of(peer.ip());
    let path: Arc<str> = shown(asked).into();
    let partial = status == StatusCode::PARTIAL_CONTENT;
    services.recorder.record(Event::TransferStarted(TransferStarted {
        id,
        proto: Proto::Http,
        peer,
        mac,
        path: Arc::clone(&path),
        size: Some(total),
        negotiated: format!("status={}", status.as_u16()),
        partial,
    }));
    let finished = TransferFinished {
        id,
        proto: Proto::Http,
        peer,
        mac,
        path,
        partial,
        outcome: TransferOutcome::Completed,
        bytes: 0,
        blocks: 0,
        resends: 0,
        elapsed: Duration::ZERO,
        detail: None,
    };
    Record::new(Arc::clone(services), finished, total)
}

fn refuse(services: &Services, asked: &str, refused: Refused, peer: SocketAddr) -> Response<Reply> {
    let response = match refused.refusal {
        Refusal::NotFound | Refusal::ImageComing | Refusal::ImageRefused => {
            plain(StatusCode::NOT_FOUND, "no such file")
        }
        Refusal::Malformed | Refusal::AccessDenied => {
            plain(StatusCode::BAD_REQUEST, "no path of this server")
        }
        Refusal::Stopping => plain(StatusCode::SERVICE_UNAVAILABLE, "this server is stopping"),
        Refusal::WriteRefused
        | Refusal::Busy
        | Refusal::Failed
        | Refusal::NotAllowed
        | Refusal::TooOften
        | Refusal::ClientFull
        | Refusal::SubnetFull
        | Refusal::Unproved => plain(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read"),
    };
    services.recorder.record(Event::FileRefused(FileRefused {
        proto: Proto::Http,
        peer,
        mac: services.machines.mac_of(peer.ip()),
        path: shown(asked),
        refusal: refused.refusal,
        detail: Some(refused.detail),
    }));
    response
}

fn plain(status: StatusCode, words: &'static str) -> Response<Reply> {
    let mut response = Response::new(Reply::words(words));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: impl Into<Cow<'static, str>>) {
    let value = match value.into() {
        Cow::Borrowed(value) => Ok(HeaderValue::from_static(value)),
        Cow::Owned(value) => HeaderValue::try_from(value),
    };
    if let Ok(value) = value {
        headers.insert(name, value);
    }
}

/// Whether a list of entity tags names this strong one.
fn lists(tags: &str, etag: &str) -> bool {
    tags.split(',').any(|tag| matches!(tag.trim(), "*") || tag.trim() == etag)
}

/// Percent-decoding (RFC 3986 §2.1); None when a % has no two hex digits behind it.
pub fn decode(path: &str) -> Option<Vec<u8>> {
    let mut raw = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                raw.push((digit(*high)? * 16 + digit(*low)?) as u8);
                rest = after;
            }
            (b'%', _) => return None,
            (byte, after) => {
                raw.push(*byte);
                rest = after;
            }
        }
    }
    // A NUL ends a path for TFTP; here it hides what follows.
    (!raw.contains(&0)).then_some(raw)
}

fn shown(path: &str) -> String {
    path.bytes().take(MAX_SHOWN).flat_map(std::ascii::escape_default).map(char::from).collect()
}

const MAX_SHOWN: usize = 128;
/// Connections that the kernel keeps until they are accepted, as for the other socket.
const QUEUE: i32 = 1024;
/// Of an answer, with those that hyper adds.
const HEADERS: usize = 8;
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
