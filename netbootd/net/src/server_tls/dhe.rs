//! Finite-field Diffie-Hellman for TLS 1.2: builds of EDK2 without elliptic curves (the usual ones
//! up to 2022, and firmware made from them) offer `TLS_DHE_RSA` and nothing newer.
//!
//! The group is ffdhe2048 of RFC 7919; hashes, ciphers and signatures are ring's. Arithmetic with
//! the exponent takes the same time for every value.

use std::fmt;
use std::sync::LazyLock;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U256, U2048};
use rustls::crypto::ring;
use rustls::crypto::{
    ActiveKeyExchange, CipherSuiteCommon, KeyExchangeAlgorithm, SharedSecret, SupportedKxGroup,
};
use rustls::ffdhe_groups::{self, FfdheGroup};
use rustls::{
    CipherSuite, Error, NamedGroup, PeerMisbehaved, ProtocolVersion, SupportedCipherSuite, Tls12CipherSuite,
};

/// The group as rustls takes it.
pub(super) const FFDHE2048: &dyn SupportedKxGroup = &Group;

/// The suites that are exchanged by it, strongest first.
pub(super) fn cipher_suites() -> impl Iterator<Item = SupportedCipherSuite> {
    [&*AES_256, &*AES_128].into_iter().map(SupportedCipherSuite::Tls12)
}

#[derive(Debug)]
struct Group;

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut bytes = [0; EXPONENT];
        ring::default_provider().secure_random.fill(&mut bytes)?;
        let secret = U256::from_be_slice(&bytes);
        let public = power(&U2048::from(2_u8), &secret);
        Ok(Box::new(Exchange { secret, public: public.to_be_bytes().as_ref().to_vec() }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        Some(ffdhe_groups::FFDHE2048)
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::FFDHE2048
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_2
    }
}

/// One handshake's secret and what the client is sent.
struct Exchange {
    secret: U256,
    public: Vec<u8>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange(ffdhe2048)")
    }
}

impl ActiveKeyExchange for Exchange {
    /// RFC 7919 §5.1: a value outside 1 < y < p - 1 is refused.
    fn complete(self: Box<Self>, peer_pub_key: &[u8]) -> Result<SharedSecret, Error> {
        let invalid = || Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);
        let zeros = peer_pub_key.iter().take_while(|byte| **byte == 0).count();
        let digits = &peer_pub_key[zeros..];
        let at = MODULUS.checked_sub(digits.len()).ok_or_else(invalid)?;
        let mut padded = [0; MODULUS];
        padded[at..].copy_from_slice(digits);
        let peer = U2048::from_be_slice(&padded);
        let last = PARAMS.modulus().as_ref().wrapping_sub(&U2048::ONE);
        if peer <= U2048::ONE || peer >= last {
            return Err(invalid());
        }
        let secret = power(&peer, &self.secret).to_be_bytes();
        Ok(SharedSecret::from(secret.as_ref()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        Some(ffdhe_groups::FFDHE2048)
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::FFDHE2048
    }
}

fn power(base: &U2048, exponent: &U256) -> U2048 {
    FixedMontyForm::new(base, &PARAMS).pow(exponent).retrieve()
}

static PARAMS: LazyLock<FixedMontyParams<{ U2048::LIMBS }>> = LazyLock::new(|| {
    // The prime is odd, so this is never the other value.
    let modulus = Odd::new(U2048::from_be_slice(ffdhe_groups::FFDHE2048.p));
    FixedMontyParams::new(modulus.into_option().expect("the prime of RFC 7919 is odd"))
});

static AES_256: LazyLock<Tls12CipherSuite> = LazyLock::new(|| {
    like(
        ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384,
    )
});

static AES_128: LazyLock<Tls12CipherSuite> = LazyLock::new(|| {
    like(
        ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256,
    )
});

/// A suite of ring with another key exchange.
fn like(of_curves: SupportedCipherSuite, suite: CipherSuite) -> Tls12CipherSuite {
    let SupportedCipherSuite::Tls12(of_curves) = of_curves else {
        unreachable!("the suites named above are of TLS 1.2")
    };
    let common = &of_curves.common;
    Tls12CipherSuite {
        common: CipherSuiteCommon {
            suite,
            hash_provider: common.hash_provider,
            confidentiality_limit: common.confidentiality_limit,
        },
        prf_provider: of_curves.prf_provider,
        kx: KeyExchangeAlgorithm::DHE,
        sign: of_curves.sign,
        aead_alg: of_curves.aead_alg,
    }
}

/// Bytes of the prime.
const MODULUS: usize = 256;
/// Bytes of an exponent: RFC 7919 §5.2 asks for 225 bits at least.
const EXPONENT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_come_to_the_same_secret_and_values_of_small_order_are_refused() {
        let (ours, theirs) = (FFDHE2048.start().unwrap(), FFDHE2048.start().unwrap());
        let (our_key, their_key) = (ours.pub_key().to_vec(), theirs.pub_key().to_vec());
        assert_ne!(our_key, their_key);
        assert_eq!(our_key.len(), MODULUS);
        let secret = ours.complete(&their_key).unwrap();
        assert_eq!(secret.secret_bytes(), theirs.complete(&our_key).unwrap().secret_bytes());
        let prime = ffdhe_groups::FFDHE2048.p;
        let mut last = prime.to_vec();
        last[MODULUS - 1] -= 1;
        for key in [&[][..], &[0], &[1], &[0, 0, 1], &last, prime, &[0xff; MODULUS], &[1; MODULUS + 1]] {
            assert!(FFDHE2048.start().unwrap().complete(key).is_err(), "{key:?}");
        }
        let mut leading = vec![0; 3];
        leading.extend([7; 200]);
        assert!(FFDHE2048.start().unwrap().complete(&leading).is_ok());
    }
}
