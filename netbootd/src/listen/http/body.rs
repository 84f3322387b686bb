//! A file's bytes as a response body, and the record of how far they went.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::content::Content;
use crate::event::{Event, TransferFinished, TransferOutcome};
use crate::services::Services;

/// A body that reads its file piece by piece, one piece ahead of the client.
pub(super) enum FileBody {
    Empty,
    Text(Option<Bytes>),
    File(Box<Piecewise>),
}

pub(super) struct Piecewise {
    content: Arc<Content>,
    next: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    record: Record,
}

/// Records the transfer's end when the body goes, however it goes.
pub(super) struct Record {
    services: Arc<Services>,
    finished: TransferFinished,
    started: Instant,
    told: Instant,
    total: u64,
    failure: Option<String>,
}

impl FileBody {
    /// Bytes from `first` up to but without `end`.
    pub(super) fn file(content: Arc<Content>, first: u64, end: u64, record: Record) -> Self {
        FileBody::File(Box::new(Piecewise { content, next: first, end, reading: None, record }))
    }
}

impl Record {
    pub(super) fn new(services: Arc<Services>, finished: TransferFinished, total: u64) -> Self {
        let now = Instant::now();
        Record { services, finished, started: now, told: now, total, failure: None }
    }

    fn sent(&mut self, bytes: u64) {
        self.finished.bytes += bytes;
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            let progress = Event::TransferProgress { id: self.finished.id, bytes: self.finished.bytes };
            self.services.recorder.record(progress);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.finished.elapsed = self.started.elapsed();
        self.finished.detail = self.failure.take();
        self.finished.outcome = if self.finished.detail.is_some() {
            TransferOutcome::ReadFailed
        } else if self.finished.bytes == self.total {
            TransferOutcome::Completed
        } else if self.services.shutdown.is_cancelled() {
            TransferOutcome::Stopped
        } else {
            TransferOutcome::ClientGone
        };
        self.services.recorder.record(Event::TransferFinished(self.finished.clone()));
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            FileBody::Empty => Poll::Ready(None),
            FileBody::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            FileBody::File(file) => file.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            FileBody::Empty => true,
            FileBody::Text(text) => text.is_none(),
            FileBody::File(file) => file.next >= file.end,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            FileBody::Empty => 0,
            FileBody::Text(text) => text.as_ref().map_or(0, |text| text.len() as u64),
            FileBody::File(file) => file.end - file.next,
        })
    }
}

impl Piecewise {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.next >= self.end {
            return Poll::Ready(None);
        }
        let (content, next, end) = (&self.content, self.next, self.end);
        let reading = self.reading.get_or_insert_with(|| read(Arc::clone(content), next, end));
        let piece = ready!(Pin::new(reading).poll(cx)).unwrap_or_else(|error| Err(io::Error::other(error)));
        self.reading = None;
        match piece {
            Ok(piece) => {
                self.next += piece.len() as u64;
                self.record.sent(piece.len() as u64);
                if self.next < self.end {
                    self.reading = Some(read(Arc::clone(&self.content), self.next, self.end));
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Err(error) => {
                // The length is promised already; only closing the connection tells the client.
                self.record.failure = Some(error.to_string());
                self.next = self.end;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

fn read(content: Arc<Content>, next: u64, end: u64) -> JoinHandle<io::Result<Bytes>> {
    tokio::task::spawn_blocking(move || {
        let length = usize::try_from(end - next).unwrap_or(usize::MAX).min(PIECE);
        let mut piece = vec![0; length];
        content.read_exact_at(next, &mut piece).map_err(io::Error::other)?;
        Ok(Bytes::from(piece))
    })
}

/// Large enough that the thread's hand-over costs little, small enough for thousands of clients at once.
const PIECE: usize = 256 << 10;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
