//! Operators' actions on a page: forms of a session, with its token in them, from this very site.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::header::{self, HeaderMap};
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode};
use netbootd_content::menu::{MENU, ORDER, TITLE};
use pxe_policy::{Approval, MacAddr};
use serde_json::Value;

use crate::api;
use crate::audit::Change;
use crate::console::{Asked, Console, Credentials};
use crate::page::{self, Part, sign_in};
use crate::proxied::Client;
use crate::sessions::{LASTS, Role, same};

/// The header in which a page's script sends the token of its session's forms.
const FORM_TOKEN: &str = "x-netbootd-form-token";

/// The result of a form.
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
    pub(crate) client: Client,
    pub(crate) credentials: Credentials<'a>,
}

/// Whether a request is a form of a page. Scripts show a token and send no form.
pub(crate) fn is_form(path: &str, headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("application/x-www-form-urlencoded")
        && bearer(headers).is_none()
        && (matches!(path, "/sign-in" | "/sign-out") || target(path).is_some())
}

/// The request of the API that a form stands for, and the role that it needs.
fn target(path: &str) -> Option<(Method, String, Role)> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (method, target, role) = match parts.as_slice() {
        ["machines", "act"] => (Method::POST, "/api/machines".to_owned(), Role::Operator),
        ["machines", mac, word @ ("approve" | "reject" | "forget")] => {
            (Method::POST, format!("/pending/{mac}/{word}"), Role::Operator)
        }
        ["machines", mac, "boot"] => (Method::POST, format!("/api/machines/{mac}/boot"), Role::Operator),
        ["machines", mac, "cancel"] => (Method::DELETE, format!("/api/machines/{mac}/boot"), Role::Operator),
        ["machines", mac, "assign"] => (Method::PUT, format!("/api/devices/{mac}"), Role::Operator),
        ["images", name, "verify"] => (Method::POST, format!("/images/{name}/verify"), Role::Operator),
        ["images", name, "tag"] => (Method::POST, format!("/api/images/{name}/tag"), Role::Operator),
        ["images", name, "remove"] => (Method::DELETE, format!("/api/images/{name}"), Role::Admin),
        ["uploads", id, "finish"] => (Method::POST, format!("/api/uploads/{id}/finish"), Role::Operator),
        ["uploads", id, "remove"] => (Method::DELETE, format!("/api/uploads/{id}"), Role::Operator),
        ["wall"] => (Method::PUT, "/api/deployment-day".to_owned(), Role::Operator),
        ["server", "reload"] => (Method::POST, "/reload".to_owned(), Role::Admin),
        ["server", "rescan"] => (Method::POST, "/rescan".to_owned(), Role::Admin),
        ["server", "release"] => (Method::POST, "/ledger/release".to_owned(), Role::Admin),
        ["server", "ledger", mac, deployment, "clear"] => {
            (Method::DELETE, format!("/ledger/{mac}/{deployment}"), Role::Admin)
        }
        ["server", "bindings", mac, "forget"] => (Method::DELETE, format!("/bindings/{mac}"), Role::Admin),
        _ => return None,
    };
    Some((method, target, role))
}

/// The role that a request of the API needs: what takes something away, or changes the server, is
/// an administrator's.
pub(crate) fn role_of(method: &Method, path: &str) -> Role {
    let path = path.strip_prefix("/api").unwrap_or(path);
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match first {
        // An operator takes back what an operator did.
        "uploads" => Role::Operator,
        "machines" => Role::Operator,
        _ if method == Method::DELETE => Role::Admin,
        "backup" | "reload" | "rescan" | "ledger" | "sources" | "site" => Role::Admin,
        _ => Role::Operator,
    }
}

/// The token that a script shows (RFC 9110 §11.1: the scheme in any case). A proxy that signs
/// operators in may pass their own `Basic` on.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// Does what a form asks for.
pub(crate) async fn act(console: &Arc<Console>, form: &Form<'_>) -> Done {
    let operator = console.signed_in(form.credentials);
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
        return sign_in(console, form, &value).await;
    }
    let Some(operator) = operator else {
        return Done::Go(format!("/sign-in?to={}", page::encoded(&back(form.headers))), None);
    };
    if !same(&value("token"), &operator.form_token) {
        let cause = "The form does not belong to this session.";
        return refused(StatusCode::FORBIDDEN, cause, "Load the page anew, and try again.");
    }
    if form.path == "/sign-out" {
        form.credentials.cookie.inspect(|cookie| console.sessions.close(cookie));
        console.save_sessions().await;
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
    if form.path == "/machines/act" && value("confirm") != "yes" {
        return Done::Shown(page::bulk::confirm(console, &asked, text, &back(form.headers)));
    }
    let from = form.client.addr.to_string();
    let query = fields(form.path, text);
    let whole = query.as_ref().map_or_else(|| target.clone(), |query| format!("{target}?{query}"));
    let mac = form.path.split('/').nth(2).and_then(|mac| mac.parse::<MacAddr>().ok());
    let before = mac.map(|mac| console.services.approvals.get(mac));
    let change = Change::begin(&console.services, &operator.name, &from, (method.as_str(), &whole));
    let path = (target.as_str(), query.as_deref());
    let told = api::answer(&console.daemon, &method, path, Bytes::new()).await;
    change.done(&console.services, told.status.as_u16()).await;
    let mut words = words(form.path, &told.body, told.status);
    if form.path.ends_with("/approve") && before == Some(Approval::Approved) {
        // Another operator was faster.
        words = words.replace(" is approved.", " was approved already.");
    }
    console.sessions.say(&operator.key, words);
    let chosen = page::pairs(Some(text)).filter(|(name, _)| name == "mac");
    let touched: Vec<MacAddr> = chosen.filter_map(|(_, mac)| mac.parse().ok()).chain(mac).collect();
    if !touched.is_empty() {
        console.board.touch(&console.services, &touched);
    }
    Done::Go(shows_result(form, text), None)
}

/// The page that shows what came of a form: the one that it stands on, or the one behind a
/// question.
fn shows_result(form: &Form<'_>, text: &str) -> String {
    let to = back(form.headers);
    let parts: Vec<&str> = form.path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["machines", _, "approve"] if to.ends_with("/approve") => "/".to_owned(),
        ["machines", mac, "boot" | "assign"] => format!("/machines/{mac}"),
        ["images", name, "remove"] if page::value(Some(text), "version").is_some() => {
            format!("/images/{name}")
        }
        ["images", _, "remove"] => "/images".to_owned(),
        ["machines", "act"] => {
            let to = page::value(Some(text), "to").filter(|to| sign_in::is_own(to));
            to.unwrap_or_else(|| "/machines".to_owned())
        }
        ["server", "reload"] => "/server".to_owned(),
        ["wall"] => "/wall".to_owned(),
        _ => to,
    }
}

/// The fields of a form, as the API's query.
fn fields(path: &str, text: &str) -> Option<String> {
    let value = |name: &str| page::value(Some(text), name).unwrap_or_default();
    let pair = |name: &str, value: String| format!("{name}={}", page::encoded(&value));
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["machines", _, "assign"] => {
            let names = ["name", "boot", "tags", "note"];
            Some(names.map(|name| pair(name, value(name))).join("&"))
        }
        ["machines", "act"] => {
            let sent = page::pairs(Some(text));
            let sent = sent.filter(|(name, _)| matches!(name.as_str(), "action" | "mac" | "value"));
            Some(sent.map(|(name, value)| pair(&name, value)).collect::<Vec<_>>().join("&"))
        }
        ["images", _, "tag"] if value("menu").is_empty() => Some(pair("version", value("version"))),
        ["images", _, "tag"] => {
            let hidden = if value("hidden").is_empty() { "" } else { "hidden" };
            let labels = [(TITLE, value("title")), (ORDER, value("order")), (MENU, hidden.to_owned())];
            let labels = labels.map(|(key, value)| pair("label", format!("{key}={}", value.trim())));
            Some(labels.join("&"))
        }
        ["images", _, "remove"] => Some(pair("version", value("version"))),
        ["wall"] => Some(pair("machines", value("machines"))),
        ["machines", _, "boot"] => {
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
        _ => None,
    }
}

async fn sign_in(console: &Arc<Console>, form: &Form<'_>, value: &impl Fn(&str) -> String) -> Done {
    let to = Some(value("to")).filter(|to| sign_in::is_own(to)).unwrap_or_else(|| "/".to_owned());
    let query = format!("to={}", page::encoded(&to));
    let asked = Asked { path: "/sign-in", query: Some(&query), ..Asked::default() };
    let now = Instant::now();
    if !console.sessions.may_try(form.client.addr, now) {
        let words = "Five wrong tokens came from your address: wait a minute.";
        return Done::Shown(sign_in::page(console, &asked, Some(words)));
    }
    let secret = value("secret");
    let secret = secret.trim();
    let Some((name, _)) = console.operator_of(secret) else {
        console.sessions.note_wrong(form.client.addr, now);
        tracing::warn!(from = %form.client.addr, "a wrong token on the sign-in page");
        return Done::Shown(sign_in::page(console, &asked, Some("That is not a token of this server.")));
    };
    let Some(cookie) = console.sessions.open(&name, secret, now) else {
        return Done::Shown(sign_in::page(console, &asked, Some("The system gives no random numbers.")));
    };
    console.save_sessions().await;
    let secure = if form.client.is_tls { "; Secure" } else { "" };
    let seconds = LASTS.as_secs();
    let cookie = format!("netbootd={cookie}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    Done::Go(to, Some(cookie))
}

/// The operator of a page's own script, which sends the session's cookie, if there is one, and in a
/// header what every form of the session carries.
pub(crate) fn operator_of_script(
    console: &Console,
    headers: &HeaderMap,
    credentials: Credentials<'_>,
) -> Option<(String, Role)> {
    let sent = headers.get(FORM_TOKEN).and_then(|value| value.to_str().ok())?;
    let operator = console.signed_in(credentials)?;
    (is_from_here(headers) && same(sent, &operator.form_token)).then_some((operator.name, operator.role))
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
    let told = json["error"].as_str().or(json["words"].as_str()).or(json.as_str());
    let told = told.filter(|words| !words.is_empty()).map(str::to_owned);
    let about = page::decoded(path.split('/').nth(2).unwrap_or_default());
    let word = path.rsplit('/').next().unwrap_or_default();
    let done = match word {
        "approve" => format!("{about} is approved."),
        "reject" => format!("{about} is rejected."),
        "forget" if path.starts_with("/machines/") => format!("{about} waits again."),
        "forget" => "Its choice is forgotten.".to_owned(),
        "boot" => format!("{about} boots that next."),
        "cancel" => format!("{about} boots what the rules say."),
        "assign" => format!("{about} is registered."),
        "verify" => format!("{about} was read."),
        "tag" => format!("{about} is changed."),
        "remove" if path.starts_with("/images/") => format!("{about} is removed."),
        "remove" => "The upload is removed.".to_owned(),
        "finish" => "The import begins.".to_owned(),
        "wall" => "The list is saved.".to_owned(),
        "clear" => "The deployment may run again.".to_owned(),
        "reload" => "The configuration was reloaded.".to_owned(),
        "release" => "The brake is released.".to_owned(),
        "act" => String::new(),
        _ => "Done.".to_owned(),
    };
    let warnings = json["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let warnings = warnings.collect::<Vec<_>>().join(" ");
    let told = told.or_else(|| (!warnings.is_empty()).then_some(warnings));
    match (status.is_success(), told) {
        (true, Some(told)) => format!("{done} {told}").trim_start().to_owned(),
        (true, None) => done,
        (false, told) => format!("{word} {about} failed: {}", told.unwrap_or_else(|| status.to_string())),
    }
}
