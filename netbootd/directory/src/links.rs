//! The way to a directory, link by link: name, connection, TLS, ticket, authentication, query.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use netbootd_net::tls;
use pxe_policy::{Trouble, TroubleKind};
use thiserror::Error;

use crate::certificates::{WARN_DAYS, days_left};
use crate::kerberos;
use crate::settings::Account;

/// The links that were checked, in their order.
#[derive(Debug, Default)]
pub struct Links {
    /// Each with what was seen.
    pub seen: Vec<Link>,
}

/// One connection to a server, opened anew when it breaks.
#[derive(Debug)]
pub struct Link {
    /// The server's name for the log.
    pub name: &'static str,
    /// A description of the working link, or why it is broken.
    pub seen: Result<String, Trouble>,
    /// The operator's remedy for a broken link.
    pub cure: Option<&'static str>,
}

impl Links {
    /// Notes a link; None when it is broken: those behind it hang on it.
    pub fn note(&mut self, name: &'static str, seen: Result<String, Trouble>) -> Option<()> {
        let cure = seen.as_ref().err().map(|trouble| trouble.kind.cure());
        let holds = seen.is_ok();
        self.seen.push(Link { name, seen, cure });
        holds.then_some(())
    }

    /// A ticket for a service. The Kerberos library waits for the network by itself.
    pub(crate) async fn ticket(&mut self, account: Account, service: String) -> Option<()> {
        let asked = service.clone();
        let made = tokio::task::spawn_blocking(move || {
            kerberos::log_in(&account)?;
            kerberos::token(&asked)
        });
        let made = made.await.unwrap_or_else(|error| Err(Trouble::new(TroubleKind::Failed, error)));
        self.note("ticket", made.map(|token| format!("for {service}, {} bytes", token.len())))
    }

    /// A certificate that is good, and for long enough.
    pub(crate) async fn certificate(&mut self, host: &str, port: u16, ca: Option<&Path>) -> Option<()> {
        let shown = match tokio::time::timeout(PATIENCE, tls::handshake(host, port, ca)).await {
            Ok(shown) => shown,
            Err(_) => Err(Trouble::new(TroubleKind::Timeout, Broken::Handshake)),
        };
        let shown = match shown {
            Ok(shown) => shown,
            Err(trouble) => return self.note("tls", Err(trouble)),
        };
        let days = days_left(shown.until);
        self.note("tls", Ok(format!("{} is good for {days} days", shown.subject)))?;
        if days < WARN_DAYS
            && let Some(link) = self.seen.last_mut()
        {
            link.cure = Some("renew the certificate soon");
        }
        Some(())
    }

    pub(crate) async fn reach(&mut self, name: &str, port: u16) -> Option<()> {
        let host = || name.to_owned();
        let looked_up = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, port))).await;
        let addresses: Result<Vec<SocketAddr>, Trouble> = match looked_up {
            Ok(Ok(found)) => Ok(found.collect()),
            Ok(Err(source)) => {
                Err(Trouble::new(TroubleKind::Unreachable, Broken::Name { host: host(), source }))
            }
            Err(_) => Err(Trouble::new(TroubleKind::Timeout, Broken::NameService { host: host() })),
        };
        let addresses = match addresses {
            Ok(addresses) => addresses,
            Err(trouble) => return self.note("name", Err(trouble)),
        };
        let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
        self.note("name", Ok(format!("{name} is {}", shown.join(", "))))?;
        let connected = tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(&addresses[..])).await;
        let connected = match connected {
            Ok(Ok(_)) => Ok(format!("port {port} answers")),
            Ok(Err(source)) => Err(Trouble::new(TroubleKind::Unreachable, Broken::Port { port, source })),
            Err(_) => Err(Trouble::new(TroubleKind::Timeout, Broken::SilentPort { port })),
        };
        self.note("connection", connected)
    }
}

/// Where the way to a directory ends.
#[derive(Debug, Error)]
enum Broken {
    #[error("{host}")]
    Name { host: String, source: io::Error },
    #[error("{host}: no answer of the name service")]
    NameService { host: String },
    #[error("port {port}")]
    Port { port: u16, source: io::Error },
    #[error("port {port} does not answer")]
    SilentPort { port: u16 },
    #[error("no TLS handshake in time")]
    Handshake,
}

const PATIENCE: Duration = Duration::from_secs(5);
