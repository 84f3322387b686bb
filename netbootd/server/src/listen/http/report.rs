//! Machines' reports of themselves: `GET /report?…` and `POST /report`, for scripts, installers and
//! started systems.
//!
//! A report belongs to the machine that uses the sender's address, and changes nothing but that
//! machine's own timeline. It is bounded in size, in how often a machine may send one, and in how
//! many bodies are read at a time.

use std::time::{Duration, Instant};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use netbootd_content::boot_script::{REPORT_PATH, screen};
use netbootd_diagnosis::report::{Report, Reporter, State};
use netbootd_telemetry::event::{ClientMessage, Event, REPORT, Reported};
use pxe_policy::MacAddr;

use super::answer::{Client, plain};
use super::body::Reply;
use crate::limits::bucket::RateVerdict;
use crate::services::Services;

/// The answer, when the request is a report. A file of that name in the boot tree is still had
/// without a query.
pub(super) async fn answer(client: &Client, request: &mut Request<Incoming>) -> Option<Response<Reply>> {
    let services = &client.services;
    let is_post = *request.method() == Method::POST;
    let asks = is_post || *request.method() == Method::GET && request.uri().query().is_some();
    if request.uri().path() != REPORT_PATH || !asks || !services.snapshot.load().config.reports.enabled {
        return None;
    }
    let Some(mac) = services.machines.mac_of(client.peer.ip()) else {
        return Some(refused(
            services,
            "no-machine",
            StatusCode::FORBIDDEN,
            "no machine here uses this address",
        ));
    };
    if let RateVerdict::Refused { .. } = services.limits.report(mac, Instant::now()) {
        let words = "too many reports from this machine";
        return Some(refused(services, "too-often", StatusCode::TOO_MANY_REQUESTS, words));
    }
    let mut report = Report::parse(request.uri().query().unwrap_or_default());
    if is_post {
        report = match with_body(services, request, report).await {
            Ok(report) => report,
            Err(response) => return Some(response),
        };
    }
    Some(taken(client, mac, report))
}

/// Records a report, and answers with what the machine shows on its screen.
fn taken(client: &Client, mac: MacAddr, report: Report) -> Response<Reply> {
    let services = &client.services;
    let (by, state) = (report.by, report.state);
    let reported =
        Reported { peer: client.peer, mac: Some(mac), message: ClientMessage::Report(Box::new(report)) };
    let patience = services.snapshot.load().config.diagnosis;
    let lines = match state {
        State::Failed => {
            let (number, diagnosis) = services.timelines.diagnose_after(mac, &reported, patience);
            let found = diagnosis.finding.map(|finding| vec![finding.headline(), finding.cure()]);
            Some((number, found.unwrap_or_default()))
        }
        State::Started | State::Up | State::Note => None,
    };
    services.recorder.record(Event::Reported(reported));
    let text = match lines {
        Some((number, lines)) => screen(by, number, &lines),
        None if by == Reporter::System => "noted\n".to_owned(),
        // A comment to either.
        None => "#!ipxe\n".to_owned(),
    };
    let mut response = Response::new(Reply::text(text));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Adds what a POST carries: a form, or a text.
async fn with_body(
    services: &Services,
    request: &mut Request<Incoming>,
    report: Report,
) -> Result<Report, Response<Reply>> {
    let too_large =
        || refused(services, "too-large", StatusCode::PAYLOAD_TOO_LARGE, "a report has 64 KiB at most");
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let length = header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let is_form = header(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with(FORM));
    let waits = header(header::EXPECT).is_some();
    if length.is_some_and(|length| length > MAX_BODY as u64) {
        if !waits {
            drain(request.body_mut()).await;
        }
        return Err(too_large());
    }
    let Ok(_place) = services.limits.report_bodies.try_acquire() else {
        return Err(refused(services, "busy", StatusCode::SERVICE_UNAVAILABLE, "too many reports at a time"));
    };
    let body = Limited::new(request.body_mut(), MAX_BODY).collect();
    let bytes = match tokio::time::timeout(PATIENCE, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            drain(request.body_mut()).await;
            return Err(too_large());
        }
        Ok(Err(_)) | Err(_) => {
            return Err(refused(services, "cut-short", StatusCode::BAD_REQUEST, "the report is cut short"));
        }
    };
    if !is_form {
        return Ok(report.with_text(&bytes));
    }
    // The URL's values count unless the form has others.
    let query = request.uri().query().unwrap_or_default();
    Ok(Report::parse(&format!("{query}&{}", String::from_utf8_lossy(&bytes))))
}

/// Reads on for a while: a connection that is closed with bytes unread takes the answer with it.
async fn drain(body: &mut Incoming) {
    let mut left = DRAINED;
    let drained = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len()));
            if left == 0 {
                break;
            }
        }
    };
    // A slower client finds the connection closed.
    let _ = tokio::time::timeout(DRAIN_PATIENCE, drained).await;
}

fn refused(
    services: &Services,
    word: &'static str,
    status: StatusCode,
    words: &'static str,
) -> Response<Reply> {
    services.recorder.count(REPORT, word);
    plain(status, words)
}

const FORM: &str = "application/x-www-form-urlencoded";
/// A log's last lines fit.
const MAX_BODY: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a body that is too large.
const DRAINED: usize = 4 << 20;
const DRAIN_PATIENCE: Duration = Duration::from_secs(3);
