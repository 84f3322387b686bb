//! Asking a running netbootd by its control socket.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use netbootd_config::{Config, Source};
use netbootd_net::with_causes;
use netbootd_state::shared::Shared;
use netbootd_web::api::Problem;
use netbootd_web::control::{connect_control, socket_path};

use super::{DEFAULT_CONFIG, Failure, SiteArgs, chosen_config};
use crate::cli::out::outln;
use crate::platform::{PRIVILEGED, START_IT};
use crate::serve::sharing;

/// The daemon's configuration. To ask a running daemon, or to read its state, the boot folder of
/// the built-in default need not exist.
pub(super) fn config_of(site: &SiteArgs) -> Result<Config, Failure> {
    let source = source_of(site);
    match chosen_config(&source) {
        Ok((config, ..)) => Ok(config),
        Err(_) if site.config.is_none() && !Path::new(DEFAULT_CONFIG).exists() => {
            let elsewhere = Source { root: Some("/".into()), ..source };
            chosen_config(&elsewhere).map(|(config, ..)| config)
        }
        Err(failure) => Err(failure),
    }
}

/// The daemon's configuration, with its boot folder.
pub(super) fn config_with_boot_folder(site: &SiteArgs) -> Result<Config, Failure> {
    chosen_config(&source_of(site)).map(|(config, ..)| config)
}

fn source_of(site: &SiteArgs) -> Source {
    Source { file: site.config.clone(), root: None, state_dir: site.state_dir.clone() }
}

/// No daemon listens on the control socket.
pub(super) fn not_running(config: &Config) -> Failure {
    let folder = config.server.state_dir.display();
    Failure::NoAnswer(format!("netbootd is not running ({START_IT}; no control socket in {folder})"))
}

/// The database of a configuration that names one, connected to; it serves for as long as the
/// runtime runs.
pub(super) async fn shared(config: &Config) -> Result<Option<Arc<Shared>>, Failure> {
    let Some(shared) = sharing::connect(config, Vec::new()).await? else { return Ok(None) };
    match shared.trouble() {
        None => Ok(Some(shared)),
        Some(trouble) => {
            let why = with_causes(&*trouble);
            Err(Failure::NoAnswer(format!("cannot reach the shared database: {why}")))
        }
    }
}

/// The answer's JSON; None when no netbootd runs there.
pub(super) fn ask(config: &Config, method: Method, path: &str) -> Result<Option<String>, Failure> {
    crate::probe::block_on(async {
        let Some(response) = send(config, method, path).await? else { return Ok(None) };
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| broken(&error))?;
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if status.is_success() {
            return Ok(Some(text));
        }
        let problem: Result<Problem, _> = serde_json::from_str(&text);
        Err(Failure::NoAnswer(problem.map_or(text, |problem| problem.error)))
    })
}

/// Hands over each line of an answer as it comes, until the server ends it or `take` wants no more;
/// None when no netbootd runs there.
pub(super) fn follow(
    config: &Config,
    path: &str,
    mut take: impl FnMut(&str) -> bool,
) -> Result<Option<()>, Failure> {
    crate::probe::block_on(async {
        let Some(response) = send(config, Method::GET, path).await? else { return Ok(None) };
        let (mut body, mut text) = (response.into_body(), String::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&error))?;
            let Ok(bytes) = frame.into_data() else { continue };
            text.push_str(&String::from_utf8_lossy(&bytes));
            while let Some((line, rest)) = text.split_once('\n') {
                if !take(line) {
                    return Ok(Some(()));
                }
                text = rest.to_owned();
            }
        }
        Ok(Some(()))
    })
}

async fn send(config: &Config, method: Method, path: &str) -> Result<Option<Response<Incoming>>, Failure> {
    let socket = socket_path(&config.server.state_dir);
    let stream = match connect_control(&socket).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let socket = socket.display();
            return Err(Failure::Permission(format!(
                "cannot open {socket}: permission denied; {PRIVILEGED}"
            )));
        }
        Err(error) => return Err(Failure::NoAnswer(format!("cannot reach {}: {error}", socket.display()))),
    };
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| broken(&error))?;
    // It ends with the answer, or with the runtime.
    tokio::spawn(connection);
    let request =
        Request::builder().method(method).uri(path).header("host", "netbootd").body(Empty::<Bytes>::new());
    let request = request.map_err(|error| Failure::Bug(error.to_string()))?;
    sender.send_request(request).await.map(Some).map_err(|error| broken(&error))
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::NoAnswer(format!("netbootd does not answer: {error}"))
}

/// Carries out `netbootd reload`.
pub(super) fn reload(site: &SiteArgs) -> Result<(), Failure> {
    let config = config_of(site)?;
    let answer = ask(&config, Method::POST, "/reload")?.ok_or_else(|| not_running(&config))?;
    for warning in serde_json::from_str::<Vec<String>>(&answer).unwrap_or_default() {
        outln!("warning: {warning}");
    }
    outln!("configuration reloaded");
    Ok(())
}

/// Far more than the largest table.
const MAX_ANSWER: usize = 64 << 20;
