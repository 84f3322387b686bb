//! TLS to directories: whom to trust, and what exactly is wrong with a certificate.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pxe_policy::{Trouble, TroubleKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    WantsVerifier,
};
use rustls_platform_verifier::{BuilderVerifierExt, Verifier};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Why no server can be verified.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The PEM file of authorities.
    #[error("cannot read the certificates in {}", .path.display())]
    Read {
        /// The file of the authorities.
        path: PathBuf,
        /// The error of the PEM reader.
        source: pem::Error,
    },
    /// A PEM file without a certificate.
    #[error("{}: no certificate in it", .0.display())]
    Empty(PathBuf),
    /// A certificate of the PEM file.
    #[error("cannot use a certificate in {}", .path.display())]
    Certificate {
        /// The file of the certificate or key.
        path: PathBuf,
        /// The error of the TLS library.
        source: rustls::Error,
    },
    /// The authorities of the PEM file, taken together.
    #[error("cannot verify with the certificates in {}", .path.display())]
    Verifier {
        /// The file of the certificate or key.
        path: PathBuf,
        /// The error of the platform's verifier.
        source: VerifierBuilderError,
    },
    /// The system's certificate authorities cannot be used.
    #[error("cannot verify with the certificates of the system")]
    System(#[source] rustls::Error),
    /// The library has no version of TLS.
    #[error("cannot set up TLS")]
    Protocols(#[source] rustls::Error),
}

/// Trusts the authorities in a PEM file and no others or, without one, those of the system.
pub fn client_config(ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let builder = builder()?;
    let Some(ca) = ca else {
        let builder = builder.with_platform_verifier().map_err(TlsError::System)?;
        return Ok(builder.with_no_client_auth());
    };
    Ok(builder.with_root_certificates(roots(ca)?).with_no_client_auth())
}

/// The same for a server whose certificate is for `name`, whatever name the caller connects with.
pub fn client_config_as(name: ServerName<'static>, ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let verifier: Arc<dyn ServerCertVerifier> = match ca {
        None => Arc::new(Verifier::new(provider()).map_err(TlsError::System)?),
        Some(ca) => WebPkiServerVerifier::builder_with_provider(Arc::new(roots(ca)?), provider())
            .build()
            .map_err(|source| TlsError::Verifier { path: ca.to_owned(), source })?,
    };
    let verifier = Arc::new(NamedAs { name, verifier });
    let builder = builder()?.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = builder.with_no_client_auth();
    // The name that the caller connects with is nobody's.
    config.enable_sni = false;
    Ok(config)
}

/// Verifies a certificate for this name and no other.
#[derive(Debug)]
struct NamedAs {
    name: ServerName<'static>,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for NamedAs {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _connected_with: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier.verify_server_cert(certificate, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider());
    builder.with_safe_default_protocol_versions().map_err(TlsError::Protocols)
}

fn roots(ca: &Path) -> Result<RootCertStore, TlsError> {
    let unread = |source| TlsError::Read { path: ca.to_owned(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(unread)? {
        let unusable = |source| TlsError::Certificate { path: ca.to_owned(), source };
        roots.add(certificate.map_err(unread)?).map_err(unusable)?;
    }
    if roots.is_empty() {
        return Err(TlsError::Empty(ca.to_owned()));
    }
    Ok(roots)
}

/// The certificate that a server shows: for whom it is, and until when it is good, in seconds since
/// 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject of the certificate.
    pub subject: String,
    /// The last second in which it is valid, since 1970.
    pub until: i64,
}

/// Connects and lets the server show its certificate, which has to be a good one.
pub async fn handshake(host: &str, port: u16, ca: Option<&Path>) -> Result<Certificate, Trouble> {
    let config = client_config(ca);
    let config = config.map_err(|error| Trouble::new(TroubleKind::Failed, error))?;
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| Trouble::new(TroubleKind::CertificateName, error))?;
    let stream = TcpStream::connect((host, port)).await.map_err(trouble)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(trouble)?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let shown = shown.and_then(|certificate| x509_parser::parse_x509_certificate(certificate).ok());
    let (_, certificate) = shown.ok_or_else(|| Trouble::new(TroubleKind::Malformed, NoCertificate))?;
    Ok(Certificate {
        subject: certificate.subject().to_string(),
        until: certificate.validity().not_after.timestamp(),
    })
}

/// A server that shows no certificate, or none that can be read.
#[derive(Debug, Error)]
#[error("no certificate was shown")]
struct NoCertificate;

/// The kind of a failed connection, with its error.
pub fn trouble(error: impl Error + Send + Sync + 'static) -> Trouble {
    let kind = match find::<rustls::Error>(&error) {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TroubleKind::CertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TroubleKind::CertificateName
            }
            _ => TroubleKind::CertificateUntrusted,
        },
        Some(_) => TroubleKind::Failed,
        None => match find::<io::Error>(&error).map(io::Error::kind) {
            Some(io::ErrorKind::TimedOut) => TroubleKind::Timeout,
            _ => TroubleKind::Unreachable,
        },
    };
    Trouble::new(kind, error)
}

/// The first of a kind among an error's causes. An I/O error hides what it holds from its causes.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inside {
            Some(inside) => Some(inside as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
