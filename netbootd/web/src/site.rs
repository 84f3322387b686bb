//! Pages, their assets, streams and forms, as HTTP.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};

use crate::actions::{self, Done, Form};
use crate::console::{Asked, Console, Credentials};
use crate::live;
use crate::page::{self, Part};
use crate::proxied::Client;
use crate::status::{json, text, too_many_streams};

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// The page, asset or stream behind a request; None for what belongs to the API. `place` gives a
/// place for a stream.
pub(crate) async fn read<P: Send + Sync + 'static>(
    console: &Arc<Console>,
    request: &Request<Incoming>,
    (client, credentials): (Client, Credentials<'_>),
    place: impl FnOnce() -> Option<P>,
) -> Option<Answer> {
    let (path, query) = (request.uri().path(), request.uri().query());
    if let Some((content_type, body)) = page::asset(path) {
        let mut response = text(body.to_owned());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        return Some(response);
    }
    let operator = console.signed_in(credentials);
    if path == "/live" {
        let view = page::value(query, "view").unwrap_or_default();
        let Some(place) = place() else { return Some(too_many_streams()) };
        let stream = live::response(console, &view, operator, place);
        return Some(stream.unwrap_or_else(|| {
            json(StatusCode::NOT_FOUND, "{\"error\":\"that page does not follow what happens\"}".to_owned())
        }));
    }
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let wants_page = accepts.is_some_and(|accepts| accepts.contains("text/html"));
    // The API has answered with JSON there.
    if path == "/images" && !wants_page || path.starts_with("/api/") {
        return None;
    }
    let reader = operator.as_ref().filter(|_| wants_page);
    let said = reader.and_then(|operator| console.sessions.take_said(&operator.key));
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let scheme = if client.is_tls { "https" } else { "http" };
    let site = host.map(|host| format!("{scheme}://{host}"));
    let asked = Asked { path, query, operator, said, site: site.as_deref(), live: false };
    match page::part(console, &asked).await {
        Some(part) => Some(shown(part)),
        // A browser that lost its way, and a script that has not.
        None if wants_page && !is_known_to_the_api(path) => Some(shown(page::missing(console, &asked))),
        None => None,
    }
}

/// Does what a form asks for.
pub(crate) async fn act(
    console: &Arc<Console>,
    request: Request<Incoming>,
    client: Client,
    user_header: Option<&str>,
) -> Answer {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST_FORM).collect().await else {
        return json(StatusCode::PAYLOAD_TOO_LARGE, "{\"error\":\"the form is too large\"}".to_owned());
    };
    let (path, body, headers) = (head.uri.path(), body.to_bytes(), &head.headers);
    let credentials = credentials(headers, client, user_header);
    match actions::act(console, &Form { path, headers, body, client, credentials }).await {
        Done::Shown(part) => shown(part),
        Done::Go(to, cookie) => {
            let mut response = text(String::new());
            *response.status_mut() = StatusCode::SEE_OTHER;
            let headers = response.headers_mut();
            let to = HeaderValue::from_str(&to).unwrap_or(HeaderValue::from_static("/"));
            headers.insert(header::LOCATION, to);
            if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
                headers.insert(header::SET_COOKIE, cookie);
            }
            response
        }
    }
}

fn shown(part: Part) -> Answer {
    let mut response = text(part.body);
    *response.status_mut() = part.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(part.content_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// The parts of a request that identify its operator; `user_header` is the header that trusted
/// proxies set.
pub(crate) fn credentials<'a>(
    headers: &'a HeaderMap,
    client: Client,
    user_header: Option<&str>,
) -> Credentials<'a> {
    Credentials { cookie: cookie(headers), user: client.user(headers, user_header) }
}

/// The value of the session's cookie.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == "netbootd").map(|(_, value)| value)
}

/// Paths of the API stay what they were, in browsers too.
fn is_known_to_the_api(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    crate::api::document::has_first(first)
}

/// Nothing from elsewhere, no script but the page's own, no style in an attribute, no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types netbootd";
/// Bytes of a form.
const LARGEST_FORM: usize = 64 << 10;
