//! The state behind the operator's page: the board, the sessions, and the viewers of each page.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use netbootd_config::Status;
use netbootd_server::daemon::Daemon;
use netbootd_server::explain::{AskedAs, Explained};
use netbootd_server::services::Services;
use pxe_policy::{Action, MacAddr};

use crate::board::{Board, FilterValues, Hits};
use crate::rendered::Rendered;
use crate::sessions::{Operator, Role, Sessions, same};
use crate::storage::Storage;

/// The page's own state beside the services.
#[derive(Debug)]
pub struct Console {
    pub(crate) daemon: Arc<Daemon>,
    pub(crate) services: Arc<Services>,
    pub(crate) board: Board,
    pub(crate) sessions: Sessions,
    /// Tells this run of netbootd from another: a page of the run before is loaded anew.
    pub(crate) instance: String,
    pub(crate) host: String,
    pub(crate) rendered: Rendered,
    pub(crate) hits: Hits,
    pub(crate) storage: Storage,
    /// The values of the filters.
    pub(crate) values: FilterValues,
}

/// The parts of a request that identify its operator.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Credentials<'a> {
    /// The cookie of a session.
    pub(crate) cookie: Option<&'a str>,
    /// The user whom a trusted proxy names.
    pub(crate) user: Option<&'a str>,
}

/// A page that somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// The path, as the request spells it.
    pub path: &'a str,
    /// The text behind the question mark.
    pub query: Option<&'a str>,
    /// The operator who is signed in.
    pub operator: Option<Operator>,
    /// The result of what the operator did last.
    pub said: Option<String>,
    /// The scheme and host that the request names, for links that leave the browser.
    pub site: Option<&'a str>,
    /// Whether it is rendered for a page that follows what happens.
    pub live: bool,
}

impl Console {
    /// With an empty board.
    pub fn new(daemon: Arc<Daemon>, host: String) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let state_dir = daemon.services.snapshot.load().config.server.state_dir.clone();
        let sessions = Sessions::open_in(&state_dir, Instant::now(), SystemTime::now());
        let instance = format!("{:x}-{:x}", since.as_nanos(), std::process::id());
        Console {
            services: Arc::clone(&daemon.services),
            daemon,
            board: Board::default(),
            sessions,
            instance,
            host,
            rendered: Rendered::default(),
            hits: Hits::default(),
            storage: Storage::default(),
            values: FilterValues::default(),
        }
    }

    /// Keeps the board up to date until shutdown.
    pub async fn follow(&self) {
        tokio::join!(self.board.follow(&self.services), self.hits.follow(&self.services));
    }

    /// Takes in what happened so far.
    pub fn look(&self) {
        self.board.look(&self.services, SystemTime::now());
    }

    /// Tells what a page shows now from what it showed before: the number of the board's last
    /// change, and what else pages show that changes without it.
    pub(crate) fn stamp(&self) -> String {
        let mut hasher = DefaultHasher::new();
        for (name, record) in &self.services.snapshot.load().files.catalogue().images {
            (name, record.current.to_string(), record.retired.is_some()).hash(&mut hasher);
        }
        self.daemon.day.list().machines.hash(&mut hasher);
        format!("{}-{:x}", self.board.version(), hasher.finish())
    }

    /// Why an operator may not do what needs a role; None when it may.
    pub(crate) fn refusal(&self, operator: Option<&Operator>, role: Role) -> Option<String> {
        match operator {
            Some(operator) if operator.role >= role => None,
            Some(operator) => Some(format!("{} needs the role {}.", operator.name, role.word())),
            None if self.can_sign_in() => Some("Sign in first.".to_owned()),
            None if self.status(|status| status.user_header.is_some()) => {
                Some("The reverse proxy names no operator of this server.".to_owned())
            }
            None => Some("Nobody can sign in: set status.token-file or [[status.operator]].".to_owned()),
        }
    }

    /// Whether a token is configured.
    pub(crate) fn can_sign_in(&self) -> bool {
        self.status(|status| {
            status.token.is_some() || status.operators.iter().any(|operator| operator.token.is_some())
        })
    }

    fn status(&self, holds: impl Fn(&Status) -> bool) -> bool {
        self.services.snapshot.load().config.status.as_ref().is_some_and(holds)
    }

    /// The operator whose token this is. All are compared, whichever fits.
    pub(crate) fn operator_of(&self, token: &str) -> Option<(String, Role)> {
        self.operator(|_, wanted| same(token, wanted))
    }

    /// The operator of a request: the one whom the proxy names, or else the session's.
    pub(crate) fn signed_in(&self, credentials: Credentials<'_>) -> Option<Operator> {
        let by_proxy = credentials.user.and_then(|user| self.by_proxy(user));
        by_proxy.or_else(|| self.in_session(credentials.cookie?))
    }

    /// The operator of the configuration whose name a trusted proxy gives.
    fn by_proxy(&self, user: &str) -> Option<Operator> {
        let snapshot = self.services.snapshot.load();
        let mut operators = snapshot.config.status.as_ref()?.operators.iter();
        let operator = operators.find(|operator| operator.name == user)?;
        Some(self.sessions.by_proxy(operator.name.clone(), operator.role, &self.instance))
    }

    /// The operator of a session's cookie, for as long as the configuration has the token that the
    /// session was opened with.
    fn in_session(&self, cookie: &str) -> Option<Operator> {
        let signed = self.sessions.find(cookie, Instant::now())?;
        let (name, role) = self.operator(|name, token| {
            name == signed.name && same(&self.sessions.of_token(token), &signed.token)
        })?;
        Some(Operator { name, role, form_token: signed.form_token, key: signed.key, by_proxy: false })
    }

    /// The operator with a name and a token that fit.
    fn operator(&self, fits: impl Fn(&str, &str) -> bool) -> Option<(String, Role)> {
        let snapshot = self.services.snapshot.load();
        let status = snapshot.config.status.as_ref()?;
        let one = status.token.as_ref().map(|wanted| ("admin", Role::Admin, wanted));
        let others = status.operators.iter();
        let others = others.filter_map(|one| Some((one.name.as_str(), one.role, one.token.as_ref()?)));
        let mut found = None;
        for (name, role, wanted) in one.into_iter().chain(others) {
            if fits(name, wanted.reveal()) {
                found = Some((name.to_owned(), role));
            }
        }
        found
    }

    /// Writes the sessions into the state folder.
    pub(crate) async fn save_sessions(self: &Arc<Self>) {
        let console = Arc::clone(self);
        let save = move || console.sessions.save(Instant::now(), SystemTime::now());
        if let Err(error) = tokio::task::spawn_blocking(save).await {
            tracing::error!(%error, "writing the sessions broke");
        }
    }

    /// The boot of a machine once it is approved, in words.
    pub(crate) fn would_get(&self, mac: MacAddr, explained: &Explained) -> String {
        if explained.decision == "boot" {
            let file = explained.boot_file.as_deref().unwrap_or("its boot file");
            return match &explained.rule {
                Some(rule) => format!("`{file}`, by rule `{rule}`"),
                None => format!("`{file}`"),
            };
        }
        let snapshot = self.services.snapshot.load();
        let last = self.services.machines.by_mac(mac).map(|machine| machine.asked());
        let request = AskedAs::default().request(mac, last.as_ref());
        let rule = snapshot.config.rules.0.iter().find(|rule| rule.matches.fits(&request));
        match rule.map(|rule| (&rule.name, &rule.action)) {
            Some((name, Action::Boot(boot))) => {
                let file = boot.files(&request).first().map_or("its images", String::as_str);
                format!("`{file}`, by rule `{name}`")
            }
            Some((name, Action::LocalBoot)) => format!("its own disk, by rule `{name}`"),
            Some((name, _)) => format!("what rule `{name}` says"),
            None => "nothing: no rule fits it".to_owned(),
        }
    }
}
