//! One verb for many machines: `POST /api/machines`.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use netbootd_server::daemon::Daemon;
use netbootd_server::devices;
use netbootd_server::services::Services;
use netbootd_state::assignments::{DeviceUpdate, NotChanged};
use netbootd_state::ledger::now;
use pxe_policy::{InvalidMac, MacAddr};
use serde::Serialize;
use thiserror::Error;

use super::devices::words;
use super::{ApiResponse, asked_for, json, problem, values};

/// The result of a change of several machines.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    /// Machines for which it was done.
    done: usize,
    /// Machines for which it failed, each with its error.
    failed: Vec<Failed>,
    /// The same in words.
    words: String,
}

#[derive(Debug, Serialize)]
struct Failed {
    mac: String,
    error: String,
}

/// Why it was not done for a machine.
#[derive(Debug, Error)]
enum Refused {
    #[error(transparent)]
    Device(#[from] NotChanged),
    #[error("cannot write the state")]
    NotSaved,
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    /// Approve or reject; None forgets what was said.
    Say(Option<bool>),
    Tag,
    /// Assign a boot; an empty one leaves it to the rules.
    Assign,
}

impl Verb {
    fn from_word(word: &str) -> Option<(Self, &'static str)> {
        Some(match word {
            "approve" => (Verb::Say(Some(true)), "approved"),
            "reject" => (Verb::Say(Some(false)), "rejected"),
            "forget" => (Verb::Say(None), "undecided again"),
            "tag" => (Verb::Tag, "tagged"),
            "assign" => (Verb::Assign, "assigned"),
            _ => return None,
        })
    }
}

/// Answers a request; None for a path that is another's.
pub(super) async fn answer(
    daemon: &Arc<Daemon>,
    method: &Method,
    parts: &[&str],
    query: Option<&str>,
) -> Option<ApiResponse> {
    let ("POST", ["machines"]) = (method.as_str(), parts) else { return None };
    let word = asked_for(query, "action").unwrap_or_default();
    let Some((verb, past)) = Verb::from_word(&word) else {
        let error = "action is approve, reject, forget, tag or assign".to_owned();
        return Some(problem(StatusCode::BAD_REQUEST, error));
    };
    let macs = values(query, "mac").into_iter().map(|mac| mac.parse());
    let macs = match macs.take(MOST + 1).collect::<Result<Vec<MacAddr>, InvalidMac>>() {
        Ok(macs) => macs,
        Err(error) => return Some(problem(StatusCode::BAD_REQUEST, error.to_string())),
    };
    if macs.is_empty() || macs.len() > MOST {
        let error = format!("name 1 to {MOST} machines, each as mac=");
        return Some(problem(StatusCode::BAD_REQUEST, error));
    }
    let value = asked_for(query, "value").unwrap_or_default();
    let mut outcome = Outcome::default();
    for mac in macs {
        match act(&daemon.services, mac, verb, &value).await {
            Ok(()) => outcome.done += 1,
            Err(error) => outcome.failed.push(Failed { mac: mac.to_string(), error: error.to_string() }),
        }
    }
    let plural = if outcome.done == 1 { "machine is" } else { "machines are" };
    outcome.words = format!("{} {plural} {past}.", outcome.done);
    if let Some(first) = outcome.failed.first() {
        outcome.words += &format!(" {} failed: {}", outcome.failed.len(), first.error);
    }
    Some(json(&outcome))
}

async fn act(services: &Services, mac: MacAddr, verb: Verb, value: &str) -> Result<(), Refused> {
    let update = match verb {
        Verb::Say(said) => {
            let kept = services.approvals.say(mac, said, now()).await;
            return if kept { Ok(()) } else { Err(Refused::NotSaved) };
        }
        Verb::Tag => {
            let mut tags = devices::view(services, mac).map(|device| device.tags).unwrap_or_default();
            tags.extend(words(value));
            tags.sort();
            tags.dedup();
            DeviceUpdate { tags: Some(tags), ..DeviceUpdate::default() }
        }
        Verb::Assign => {
            let target = Some(value.trim()).filter(|text| !text.is_empty());
            let boot = Some(target.map(|text| devices::target(services, text)));
            DeviceUpdate { boot, ..DeviceUpdate::default() }
        }
    };
    devices::update(services, mac, update).await?;
    Ok(())
}

/// Machines of one request.
const MOST: usize = 1000;
