//! The control socket: a named pipe, which its default access list opens for administrators and the
//! service's own account alone.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};

/// Where operators' commands reach the daemon.
#[derive(Debug)]
pub struct ControlSocket {
    name: String,
    /// The instance that the next command connects to.
    waiting: NamedPipeServer,
}

/// Either end of the control pipe.
#[derive(Debug)]
pub enum ControlStream {
    /// The end of the daemon.
    Server(NamedPipeServer),
    /// The end of a command.
    Client(NamedPipeClient),
}

impl ControlSocket {
    /// Makes the pipe; its name says which state folder the daemon has.
    pub fn bind(path: PathBuf) -> io::Result<Self> {
        let name = pipe_name(&path);
        let waiting = ServerOptions::new().first_pipe_instance(true).create(&name)?;
        Ok(ControlSocket { name, waiting })
    }

    /// Waits for the next connection of a command.
    pub async fn accept(&mut self) -> io::Result<ControlStream> {
        self.waiting.connect().await?;
        let next = ServerOptions::new().create(&self.name)?;
        Ok(ControlStream::Server(std::mem::replace(&mut self.waiting, next)))
    }
}

/// Reaches the daemon whose control socket this is.
pub async fn connect_control(path: &Path) -> io::Result<ControlStream> {
    let name = pipe_name(path);
    let mut tries = 0;
    loop {
        match ClientOptions::new().open(&name) {
            // Between one client and the next there may be no end that waits.
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            other => return other.map(ControlStream::Client),
        }
    }
}

fn pipe_name(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let plain = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = path.to_string_lossy().chars().map(plain).collect();
    format!(r"\\.\pipe\netbootd-{name}")
}

impl AsyncRead for ControlStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ControlStream::Server(pipe) => Pin::new(pipe).poll_read(cx, buf),
            ControlStream::Client(pipe) => Pin::new(pipe).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ControlStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ControlStream::Server(pipe) => Pin::new(pipe).poll_write(cx, buf),
            ControlStream::Client(pipe) => Pin::new(pipe).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ControlStream::Server(pipe) => Pin::new(pipe).poll_flush(cx),
            ControlStream::Client(pipe) => Pin::new(pipe).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ControlStream::Server(pipe) => Pin::new(pipe).poll_shutdown(cx),
            ControlStream::Client(pipe) => Pin::new(pipe).poll_shutdown(cx),
        }
    }
}

const ERROR_PIPE_BUSY: i32 = 231;
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);
