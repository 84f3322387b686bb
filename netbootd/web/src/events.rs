//! Each step as it happens, as server-sent events (WHATWG HTML §9.2); for the status port and the control socket alike.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{self, HeaderValue};
use netbootd_server::services::Services;
use netbootd_telemetry::view::StepView;
use tokio::sync::broadcast::error::RecvError;

/// A stream of steps from now on. It keeps its place until the client leaves.
pub(super) fn response(
    services: &Services,
    place: impl Send + Sync + 'static,
) -> Response<BoxBody<Bytes, Infallible>> {
    let watcher = services.recorder.watch();
    let steps = stream::unfold((watcher, place), |(mut watcher, place)| async move {
        loop {
            let line = match tokio::time::timeout(KEEP_ALIVE, watcher.recv()).await {
                Err(_) => ": still here\n\n".to_owned(),
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Err(RecvError::Lagged(lost))) => format!("event: lost\ndata: {lost}\n\n"),
                Ok(Ok(recorded)) => match StepView::of(&recorded).map(|step| serde_json::to_string(&step)) {
                    Some(Ok(json)) => format!("event: step\ndata: {json}\n\n"),
                    _ => continue,
                },
            };
            return Some((Ok(Frame::data(Bytes::from(line))), (watcher, place)));
        }
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(steps)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A stream says that it is there this often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
