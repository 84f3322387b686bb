//! The decision itself.

use std::fmt;
use std::net::Ipv4Addr;

use crate::{Action, BootRequest, Class, Reason, Rule, Rules, SystemUuid, Via, is_ipxe_binary};

/// What a machine gets, why, and what was looked at on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it gets.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// The rule that decided, by name.
    pub rule: Option<String>,
    /// What was looked at, in order.
    pub evidence: Vec<Evidence>,
}

/// What a machine gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A boot file.
    Boot(Boot),
    /// Nothing from here: it goes on to its disk.
    LocalBoot,
    /// Silence.
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
}

/// One thing that was looked at before the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The rule fits and was taken.
    Taken {
        /// The rule's name.
        rule: String,
    },
    /// The rule fits, but none of its files is in the boot tree.
    FilesMissing {
        /// The rule's name.
        rule: String,
        /// What was looked for.
        files: Vec<String>,
    },
    /// The machine's GUID is banned and was left out of the lookup.
    GuidBanned {
        /// The GUID.
        guid: SystemUuid,
    },
    /// The rule fits, but hands iPXE to a client that runs iPXE already.
    IpxeAgain {
        /// The rule's name.
        rule: String,
    },
}

/// Decides what a machine gets. `available` says whether a path is in the boot tree; URLs are not asked for.
///
/// A rule that fits but cannot be carried out (its files are missing, or it would hand iPXE to iPXE) is passed over and
/// leaves evidence.
pub fn decide(request: &BootRequest, rules: &Rules, available: impl Fn(&str) -> bool) -> Verdict {
    let mut evidence = Vec::new();
    for rule in rules.0.iter().filter(|rule| rule.matches.fits(request)) {
        match carry_out(request, rule, &available) {
            Ok(decision) => {
                evidence.push(Evidence::Taken { rule: rule.name.clone() });
                return Verdict { decision, reason: Reason::Rule, rule: Some(rule.name.clone()), evidence };
            }
            Err(passed_over) => evidence.push(passed_over),
        }
    }
    let reason = if evidence.is_empty() { Reason::NoRule } else { Reason::NoBootFile };
    Verdict { decision: Decision::Ignore, reason, rule: None, evidence }
}

impl Verdict {
    /// Silence, without a look at any rule.
    pub fn silence(reason: Reason) -> Self {
        Verdict { decision: Decision::Ignore, reason, rule: None, evidence: Vec::new() }
    }
}

fn carry_out(
    request: &BootRequest,
    rule: &Rule,
    available: impl Fn(&str) -> bool,
) -> Result<Decision, Evidence> {
    let boot = match &rule.action {
        Action::LocalBoot => return Ok(Decision::LocalBoot),
        Action::Ignore => return Ok(Decision::Ignore),
        Action::Boot(boot) => boot,
    };
    let runs_ipxe = request.class == Class::Ipxe;
    let mut offers_ipxe_again = false;
    for file in &boot.file {
        if runs_ipxe && is_ipxe_binary(file) {
            offers_ipxe_again = true;
        } else if is_url(file) || boot.next_server.is_some() || available(file) {
            let via = boot.via.unwrap_or_else(|| Via::for_client(request.class, file));
            return Ok(Decision::Boot(Boot {
                file: file.clone(),
                via,
                next_server: boot.next_server,
                image: boot.image.clone(),
            }));
        }
    }
    Err(match offers_ipxe_again {
        true => Evidence::IpxeAgain { rule: rule.name.clone() },
        false => Evidence::FilesMissing { rule: rule.name.clone(), files: boot.file.clone() },
    })
}

impl Boot {
    /// Whether `file` is a whole URL rather than a path in the boot tree.
    pub fn is_url(&self) -> bool {
        is_url(&self.file)
    }
}

fn is_url(file: &str) -> bool {
    file.contains("://")
}

impl Decision {
    /// The word for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Decision::Boot(_) => "boot",
            Decision::LocalBoot => "local-boot",
            Decision::Ignore => "ignore",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Taken { rule } => write!(f, "rule {rule} fits"),
            Evidence::FilesMissing { rule, files } => {
                write!(f, "rule {rule} fits, but none of its files is there: {}", files.join(", "))
            }
            Evidence::GuidBanned { guid } => {
                write!(f, "GUID {guid} is banned: the hardware address alone decides")
            }
            Evidence::IpxeAgain { rule } => {
                write!(f, "rule {rule} fits, but would hand iPXE to a client that runs iPXE")
            }
        }
    }
}

#[cfg(test)]
mod tests;
