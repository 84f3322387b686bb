//! What the operator's page stands on: the board, the sessions, and who looks at which page.

use std::sync::Arc;
use std::time::SystemTime;

use netbootd_server::daemon::Daemon;
use netbootd_server::explain::{AskedAs, Explained};
use netbootd_server::services::Services;
use pxe_policy::{Action, MacAddr};

use crate::board::{Board, FilterValues};
use crate::rendered::Rendered;
use crate::sessions::{Operator, Role, Sessions, same};

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
    /// The values of the filters.
    pub(crate) values: FilterValues,
}

/// A page that somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// The path, as the request spells it.
    pub path: &'a str,
    /// What stands behind the question mark.
    pub query: Option<&'a str>,
    /// The operator who is signed in.
    pub operator: Option<Operator>,
    /// The result of what the operator did last.
    pub said: Option<String>,
    /// Whether it is rendered for a page that follows what happens.
    pub live: bool,
}

impl Console {
    /// With an empty board.
    pub fn new(daemon: Arc<Daemon>, host: String) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let instance = format!("{:x}-{:x}", since.as_nanos(), std::process::id());
        Console {
            services: Arc::clone(&daemon.services),
            daemon,
            board: Board::default(),
            sessions: Sessions::default(),
            instance,
            host,
            rendered: Rendered::default(),
            values: FilterValues::default(),
        }
    }

    /// Keeps the board up to date until shutdown.
    pub async fn follow(&self) {
        self.board.follow(&self.services).await;
    }

    /// Takes in what happened so far.
    pub fn look(&self) {
        self.board.look(&self.services, SystemTime::now());
    }

    /// Why an operator may not do what needs a role; None when it may.
    pub(crate) fn refusal(&self, operator: Option<&Operator>, role: Role) -> Option<String> {
        match operator {
            Some(operator) if operator.role >= role => None,
            Some(operator) => Some(format!("{} needs the role {}.", operator.name, role.word())),
            None if self.can_sign_in() => Some("Sign in first.".to_owned()),
            None => Some("Nobody can sign in: set status.token-file or [[status.operator]].".to_owned()),
        }
    }

    /// Whether a token is configured.
    pub(crate) fn can_sign_in(&self) -> bool {
        let snapshot = self.services.snapshot.load();
        snapshot
            .config
            .status
            .as_ref()
            .is_some_and(|status| status.token.is_some() || !status.operators.is_empty())
    }

    /// The operator whose token this is. All are compared, whichever fits.
    pub(crate) fn operator_of(&self, token: &str) -> Option<(String, Role)> {
        let snapshot = self.services.snapshot.load();
        let status = snapshot.config.status.as_ref()?;
        let one = status.token.as_ref().map(|wanted| ("admin", Role::Admin, wanted));
        let others = status.operators.iter().map(|one| (one.name.as_str(), one.role, &one.token));
        let mut found = None;
        for (name, role, wanted) in one.into_iter().chain(others) {
            if same(token, wanted.reveal()) {
                found = Some((name.to_owned(), role));
            }
        }
        found
    }

    /// What a machine gets once it is approved, in words.
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
