//! A receiver of webhooks, as an operator's own service would be one.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::Lab;
use crate::certificate::ServerCertificate;

/// One request that the webhook received.
#[derive(Debug)]
pub struct Received {
    /// The value of `X-Netbootd-Timestamp`.
    pub timestamp: String,
    /// The value of `X-Netbootd-Signature`.
    pub signature: String,
    /// The status that was answered.
    pub answered: u16,
    /// The body as it came.
    pub body: Vec<u8>,
}

/// The messages to the receiver.
#[derive(Debug)]
pub struct Hook(Receiver<Received>);

impl Hook {
    /// Listens on a host's port, and answers with these statuses in turn, then with 200.
    ///
    /// # Panics
    /// When the port cannot be bound.
    pub fn listen(lab: &Lab, host: &str, port: u16, statuses: &'static [u16]) -> Self {
        let (told, received) = channel();
        let listener = bind(lab, host, port);
        std::thread::spawn(move || {
            let mut statuses = statuses.iter().copied();
            for stream in listener.incoming().flatten() {
                answer(stream, &mut statuses, &told);
            }
        });
        Hook(received)
    }

    /// The same by HTTPS, with a certificate.
    ///
    /// # Panics
    /// When the port cannot be bound, or the certificate cannot be read.
    pub fn listen_tls(lab: &Lab, host: &str, port: u16, certificate: &ServerCertificate) -> Self {
        let (told, received) = channel();
        let listener = bind(lab, host, port);
        let config = Arc::new(tls(certificate).unwrap_or_else(|error| panic!("{certificate:?}: {error}")));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(connection) = ServerConnection::new(Arc::clone(&config)) else { continue };
                answer(StreamOwned::new(connection, stream), &mut std::iter::empty(), &told);
            }
        });
        Hook(received)
    }

    /// Listens, takes connections and never answers.
    ///
    /// # Panics
    /// When the port cannot be bound.
    pub fn hang(lab: &Lab, host: &str, port: u16) {
        let listener = bind(lab, host, port);
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

fn bind(lab: &Lab, host: &str, port: u16) -> TcpListener {
    let bound = lab.inside(host, move || TcpListener::bind(("0.0.0.0", port)));
    let bound = bound.join().unwrap_or_else(|_| panic!("{host}"));
    bound.unwrap_or_else(|error| panic!("port {port}: {error}"))
}

fn tls(certificate: &ServerCertificate) -> Result<ServerConfig, Box<dyn Error>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&certificate.certificate)?.collect();
    let key = PrivateKeyDer::from_pem_file(&certificate.key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_no_client_auth().with_single_cert(chain?, key)?)
}

/// Answers the requests of one connection: a client may keep it.
fn answer(stream: impl Read + Write, statuses: &mut impl Iterator<Item = u16>, told: &Sender<Received>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let answered = statuses.next().unwrap_or(200);
        let answer = format!("HTTP/1.1 {answered} x\r\nContent-Length: 0\r\n\r\n");
        let stream = stream.get_mut();
        let written = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
        if written.is_err() || told.send(Received { answered, ..request }).is_err() {
            break;
        }
    }
}

fn read(stream: &mut BufReader<impl Read>) -> Option<Received> {
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
