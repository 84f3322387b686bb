//! One client's connection: requests one after the other, and silence between them.
//!
//! While a client is silent nothing but its socket is kept: hyper, with its buffers, comes with a
//! request and goes with the answer. It stays a while where one request soon follows another.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use netbootd_telemetry::event::Proto;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::answer::{Client, answer};
use super::stream::{Stream, Transport};
use super::tls::Tls;
use super::waiting::Waiting;
use crate::limits::session_limits::Place;
use crate::services::Services;

/// Serves a client until it leaves, sends no request in time, loses its place, or the services
/// stop; then an answer goes on to its end, or to the shutdown.
pub(super) async fn serve(
    services: Arc<Services>,
    tcp: TcpStream,
    peer: SocketAddr,
    mut place: Place,
    waiting: Arc<Waiting>,
    tls: Option<Tls>,
) {
    let Ok(local) = tcp.local_addr() else { return };
    // Heads and small files leave at once.
    let _ = tcp.set_nodelay(true);
    let mut transport = match &tls {
        None => Transport::plain(tcp),
        Some(tls) => match shake_hands(&services, tls, tcp, peer, place, &waiting).await {
            Some(done) => {
                place = done.1;
                done.0
            }
            None => return,
        },
    };
    let (mut stopping, mut stopped) =
        (pin!(services.lifecycle.stopping.cancelled()), pin!(services.lifecycle.shutdown.cancelled()));
    let client = Arc::new(Client::new(Arc::clone(&services), peer, local, tls.is_some()));
    let mut ahead = Bytes::new();
    let mut silent_since = Instant::now();
    let mut patience = Patience::begin(silent_since);
    let mut alarm = pin!(sleep_until(patience.until));
    // A request may have come with the last bytes of the handshake: then the socket stays silent.
    let mut may_hold_request = tls.is_some();
    loop {
        let had = client.answers();
        if !std::mem::take(&mut may_hold_request) {
            let mut parked = waiting.park(place, had > 0, silent_since);
            loop {
                if patience.until < alarm.deadline() {
                    alarm.as_mut().reset(patience.until);
                }
                tokio::select! {
                    biased;
                    ready = poll_fn(|cx| transport.tcp().poll_read_ready(cx)) => match ready {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    () = &mut alarm => {
                        if Instant::now() >= patience.until {
                            return;
                        }
                        // Once a minute instead of once a request.
                        alarm.as_mut().reset(patience.until);
                    }
                    () = parked.evicted() => {
                        return debug!(proto = %Proto::Http, %peer, "an idle connection gives its place to another client");
                    }
                    () = &mut stopping => return,
                }
            }
            match parked.resume() {
                Some(resumed) => place = resumed,
                None => return,
            }
        }
        let stay = had > 0 && silent_since.elapsed() < SOON;
        let ended = tokio::select! {
            biased;
            ended = answer_until_silent(&client, transport, ahead, stay) => ended,
            () = &mut stopped => return,
        };
        match ended {
            Ok(Some(kept)) => (transport, ahead) = kept,
            Ok(None) => return,
            Err(error) => return debug!(proto = %Proto::Http, %peer, %error, "connection ended"),
        }
        let now = Instant::now();
        if client.answers() > had {
            silent_since = now;
            patience = Patience { until: now + IDLE, head_begun: false };
        }
        if !ahead.is_empty() {
            patience.head_begins(now);
        }
    }
}

/// The handshake of the HTTPS port. It holds its place as a connection that asked for nothing does:
/// until another client needs it.
async fn shake_hands(
    services: &Arc<Services>,
    tls: &Tls,
    tcp: TcpStream,
    peer: SocketAddr,
    place: Place,
    waiting: &Arc<Waiting>,
) -> Option<(Transport, Place)> {
    // A handshake costs more than a request, and counts as one.
    if services.leaves_client_alone(Proto::Http, peer).is_some() {
        return None;
    }
    let begun = Instant::now();
    let mut parked = waiting.park(place, false, begun);
    let stream = tokio::select! {
        biased;
        stream = tls.accept(services, tcp, peer, begun + HEAD) => stream?,
        () = parked.evicted() => {
            debug!(proto = %Proto::Http, %peer, "a TLS handshake gives its place to another client");
            return None;
        }
        () = services.lifecycle.stopping.cancelled() => return None,
    };
    Some((Transport::tls(stream), parked.resume()?))
}

/// How long a client may take until its next request is there.
struct Patience {
    until: Instant,
    head_begun: bool,
}

impl Patience {
    /// A new connection owes a request head.
    fn begin(now: Instant) -> Self {
        Patience { until: now + HEAD, head_begun: true }
    }

    /// A part of a head has come: further parts give no more time.
    fn head_begins(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.head_begun, true) {
            self.until = self.until.min(now + HEAD);
        }
    }
}

/// Answers what the client asks until nothing is left to be done, and with `stay` until nothing was
/// asked for a while; gives the stream back with what came and is no request yet, or None when it
/// is closed.
async fn answer_until_silent(
    client: &Arc<Client>,
    transport: Transport,
    ahead: Bytes,
    stay: bool,
) -> hyper::Result<Option<(Transport, Bytes)>> {
    let asked = Arc::clone(client);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (client, answering) = (Arc::clone(&asked), asked.begins());
        async move {
            let mut response = answer(&client, &mut request).await;
            if !request.body().is_end_stream() {
                // Nobody reads what was sent along.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response.map(|reply| reply.answering(answering)))
        }
    });
    let (exchange, files) = (Arc::clone(&client.exchange), Arc::clone(&client.files));
    let stream = Stream::new(transport, exchange, files, ahead, client.send_timeout());
    let connection = http1::Builder::new()
        // A head that does not come is waited for by the caller.
        .header_read_timeout(None)
        // GRUB 2.06 compares header names by case: without Content-Length it waits half a minute
        // for each file's end.
        .title_case_headers(true)
        .max_buf_size(MAX_HEAD)
        // Bytes that stand for a file's must reach the stream as they are.
        .writev(true)
        .serve_connection(stream, service);
    let mut connection = Box::new(connection);
    let mut answered = client.answers();
    let mut quiet = pin!(sleep_until(Instant::now() + SOON));
    let done = poll_fn(|cx| {
        if let Poll::Ready(ended) = Pin::new(&mut *connection).poll(cx) {
            return Poll::Ready(Some(ended));
        }
        if !client.exchange.is_silent() {
            return Poll::Pending;
        }
        if stay {
            loop {
                ready!(quiet.as_mut().poll(cx));
                if client.answers() == answered {
                    break;
                }
                answered = client.answers();
                quiet.as_mut().reset(Instant::now() + SOON);
            }
        }
        Poll::Ready(None)
    });
    match done.await {
        Some(ended) => ended.map(|()| None),
        None => {
            let parts = connection.into_parts();
            Ok(Some((parts.io.into_transport(), parts.read_buf)))
        }
    }
}

/// The head of a request has to be there after this long, from its first byte or from the
/// connection on.
const HEAD: Duration = Duration::from_secs(10);
/// A connection between two requests is closed after this long.
const IDLE: Duration = Duration::from_secs(60);
/// A request that follows an answer so soon will not be the last.
const SOON: Duration = Duration::from_secs(1);
/// Heads of boot clients have a few hundred bytes.
const MAX_HEAD: usize = 16 << 10;
