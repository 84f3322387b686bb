//! What an operator does on a page: forms of a session, with its token in them, from this very
//! site.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::header::{self, HeaderMap};
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::api;
use crate::audit::Change;
use crate::console::{Asked, Console};
use crate::page::{self, Part, sign_in};
use crate::sessions::{LASTS, Role, same};

/// What a form came to.
#[derive(Debug)]
pub(crate) enum Done {
    /// Another page, with a cookie to set.
    Go(String, Option<String>),
    /// A page that says what is wrong.
    Shown(Part),
}

/// A form that was sent.
#[derive(Debug)]
pub(crate) struct Form<'a> {
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) from: IpAddr,
    /// Whether the cookie may go over HTTPS alone.
    pub(crate) is_tls: bool,
}

/// Whether a request is a form of a page. Scripts show a token and send no form.
pub(crate) fn is_form(path: &str, headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("application/x-www-form-urlencoded")
        && !headers.contains_key(header::AUTHORIZATION)
        && (matches!(path, "/sign-in" | "/sign-out") || target(path).is_some())
}

/// The request of the API that a form stands for, and the role that it needs.
fn target(path: &str) -> Option<(Method, String, Role)> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["machines", mac, word @ ("approve" | "reject" | "forget")] => {
            Some((Method::POST, format!("/pending/{mac}/{word}"), Role::Operator))
        }
        ["machines", mac, "boot"] => {
            Some((Method::POST, format!("/api/machines/{mac}/boot"), Role::Operator))
        }
        ["machines", mac, "cancel"] => {
            Some((Method::DELETE, format!("/api/machines/{mac}/boot"), Role::Operator))
        }
        ["machines", mac, "assign"] => Some((Method::PUT, format!("/api/devices/{mac}"), Role::Operator)),
        ["images", name, "verify"] => Some((Method::POST, format!("/images/{name}/verify"), Role::Operator)),
        ["server", "reload"] => Some((Method::POST, "/reload".to_owned(), Role::Admin)),
        ["server", "rescan"] => Some((Method::POST, "/rescan".to_owned(), Role::Admin)),
        ["server", "release"] => Some((Method::POST, "/ledger/release".to_owned(), Role::Admin)),
        _ => None,
    }
}

/// The role that a request of the API needs: what takes something away, or changes the server, is
/// an administrator's.
pub(crate) fn role_of(method: &Method, path: &str) -> Role {
    let path = path.strip_prefix("/api").unwrap_or(path);
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match first {
        _ if method == Method::DELETE => Role::Admin,
        "backup" | "reload" | "rescan" | "ledger" | "sources" => Role::Admin,
        _ => Role::Operator,
    }
}

/// Does what a form asks for.
pub(crate) async fn act(console: &Arc<Console>, form: &Form<'_>, cookie: Option<&str>) -> Done {
    let operator = cookie.and_then(|cookie| console.sessions.operator(cookie, Instant::now()));
    let asked = Asked { path: form.path, operator: operator.clone(), ..Asked::default() };
    let refused = |status, cause: &str, cure: &str| {
        Done::Shown(page::problem(console, &asked, status, ("Not done", cause, cure)))
    };
    if !is_from_here(form.headers) {
        let cure = "Use the page of this server itself. Scripts send the token as `Authorization: Bearer`.";
        return refused(StatusCode::FORBIDDEN, "The request comes from a page of another site.", cure);
    }
    let Ok(text) = std::str::from_utf8(&form.body) else {
        return refused(StatusCode::BAD_REQUEST, "The form is not text.", "Load the page anew.");
    };
    let value = |name: &str| page::value(Some(text), name).unwrap_or_default();
    if form.path == "/sign-in" {
        return sign_in(console, form, &value);
    }
    let Some(operator) = operator else {
        return Done::Go(format!("/sign-in?to={}", page::encoded(&back(form.headers))), None);
    };
    if !same(&value("token"), &operator.form_token) {
        let cause = "The form does not belong to this session.";
        return refused(StatusCode::FORBIDDEN, cause, "Load the page anew, and try again.");
    }
    if form.path == "/sign-out" {
        cookie.inspect(|cookie| console.sessions.close(cookie));
        return Done::Go(
            "/".to_owned(),
            Some("netbootd=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict".to_owned()),
        );
    }
    let Some((method, target, role)) = target(form.path) else {
        return refused(StatusCode::NOT_FOUND, "There is nothing to do here.", "Go back.");
    };
    if let Some(reason) = console.refusal(Some(&operator), role) {
        return refused(StatusCode::FORBIDDEN, &reason, "Ask an operator who may.");
    }
    let from = form.from.to_string();
    let query = fields(form.path, &value);
    let whole = query.as_ref().map_or_else(|| target.clone(), |query| format!("{target}?{query}"));
    let change = Change::begin(&console.services, &operator.name, &from, (method.as_str(), &whole));
    let told = api::answer(&console.daemon, &method, &target, query.as_deref()).await;
    change.done(&console.services, told.status.as_u16()).await;
    let words = words(form.path, &told.body, told.status);
    cookie.inspect(|cookie| console.sessions.say(cookie, words));
    if let Some(mac) = form.path.split('/').nth(2).and_then(|mac| mac.parse().ok()) {
        console.board.touch(&console.services, mac);
    }
    let to = back(form.headers);
    // Back from the page that asked to the one that shows.
    let asks = ["/approve", "/boot", "/assign", "/reload"].into_iter().find_map(|end| to.strip_suffix(end));
    let to = match asks {
        Some(_) if to.ends_with("/approve") => "/".to_owned(),
        Some(machine) => machine.to_owned(),
        None => to,
    };
    Done::Go(to, None)
}

/// What a form says, as the API's query.
fn fields(path: &str, value: &impl Fn(&str) -> String) -> Option<String> {
    let pair = |name: &str, value: String| format!("{name}={}", page::encoded(&value));
    if path.ends_with("/assign") {
        let names = ["name", "boot", "tags", "note"];
        return Some(names.map(|name| pair(name, value(name))).join("&"));
    }
    if !path.ends_with("/boot") {
        return None;
    }
    let target = match value("kind").as_str() {
        "image" => pair("image", value("image")),
        "file" => pair("file", value("file")),
        _ => "target=disk".to_owned(),
    };
    let lasts = match value("lasts").as_str() {
        "always" => "always=true".to_owned(),
        "until" => pair("until", value("until")),
        _ => "once=true".to_owned(),
    };
    Some(format!("{target}&{lasts}"))
}

fn sign_in(console: &Arc<Console>, form: &Form<'_>, value: &impl Fn(&str) -> String) -> Done {
    let to = Some(value("to")).filter(|to| sign_in::is_own(to)).unwrap_or_else(|| "/".to_owned());
    let query = format!("to={}", page::encoded(&to));
    let asked = Asked { path: "/sign-in", query: Some(&query), ..Asked::default() };
    let now = Instant::now();
    if !console.sessions.may_try(form.from, now) {
        let words = "Five wrong tokens came from your address: wait a minute.";
        return Done::Shown(sign_in::page(console, &asked, Some(words)));
    }
    let Some((name, role)) = console.operator_of(value("secret").trim()) else {
        console.sessions.note_wrong(form.from, now);
        tracing::warn!(from = %form.from, "a wrong token on the sign-in page");
        return Done::Shown(sign_in::page(console, &asked, Some("That is not a token of this server.")));
    };
    let Some(cookie) = console.sessions.open(&name, role, now) else {
        return Done::Shown(sign_in::page(console, &asked, Some("The system gives no random numbers.")));
    };
    let secure = if form.is_tls { "; Secure" } else { "" };
    let seconds = LASTS.as_secs();
    let cookie = format!("netbootd={cookie}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    Done::Go(to, Some(cookie))
}

/// Whether a browser sent it from a page of this server. Browsers say so in one header or the
/// other.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site"))
        && site != "same-origin"
    {
        return false;
    }
    let host = text(header::HOST).and_then(|host| host.parse::<Authority>().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    match (origin.and_then(|origin| origin.parse::<Authority>().ok()), host) {
        (Some(origin), Some(host)) => origin == host,
        // Some browsers send no Origin with a form of the same site, and all of them say what site
        // it is.
        (None, _) => headers.get(header::ORIGIN).is_none() && headers.contains_key("sec-fetch-site"),
        _ => false,
    }
}

/// The page that the form stands on.
fn back(headers: &HeaderMap) -> String {
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let path =
        referer.split_once("://").and_then(|(_, rest)| rest.find('/').map(|place| rest[place..].to_owned()));
    path.filter(|path| sign_in::is_own(path)).unwrap_or_else(|| "/".to_owned())
}

/// The result in words.
fn words(path: &str, body: &str, status: StatusCode) -> String {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let told = json["error"].as_str().or(json["words"].as_str()).or(json.as_str()).map(str::to_owned);
    let about = path.split('/').nth(2).unwrap_or_default();
    let about = page::decoded(about);
    let word = path.rsplit('/').next().unwrap_or_default();
    let done = match word {
        "approve" => format!("{about} is approved."),
        "reject" => format!("{about} is rejected."),
        "forget" => format!("{about} waits again."),
        "boot" => format!("{about} boots that next."),
        "cancel" => format!("{about} boots what the rules say."),
        "assign" => format!("{about} is registered."),
        "verify" => format!("{about} was read."),
        "reload" => "The configuration was reloaded.".to_owned(),
        "release" => "The brake is released.".to_owned(),
        _ => "Done.".to_owned(),
    };
    let warnings = json["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let warnings = warnings.collect::<Vec<_>>().join(" ");
    let told = told.or_else(|| (!warnings.is_empty()).then_some(warnings));
    match (status.is_success(), told) {
        (true, Some(told)) => format!("{done} {told}"),
        (true, None) => done,
        (false, told) => format!("{word} {about} failed: {}", told.unwrap_or_else(|| status.to_string())),
    }
}
