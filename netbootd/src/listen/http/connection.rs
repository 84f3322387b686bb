//! One client's connection: requests one after the other, and silence between them.
//!
//! While a client is silent nothing but its socket is kept: hyper, with its buffers, comes with a request and goes with the answer. It
//! stays a while where one request soon follows another.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::stream::Stream;
use super::{Client, answer};
use crate::event::Proto;
use crate::services::Services;

/// Serves a client until it leaves, is silent for too long, or the services stop; then an answer goes on to its end, or to the shutdown.
pub(super) async fn serve(services: Arc<Services>, mut tcp: TcpStream, peer: SocketAddr) {
    let Ok(local) = tcp.local_addr() else { return };
    // Heads and small files leave at once.
    let _ = tcp.set_nodelay(true);
    let (mut stopping, mut stopped) =
        (pin!(services.stopping.cancelled()), pin!(services.shutdown.cancelled()));
    let client = Arc::new(Client::new(Arc::clone(&services), peer, local));
    let mut ahead = Bytes::new();
    let mut silent_since = None;
    let mut until = Instant::now() + IDLE;
    let mut alarm = pin!(sleep_until(until));
    loop {
        tokio::select! {
            biased;
            ready = poll_fn(|cx| tcp.poll_read_ready(cx)) => if ready.is_err() { return },
            () = &mut alarm => {
                if Instant::now() >= until {
                    return;
                }
                // Once a minute instead of once a request.
                alarm.as_mut().reset(until);
                continue;
            }
            () = &mut stopping => return,
        }
        let had = client.answers();
        let stay = silent_since.is_some_and(|since: Instant| since.elapsed() < SOON);
        let ended = tokio::select! {
            biased;
            ended = answer_until_silent(&client, tcp, ahead, stay) => ended,
            () = &mut stopped => return,
        };
        match ended {
            Ok(Some(kept)) => (tcp, ahead) = kept,
            Ok(None) => return,
            Err(error) => return debug!(proto = %Proto::Http, %peer, %error, "connection ended"),
        }
        // Bytes that become no request do not count.
        if client.answers() > had {
            let now = Instant::now();
            (silent_since, until) = (Some(now), now + IDLE);
        }
    }
}

/// Answers what the client asks until nothing is left to be done, and with `stay` until nothing was asked for a while; gives the stream
/// back with what came and is no request yet, or None when it is closed.
async fn answer_until_silent(
    client: &Arc<Client>,
    tcp: TcpStream,
    ahead: Bytes,
    stay: bool,
) -> hyper::Result<Option<(TcpStream, Bytes)>> {
    let asked = Arc::clone(client);
    let service = service_fn(move |request| {
        let (client, answering) = (Arc::clone(&asked), asked.begins());
        async move {
            let mut response = answer(&client, &request).await;
            if !request.body().is_end_stream() {
                // Nobody reads what was sent along.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response.map(|reply| reply.answering(answering)))
        }
    });
    let stream = Stream::new(tcp, Arc::clone(&client.exchange), ahead);
    let connection = http1::Builder::new()
        // A head that does not come is waited for by the caller.
        .header_read_timeout(None)
        // GRUB 2.06 compares header names by case: without Content-Length it waits half a minute for each file's end.
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
            Ok(Some((parts.io.into_tcp(), parts.read_buf)))
        }
    }
}

/// A connection without a request is closed after this long.
const IDLE: Duration = Duration::from_secs(60);
/// A request that follows an answer so soon will not be the last.
const SOON: Duration = Duration::from_secs(1);
/// Heads of boot clients have a few hundred bytes.
const MAX_HEAD: usize = 16 << 10;
