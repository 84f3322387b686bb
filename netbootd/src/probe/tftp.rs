//! `netbootd probe tftp`.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tftp::{ErrorCode, Packet, ReceiveStep, Receiver, ReceiverOutcome, Reply, RequestOptions, netascii};
use tokio::net::UdpSocket;

use super::{block_on, rate};
use crate::cli::Failure;

/// `netbootd probe tftp`.
#[derive(Debug, Args)]
pub struct TftpArgs {
    /// The server's address.
    pub server: IpAddr,
    /// The file, spelled as a client would: `\boot\x86\wdsnbp.com`.
    pub path: String,
    /// The server's port.
    #[arg(long, default_value_t = 69)]
    pub port: u16,
    /// The block size to ask for, in bytes; 0 asks for none.
    #[arg(long, default_value_t = 1468)]
    pub block_size: u16,
    /// The window to ask for, in blocks; 0 asks for none.
    #[arg(long, default_value_t = 16)]
    pub window_size: u16,
    /// Ask for Microsoft's variable window too, and keep it at --window-size.
    #[arg(long)]
    pub variable_window: bool,
    /// How the file is sent.
    #[arg(long, value_enum, default_value_t = Mode::Octet)]
    pub mode: Mode,
    /// Where to put the file; without it the bytes are only counted.
    #[arg(long, short)]
    pub output: Option<PathBuf>,
}

/// How a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// As it is.
    Octet,
    /// With line ends translated.
    Netascii,
}

/// What came of a fetch.
#[derive(Debug)]
struct Fetched {
    bytes: u64,
    elapsed: Duration,
    granted: String,
    repeats: u64,
}

/// Fetches and tells.
#[allow(clippy::print_stdout)] // the command's output
pub fn run(args: &TftpArgs) -> Result<(), Failure> {
    let fetched = block_on(fetch(args))?;
    println!(
        "{}: {} bytes in {:.3?}, {}",
        args.path,
        fetched.bytes,
        fetched.elapsed,
        rate(fetched.bytes, fetched.elapsed)
    );
    let granted = if fetched.granted.is_empty() {
        "nothing (512-byte blocks, one at a time)"
    } else {
        &fetched.granted
    };
    println!("granted: {granted}");
    if fetched.repeats > 0 {
        println!("{} datagrams came twice or out of order", fetched.repeats);
    }
    Ok(())
}

async fn fetch(args: &TftpArgs) -> Result<Fetched, Failure> {
    let unusable = |error: std::io::Error| Failure::Unusable(format!("cannot send: {error}"));
    let server = SocketAddr::new(args.server, args.port);
    let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(unusable)?;
    let request = request(args)?;
    let mut output = open_output(args)?;
    let mut text = Vec::new();
    let mut fetched = Fetched { bytes: 0, elapsed: Duration::ZERO, granted: String::new(), repeats: 0 };

    let started = Instant::now();
    let window = args.variable_window.then(|| u8::try_from(args.window_size).unwrap_or(u8::MAX));
    let mut receiver = Receiver::new(window, started);
    let mut peer = None;
    let mut buf = vec![0; 65536];
    socket.send_to(&request, server).await.map_err(unusable)?;
    let outcome = loop {
        let deadline = receiver.deadline().unwrap_or(started);
        let heard = tokio::time::timeout_at(deadline.into(), socket.recv_from(&mut buf)).await;
        let now = Instant::now();
        let mut words = None;
        let step = match heard {
            Err(_) => receiver.tick(now),
            // A closed port says so by ICMP.
            Ok(Err(error)) => return Err(Failure::NoAnswer(format!("{server} is not reachable: {error}"))),
            // The first answer's port is the transfer's; other ports have no say in it.
            Ok(Ok((_, from))) if from.ip() != server.ip() || peer.is_some_and(|peer| peer != from) => {
                continue;
            }
            Ok(Ok((len, from))) => {
                let Ok(packet) = Packet::parse(&buf[..len]) else { continue };
                peer = Some(from);
                if let Packet::OptionAck(options) = &packet {
                    fetched.granted = granted(options);
                }
                if let Packet::Error { message, .. } = &packet {
                    words = Some(message.escape_ascii().to_string());
                }
                receiver.handle(now, &packet)
            }
        };
        let ReceiveStep { deliver, send, finish } = step;
        if let Some(bytes) = deliver {
            fetched.bytes += bytes.len() as u64;
            keep(args, &mut output, &mut text, bytes)?;
        }
        match (send, peer) {
            (Some(Reply::Request), _) => drop(socket.send_to(&request, server).await.map_err(unusable)?),
            (Some(Reply::Ack { block, next_window }), Some(peer)) => {
                let ack = Packet::Ack { block, next_window }.emit().unwrap_or_default();
                socket.send_to(&ack, peer).await.map_err(unusable)?;
            }
            (Some(Reply::Ack { .. }) | None, _) => {}
        }
        if let Some(outcome) = finish {
            break (outcome, words);
        }
    };
    fetched.elapsed = started.elapsed();
    fetched.repeats = receiver.repeats();
    keep_text(args, &mut output, &text)?;
    match outcome {
        (ReceiverOutcome::Completed, _) => Ok(fetched),
        (ReceiverOutcome::Refused { code }, words) => {
            let words = words.unwrap_or_default();
            Err(Failure::NoAnswer(format!(
                "{}: {server} says error {} {words:?}{}",
                args.path,
                code.0,
                hint(code)
            )))
        }
        (ReceiverOutcome::BadOptions, _) => Err(Failure::NoAnswer(format!(
            "{server} granted options that make no sense: {}",
            fetched.granted
        ))),
        (ReceiverOutcome::TimedOut, _) if peer.is_none() => Err(Failure::NoAnswer(format!(
            "no answer from {server}: is a TFTP server there, and does a firewall let its answer from another port through?"
        ))),
        (ReceiverOutcome::TimedOut, _) => Err(Failure::NoAnswer(format!(
            "{server} fell silent after {} bytes: blocks too large for the path, or a firewall on the data port",
            fetched.bytes
        ))),
    }
}

fn request(args: &TftpArgs) -> Result<Vec<u8>, Failure> {
    let wish = |value: u16| Some(value).filter(|value| *value > 0);
    let mode = if args.mode == Mode::Octet { tftp::Mode::Octet } else { tftp::Mode::Netascii };
    let mut options =
        RequestOptions::asking(wish(args.block_size), wish(args.window_size), None, args.mode == Mode::Octet);
    if args.variable_window {
        options = options.with_variable_window();
    }
    Packet::read_request(args.path.as_bytes(), mode, &options)
        .ok_or_else(|| Failure::Unusable(format!("{} is too long for a TFTP request", args.path)))
}

fn open_output(args: &TftpArgs) -> Result<Option<File>, Failure> {
    let cannot = |error| Failure::Unusable(format!("cannot write the output: {error}"));
    args.output.as_ref().map(File::create).transpose().map_err(cannot)
}

/// Netascii is translated as a whole, at the end: a CR and its LF may be in two blocks.
fn keep(args: &TftpArgs, output: &mut Option<File>, text: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Failure> {
    let Some(file) = output else { return Ok(()) };
    if args.mode == Mode::Netascii {
        text.extend(bytes);
        return Ok(());
    }
    file.write_all(bytes).map_err(|error| Failure::Unusable(format!("cannot write the output: {error}")))
}

fn keep_text(args: &TftpArgs, output: &mut Option<File>, text: &[u8]) -> Result<(), Failure> {
    match output {
        Some(file) if args.mode == Mode::Netascii => file
            .write_all(&netascii::decode(text))
            .map_err(|error| Failure::Unusable(format!("cannot write the output: {error}"))),
        _ => Ok(()),
    }
}

fn granted(options: &[(&[u8], &[u8])]) -> String {
    let words =
        options.iter().map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()));
    words.collect::<Vec<_>>().join(" ")
}

fn hint(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::FILE_NOT_FOUND => ": there is no such file in its boot folder",
        ErrorCode::ACCESS_VIOLATION => ": the path leaves the boot folder, or the file may not be read",
        _ => "",
    }
}
