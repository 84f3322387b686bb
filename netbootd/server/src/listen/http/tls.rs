//! The TLS handshake of a connection to the HTTPS port, and what a failed one says of the machine.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use netbootd_net::server_tls;
use netbootd_telemetry::event::{Event, TlsFailed, TlsFailure};
use rustls::server::Acceptor;
use rustls::{Error, ServerConfig};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::super::requester::Requester;
use crate::services::Services;

/// How the HTTPS port shakes hands.
#[derive(Debug, Clone)]
pub(super) struct Tls(Arc<ServerConfig>);

impl Tls {
    /// With the certificates of the services, as they are when a handshake begins.
    pub(super) fn new(services: &Services) -> io::Result<Self> {
        let certificates = Arc::clone(services.https.certificates());
        let config = server_tls::server_config(certificates).map_err(io::Error::other)?;
        Ok(Tls(Arc::new(config)))
    }

    /// Shakes hands until then. A handshake that fails is recorded: the machine says by it what it
    /// does not trust.
    pub(super) async fn accept(
        &self,
        services: &Services,
        tcp: TcpStream,
        peer: SocketAddr,
        until: Instant,
    ) -> Option<Box<TlsStream<TcpStream>>> {
        let why = match timeout_at(until, self.handshake(tcp)).await {
            Ok(Ok(stream)) => return Some(Box::new(stream)),
            Ok(Err(why)) => why?,
            Err(_) => (TlsFailure::Late, None),
        };
        let mac = Requester { peer, probe: false }.machine(services);
        let (why, detail) = why;
        services.recorder.record(Event::TlsFailed(TlsFailed { peer, mac, why, detail }));
        None
    }

    /// The error is None for a client that sent nothing: a port scan, or a health check.
    async fn handshake(
        &self,
        tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Option<(TlsFailure, Option<String>)>> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), tcp).await;
        let no_tls = |error: &Error| (TlsFailure::NoTls, Some(error.to_string()));
        let hello = begun.map_err(|error| rustls_error(&error).map(no_tls))?;
        // From here on the client has the certificate, unless nothing is in common.
        let accepted = hello.into_stream(Arc::clone(&self.0)).await;
        accepted.map_err(|error| {
            Some(match rustls_error(&error) {
                Some(Error::AlertReceived(alert)) => (TlsFailure::Alert(u8::from(*alert)), None),
                Some(Error::PeerIncompatible(why)) => (TlsFailure::NothingInCommon, Some(format!("{why:?}"))),
                // The certificate was for none of the kinds that the client verifies.
                Some(error @ Error::General(_)) => (TlsFailure::NothingInCommon, Some(error.to_string())),
                Some(error) => (TlsFailure::NoTls, Some(error.to_string())),
                None => (TlsFailure::LeftAtCertificate, None),
            })
        })
    }
}

fn rustls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
