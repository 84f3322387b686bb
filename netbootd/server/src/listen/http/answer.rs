//! The response to a request: a file, a part of one, or an error.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use headers::authorization::Basic;
use headers::{Authorization, HeaderMapExt};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use imagestore::{OpenError, PathError};
use netbootd_content::menu::PROTECTED;
use netbootd_content::{Caller, Content, Extent, Refused, Requested};
use netbootd_dhcp::v4::boot_info::Origin;
use netbootd_telemetry::event::{Event, FileRefused, Proto, Refusal};

use super::super::request_error::RequestError;
use super::super::requester::Requester;
use super::body::Reply;
use super::conditions::{self, Condition};
use super::exchange::{Answering, Exchange};
use super::handover::Handover;
use super::range::{Wanted, wanted};
use super::record::{About, record, record_size, shown};
use super::report;
use crate::services::Services;

/// The client at the other end of a connection.
pub(super) struct Client {
    pub(super) services: Arc<Services>,
    pub(super) peer: SocketAddr,
    local: SocketAddr,
    /// Whether it speaks TLS.
    pub(super) is_tls: bool,
    /// How far its last request has come.
    pub(super) exchange: Arc<Exchange>,
    /// The files that its connection has to send.
    pub(super) files: Arc<Handover>,
    answers: AtomicU64,
}

impl Client {
    /// A client that has asked for nothing yet.
    pub(super) fn new(services: Arc<Services>, peer: SocketAddr, local: SocketAddr, is_tls: bool) -> Self {
        let (exchange, files) = (Arc::default(), Arc::default());
        Client { services, peer, local, is_tls, exchange, files, answers: AtomicU64::new(0) }
    }

    /// Counts a request that begins.
    pub(super) fn begins(&self) -> Answering {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.exchange.answers()
    }

    /// A client that takes nothing for so long is left.
    pub(super) fn send_timeout(&self) -> Duration {
        self.services.snapshot.load().config.http.send_timeout
    }

    /// The sender of one of its requests.
    fn requester(&self, request: &Request<Incoming>) -> Requester {
        let agent = request.headers().get(header::USER_AGENT);
        let probe = agent.is_some_and(|agent| agent.as_bytes().starts_with(PROBE_AGENT.as_bytes()));
        Requester { peer: self.peer, probe }
    }

    /// The beginning of URLs in an answer to a client of the HTTPS port: the host by which it asks,
    /// which is the one that it verified.
    fn origin(&self, headers: &HeaderMap) -> Option<Origin> {
        if !self.is_tls {
            return None;
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(|host| is_host(host));
        let port = self.local.port();
        Some(match host {
            Some(host) => Origin::of_authority(host),
            None => Origin::https(&self.local.ip().to_canonical().to_string(), port),
        })
    }

    /// How many requests there were.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

/// Answers one request of a client.
pub(super) async fn answer(client: &Client, request: &mut Request<Incoming>) -> Response<Reply> {
    if client.services.lifecycle.stopping.is_cancelled() {
        let (asked, requester) = (request.uri().path(), client.requester(request));
        let mut response = refuse(&client.services, asked, RequestError::Stopping, requester);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    if client.services.leaves_client_alone(Proto::Http, client.peer).is_some() {
        return plain(StatusCode::TOO_MANY_REQUESTS, "too many requests from this address");
    }
    if !names_one_host(request) {
        return plain(StatusCode::BAD_REQUEST, "a request names its host once");
    }
    if let Some(response) = report::answer(client, request).await {
        return response;
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
    let Some(path) = decode(asked).map(Requested::new) else {
        return refuse(&client.services, asked, RequestError::PercentEncoding, client.requester(request));
    };
    if path.path() == Err(PathError::TooLong) {
        let error = Refused::from(OpenError::Path(PathError::TooLong)).into();
        let mut response = refuse(&client.services, asked, error, client.requester(request));
        *response.status_mut() = StatusCode::URI_TOO_LONG;
        return response;
    }
    if path.raw() == BOOT_CERTIFICATE.as_bytes() {
        return boot_certificate(client, request, asked, head_only).await;
    }
    let extent = extent_of(request.headers());
    let https = client.origin(request.headers());
    let caller = Caller { client: client.peer.ip(), server: client.local.ip(), https, extent };
    let found = if let Some(image) = protected_image(path.raw()) {
        if !knows_password(client, request.headers()) {
            return password_wanted();
        }
        client.services.open_protected(&image, &caller).map_err(RequestError::from)
    } else {
        if let (Extent::Whole, false, Ok(path)) = (extent, head_only, path.path()) {
            client.services.snapshot.load().files.reads_whole(path, caller.client);
        }
        open(&client.services, path, caller).await
    };
    match found {
        Ok(content) => respond(client, request, asked, content, head_only),
        Err(error) => refuse(&client.services, asked, error, client.requester(request)),
    }
}

/// The authority's certificate, for enrolment. It is public, and asked for over HTTP as well.
async fn boot_certificate(
    client: &Client,
    request: &Request<Incoming>,
    asked: &str,
    head_only: bool,
) -> Response<Reply> {
    let services = Arc::clone(&client.services);
    let read = tokio::task::spawn_blocking(move || {
        services.snapshot.load().config.https.as_ref()?.authority_der().ok()
    });
    match read.await {
        Ok(Some(der)) => {
            let content = Content::generated(der, Some("application/pkix-cert".to_owned()));
            respond(client, request, asked, content, head_only)
        }
        _ => plain(StatusCode::NOT_FOUND, "no such file"),
    }
}

/// The image whose script wants the boot menu's password.
fn protected_image(raw: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(raw).ok()?.trim_start_matches('/');
    path.strip_prefix(PROTECTED)?.strip_suffix(".ipxe").map(str::to_owned)
}

fn knows_password(client: &Client, headers: &HeaderMap) -> bool {
    let snapshot = client.services.snapshot.load();
    let sent = headers.typed_get::<Authorization<Basic>>();
    let password = snapshot.config.menu.password.as_ref();
    password.zip(sent).is_some_and(|(password, sent)| password.is(sent.password()))
}

fn password_wanted() -> Response<Reply> {
    let mut response = plain(StatusCode::UNAUTHORIZED, "the boot menu's password is wanted");
    let basic = HeaderValue::from_static("Basic realm=\"boot menu\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    response
}

/// Whether a Host header is one that a script can hold.
fn is_host(host: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-:[]_".contains(letter);
    (1..=LONGEST_HOST).contains(&host.len()) && host.chars().all(plain)
}

/// RFC 9112 §3.2: exactly one Host, which HTTP/1.0 may leave out.
fn names_one_host(request: &Request<Incoming>) -> bool {
    match request.headers().get_all(header::HOST).iter().count() {
        0 => request.version() < Version::HTTP_11,
        count => count == 1,
    }
}

fn extent_of(headers: &HeaderMap) -> Extent {
    let has = |name: HeaderName| headers.contains_key(name);
    if !has(header::RANGE) {
        Extent::Whole
    } else if has(header::IF_RANGE) || has(header::IF_MATCH) {
        Extent::GuardedPart
    } else {
        Extent::Part
    }
}

async fn open(services: &Arc<Services>, path: Requested, caller: Caller) -> Result<Content, RequestError> {
    // Handing over to a thread that may block costs more than a small file.
    if let Some(content) = services.open_content_at_once(&path, &caller) {
        return Ok(content);
    }
    let services = Arc::clone(services);
    let opened = tokio::task::spawn_blocking(move || services.open_content(&path, &caller));
    Ok(opened.await??)
}

fn respond(
    client: &Client,
    request: &Request<Incoming>,
    asked: &str,
    content: Content,
    head_only: bool,
) -> Response<Reply> {
    let headers = request.headers();
    let etag = content.etag().into_owned();
    let modified = content.modified().map(httpdate::fmt_http_date);
    match conditions::check(headers, &etag, content.modified()) {
        Condition::Holds => {}
        Condition::Fails => {
            return plain(StatusCode::PRECONDITION_FAILED, "the file is another one by now");
        }
        Condition::NotModified => {
            let mut response = Response::new(Reply::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            put(response.headers_mut(), header::ETAG, etag);
            if let Some(modified) = modified {
                put(response.headers_mut(), header::LAST_MODIFIED, modified);
            }
            return response;
        }
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // An exact date alone shows that a file is the same one: what takes its place may be older.
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
    let path = content.served_instead().map(|(path, _)| path.to_owned());
    let path = path.as_deref().unwrap_or(asked);
    let about = About::new(&content, path, asked, status);
    let requester = client.requester(request);
    let body = if head_only {
        if status == StatusCode::OK {
            record_size(&client.services, path, requester, len, about);
        }
        Reply::empty()
    } else {
        let record = record(&client.services, path, requester, end - first, status, about);
        let files = (!client.is_tls).then_some(&client.files);
        Reply::file(Arc::new(content), first, end, record, files)
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

fn refuse(services: &Services, asked: &str, error: RequestError, requester: Requester) -> Response<Reply> {
    let refusal = error.refusal();
    let response = match refusal {
        Refusal::NotFound | Refusal::ImageComing | Refusal::ImageRefused => {
            plain(StatusCode::NOT_FOUND, "no such file")
        }
        Refusal::Malformed | Refusal::AccessDenied => {
            plain(StatusCode::BAD_REQUEST, "no path of this server")
        }
        Refusal::NotForMachine => plain(StatusCode::FORBIDDEN, "not for this machine"),
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
        peer: requester.peer,
        mac: requester.machine(services),
        path: shown(asked),
        refusal,
        detail: Some(error.shared()),
    }));
    response
}

pub(super) fn plain(status: StatusCode, words: &'static str) -> Response<Reply> {
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

/// The path of the authority's certificate (DER).
pub(super) const BOOT_CERTIFICATE: &str = "/netbootd/boot-certificate.der";

/// The user agent of `netbootd probe`.
pub const PROBE_AGENT: &str = "netbootd-probe";

/// Percent-decoding (RFC 3986 §2.1); None when a % has no two hex digits behind it. By hand: the
/// crate percent-encoding keeps such a % as it is, and so would open another file than was asked
/// for.
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

/// A DNS name with a port (RFC 1035 §2.3.4), in bytes.
const LONGEST_HOST: usize = 262;
/// Of an answer, with those that hyper adds.
const HEADERS: usize = 8;
