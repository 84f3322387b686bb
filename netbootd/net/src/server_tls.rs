//! TLS of the boot port: certificates of this server, and which one a client is shown.
//!
//! Firmware decides what has to be offered: TLS 1.2 as well as 1.3, RSA beside ECDSA, and a key
//! exchange without elliptic curves ([`dhe`]) for builds of EDK2 that have none.

mod dhe;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
pub use rustls::SignatureAlgorithm;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, InconsistentKeys, ServerConfig};
use thiserror::Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// The files (PEM) of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The server's certificate, and those between it and the authority.
    pub chain: PathBuf,
    /// The private key that belongs to the first certificate of `chain`.
    pub key: PathBuf,
}

/// Why a certificate cannot be shown to clients.
#[derive(Debug, Error)]
pub enum PairError {
    /// The file of the certificate or the key.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file that cannot be read.
        path: PathBuf,
        /// The error of the PEM reader.
        source: pem::Error,
    },
    /// The file holds no certificate.
    #[error("{}: no certificate in it", .0.display())]
    Empty(PathBuf),
    /// The certificate is not X.509, or the key is of an unknown kind.
    #[error("cannot use {}: {why}", .path.display())]
    Unusable {
        /// The file that cannot be used.
        path: PathBuf,
        /// The reason in the TLS library's words.
        why: String,
    },
    /// The key belongs to another certificate.
    #[error("the key {} does not belong to the certificate {}", .files.key.display(), .files.chain.display())]
    Mismatch {
        /// The certificate's file and the key's.
        files: CertificateFiles,
    },
}

impl PairError {
    /// The error of the system, when it denied access to a file.
    pub fn denied(&self) -> Option<&io::Error> {
        match self {
            PairError::Read { source: pem::Error::Io(error), .. }
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some(error)
            }
            _ => None,
        }
    }
}

/// A certificate with its key, ready to be shown.
#[derive(Debug, Clone)]
pub struct Pair {
    certified: Arc<CertifiedKey>,
    /// The kind of the key.
    pub algorithm: SignatureAlgorithm,
    /// The DNS names and addresses that the certificate is for, as its subjectAltName has them.
    pub names: Vec<String>,
    /// The first second in which it is valid, since 1970.
    pub since: i64,
    /// The last second in which it is valid, since 1970.
    pub until: i64,
    /// The chain, the server's own certificate first, as DER.
    pub chain: Vec<Vec<u8>>,
}

impl Pair {
    /// Reads both files; fails when the key does not fit the certificate.
    pub fn load(files: &CertificateFiles) -> Result<Self, PairError> {
        let unread = |path: &Path| {
            let path = path.to_owned();
            move |source| PairError::Read { path, source }
        };
        let unusable = |path: &Path, why: String| PairError::Unusable { path: path.to_owned(), why };
        let chain =
            CertificateDer::pem_file_iter(&files.chain).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(unread(&files.chain))?;
        let first = chain.first().ok_or_else(|| PairError::Empty(files.chain.clone()))?;
        let parsed = x509_parser::parse_x509_certificate(first);
        let (_, certificate) = parsed.map_err(|error| unusable(&files.chain, error.to_string()))?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unread(&files.key))?;
        let key = provider().key_provider.load_private_key(key);
        let key = key.map_err(|error| unusable(&files.key, error.to_string()))?;
        let (names, validity) = (names(&certificate), certificate.validity());
        let (since, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        let algorithm = key.algorithm();
        let certified = CertifiedKey::new(chain.clone(), key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(PairError::Mismatch { files: files.clone() });
            }
            Err(error) => return Err(unusable(&files.chain, error.to_string())),
        }
        let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
        Ok(Pair { certified: Arc::new(certified), algorithm, names, since, until, chain })
    }

    /// Whether the certificate is for a DNS name or an address. Names compare without case; `*`
    /// stands for the first label (RFC 6125 §6.4.3).
    pub fn covers(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let parent = name.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|held| {
            let held = held.to_ascii_lowercase();
            held == name || held.strip_prefix("*.").is_some_and(|held| parent == Some(held))
        })
    }

    /// Whether an authority's certificate (DER) is said to have issued one of the chain. Names
    /// alone are compared; a client verifies the signatures.
    pub fn is_issued_by(&self, authority: &[u8]) -> bool {
        let Ok((_, authority)) = x509_parser::parse_x509_certificate(authority) else { return false };
        self.chain.iter().any(|certificate| {
            let parsed = x509_parser::parse_x509_certificate(certificate);
            parsed.is_ok_and(|(_, certificate)| certificate.issuer().as_raw() == authority.subject().as_raw())
        })
    }

    /// Whether the certificate holds a DNS name or an address at all.
    pub fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// Whether a client that offers these can verify a signature of the key.
    fn suits(&self, hello: &ClientHello<'_>) -> bool {
        let signs = self.certified.key.choose_scheme(hello.signature_schemes()).is_some();
        let suite = |suite: &CipherSuite| {
            SUITES.iter().any(|(id, of)| id == suite && of.is_none_or(|of| of == self.algorithm))
        };
        signs && hello.cipher_suites().iter().any(suite)
    }
}

/// The certificates that clients are shown. A handshake takes one of those in force when it begins.
#[derive(Debug, Default)]
pub struct Certificates(ArcSwap<Vec<Pair>>);

impl Certificates {
    /// Shows these from now on. Connections that are there go on with what they have.
    pub fn replace(&self, pairs: Vec<Pair>) {
        self.0.store(Arc::new(pairs));
    }

    /// The certificates in force.
    pub fn pairs(&self) -> Arc<Vec<Pair>> {
        self.0.load_full()
    }
}

impl ResolvesServerCert for Certificates {
    /// The certificate for the name that the client asks for, of a kind that it can verify; ECDSA
    /// where both kinds do.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pairs = self.0.load();
        let named = |pair: &Pair| hello.server_name().is_none_or(|name| pair.covers(name));
        let rank = |pair: &&Pair| (named(pair), pair.algorithm != SignatureAlgorithm::RSA);
        let best = pairs.iter().filter(|pair| pair.suits(&hello)).max_by_key(rank)?;
        Some(Arc::clone(&best.certified))
    }
}

/// How the boot port speaks TLS.
pub fn server_config(certificates: Arc<Certificates>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificate of a PEM file as DER, for firmware that an authority is enrolled in.
pub fn certificate_der(path: &Path) -> Result<Vec<u8>, PairError> {
    let mut all = CertificateDer::pem_file_iter(path)
        .map_err(|source| PairError::Read { path: path.to_owned(), source })?;
    let first = all.next().ok_or_else(|| PairError::Empty(path.to_owned()))?;
    let first = first.map_err(|source| PairError::Read { path: path.to_owned(), source })?;
    let parsed = x509_parser::parse_x509_certificate(&first);
    parsed.map_err(|error| PairError::Unusable { path: path.to_owned(), why: error.to_string() })?;
    Ok(first.to_vec())
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(held)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            _ => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    };
    held.value.general_names.iter().filter_map(name).collect()
}

/// Ring's, with the key exchange of firmware that has no elliptic curves behind everything else.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.extend(dhe::cipher_suites());
    provider.kx_groups.push(dhe::FFDHE2048);
    Arc::new(provider)
}

/// The cipher suites that are served, and the kind of key that they sign with; None for TLS 1.3,
/// where the suite does not say.
const SUITES: [(CipherSuite, Option<SignatureAlgorithm>); 11] = [
    (CipherSuite::TLS13_AES_256_GCM_SHA384, None),
    (CipherSuite::TLS13_AES_128_GCM_SHA256, None),
    (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, None),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, Some(SignatureAlgorithm::ECDSA)),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, Some(SignatureAlgorithm::ECDSA)),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, Some(SignatureAlgorithm::ECDSA)),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, Some(SignatureAlgorithm::RSA)),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, Some(SignatureAlgorithm::RSA)),
    (CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, Some(SignatureAlgorithm::RSA)),
    (CipherSuite::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384, Some(SignatureAlgorithm::RSA)),
    (CipherSuite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256, Some(SignatureAlgorithm::RSA)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cipher_suite_that_is_served_is_in_the_list_by_which_certificates_are_chosen() {
        let served: Vec<CipherSuite> =
            provider().cipher_suites.iter().map(rustls::SupportedCipherSuite::suite).collect();
        assert_eq!(served.len(), SUITES.len());
        assert!(SUITES.iter().all(|(suite, _)| served.contains(suite)), "{served:?}");
    }
}
