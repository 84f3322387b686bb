//! The command `netbootd probe tftp`.

use std::fs::File;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use netbootd_content::fetch::{Coming, Fetch, FetchError, Fetched};
use tftp::{ErrorCode, Packet, RequestOptions, netascii};

use super::{block_on, rate};
use crate::cli::out::outln;
use crate::failure::Failure;

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
    /// Ask as a machine does, so that the request counts for the machine at this address
    #[arg(long)]
    pub as_machine: bool,
    /// Where to put the file; without it the bytes are only counted.
    #[arg(long, short)]
    pub output: Option<PathBuf>,
}

/// How a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Binary: the bytes as they are.
    Octet,
    /// With line ends translated.
    Netascii,
}

/// Fetches the file, and prints how it came.
pub fn run(args: &TftpArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let fetched = block_on(fetch(args))?;
    let elapsed = started.elapsed();
    outln!("{}: {} bytes in {elapsed:.3?}, {}", args.path, fetched.bytes, rate(fetched.bytes, elapsed));
    let granted = if fetched.granted.is_empty() {
        "nothing (512-byte blocks, one at a time)"
    } else {
        &fetched.granted
    };
    outln!("granted: {granted}");
    if fetched.repeats > 0 {
        outln!("{} datagrams came twice or out of order", fetched.repeats);
    }
    Ok(())
}

async fn fetch(args: &TftpArgs) -> Result<Fetched, Failure> {
    let request = request(args)?;
    let mut output = open_output(args)?;
    let mut text = Vec::new();
    let window = args.variable_window.then(|| u8::try_from(args.window_size).unwrap_or(u8::MAX));
    let fetch = Fetch { server: SocketAddr::new(args.server, args.port), request, variable_window: window };
    let fetched = fetch.run(|coming| match coming {
        Coming::Size(_) => Ok(()),
        Coming::Bytes(bytes) => keep(args, &mut output, &mut text, bytes),
    });
    let fetched = fetched.await.map_err(|error| match error {
        FetchError::Unsendable(_) | FetchError::Unkept(_) => Failure::Unusable(error.to_string()),
        FetchError::Refused { code, .. } => {
            Failure::NoAnswer(format!("{}: {error}{}", args.path, hint(code)))
        }
        _ => Failure::NoAnswer(error.to_string()),
    })?;
    if args.mode == Mode::Netascii {
        let kept = output.as_mut().map_or(Ok(()), |file| file.write_all(&netascii::decode(&text)));
        kept.map_err(|error| Failure::Unusable(format!("cannot write the output: {error}")))?;
    }
    Ok(fetched)
}

fn request(args: &TftpArgs) -> Result<Vec<u8>, Failure> {
    let wish = |value: u16| Some(value).filter(|value| *value > 0);
    let mode = if args.mode == Mode::Octet { tftp::Mode::Octet } else { tftp::Mode::Netascii };
    let mut options =
        RequestOptions::asking(wish(args.block_size), wish(args.window_size), None, args.mode == Mode::Octet);
    if args.variable_window {
        options = options.with_variable_window();
    }
    if !args.as_machine {
        options = options.with_probe_mark();
    }
    Packet::read_request(args.path.as_bytes(), mode, &options)
        .ok_or_else(|| Failure::Unusable(format!("{} is too long for a TFTP request", args.path)))
}

fn open_output(args: &TftpArgs) -> Result<Option<File>, Failure> {
    let cannot = |error| Failure::Unusable(format!("cannot write the output: {error}"));
    args.output.as_ref().map(File::create).transpose().map_err(cannot)
}

/// Netascii is translated as a whole, at the end: a CR and its LF may be in two blocks.
fn keep(args: &TftpArgs, output: &mut Option<File>, text: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    match output {
        Some(_) if args.mode == Mode::Netascii => text.extend(bytes),
        Some(file) => file.write_all(bytes)?,
        None => {}
    }
    Ok(())
}

fn hint(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::FILE_NOT_FOUND => ": there is no such file in its boot folder",
        ErrorCode::ACCESS_VIOLATION => ": the path leaves the boot folder, or the file may not be read",
        _ => "",
    }
}
