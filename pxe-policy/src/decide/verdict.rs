//! Verdicts: a decision with its reason.

use std::net::Ipv4Addr;

use crate::{Deployed, Entry, Evidence, FirmwareMenu, ImageOffer, LoaderConfig, Reason, Via};

/// A decision about a machine, its reason, and the evidence on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The decision about the machine.
    pub decision: Decision,
    /// The reason, as the log names it.
    pub reason: Reason,
    /// The rule that decided, by name.
    pub rule: Option<String>,
    /// The machine's record, when a directory knows it.
    pub machine: Option<Known>,
    /// The deployment that it gets.
    pub deployment: Option<Deployed>,
    /// The evidence, in the order of the examination.
    pub evidence: Vec<Evidence>,
    /// Entries of the ledger of which the request tells more than they hold.
    pub learned: Vec<Entry>,
}

/// The decision about a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The machine gets a boot file.
    Boot(Boot),
    /// Nothing from here: it goes on to its disk.
    LocalBoot,
    /// Nothing until an operator says so.
    Wait,
    /// The answer of the distribution point's own responder, by way of this server.
    Relay,
    /// Another server, which a boot program of Windows goes on to by itself.
    Refer(Ipv4Addr),
    /// These images, as far as their own lists name it: a Mac chooses among them by itself.
    Images(ImageOffer),
    /// The machine gets no answer.
    Ignore,
}

/// A boot file to hand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// A path in the boot tree, or a whole URL.
    pub file: String,
    /// How the client fetches it.
    pub via: Via,
    /// The server that holds it, when it is not this one.
    pub next_server: Option<Ipv4Addr>,
    /// The image it belongs to.
    pub image: Option<String>,
    /// The firmware's menu, in which somebody at the machine chooses first.
    pub prompt: Option<FirmwareMenu>,
    /// The task of the configuration that the boot file fetches, when it is made for the machine.
    pub config: Option<LoaderConfig>,
}

/// A machine that a directory knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The directory that knows the machine.
    pub directory: String,
    /// The key of the machine's record.
    pub key: String,
    /// The machine's name in the directory.
    pub name: String,
}

impl Verdict {
    /// Silence, without a look at any rule.
    pub fn silence(reason: Reason) -> Self {
        Verdict::new(Decision::Ignore, reason)
    }

    pub(super) fn new(decision: Decision, reason: Reason) -> Self {
        Verdict {
            decision,
            reason,
            rule: None,
            machine: None,
            deployment: None,
            evidence: Vec::new(),
            learned: Vec::new(),
        }
    }

    /// The reason and what the machine gets, in a few words.
    pub(super) fn in_short(&self) -> String {
        let gets = match &self.decision {
            Decision::Boot(boot) => match boot.image.as_ref().filter(|_| boot.config.is_some()) {
                Some(image) => format!("{image} by {}", boot.file),
                None => boot.file.clone(),
            },
            Decision::LocalBoot => "its own disk".to_owned(),
            Decision::Images(offer) => offer.to_string(),
            Decision::Refer(server) => format!("the server {server}"),
            other => other.name().to_owned(),
        };
        match &self.rule {
            Some(rule) => format!("{gets} (rule {rule})"),
            None => format!("{gets} ({})", self.reason),
        }
    }
}

impl Boot {
    /// Whether `file` is a whole URL rather than a path in the boot tree.
    pub fn is_url(&self) -> bool {
        is_url(&self.file)
    }
}

pub(super) fn is_url(file: &str) -> bool {
    file.contains("://")
}

impl Decision {
    /// The word for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Decision::Boot(_) => "boot",
            Decision::LocalBoot => "local-boot",
            Decision::Wait => "wait",
            Decision::Relay => "relay",
            Decision::Refer(_) => "refer",
            Decision::Images(_) => "images",
            Decision::Ignore => "ignore",
        }
    }
}
