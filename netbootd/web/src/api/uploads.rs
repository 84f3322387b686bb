//! Uploads of images, in pieces: `/api/uploads`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use imagestore::{Store, StoreError};
use netbootd_content::uploads::{Announced, UploadError, UploadView};
use netbootd_net::with_causes;
use netbootd_server::daemon::Daemon;

use super::{ApiResponse, asked_for, json, problem};

/// Answers a request; None for a path that is another's.
pub(super) async fn answer(
    daemon: &Arc<Daemon>,
    method: &Method,
    parts: &[&str],
    query: Option<&str>,
    body: Bytes,
) -> Option<ApiResponse> {
    let is_known = matches!(
        (method.as_str(), parts),
        ("GET" | "POST", ["uploads"])
            | ("GET" | "PUT" | "DELETE", ["uploads", _])
            | ("POST", ["uploads", _, "finish"])
    );
    if !is_known {
        return None;
    }
    let Some(images) = daemon.images.clone() else {
        return Some(problem(StatusCode::NOT_FOUND, "no image store is open".to_owned()));
    };
    let (asked, method) = (Arc::clone(daemon), method.clone());
    let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    let query = query.map(str::to_owned);
    let done = tokio::task::spawn_blocking(move || {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        act(&asked, images.store(), &method, &parts, query.as_deref(), &body)
    });
    let done = match done.await {
        Ok(done) => done,
        Err(error) => return Some(problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    };
    Some(match done {
        Ok(Done::List(uploads)) => json(&uploads),
        Ok(Done::One(upload)) => json(&upload),
        Ok(Done::Begun(upload)) => {
            tokio::spawn(import(Arc::clone(daemon), upload.id.clone()));
            ApiResponse { status: StatusCode::ACCEPTED, ..json(&upload) }
        }
        Ok(Done::Removed) => json(&()),
        Err(error) => error.answer(),
    })
}

enum Done {
    List(Vec<UploadView>),
    One(UploadView),
    /// The upload is complete; the import has started.
    Begun(UploadView),
    Removed,
}

enum Denied {
    Query(&'static str),
    Upload(UploadError),
}

impl From<UploadError> for Denied {
    fn from(error: UploadError) -> Self {
        Denied::Upload(error)
    }
}

impl Denied {
    fn answer(self) -> ApiResponse {
        match self {
            Denied::Query(words) => problem(StatusCode::BAD_REQUEST, words.to_owned()),
            Denied::Upload(error) => {
                let status = match &error {
                    UploadError::Name(_) | UploadError::Empty => StatusCode::BAD_REQUEST,
                    UploadError::Unknown(_) => StatusCode::NOT_FOUND,
                    UploadError::Busy | UploadError::Offset { .. } | UploadError::Incomplete { .. } => {
                        StatusCode::CONFLICT
                    }
                    UploadError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                    UploadError::TooMany => StatusCode::SERVICE_UNAVAILABLE,
                    UploadError::Store(StoreError::NoRoom { .. }) => StatusCode::INSUFFICIENT_STORAGE,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                problem(status, with_causes(&error))
            }
        }
    }
}

fn act(
    daemon: &Daemon,
    store: &Store,
    method: &Method,
    parts: &[&str],
    query: Option<&str>,
    body: &[u8],
) -> Result<Done, Denied> {
    let uploads = &daemon.services.content.uploads;
    match (method.as_str(), parts) {
        ("GET", ["uploads", id]) => Ok(Done::One(uploads.view(store, id)?)),
        ("POST", ["uploads"]) => {
            Ok(Done::One(uploads.begin(store, &announced(query)?, SystemTime::now())?))
        }
        ("PUT", ["uploads", id]) => {
            let offset = asked_for(query, "offset").and_then(|text| text.parse().ok());
            let offset = offset.ok_or(Denied::Query("offset is the number of the piece's first byte"))?;
            Ok(Done::One(uploads.put(store, id, offset, body)?))
        }
        ("POST", ["uploads", id, "finish"]) => {
            uploads.finish(store, id)?;
            Ok(Done::Begun(uploads.view(store, id)?))
        }
        ("DELETE", ["uploads", id]) => {
            uploads.remove(store, id)?;
            Ok(Done::Removed)
        }
        _ => Ok(Done::List(uploads.list(store))),
    }
}

fn announced(query: Option<&str>) -> Result<Announced, Denied> {
    let value = |name| asked_for(query, name).filter(|text| !text.trim().is_empty());
    let size = value("size").and_then(|text| text.parse().ok());
    let modified = value("modified").unwrap_or_default();
    if modified.len() > LONGEST_STAMP {
        return Err(Denied::Query("modified has 40 letters at most"));
    }
    let sha256 = value("sha256").map(|text| text.trim().to_ascii_lowercase().parse());
    Ok(Announced {
        file: value("file").ok_or(Denied::Query("file is the name of the file"))?,
        size: size.ok_or(Denied::Query("size is the file's size in bytes"))?,
        sha256: sha256.transpose().map_err(|_| Denied::Query("sha256 has 64 hex digits"))?,
        image: value("image"),
        modified,
    })
}

/// Imports a complete upload, as soon as nothing else writes to the store.
async fn import(daemon: Arc<Daemon>, id: String) {
    loop {
        let (asked, id) = (Arc::clone(&daemon), id.clone());
        let done = tokio::task::spawn_blocking(move || {
            let notes = asked.services.notes();
            let uploads = &asked.services.content.uploads;
            asked.images.as_ref().is_none_or(|images| uploads.import_noted(images.store(), &id, &notes))
        });
        if done.await.unwrap_or(true) {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

/// Bytes of one piece.
pub(crate) const LARGEST_PIECE: usize = 8 << 20;
/// Letters of a file's time.
const LONGEST_STAMP: usize = 40;
/// How soon an import tries again while another one writes to the store.
const AGAIN: Duration = Duration::from_secs(1);
