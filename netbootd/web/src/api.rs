//! The API of a running netbootd: HTTP requests of operators, and JSON answers. The answers are the
//! same on every socket.

mod devices;
pub mod document;
mod images;
mod machines;
pub mod metrics;
mod server;
mod uploads;
pub mod views;

use std::io;
use std::net::AddrParseError;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use bsdp::Binding;
use bytes::Bytes;
use hyper::{Method, StatusCode};
use netbootd_net::with_causes;
use netbootd_server::daemon::Daemon;
use netbootd_server::explain::{AskedAs, explained, explained_as, request, stages};
use netbootd_server::services::Services;
use netbootd_state::file::COPY_FOLDER;
use netbootd_state::history::History;
use netbootd_state::ledger::{LedgerView, Which, now};
use netbootd_telemetry::timeline::MAX_NUMBER;
use pxe_policy::{BootRequest, InvalidMac, InvalidUuid, MacAddr, UnknownArch, UnknownClass};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::form::{decoded, pairs};
pub(crate) use images::ImageDetails;
pub(crate) use uploads::LARGEST_PIECE;

/// The answer to a request of an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiResponse {
    /// The status of the answer.
    pub status: StatusCode,
    /// The answer's text of JSON.
    pub body: String,
    /// The methods that would do something, after one that does nothing.
    pub allow: Option<String>,
}

/// One Mac's selected image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingView {
    /// The Mac's hardware address.
    pub mac: String,
    /// The Mac's model identifier, such as `Macmini7,1`.
    pub model: String,
    /// The image's id, eight hex digits.
    pub image: String,
    /// Its number among the Macs of this server.
    pub number: u32,
    /// When it chose, in seconds since 1970.
    pub at: u64,
}

impl From<&Binding> for BindingView {
    fn from(binding: &Binding) -> Self {
        BindingView {
            mac: MacAddr(binding.mac).to_string(),
            model: binding.model.clone(),
            image: binding.image.to_string(),
            number: binding.number,
            at: binding.at,
        }
    }
}

/// Something that went wrong, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The error in words.
    pub error: String,
}

/// Copies the state for `netbootd backup`, which packs the copy.
async fn backup(services: &Arc<Services>) -> ApiResponse {
    let state = Arc::clone(&services.state);
    let copied = tokio::task::spawn_blocking(move || state.copy_to(&state.folder().join(COPY_FOLDER)));
    match copied.await {
        Ok(Ok(())) => json(&()),
        Ok(Err(error)) => problem(StatusCode::INTERNAL_SERVER_ERROR, with_causes(&error)),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Answers one request. Only pieces of uploads have a body.
pub async fn answer(
    daemon: &Arc<Daemon>,
    method: &Method,
    (path, query): (&str, Option<&str>),
    body: Bytes,
) -> ApiResponse {
    let services = &daemon.services;
    let decoded: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let method = if method == Method::HEAD { &Method::GET } else { method };
    if let ["api", rest @ ..] = parts.as_slice() {
        if let Some(response) = devices::answer(services, method, rest, query).await {
            return response;
        }
        if let Some(response) = images::answer(daemon, method, rest, query).await {
            return response;
        }
        if let Some(response) = uploads::answer(daemon, method, rest, query, body).await {
            return response;
        }
        if let Some(response) = machines::answer(daemon, method, rest, query).await {
            return response;
        }
        if let Some(response) = server::answer(daemon, method, rest, query).await {
            return response;
        }
    }
    // The same under /api and, for one release more, without it.
    let whole = parts.as_slice();
    let parts = if let ["api", rest @ ..] = whole { rest } else { whole };
    match (method.as_str(), parts) {
        ("GET", ["healthz" | "readyz"]) => json(&"ok"),
        ("GET", ["status"]) => json(&views::status(daemon)),
        ("GET", ["sandbox" | "confinement"]) => json(&daemon.sandboxed),
        ("GET", ["devices" | "machines"]) => recently_seen(services, query),
        ("GET", ["devices" | "machines", mac]) => match mac.parse().map(|mac| views::timeline(services, mac))
        {
            Ok(Some(timeline)) => json(&timeline),
            Ok(None) => problem(StatusCode::NOT_FOUND, format!("{mac} was not seen recently")),
            Err(error) => problem(StatusCode::BAD_REQUEST, error.to_string()),
        },
        ("GET", ["devices" | "machines", mac, "history"]) => match mac.parse::<MacAddr>() {
            Ok(mac) => history(daemon, move |history, now| history.steps(mac, now)).await,
            Err(error) => problem(StatusCode::BAD_REQUEST, error.to_string()),
        },
        ("GET", ["history"]) => {
            let search = asked_for(query, "search").unwrap_or_default();
            history(daemon, move |history, now| history.search(&search, views::MAX_LISTED, now)).await
        }
        ("GET", ["transfers"]) => json(&views::transfers(services)),
        ("GET", ["images"]) => json(&services.snapshot.load().files.images()),
        ("POST", ["images", name, "verify"]) => images::verify(daemon, name).await,
        ("POST", ["sources", "retry"]) => json(&services.content.ingests.retry()),
        ("GET", ["bindings"]) => {
            let bindings =
                services.netboot.as_ref().map(|netboot| netboot.bindings().list()).unwrap_or_default();
            json(&bindings.iter().map(BindingView::from).collect::<Vec<_>>())
        }
        ("DELETE", ["bindings", mac]) => forget(services, mac).await,
        ("GET", ["pending"]) => json(&services.approvals.list()),
        ("POST", ["pending", mac, word @ ("approve" | "reject" | "forget")]) => match mac.parse() {
            Ok(mac) => {
                let said = (*word != "forget").then_some(*word == "approve");
                let note = views::note_on_approval(services, mac, said);
                match services.approvals.say(mac, said, now()).await {
                    true => json(&note),
                    false => problem(StatusCode::INTERNAL_SERVER_ERROR, "cannot write the state".to_owned()),
                }
            }
            Err(error) => problem(StatusCode::BAD_REQUEST, format!("{error}")),
        },
        ("GET", ["ledger"]) => {
            json(&services.ledger.with(|ledger| ledger.entries().map(LedgerView::from).collect::<Vec<_>>()))
        }
        ("POST", ["ledger", "release"]) => match services.ledger.release(now()).await {
            true => json(&()),
            false => problem(StatusCode::INTERNAL_SERVER_ERROR, "cannot write the state".to_owned()),
        },
        ("DELETE", ["ledger", mac, deployment]) => clear(services, mac, deployment).await,
        ("DELETE", ["answers", mac]) => match mac.parse() {
            Ok(mac) => json(&services.snapshot.load().directories.forget(mac)),
            Err(error) => problem(StatusCode::BAD_REQUEST, format!("{error}")),
        },
        ("GET", ["explain", mac, uuid, arch, class]) => match asked(mac, uuid, arch, class) {
            Ok(request) => json(&explained(services, &daemon.source, &request).await),
            Err(error) => problem(StatusCode::BAD_REQUEST, error.to_string()),
        },
        ("GET", ["explain", mac]) => match asked_as(mac, query) {
            Ok((mac, asked_as)) => json(&explained_as(services, &daemon.source, mac, &asked_as).await),
            Err(error) => problem(StatusCode::BAD_REQUEST, error.to_string()),
        },
        ("GET", ["machines", mac, "chain"]) => match asked_as(mac, query) {
            Ok((mac, asked_as)) => json(&stages(services, &daemon.source, mac, &asked_as).await),
            Err(error) => problem(StatusCode::BAD_REQUEST, error.to_string()),
        },
        ("POST", ["backup"]) => backup(services).await,
        ("POST", ["rescan"]) => {
            let scanned = Arc::clone(services);
            let scanned = tokio::task::spawn_blocking(move || {
                if let Some(netboot) = &scanned.netboot {
                    netboot.rescan(&scanned);
                }
            });
            match scanned.await {
                Ok(()) => json(&()),
                Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            }
        }
        ("POST", ["reload"]) => match daemon.reloads.ask().await {
            Ok(warnings) => json(&warnings),
            Err(error) => problem(StatusCode::UNPROCESSABLE_ENTITY, with_causes(&error)),
        },
        (name, parts) => match document::methods_of(whole).or_else(|| document::methods_of(parts)) {
            Some(methods) if !methods.split(", ").any(|known| known == name) => ApiResponse {
                allow: Some(methods),
                ..problem(StatusCode::METHOD_NOT_ALLOWED, format!("{method} does nothing here"))
            },
            _ => problem(StatusCode::NOT_FOUND, format!("there is no {}", path.escape_debug())),
        },
    }
}

/// Every value of a name in the query, percent-decoded.
fn values(query: Option<&str>, name: &str) -> Vec<String> {
    pairs(query).filter(|(known, _)| known == name).map(|(_, value)| value).collect()
}

/// A value of the query, percent-decoded.
pub fn asked_for(query: Option<&str>, name: &str) -> Option<String> {
    pairs(query).find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The machines with a word, or the one whose screen shows a number.
fn recently_seen(services: &Services, query: Option<&str>) -> ApiResponse {
    let limit = asked_for(query, "limit").map_or(Ok(USUAL), |limit| limit.parse::<usize>());
    let Ok(limit @ ..=views::MAX_LISTED) = limit else {
        return problem(StatusCode::BAD_REQUEST, format!("limit is a number up to {}", views::MAX_LISTED));
    };
    let search = match asked_for(query, "boot").map(|boot| boot.parse::<u32>()) {
        None => asked_for(query, "search").unwrap_or_default(),
        Some(Ok(number @ 1..=MAX_NUMBER)) => match services.timelines.with_number(number) {
            Some(mac) => mac.to_string(),
            None => return json(&Vec::<views::DeviceView>::new()),
        },
        Some(_) => return problem(StatusCode::BAD_REQUEST, format!("boot is a number up to {MAX_NUMBER}")),
    };
    json(&views::devices(services, &search, limit))
}

/// The invalid field of a question about a machine.
#[derive(Debug, Error)]
pub(crate) enum InvalidQuery {
    #[error(transparent)]
    Mac(#[from] InvalidMac),
    #[error(transparent)]
    Uuid(#[from] InvalidUuid),
    #[error(transparent)]
    Arch(#[from] UnknownArch),
    #[error(transparent)]
    Class(#[from] UnknownClass),
    #[error("relay: {0}")]
    Relay(#[from] AddrParseError),
}

fn asked(mac: &str, uuid: &str, arch: &str, class: &str) -> Result<BootRequest, InvalidQuery> {
    let uuid = if uuid == "none" { None } else { Some(uuid.parse()?) };
    Ok(request(mac.parse()?, uuid, arch.parse()?, class.parse()?))
}

/// The machine, and what the query says of its request.
pub(crate) fn asked_as(mac: &str, query: Option<&str>) -> Result<(MacAddr, AskedAs), InvalidQuery> {
    fn value<T: FromStr>(query: Option<&str>, name: &str) -> Result<Option<T>, T::Err> {
        asked_for(query, name).map(|text| text.parse()).transpose()
    }
    let asked_as = AskedAs {
        uuid: value(query, "uuid")?,
        arch: value(query, "arch")?,
        class: value(query, "class")?,
        iface: asked_for(query, "iface"),
        relay: value(query, "relay")?,
    };
    Ok((mac.parse()?, asked_as))
}

/// Steps of the last days. Reads the disk.
async fn history(
    daemon: &Arc<Daemon>,
    read: impl FnOnce(&History, SystemTime) -> io::Result<Vec<Value>> + Send + 'static,
) -> ApiResponse {
    let asked = Arc::clone(daemon);
    let turn = daemon.history.turn().await;
    let read = tokio::task::spawn_blocking(move || {
        // Held until it is done, though the client may have left.
        let _turn = turn;
        read(&asked.history, SystemTime::now())
    });
    match read.await {
        Ok(Ok(steps)) => json(&steps),
        Ok(Err(error)) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn clear(services: &Services, mac: &str, deployment: &str) -> ApiResponse {
    let some = |text: &str| (text != "any").then(|| text.to_owned());
    let mac = match some(mac).map(|mac| mac.parse::<MacAddr>()).transpose() {
        Ok(mac) => mac,
        Err(error) => return problem(StatusCode::BAD_REQUEST, error.to_string()),
    };
    match services.ledger.clear(&Which { mac, deployment: some(deployment) }).await {
        Some(cleared) => json(&cleared),
        None => problem(StatusCode::INTERNAL_SERVER_ERROR, "cannot write the state".to_owned()),
    }
}

async fn forget(services: &Services, mac: &str) -> ApiResponse {
    let Ok(mac) = mac.parse::<MacAddr>() else {
        return problem(StatusCode::BAD_REQUEST, format!("{} is no hardware address", mac.escape_debug()));
    };
    let Some(netboot) = &services.netboot else {
        return problem(StatusCode::NOT_FOUND, "Macs are not served".to_owned());
    };
    match netboot.bindings().forget(mac).await {
        Some(true) => json(&()),
        Some(false) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the disk has not forgotten it".to_owned()),
        None => problem(StatusCode::NOT_FOUND, format!("{mac} has chosen no image here")),
    }
}

fn json(value: &impl Serialize) -> ApiResponse {
    let body = serde_json::to_string(value).unwrap_or_default(); // plain structs always have a JSON form
    ApiResponse { status: StatusCode::OK, body, allow: None }
}

fn problem(status: StatusCode, error: String) -> ApiResponse {
    ApiResponse { status, ..json(&Problem { error }) }
}

/// Machines in one list, unless more or fewer are asked for.
const USUAL: usize = 100;

#[cfg(test)]
mod tests;
