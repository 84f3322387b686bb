//! The menu's password, as boot loaders compare it.
//!
//! GRUB has PBKDF2 with HMAC-SHA-512; PXELINUX has the scheme `$5$` of crypt(3), which is built on
//! SHA-256. Anybody on the network can fetch these hashes, so a short password can be guessed.

use hmac::{Hmac, KeyInit, Mac};
use netbootd_net::Secret;
use sha2::{Digest, Sha256, Sha512};

/// A password with its hashes, which take too long to be made for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    secret: Secret,
    pub(super) grub: String,
    pub(super) pxelinux: String,
}

impl Password {
    /// Hashes a password, so that it is in memory no longer than needed.
    pub fn new(secret: Secret) -> Self {
        // The same password has the same configuration, whichever server makes it.
        let salt = Sha512::digest([b"netbootd menu\0", secret.reveal().as_bytes()].concat());
        let grub = grub(secret.reveal().as_bytes(), &salt);
        let letters: String =
            salt.iter().take(16).map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect();
        let pxelinux = crypt(secret.reveal().as_bytes(), &letters);
        Password { secret, grub, pxelinux }
    }

    /// Whether this is it. Compared as a whole, whatever its first bytes are.
    pub fn is(&self, word: &str) -> bool {
        let wanted = self.secret.reveal();
        let differs = word.bytes().zip(wanted.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        word.len() == wanted.len() && differs == 0
    }

    /// The file that it was read from.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// As `grub-mkpasswd-pbkdf2` prints it.
fn grub(password: &[u8], salt: &[u8]) -> String {
    let hash = pbkdf2(password, salt, ROUNDS);
    format!("grub.pbkdf2.sha512.{ROUNDS}.{}.{}", hex(salt), hex(&hash))
}

/// The first block of PBKDF2 (RFC 8018 §5.2).
fn pbkdf2(password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
    let keyed = |bytes: &[&[u8]]| {
        let mut mac = Hmac::<Sha512>::new_from_slice(password).expect("HMAC takes keys of any length");
        bytes.iter().for_each(|bytes| mac.update(bytes));
        mac.finalize().into_bytes().to_vec()
    };
    let mut last = keyed(&[salt, &1_u32.to_be_bytes()]);
    let mut block = last.clone();
    for _ in 1..rounds {
        last = keyed(&[&last]);
        block.iter_mut().zip(&last).for_each(|(byte, other)| *byte ^= other);
    }
    block
}

/// `$5$` of crypt(3), with its usual 5,000 rounds (Drepper, "Unix crypt using SHA-256 and
/// SHA-512").
fn crypt(password: &[u8], salt: &str) -> String {
    let salt_bytes = salt.as_bytes();
    let digest = |parts: &[&[u8]]| -> [u8; 32] { Sha256::digest(parts.concat()).into() };
    let repeated =
        |block: &[u8; 32], length: usize| -> Vec<u8> { block.iter().copied().cycle().take(length).collect() };
    let other = digest(&[password, salt_bytes, password]);
    let mut first = [password, salt_bytes, &repeated(&other, password.len())].concat();
    let mut length = password.len();
    while length > 0 {
        first.extend_from_slice(if length & 1 == 1 { &other } else { password });
        length >>= 1;
    }
    let mut hash = digest(&[&first]);
    let of_password = repeated(&digest(&[&password.repeat(password.len())]), password.len());
    let of_salt = digest(&[&salt_bytes.repeat(16 + usize::from(hash[0]))]);
    let of_salt = repeated(&of_salt, salt_bytes.len());
    for round in 0..5000 {
        let mut bytes = if round % 2 == 1 { of_password.clone() } else { hash.to_vec() };
        if round % 3 != 0 {
            bytes.extend_from_slice(&of_salt);
        }
        if round % 7 != 0 {
            bytes.extend_from_slice(&of_password);
        }
        bytes.extend_from_slice(if round % 2 == 1 { &hash } else { &of_password });
        hash = digest(&[&bytes]);
    }
    let mut text = format!("$5${salt}$");
    for [a, b, c] in ORDER {
        letters(&mut text, [hash[a], hash[b], hash[c]], 4);
    }
    letters(&mut text, [0, hash[31], hash[30]], 3);
    text
}

/// Three bytes as letters of six bits each, the lowest first.
fn letters(text: &mut String, [a, b, c]: [u8; 3], count: usize) {
    let mut bits = u32::from_be_bytes([0, a, b, c]);
    for _ in 0..count {
        text.push(char::from(LETTERS[(bits & 0x3f) as usize]));
        bits >>= 6;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// In which order crypt(3) writes the bytes of a hash.
const ORDER: [[usize; 3]; 10] = [
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
];
/// The default of `grub-mkpasswd-pbkdf2`.
const ROUNDS: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// As `openssl passwd -5` and Python's hashlib compute them.
    #[test]
    fn hashes_are_those_of_other_programs() {
        assert_eq!(
            crypt(b"Hello world!", "saltstring"),
            "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
        );
        assert!(hex(&pbkdf2(b"password", b"salt", 1)).starts_with("867F70CF1ADE02CFF3752599A3A53DC4"));
        assert!(hex(&pbkdf2(b"password", b"salt", 2)).starts_with("E1D9C16AA681708A45F5C7C4E215CEB6"));
    }

    #[test]
    fn a_password_is_compared_whole_and_shown_nowhere() {
        let password = Password::new(Secret::new("open sesame"));
        assert!(password.is("open sesame"));
        assert!(!password.is("open") && !password.is("") && !password.is("open sesame."));
        assert!(!format!("{password:?}").contains("open sesame"));
        assert_eq!(password, Password::new(Secret::new("open sesame")));
    }
}
