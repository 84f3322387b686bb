//! A client of HTTP that costs little and compares every byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::client_error::ClientError;

/// The expected contents of a file: one pattern over and over.
#[derive(Debug, Clone)]
pub struct Expected {
    pattern: Arc<[u8]>,
    /// Its length in bytes.
    pub len: u64,
}

/// A connection that is kept alive.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buf: Vec<u8>,
    /// The bytes in the buffer that were not compared yet.
    have: Range<usize>,
}

impl Expected {
    /// A file of `len` bytes, made from `pattern` over and over.
    pub fn new(pattern: &Arc<[u8]>, len: u64) -> Self {
        Expected { pattern: Arc::clone(pattern), len }
    }

    /// Whether the file has these bytes at an offset.
    fn agrees(&self, at: u64, mut bytes: &[u8]) -> bool {
        let mut place = (at % self.pattern.len() as u64) as usize;
        while !bytes.is_empty() {
            let length = bytes.len().min(self.pattern.len() - place);
            let (now, later) = bytes.split_at(length);
            if *now != self.pattern[place..place + length] {
                return false;
            }
            (bytes, place) = (later, 0);
        }
        true
    }
}

impl Client {
    /// Connects, and reads with a buffer of so many bytes.
    pub fn connect(server: SocketAddr, buffer: usize) -> Result<Self, ClientError> {
        let connected = TcpStream::connect(server);
        let stream = connected.map_err(|source| ClientError::Connect { server, source })?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Client { stream, buf: vec![0; buffer], have: 0..0 })
    }

    /// Asks for a file, or for the bytes of a range of it.
    pub fn ask(&mut self, path: &str, range: Option<Range<u64>>) -> Result<(), ClientError> {
        let range = range.map(|range| format!("Range: bytes={}-{}\r\n", range.start, range.end - 1));
        let request = format!("GET /{path} HTTP/1.1\r\nHost: bench\r\n{}\r\n", range.unwrap_or_default());
        Ok(self.stream.write_all(request.as_bytes())?)
    }

    /// Takes the answer to [`Client::ask`] and compares it.
    pub fn read_answer(
        &mut self,
        expected: &Expected,
        range: Option<Range<u64>>,
    ) -> Result<u64, ClientError> {
        let status = if range.is_some() { "206" } else { "200" };
        let range = range.unwrap_or(0..expected.len);
        let promised = self.head(status)?;
        if promised != range.end - range.start {
            return Err(ClientError::Promised { bytes: promised, range });
        }
        let mut at = range.start;
        while at < range.end {
            if self.have.is_empty() {
                self.have = 0..self.read(0)?;
            }
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let length = self.have.len().min(left);
            let bytes = &self.buf[self.have.start..self.have.start + length];
            if !expected.agrees(at, bytes) {
                return Err(ClientError::OtherBytes(at));
            }
            self.have.start += length;
            at += length as u64;
        }
        Ok(promised)
    }

    /// Reads the head; gives the length that it promises.
    fn head(&mut self, status: &'static str) -> Result<u64, ClientError> {
        let end = loop {
            let seen = &self.buf[self.have.clone()];
            if let Some(at) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                break self.have.start + at + 4;
            }
            // The rest of a head needs room behind what is there.
            self.buf.copy_within(self.have.clone(), 0);
            self.have = 0..self.have.len();
            self.have.end += self.read(self.have.end)?;
        };
        let head = String::from_utf8_lossy(&self.buf[self.have.start..end]).into_owned();
        self.have.start = end;
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default();
        if first.split(' ').nth(1) != Some(status) {
            return Err(ClientError::Status { line: first.to_owned(), expected: status });
        }
        let length = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        length.ok_or(ClientError::NoLength(head))
    }

    fn read(&mut self, from: usize) -> Result<usize, ClientError> {
        loop {
            match self.stream.read(&mut self.buf[from..]) {
                Ok(0) => return Err(ClientError::Closed),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A server that is silent for longer counts as broken.
const LIMIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_compared_across_its_seams() {
        let expected = Expected::new(&Arc::from(*b"abc"), 8);
        assert!(expected.agrees(0, b"abcabcab") && expected.agrees(2, b"cabca") && expected.agrees(7, b"b"));
        assert!(!expected.agrees(1, b"bcb") && !expected.agrees(3, b"abd"));
    }
}
