//! A receiver of webhooks, as an operator's own service would be one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::Lab;

/// One request.
#[derive(Debug)]
pub struct Received {
    /// `X-Netbootd-Timestamp`.
    pub timestamp: String,
    /// `X-Netbootd-Signature`.
    pub signature: String,
    /// What was answered.
    pub answered: u16,
    /// The body as it came.
    pub body: Vec<u8>,
}

/// What comes to the receiver.
#[derive(Debug)]
pub struct Hook(Receiver<Received>);

impl Hook {
    /// Listens on a host's port, and answers with these statuses in turn, then with 200.
    ///
    /// # Panics
    /// When the port cannot be bound.
    pub fn listen(lab: &Lab, host: &str, port: u16, statuses: &'static [u16]) -> Self {
        let (told, received) = channel();
        let bound = lab.inside(host, move || TcpListener::bind(("0.0.0.0", port)));
        let bound = bound.join().unwrap_or_else(|_| panic!("{host}"));
        let listener = bound.unwrap_or_else(|error| panic!("port {port}: {error}"));
        std::thread::spawn(move || {
            let mut statuses = statuses.iter().copied();
            for stream in listener.incoming().flatten() {
                let mut stream = BufReader::new(stream);
                // A client may keep its connection.
                while let Some(request) = read(&mut stream) {
                    let answered = statuses.next().unwrap_or(200);
                    let answer = format!("HTTP/1.1 {answered} x\r\nContent-Length: 0\r\n\r\n");
                    let written = stream.get_mut().write_all(answer.as_bytes());
                    if written.is_err() || told.send(Received { answered, ..request }).is_err() {
                        break;
                    }
                }
            }
        });
        Hook(received)
    }

    /// Listens, takes connections and never answers.
    ///
    /// # Panics
    /// When the port cannot be bound.
    pub fn hang(lab: &Lab, host: &str, port: u16) {
        let bound = lab.inside(host, move || TcpListener::bind(("0.0.0.0", port)));
        let bound = bound.join().unwrap_or_else(|_| panic!("{host}"));
        let listener = bound.unwrap_or_else(|error| panic!("port {port}: {error}"));
        std::thread::spawn(move || listener.incoming().flatten().collect::<Vec<_>>());
    }

    /// The next request, or None when none comes for so long.
    pub fn next(&self, patience: Duration) -> Option<Received> {
        self.0.recv_timeout(patience).ok()
    }
}

impl Received {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let (mut timestamp, mut signature, mut length) = (String::new(), String::new(), 0);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "x-netbootd-timestamp" => timestamp = value.to_owned(),
            "x-netbootd-signature" => signature = value.to_owned(),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Received { timestamp, signature, answered: 0, body })
}
