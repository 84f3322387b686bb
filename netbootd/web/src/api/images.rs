//! Looking after images over the status port.

use std::sync::Arc;

use hyper::StatusCode;
use imagestore::{Scrubbed, StoreError};
use netbootd_net::with_causes;
use netbootd_server::daemon::Daemon;
use serde::Serialize;

use super::{Told, json, problem};

/// What reading an image came to.
#[derive(Debug, Serialize)]
struct Verified {
    blobs: usize,
    bytes: u64,
    damaged: Vec<String>,
    missing: Vec<String>,
    /// The same in words.
    words: String,
}

/// Reads an image anew, and withdraws what is damaged. One at a time: it reads the disk as fast as that goes.
pub(super) async fn verify(daemon: &Daemon, name: &str) -> Told {
    let name = name.to_owned();
    let Some(images) = daemon.images.clone() else {
        return problem(StatusCode::NOT_FOUND, "no image store is open".to_owned());
    };
    let Ok(place) = Arc::clone(&images.verification).try_lock_owned() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "another image is being verified".to_owned());
    };
    let read = tokio::task::spawn_blocking(move || {
        let scrubbed = images.verify(&name);
        drop(place);
        scrubbed
    });
    match read.await {
        Ok(Ok(scrubbed)) => json(&Verified::new(&scrubbed)),
        Ok(Err(error @ StoreError::NoImage(_))) => problem(StatusCode::NOT_FOUND, error.to_string()),
        Ok(Err(error)) => problem(StatusCode::INTERNAL_SERVER_ERROR, with_causes(&error)),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

impl Verified {
    fn new(scrubbed: &Scrubbed) -> Self {
        let digests =
            |digests: &[imagestore::Digest]| digests.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (damaged, missing) = (digests(&scrubbed.bad), digests(&scrubbed.missing));
        let words = match damaged.len() + missing.len() {
            0 => format!("{} blobs are whole", scrubbed.blobs),
            _ => format!("{} blobs are damaged and withdrawn, {} are missing", damaged.len(), missing.len()),
        };
        Verified { blobs: scrubbed.blobs, bytes: scrubbed.bytes, damaged, missing, words }
    }
}
