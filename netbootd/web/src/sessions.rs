//! Operators who are signed in.
//!
//! A session is known by a keyed digest of its cookie; the cookie itself is nowhere but in the
//! browser, and what its forms carry is derived from it. The digests are kept in the state folder
//! with the key, so that a restart of netbootd ends no session.

mod kept;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
pub(crate) use netbootd_config::Role;
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use kept::Kept;

/// An operator who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name in the audit.
    pub name: String,
    /// The permissions of the operator.
    pub role: Role,
    /// The token that every form of the session carries.
    pub form_token: String,
    /// The digest by which results of actions are kept for the next page.
    pub(crate) key: String,
    /// Whether a reverse proxy signed the operator in: there is no session to end.
    pub(crate) by_proxy: bool,
}

/// A session, as far as its cookie proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) name: String,
    /// The digest of the token that it was opened with.
    pub(crate) token: String,
    pub(crate) form_token: String,
    pub(crate) key: String,
}

/// The sessions, and the addresses that tried in vain.
#[derive(Debug)]
pub(crate) struct Sessions {
    key: [u8; 32],
    kept: Kept,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<String, Session>,
    /// Results of actions that no page has shown yet.
    said: HashMap<String, String>,
    wrong: HashMap<IpAddr, VecDeque<Instant>>,
}

#[derive(Debug)]
struct Session {
    name: String,
    token: String,
    ends: Instant,
}

impl Sessions {
    /// With those of an earlier run that kept its state in this folder.
    pub(crate) fn open_in(folder: &Path, now: Instant, clock: SystemTime) -> Self {
        let kept = Kept::new(folder);
        let (key, sessions) = kept.read(clock);
        let session = |one: kept::Remembered| {
            let ends = now + one.left.min(LASTS);
            (one.digest, Session { name: one.name, token: one.token, ends })
        };
        let open = sessions.into_iter().take(MOST).map(session).collect();
        Sessions { key, kept, inner: Mutex::new(Inner { open, ..Inner::default() }) }
    }

    /// Opens a session; gives the cookie's value. None when the system has no random numbers.
    pub(crate) fn open(&self, name: &str, token: &str, now: Instant) -> Option<String> {
        let cookie = hex(&kept::random()?);
        let mut inner = self.inner.lock();
        inner.open.retain(|_, session| session.ends > now);
        if inner.open.len() >= MOST {
            let oldest =
                inner.open.iter().min_by_key(|(_, session)| session.ends).map(|(key, _)| key.clone());
            oldest.map(|key| inner.open.remove(&key));
        }
        let session = Session { name: name.to_owned(), token: self.of_token(token), ends: now + LASTS };
        inner.open.insert(self.digest("cookie", &cookie), session);
        Some(cookie)
    }

    /// The session of a cookie.
    pub(crate) fn find(&self, cookie: &str, now: Instant) -> Option<Signed> {
        let inner = self.inner.lock();
        let key = self.digest("cookie", cookie);
        let session = inner.open.get(&key).filter(|session| session.ends > now)?;
        Some(Signed {
            name: session.name.clone(),
            token: session.token.clone(),
            form_token: self.digest("form", cookie),
            key,
        })
    }

    /// An operator whom a reverse proxy signed in. The token of the forms is good for this run of
    /// netbootd, which `instance` tells from others.
    pub(crate) fn by_proxy(&self, name: String, role: Role, instance: &str) -> Operator {
        let form_token = self.digest("user's form", &format!("{instance} {name}"));
        let key = self.digest("user", &name);
        Operator { name, role, form_token, key, by_proxy: true }
    }

    /// The digest of an operator's token.
    pub(crate) fn of_token(&self, token: &str) -> String {
        self.digest("token", token)
    }

    /// Keeps the result of an action for the operator's next page.
    pub(crate) fn say(&self, key: &str, words: String) {
        let said = &mut self.inner.lock().said;
        if said.len() >= MOST {
            said.clear(); // pages that nobody looks at
        }
        said.insert(key.to_owned(), words);
    }

    /// The result of the last action, once.
    pub(crate) fn take_said(&self, key: &str) -> Option<String> {
        self.inner.lock().said.remove(key)
    }

    /// Ends the session of a cookie.
    pub(crate) fn close(&self, cookie: &str) {
        let key = self.digest("cookie", cookie);
        let mut inner = self.inner.lock();
        inner.open.remove(&key);
        inner.said.remove(&key);
    }

    /// Writes the digests of all sessions into the state folder.
    pub(crate) fn save(&self, now: Instant, clock: SystemTime) {
        let remembered = |(digest, session): (&String, &Session)| kept::Remembered {
            digest: digest.clone(),
            name: session.name.clone(),
            token: session.token.clone(),
            left: session.ends.saturating_duration_since(now),
        };
        let open: Vec<kept::Remembered> = self.inner.lock().open.iter().map(remembered).collect();
        self.kept.write(&open, clock);
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

    fn digest(&self, what: &str, text: &str) -> String {
        // A key of 32 bytes always fits.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(what.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}

/// Whether two secrets are the same, in a time that does not depend on where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A working day with some hours more.
pub(crate) const LASTS: Duration = Duration::from_secs(12 * 3600);
/// Sessions, and addresses with wrong tokens.
const MOST: usize = 256;
/// Wrong tokens of one address before it has to wait.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
