//! Trouble of this server itself: the disks of state and images, and the object storage. Findings
//! of boots that need them say so.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use imagestore::platform::available_space;
use netbootd_diagnosis::{ServerPart, ServerTrouble};
use netbootd_telemetry::event::SharedError;
use tracing::warn;

use crate::services::Services;

/// Notes whether the object storage answered, or the error of the attempt.
pub fn object_storage(services: &Services, answered: Result<(), SharedError>) {
    let (now, part) = (SystemTime::now(), ServerPart::ObjectStorage);
    match answered {
        Ok(()) => services.timelines.server_works(now, part),
        Err(error) => services.timelines.server_fails(now, part, ServerTrouble::Away(error)),
    }
}

/// Looks at the disks until the services stop.
pub async fn watch_disks(services: Arc<Services>) {
    let mut full = [false; 2];
    loop {
        let disks = disks(&services);
        let looked = tokio::task::spawn_blocking(move || {
            disks.map(|(part, folder, kept)| {
                let free = available_space(&folder).ok();
                (part, folder, kept, free)
            })
        });
        // A panic of the system's call is nothing that another look would mend.
        let Ok(looked) = looked.await else { return };
        for ((part, folder, kept, free), full) in looked.into_iter().zip(&mut full) {
            // A folder that is not there yet has no disk.
            let Some(free) = free else { continue };
            let (now, folder) = (SystemTime::now(), folder.display().to_string());
            if free <= kept {
                if !*full {
                    warn!(folder, free, "{part} is full");
                }
                services.timelines.server_fails(now, part, ServerTrouble::DiskFull { folder, free, kept });
            } else {
                services.timelines.server_works(now, part);
            }
            *full = free <= kept;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

/// Each with its folder and the bytes that stay free on it.
fn disks(services: &Services) -> [(ServerPart, PathBuf, u64); 2] {
    let config = &services.snapshot.load().config;
    let keep_free = config.store.limits.keep_free;
    [
        (ServerPart::StateDisk, config.server.state_dir.clone(), LEAST),
        (ServerPart::StoreDisk, config.store_folder(), keep_free.max(LEAST)),
    ]
}

/// How often the disks are looked at.
const EVERY: Duration = Duration::from_secs(5);
/// In bytes: less is no room for a step of a database.
const LEAST: u64 = 64 << 10;
