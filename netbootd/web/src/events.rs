//! Each step and each finding as it happens, as server-sent events (WHATWG HTML §9.2); for the
//! status port and the control socket alike.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{self, HeaderValue};
use netbootd_server::daemon::Daemon;
use netbootd_telemetry::view::StepView;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// The stream behind a path, from now on; None for another path. It keeps its place until the
/// client leaves.
pub(super) fn response(
    daemon: &Daemon,
    path: &str,
    place: impl Send + Sync + 'static,
) -> Option<Response<BoxBody<Bytes, Infallible>>> {
    match path {
        STEPS => Some(stream_of(daemon.services.recorder.watch(), place, |recorded| {
            let json = serde_json::to_string(&StepView::from_recorded(recorded)?).ok()?;
            Some(format!("event: step\ndata: {json}\n\n"))
        })),
        FINDINGS => Some(stream_of(daemon.findings.watch(), place, |change| {
            let json = serde_json::to_string(change).ok()?;
            Some(format!("event: finding\ndata: {json}\n\n"))
        })),
        _ => None,
    }
}

/// Whether there is a stream behind a path.
pub(super) fn is_stream(path: &str) -> bool {
    matches!(path, STEPS | FINDINGS)
}

fn stream_of<T: Send + Sync + 'static>(
    watcher: Receiver<Arc<T>>,
    place: impl Send + Sync + 'static,
    write: fn(&T) -> Option<String>,
) -> Response<BoxBody<Bytes, Infallible>> {
    let lines = stream::unfold((watcher, place), move |(mut watcher, place)| async move {
        loop {
            let line = match tokio::time::timeout(KEEP_ALIVE, watcher.recv()).await {
                Err(_) => ": still here\n\n".to_owned(),
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Err(RecvError::Lagged(lost))) => format!("event: lost\ndata: {lost}\n\n"),
                Ok(Ok(happened)) => match write(&happened) {
                    Some(line) => line,
                    None => continue,
                },
            };
            return Some((Ok(Frame::data(Bytes::from(line))), (watcher, place)));
        }
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(lines)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The path of the stream of steps.
const STEPS: &str = "/events";
/// Each finding that opens or ends.
const FINDINGS: &str = "/events/findings";
/// A stream says that it is there this often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
