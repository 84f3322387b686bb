//! A page that follows what happens: one stream a page, with a beat, and with the parts that
//! changed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{self, HeaderValue};
use netbootd_telemetry::view::rfc3339;
use pxe_policy::MacAddr;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::console::{Asked, Console};
use crate::page::{self, templates};
use crate::rendered::PACE;
use crate::sessions::Operator;

/// Somebody who looks at a page.
struct Viewer<P> {
    console: Arc<Console>,
    path: String,
    query: Option<String>,
    operator: Option<Operator>,
    /// The machines of a list, as they stood when the viewer came.
    pinned: Option<Vec<MacAddr>>,
    sent: HashMap<String, u64>,
    version: watch::Receiver<u64>,
    greeted: bool,
    beat: Instant,
    looked: Instant,
    lost: u64,
    _place: P,
}

/// The stream of a page; it keeps its place until the viewer leaves. None for a page that stands
/// still.
pub(crate) fn response(
    console: &Arc<Console>,
    view: &str,
    operator: Option<Operator>,
    place: impl Send + Sync + 'static,
) -> Option<Response<BoxBody<Bytes, Infallible>>> {
    let (path, query) = match view.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (view, None),
    };
    if !page::is_live(path) {
        return None;
    }
    let now = Instant::now();
    let viewer = Viewer {
        version: console.board.watch(),
        lost: console.services.timelines.size().1,
        console: Arc::clone(console),
        path: path.to_owned(),
        query,
        operator,
        pinned: None,
        sent: HashMap::new(),
        greeted: false,
        beat: now,
        looked: now,
        _place: place,
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(viewer.serve(sender));
    let lines = stream::unfold(receiver, |mut receiver: mpsc::Receiver<String>| async move {
        let line = receiver.recv().await?;
        Some((Ok(Frame::data(Bytes::from(line))), receiver))
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(lines)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that collects what it passes on would hold the beat back (nginx).
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Some(response)
}

impl<P: Send + 'static> Viewer<P> {
    /// Sends until the viewer leaves.
    async fn serve(mut self, lines: mpsc::Sender<String>) {
        loop {
            let line = tokio::select! {
                line = self.next() => line,
                () = lines.closed() => return,
            };
            let Some(line) = line else { return };
            if lines.send(line).await.is_err() {
                return;
            }
        }
    }

    async fn next(&mut self) -> Option<String> {
        if !self.greeted {
            self.greeted = true;
            return Some(self.hello().await);
        }
        loop {
            let shutdown = self.console.services.lifecycle.shutdown.clone();
            let by_itself = page::follows_time(&self.path).then_some(self.looked + TICK);
            let due = async {
                match by_itself {
                    Some(tick) => tokio::select! {
                        changed = self.version.changed() => changed.is_ok(),
                        () = sleep_until(tick) => true,
                    },
                    None => self.version.changed().await.is_ok(),
                }
            };
            let due = async {
                let more = due.await;
                sleep_until(self.looked + PACE).await;
                more
            };
            tokio::select! {
                () = sleep_until(self.beat + BEAT) => {
                    self.beat = Instant::now();
                    return Some(self.beat());
                }
                more = due => {
                    if !more {
                        return None;
                    }
                    self.looked = Instant::now();
                    if let Some(line) = self.changes().await {
                        return Some(line);
                    }
                }
                () = shutdown.cancelled() => return None,
            }
        }
    }

    async fn hello(&mut self) -> String {
        let version = *self.version.borrow_and_update();
        let stamp = self.console.stamp();
        if self.path == "/machines" {
            self.pinned = Some(page::machines::listed(&self.console, &self.asked()));
        }
        let html = self.rendered(version).await;
        for (id, part) in templates::parts(&html) {
            self.sent.insert(id.to_owned(), hash(part));
        }
        let mut hello = self.state();
        hello["instance"] = json!(self.console.instance);
        hello["stamp"] = json!(stamp);
        format!("event: hello\ndata: {hello}\n\n")
    }

    fn beat(&mut self) -> String {
        let lost = self.console.services.timelines.size().1;
        let told = if lost > self.lost {
            format!("event: lost\ndata: {}\n\n", lost - self.lost)
        } else {
            String::new()
        };
        self.lost = lost;
        format!("{told}event: beat\ndata: {}\n\n", self.state())
    }

    fn state(&self) -> serde_json::Value {
        let board = &self.console.board;
        json!({
            "now": rfc3339(SystemTime::now()),
            "rate": page::rate(board.rate()),
            "findings": board.groups().len(),
        })
    }

    /// The parts that are other than what was sent last.
    async fn changes(&mut self) -> Option<String> {
        let version = *self.version.borrow_and_update();
        let html = self.rendered(version).await;
        let mut changed = Vec::new();
        for (id, part) in templates::parts(&html) {
            let now = hash(part);
            if self.sent.get(id) != Some(&now) {
                self.sent.insert(id.to_owned(), now);
                changed.push((id, part));
            }
        }
        let json = serde_json::to_string(&changed).ok()?;
        if changed.is_empty() {
            return None;
        }
        self.beat = Instant::now();
        Some(format!("event: beat\ndata: {}\n\nevent: parts\ndata: {json}\n\n", self.state()))
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            path: &self.path,
            query: self.query.as_deref(),
            operator: self.operator.clone(),
            said: None,
            site: None,
            live: true,
        }
    }

    /// The page as it is now, or as another viewer got it a moment ago.
    async fn rendered(&mut self, version: u64) -> Arc<str> {
        let mut key = DefaultHasher::new();
        let token = self.operator.as_ref().map(|operator| &operator.form_token);
        (&self.path, &self.query, token, &self.pinned).hash(&mut key);
        let key = key.finish();
        if let Some((known, html)) = self.console.rendered.recent(key) {
            if known != version {
                // Changes since then come at the next look.
                self.version.mark_changed();
            }
            return html;
        }
        let part = match &self.pinned {
            Some(macs) => Some(page::machines::pinned(&self.console, &self.asked(), macs)),
            None => page::part(&self.console, &self.asked()).await,
        };
        let html: Arc<str> = part.map(|part| part.body).unwrap_or_default().into();
        self.console.rendered.put(key, version, &html);
        html
    }
}

fn hash(part: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    templates::without_ages(part).hash(&mut hasher);
    hasher.finish()
}

/// Lines that wait for a viewer who reads slowly; newer states wait behind them.
const WAITING: usize = 4;
/// A viewer learns this often that netbootd answers.
const BEAT: Duration = Duration::from_secs(5);
/// A page with a clock on it is looked at this often.
const TICK: Duration = Duration::from_secs(1);
