//! Asking a running netbootd by its control socket.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::{Failure, SiteArgs, chosen_config};
use crate::api::Problem;
use crate::config::Config;
use crate::listen::control::socket_path;
use crate::reload::ConfigSource;

/// The configuration of the netbootd that is meant.
pub(super) fn config_of(site: &SiteArgs) -> Result<Config, Failure> {
    let source = ConfigSource { file: site.config.clone(), root: None, state_dir: site.state_dir.clone() };
    // Whoever asks a running daemon need not have its boot folder.
    match chosen_config(&source) {
        Ok((config, ..)) => Ok(config),
        Err(failure) => match (&site.config, &site.state_dir) {
            (None, Some(_)) => {
                let elsewhere = ConfigSource { root: Some("/".into()), ..source };
                chosen_config(&elsewhere).map(|(config, ..)| config)
            }
            _ => Err(failure),
        },
    }
}

/// The answer's JSON; None when no netbootd runs there.
pub(super) fn ask(config: &Config, method: Method, path: &str) -> Result<Option<String>, Failure> {
    let socket = socket_path(&config.server.state_dir);
    crate::probe::block_on(async {
        let stream = match UnixStream::connect(&socket).await {
            Ok(stream) => stream,
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Failure::Permission(format!(
                    "no permission for {}: run as root",
                    socket.display()
                )));
            }
            Err(error) => {
                return Err(Failure::NoAnswer(format!("cannot reach {}: {error}", socket.display())));
            }
        };
        let broken =
            |error: &dyn std::fmt::Display| Failure::NoAnswer(format!("netbootd does not answer: {error}"));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        let running = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "netbootd")
            .body(Empty::<Bytes>::new());
        let request = request.map_err(|error| Failure::Bug(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = response.status();
        let body =
            Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|error| broken(&error))?;
        running.abort();
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if status.is_success() {
            return Ok(Some(text));
        }
        let problem: Result<Problem, _> = serde_json::from_str(&text);
        Err(Failure::NoAnswer(problem.map_or(text, |problem| problem.error)))
    })
}

/// `netbootd reload`.
#[allow(clippy::print_stdout)] // the command's output
pub(super) fn reload(site: &SiteArgs) -> Result<(), Failure> {
    let answer = ask(&config_of(site)?, Method::POST, "/reload")?;
    let answer = answer.ok_or_else(|| Failure::NoAnswer("no netbootd runs here".into()))?;
    for warning in serde_json::from_str::<Vec<String>>(&answer).unwrap_or_default() {
        println!("warning: {warning}");
    }
    println!("configuration taken up");
    Ok(())
}

/// Far more than the largest table.
const MAX_ANSWER: usize = 64 << 20;
