//! Registered devices: of the netbootd that runs, or of the state file when none runs.

use std::sync::Arc;

use hyper::Method;
use imagestore::Store;
use netbootd_config::Config;
use netbootd_server::devices::{Changed, target_of};
use netbootd_state::assignments::{AssignmentStore, DeviceView, NotChanged};
use netbootd_state::file::State;
use netbootd_state::ledger::{LedgerStore, now};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pxe_policy::{MacAddr, Target};
use serde::de::DeserializeOwned;

use crate::cli::client::{ask, config_of, shared};
use crate::cli::{Failure, SiteArgs};
use crate::probe::block_on;
use crate::sandbox::account::act_as_owner_of;

/// The devices of one server.
pub(in crate::cli) struct Devices {
    config: Config,
}

impl Devices {
    pub(in crate::cli) fn from_site(site: &SiteArgs) -> Result<Self, Failure> {
        Ok(Devices { config: config_of(site)? })
    }

    /// The answer of the running netbootd; None when none runs.
    pub(in crate::cli) fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<Option<T>, Failure> {
        let answer = ask(&self.config, method, path)?;
        let parsed = answer.map(|answer| serde_json::from_str(&answer)).transpose();
        parsed.map_err(|error| Failure::NoAnswer(error.to_string()))
    }

    /// Changes the state file; gives what came of it for one machine.
    pub(in crate::cli) fn offline(
        &self,
        change: impl AsyncFnOnce(&AssignmentStore, &dyn Fn(&str) -> Target) -> Result<(), NotChanged>,
        mac: MacAddr,
    ) -> Result<Changed, Failure> {
        let images = Store::open(&self.config.store_folder(), self.config.store.limits);
        let images = images.and_then(|store| store.catalogue()).map(|catalogue| catalogue.images);
        let images = images.unwrap_or_default();
        let target = |text: &str| target_of(text, |name| images.contains_key(name));
        block_on(async {
            let (store, ledger) = self.open().await?;
            change(&store, &target).await.map_err(|error| Failure::Unusable(error.to_string()))?;
            let device = ledger.with(|ledger| store.view(mac, ledger, now()));
            Ok(Changed { device, warnings: Vec::new() })
        })
    }

    /// Every device that is registered.
    pub(in crate::cli) fn list(&self) -> Result<Vec<DeviceView>, Failure> {
        match self.ask(Method::GET, "/api/devices")? {
            Some(list) => Ok(list),
            None => block_on(async {
                let (store, ledger) = self.open().await?;
                Ok(ledger.with(|ledger| store.list(ledger, now())))
            }),
        }
    }

    async fn open(&self) -> Result<(AssignmentStore, LedgerStore), Failure> {
        if let Some(shared) = shared(&self.config).await? {
            return Ok((shared.assignments(), shared.ledger()));
        }
        let folder = &self.config.server.state_dir;
        let unusable = |error: &dyn std::error::Error| Failure::Unusable(netbootd_net::with_causes(error));
        act_as_owner_of(folder)?;
        let state = Arc::new(State::open(folder).map_err(|error| unusable(&error))?);
        let ledger = LedgerStore::open(Arc::clone(&state)).map_err(|error| unusable(&error))?;
        Ok((AssignmentStore::open(state).map_err(|error| unusable(&error))?, ledger))
    }
}

/// Names and values as the query of a URL.
pub(in crate::cli) fn query(values: &[(&str, &str)]) -> String {
    let pair =
        |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    values.iter().map(pair).collect::<Vec<_>>().join("&")
}
