//! Registered devices, and what each of them boots: the verbs below `/api/`.

use hyper::{Method, StatusCode};
use netbootd_server::devices::{self, Changed};
use netbootd_server::services::Services;
use netbootd_state::assignments::{DeviceUpdate, NotChanged};
use netbootd_state::ledger::now;
use pxe_policy::{InvalidMac, InvalidMoment, InvalidUuid, MacAddr, Target, moment};
use thiserror::Error;

use super::{ApiResponse, asked_for, json, problem};

/// Answers a request; None for a path that is another's.
pub(super) async fn answer(
    services: &Services,
    method: &Method,
    parts: &[&str],
    query: Option<&str>,
) -> Option<ApiResponse> {
    let answered = match (method.as_str(), parts) {
        ("GET", ["devices"]) => Ok(json(&devices::list(services))),
        ("GET", ["devices", mac]) => one(services, mac),
        ("PUT", ["devices", mac]) => put(services, mac, query).await,
        ("DELETE", ["devices", mac]) => remove(services, mac).await,
        ("POST", ["machines", mac, "boot"]) => boot(services, mac, query).await,
        ("DELETE", ["machines", mac, "boot"]) => cancel(services, mac).await,
        _ => return None,
    };
    Some(answered.unwrap_or_else(|error| problem(error.status(), error.to_string())))
}

/// Why a device stays as it is.
#[derive(Debug, Error)]
enum Denied {
    #[error(transparent)]
    Mac(#[from] InvalidMac),
    #[error(transparent)]
    Guid(#[from] InvalidUuid),
    #[error(transparent)]
    Moment(#[from] InvalidMoment),
    #[error(transparent)]
    Device(#[from] NotChanged),
    #[error("{name} is true or false, not {text:?}")]
    NotBoolean { name: &'static str, text: String },
    #[error("name what the machine boots: target=disk, target=IMAGE or target=FILE")]
    NoTarget,
    #[error("always and once exclude each other, and so do always and until")]
    Exclusive,
}

impl Denied {
    fn status(&self) -> StatusCode {
        match self {
            Denied::Device(NotChanged::NotSaved) => StatusCode::INTERNAL_SERVER_ERROR,
            Denied::Device(NotChanged::Away) => StatusCode::SERVICE_UNAVAILABLE,
            Denied::Device(NotChanged::TooMany) => StatusCode::INSUFFICIENT_STORAGE,
            Denied::Exclusive => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

fn one(services: &Services, mac: &str) -> Result<ApiResponse, Denied> {
    let mac: MacAddr = mac.parse()?;
    Ok(devices::view(services, mac).map_or_else(|| not_there(mac), |device| json(&device)))
}

async fn remove(services: &Services, mac: &str) -> Result<ApiResponse, Denied> {
    let mac: MacAddr = mac.parse()?;
    Ok(match devices::remove(services, mac).await? {
        true => json(&serde_json::json!({ "removed": mac.to_string() })),
        false => not_there(mac),
    })
}

async fn put(services: &Services, mac: &str, query: Option<&str>) -> Result<ApiResponse, Denied> {
    let value = |name| asked_for(query, name);
    let guid = match value("guid").as_deref().map(str::trim) {
        None => None,
        Some("") => Some(None),
        Some(text) => Some(Some(text.parse()?)),
    };
    let boot = value("boot").map(|text| match text.trim() {
        "" => None,
        text => Some(devices::target(services, text)),
    });
    let update = DeviceUpdate {
        guid,
        name: value("name"),
        tags: value("tags").map(|text| words(&text)),
        note: value("note"),
        boot,
    };
    Ok(json(&devices::update(services, mac.parse()?, update).await?))
}

async fn boot(services: &Services, mac: &str, query: Option<&str>) -> Result<ApiResponse, Denied> {
    let mac: MacAddr = mac.parse()?;
    let target = target(services, query).ok_or(Denied::NoTarget)?;
    let (always, once) = (is_set(query, "always")?, is_set(query, "once")?);
    let until = asked_for(query, "until").filter(|text| !text.trim().is_empty());
    let until = until.map(|text| moment(&text, now())).transpose()?;
    let changed: Changed = match (always, once, until) {
        (true, false, None) => {
            let boot = Some(Some(target));
            devices::update(services, mac, DeviceUpdate { boot, ..DeviceUpdate::default() }).await?
        }
        (true, ..) => return Err(Denied::Exclusive),
        (false, once, until) => {
            devices::boot_next(services, mac, target, devices::lasts(once, until)).await?
        }
    };
    Ok(json(&changed))
}

async fn cancel(services: &Services, mac: &str) -> Result<ApiResponse, Denied> {
    let mac: MacAddr = mac.parse()?;
    Ok(match devices::cancel(services, mac).await? {
        Some(changed) => json(&changed),
        None => problem(StatusCode::NOT_FOUND, format!("{mac} is to boot nothing special next")),
    })
}

/// The target for the machine: `image=`, `file=`, or `target=` with either of them or `disk`.
fn target(services: &Services, query: Option<&str>) -> Option<Target> {
    let value = |name| asked_for(query, name).filter(|text| !text.trim().is_empty());
    let image = value("image").map(Target::Image);
    let file = || value("file").map(Target::File);
    image.or_else(file).or_else(|| value("target").map(|text| devices::target(services, &text)))
}

fn is_set(query: Option<&str>, name: &'static str) -> Result<bool, Denied> {
    match asked_for(query, name).as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1" | "") => Ok(true),
        Some(text) => Err(Denied::NotBoolean { name, text: text.chars().take(40).collect() }),
    }
}

pub(super) fn words(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn not_there(mac: MacAddr) -> ApiResponse {
    problem(StatusCode::NOT_FOUND, format!("{mac} is no registered device"))
}
