//! Operators who are signed in. A session is known by the digest of its cookie; the cookie itself
//! is nowhere but in the browser.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

pub(crate) use netbootd_config::Role;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name in the audit.
    pub name: String,
    /// What the operator may do.
    pub role: Role,
    /// What every form of the session carries.
    pub form_token: String,
}

/// The sessions, and who tried in vain.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<[u8; 32], Session>,
    wrong: HashMap<IpAddr, VecDeque<Instant>>,
}

#[derive(Debug)]
struct Session {
    operator: Operator,
    ends: Instant,
    said: Option<String>,
}

impl Sessions {
    /// Opens a session; gives the cookie's value. None when the system has no random numbers.
    pub(crate) fn open(&self, name: &str, role: Role, now: Instant) -> Option<String> {
        let (cookie, form_token) = (random()?, random()?);
        let operator = Operator { name: name.to_owned(), role, form_token };
        let mut inner = self.inner.lock();
        inner.open.retain(|_, session| session.ends > now);
        if inner.open.len() >= MOST {
            let oldest = inner.open.iter().min_by_key(|(_, session)| session.ends).map(|(key, _)| *key);
            oldest.map(|key| inner.open.remove(&key));
        }
        inner.open.insert(digest(&cookie), Session { operator, ends: now + LASTS, said: None });
        Some(cookie)
    }

    /// The operator of a cookie.
    pub(crate) fn operator(&self, cookie: &str, now: Instant) -> Option<Operator> {
        let inner = self.inner.lock();
        let session = inner.open.get(&digest(cookie)).filter(|session| session.ends > now)?;
        Some(session.operator.clone())
    }

    /// Keeps the result of an action for the next page.
    pub(crate) fn say(&self, cookie: &str, words: String) {
        if let Some(session) = self.inner.lock().open.get_mut(&digest(cookie)) {
            session.said = Some(words);
        }
    }

    /// The result of the last action, once.
    pub(crate) fn take_said(&self, cookie: &str) -> Option<String> {
        self.inner.lock().open.get_mut(&digest(cookie))?.said.take()
    }

    /// Ends a session.
    pub(crate) fn close(&self, cookie: &str) {
        self.inner.lock().open.remove(&digest(cookie));
    }

    /// Whether an address may try a token now.
    pub(crate) fn may_try(&self, from: IpAddr, now: Instant) -> bool {
        let mut inner = self.inner.lock();
        inner.wrong.retain(|_, tries| tries.back().is_some_and(|last| now.duration_since(*last) < PAUSE));
        inner.wrong.get(&from).is_none_or(|tries| tries.len() < TRIES)
    }

    /// Notes a wrong token.
    pub(crate) fn note_wrong(&self, from: IpAddr, now: Instant) {
        let mut inner = self.inner.lock();
        if inner.wrong.len() < MOST || inner.wrong.contains_key(&from) {
            let tries = inner.wrong.entry(from).or_default();
            if tries.len() >= TRIES {
                tries.pop_front();
            }
            tries.push_back(now);
        }
    }
}

/// Whether two secrets are the same, in a time that does not depend on where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn digest(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

fn random() -> Option<String> {
    let mut bytes = [0; 32];
    rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A working day with some hours more.
pub(crate) const LASTS: Duration = Duration::from_secs(12 * 3600);
/// Sessions, and addresses with wrong tokens.
const MOST: usize = 256;
/// Wrong tokens of one address before it has to wait.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_session_ends_with_its_time_and_when_the_operator_leaves() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let cookie = sessions.open("anna", Role::Operator, now).unwrap();
        let operator = sessions.operator(&cookie, now).unwrap();
        assert_eq!((operator.name.as_str(), operator.role), ("anna", Role::Operator));
        assert_ne!(operator.form_token, cookie);
        sessions.say(&cookie, "done".to_owned());
        assert_eq!(
            (sessions.take_said(&cookie).as_deref(), sessions.take_said(&cookie)),
            (Some("done"), None)
        );
        assert!(sessions.operator(&cookie, now + LASTS).is_none());
        assert!(sessions.operator("another", now).is_none());
        sessions.close(&cookie);
        assert!(sessions.operator(&cookie, now).is_none());
    }

    #[test]
    fn five_wrong_tokens_pause_a_minute_and_addresses_are_bounded() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let from = IpAddr::from(Ipv4Addr::LOCALHOST);
        for _ in 0..5 {
            assert!(sessions.may_try(from, now));
            sessions.note_wrong(from, now);
        }
        assert!(!sessions.may_try(from, now));
        assert!(sessions.may_try(IpAddr::from([10, 0, 0, 1]), now));
        assert!(sessions.may_try(from, now + PAUSE));
        for n in 0..10_000_u32 {
            sessions.note_wrong(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(sessions.inner.lock().wrong.len() <= MOST);
        for _ in 0..1000 {
            sessions.open("x", Role::Viewer, now).unwrap();
        }
        assert!(sessions.inner.lock().open.len() <= MOST);
    }
}
