//! The command `netbootd probe http`.

use std::time::Instant;

use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::header;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use netbootd_server::listen::http::PROBE_AGENT;
use tokio::net::TcpStream;

use super::{block_on, rate};
use crate::cli::out::outln;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub struct HttpArgs {
    /// The URL as the client gets it
    pub url: Uri,
    /// Ask as firmware does, so that the requests count for the machine at this address
    #[arg(long)]
    pub as_machine: bool,
}

/// Asks as UEFI firmware does: HEAD, then GET on the same connection.
pub fn run(args: &HttpArgs) -> Result<(), Failure> {
    block_on(async {
        let mut connection = connect(&args.url).await?;
        let head = ask(&mut connection, args, Method::HEAD).await?;
        outln!("HEAD {}: {}", args.url, head.status());
        for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::ETAG, header::ACCEPT_RANGES] {
            if let Some(value) = head.headers().get(&name) {
                outln!("  {name}: {}", printable(value.as_bytes()));
            }
        }
        let promised = length(&head);
        drop(head);
        let started = Instant::now();
        let got = ask(&mut connection, args, Method::GET).await?;
        let status = got.status();
        let mut body = got.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Failure::NoAnswer(format!("the connection broke after {bytes} bytes: {error}"))
            })?;
            bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        let elapsed = started.elapsed();
        outln!("GET {}: {status}, {bytes} bytes in {elapsed:.3?}, {}", args.url, rate(bytes, elapsed));
        if !status.is_success() {
            return Err(Failure::NoAnswer(format!("{} answers {status}", args.url)));
        }
        match promised {
            Some(promised) if promised != bytes => {
                Err(Failure::NoAnswer(format!("HEAD promised {promised} bytes and GET brought {bytes}")))
            }
            None => Err(Failure::NoAnswer(
                "HEAD gives no Content-Length: UEFI firmware will not boot this".into(),
            )),
            Some(_) => Ok(()),
        }
    })
}

/// A header's value as it came, but for what a terminal would obey.
fn printable(value: &[u8]) -> String {
    let printed = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte).to_string(),
        other => other.escape_ascii().to_string(),
    };
    value.iter().map(printed).collect()
}

type Connection = hyper::client::conn::http1::SendRequest<Empty<Bytes>>;

async fn connect(url: &Uri) -> Result<Connection, Failure> {
    let Some(host) = url.host().filter(|_| url.scheme_str() == Some("http")) else {
        return Err(Failure::Unusable(format!("{url} is no http:// URL")));
    };
    let port = url.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await;
    let stream =
        stream.map_err(|error| Failure::NoAnswer(format!("cannot reach {host} port {port}: {error}")))?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Failure::NoAnswer(format!("{host} does not speak HTTP: {error}")))?;
    // Its end shows in the requests that go through it.
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask(
    connection: &mut Connection,
    args: &HttpArgs,
    method: Method,
) -> Result<Response<hyper::body::Incoming>, Failure> {
    let url = &args.url;
    let agent = if args.as_machine { "UefiHttpBoot/1.0" } else { PROBE_AGENT };
    let broken = |error: &dyn std::fmt::Display| Failure::NoAnswer(format!("no answer from {url}: {error}"));
    connection.ready().await.map_err(|error| broken(&error))?;
    let request = Request::builder()
        .method(method)
        .uri(url.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, url.authority().map_or("", |authority| authority.as_str()))
        .header(header::ACCEPT, "*/*")
        .header(header::USER_AGENT, agent)
        .body(Empty::new())
        .map_err(|error| Failure::Unusable(format!("{url} cannot be asked for: {error}")))?;
    connection.send_request(request).await.map_err(|error| broken(&error))
}

fn length(response: &Response<hyper::body::Incoming>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_printed_as_they_came_and_nothing_reaches_the_terminal() {
        assert_eq!(printable(b"\"5f-3e8\" \\ it's"), "\"5f-3e8\" \\ it's");
        assert_eq!(printable(b"\x1b[2J\xff\t"), "\\x1b[2J\\xff\\t");
    }
}
