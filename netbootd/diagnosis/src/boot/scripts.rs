//! The names in a boot's configurations, and requests that somebody else may have sent in the
//! machine's name.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Boot;
use crate::configuration::{Configuration, Load};
use crate::finding::Seen;

impl Boot {
    /// The machine did something that no single forged read request looks like.
    pub(crate) fn steps(&mut self, at: SystemTime) {
        self.last = at;
        self.proved = at;
    }

    /// Whether it acknowledged other transfers and has done nothing for so long: boot programs ask
    /// for their next file soon after the last one.
    pub(crate) fn rests(&self, at: SystemTime, since: Duration) -> bool {
        let idle = at.duration_since(self.proved).is_ok_and(|ago| ago > since);
        idle && self.has_tftp() && self.running.is_empty()
    }

    /// Whether one of its configurations may name a path: a menu asks for it at any time.
    pub(crate) fn may_ask_for(&self, path: &str) -> bool {
        self.configurations.iter().any(|(_, configuration)| configuration.may_name(path))
    }

    /// Whether one of its configurations gives the system a fixed address.
    pub(crate) fn has_fixed_address(&self) -> bool {
        self.configurations.iter().any(|(_, configuration)| configuration.fixed_address)
    }

    pub(crate) fn add_configuration(&mut self, path: &Arc<str>, configuration: &Arc<Configuration>) {
        self.configurations.retain(|(known, _)| known != path);
        if self.configurations.len() >= MAX_CONFIGURATIONS {
            self.configurations.remove(0);
        }
        self.configurations.push((Arc::clone(path), Arc::clone(configuration)));
    }

    /// The contents of one of its configurations.
    pub(crate) fn configuration(&self, path: &str) -> Option<&Configuration> {
        let known = self.configurations.iter().find(|(known, _)| **known == *path);
        known.map(|(_, configuration)| configuration.as_ref())
    }

    /// The line that names a path, as evidence.
    pub(crate) fn seen_line(&self, path: &str) -> Option<Seen> {
        let (configuration, load) = self.line_that_names(path)?;
        Some(Seen::line(configuration, load))
    }

    /// The configuration that names a path, and its line.
    pub(crate) fn line_that_names(&self, path: &str) -> Option<(&Arc<str>, &Load)> {
        let mut configurations = self.configurations.iter().rev();
        configurations.find_map(|(name, configuration)| Some((name, configuration.names(path)?)))
    }
}

/// A script, the menu that it loads, and that one's entry.
const MAX_CONFIGURATIONS: usize = 4;
