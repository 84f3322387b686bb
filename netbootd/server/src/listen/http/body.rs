//! The body of an answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use netbootd_content::Content;
use netbootd_telemetry::event::SharedError;
use tokio::task::JoinHandle;

use super::exchange::Answering;
use super::handover::{Data, Handover, Part};
use super::record::Record;

/// The body of an answer; while it is there, the request is being answered.
pub(super) struct Reply {
    source: Source,
    answering: Option<Answering>,
}

/// Where a body's bytes come from.
enum Source {
    Empty,
    /// All of the bytes, at hand.
    Held(Bytes, Option<Record>),
    /// The kernel sends them.
    InFile(Stretch, Arc<Handover>),
    /// They may have to come from elsewhere first: read piece by piece, one piece ahead of the
    /// client.
    Coming(Stretch, Option<JoinHandle<io::Result<Bytes>>>),
}

/// The rest of a file that hyper has not received yet.
struct Stretch {
    content: Arc<Content>,
    next: u64,
    end: u64,
    record: Record,
}

impl Reply {
    /// A body without a byte.
    pub(super) fn empty() -> Self {
        Reply::from_source(Source::Empty)
    }

    /// A few words as the body.
    pub(super) fn words(words: &'static str) -> Self {
        Reply::from_source(Source::Held(Bytes::from_static(words.as_bytes()), None))
    }

    /// A text as the body.
    pub(super) fn text(text: String) -> Self {
        Reply::from_source(Source::Held(Bytes::from(text), None))
    }

    /// Bytes of a file from `first` up to but without `end`. `files` when the kernel may send them.
    pub(super) fn file(
        content: Arc<Content>,
        first: u64,
        end: u64,
        record: Record,
        files: Option<&Arc<Handover>>,
    ) -> Self {
        if let Some(bytes) = held(&content, first, end) {
            return Reply::from_source(Source::Held(bytes, Some(record)));
        }
        let files = files.filter(|_| content.file().is_some());
        let stretch = Stretch { content, next: first, end, record };
        Reply::from_source(match files {
            Some(files) => Source::InFile(stretch, Arc::clone(files)),
            None => Source::Coming(stretch, None),
        })
    }

    /// Until it goes, the request is being answered.
    pub(super) fn answering(mut self, answering: Answering) -> Self {
        self.answering = Some(answering);
        self
    }

    fn from_source(source: Source) -> Self {
        Reply { source, answering: None }
    }
}

/// The bytes of small files and of generated ones: one system call sends them with the head. A file
/// that cannot be read fails where its bytes are sent.
fn held(content: &Content, first: u64, end: u64) -> Option<Bytes> {
    let range = usize::try_from(first).ok()?..usize::try_from(end).ok()?;
    if let Some(bytes) = content.generated_bytes() {
        return (range.end <= bytes.len()).then(|| bytes.slice(range));
    }
    if range.len() > SMALL || content.file().is_none() {
        return None;
    }
    let mut bytes = vec![0; range.len()];
    content.read_exact_at(first, &mut bytes).and_then(|()| content.check_unchanged()).ok()?;
    Some(bytes.into())
}

impl Body for Reply {
    type Data = Data;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Data>>>> {
        let data = match &mut self.get_mut().source {
            Source::Empty => None,
            Source::Held(bytes, _) if bytes.is_empty() => None,
            Source::Held(bytes, record) => Some(Ok(Data::Held(std::mem::take(bytes), record.take()))),
            Source::InFile(stretch, files) => stretch.next_part().map(|part| Ok(files.queue(part))),
            Source::Coming(stretch, reading) => ready!(stretch.poll_read(reading, cx)),
        };
        Poll::Ready(data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl Reply {
    fn left(&self) -> u64 {
        match &self.source {
            Source::Empty => 0,
            Source::Held(bytes, _) => bytes.len() as u64,
            Source::InFile(stretch, _) | Source::Coming(stretch, _) => stretch.end - stretch.next,
        }
    }
}

impl Stretch {
    fn next_part(&mut self) -> Option<Part> {
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX).min(FRAME);
        let at = self.next;
        self.next += left as u64;
        let part = || Part {
            content: Arc::clone(&self.content),
            at,
            left,
            after: self.end - self.next,
            record: self.record.clone(),
        };
        (left > 0).then(part)
    }

    fn poll_read(
        &mut self,
        reading: &mut Option<JoinHandle<io::Result<Bytes>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Data>>> {
        if self.next >= self.end {
            return Poll::Ready(None);
        }
        let begun = reading.get_or_insert_with(|| self.read());
        let piece = ready!(Pin::new(begun).poll(cx)).unwrap_or_else(|error| Err(io::Error::other(error)));
        *reading = None;
        match piece {
            Ok(piece) => {
                self.next += piece.len() as u64;
                if self.next < self.end {
                    *reading = Some(self.read());
                }
                Poll::Ready(Some(Ok(Data::Held(piece, Some(self.record.clone())))))
            }
            Err(error) => {
                // The length is promised already; only closing the connection tells the client.
                let error = SharedError::new(error);
                self.record.failed(error.clone(), &self.content);
                self.next = self.end;
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
        }
    }

    fn read(&self) -> JoinHandle<io::Result<Bytes>> {
        let (content, next, end) = (Arc::clone(&self.content), self.next, self.end);
        tokio::task::spawn_blocking(move || {
            let length = usize::try_from(end - next).unwrap_or(usize::MAX).min(PIECE);
            let mut piece = vec![0; length];
            content.read_exact_at(next, &mut piece).map_err(io::Error::other)?;
            Ok(Bytes::from(piece))
        })
    }
}

/// A file of so many bytes costs less to read than to have it sent.
const SMALL: usize = 16 << 10;
/// Handed to hyper at a time: any length will do that a 32-bit number holds.
const FRAME: usize = 1 << 30;
/// Large enough that the thread's hand-over costs little, small enough for thousands of clients at
/// once.
const PIECE: usize = 256 << 10;
