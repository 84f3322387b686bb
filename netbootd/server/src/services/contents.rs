//! The files that clients get, from what the services hold.

use std::sync::Arc;

use netbootd_content::watch::Notes;
use netbootd_content::{Caller, Content, Known, Refused, Served};
use netbootd_telemetry::event::Refusal;

use super::{Services, Snapshot};

impl Snapshot {
    /// What clients are served.
    pub fn served(&self) -> Served<'_> {
        Served {
            files: &self.files,
            generated: &self.config.files,
            http_port: self.config.http.port,
            reports: self.config.reports.enabled && self.config.http.enabled,
            winpe: self.config.winpe,
            menu: &self.config.menu,
            wimboot: self.config.wimboot.as_deref(),
            responder: self.config.relay.as_ref(),
        }
    }
}

impl Services {
    /// The script of an image in the boot menu, for somebody who knows the password.
    pub fn open_protected(&self, image: &str, caller: Caller) -> Result<Content, Refused> {
        let content = Content::of_menu(&self.snapshot.load().served(), &self.known(), image, caller);
        let refused = || Refused { refusal: Refusal::NotFound, detail: "no such image in the menu".into() };
        content.ok_or_else(refused)
    }

    /// Looks a path up. Reads folders and files: not for a thread that must not block.
    pub fn open_content(&self, raw: &[u8], caller: Caller) -> Result<Content, Refused> {
        Content::open(&self.snapshot.load().served(), &self.known(), raw, caller)
    }

    fn known(&self) -> Known<'_> {
        Known {
            machines: &self.machines,
            ingests: &self.ingests,
            relay: &self.relay,
            timelines: &self.timelines,
            programs: &self.programs,
            digests: &self.digests,
            interfaces: &self.interfaces,
        }
    }

    /// The same on any thread: only what is opened without waiting for a disk or the network.
    pub fn open_content_at_once(&self, raw: &[u8], caller: Caller) -> Option<Content> {
        Content::open_at_once(&self.snapshot.load().served(), raw, caller)
    }

    /// Where it is noted which images are taken in.
    pub fn notes(&self) -> Notes<'_> {
        Notes { ingests: &self.ingests, recorder: &self.recorder }
    }

    /// A file could not be read to its end: if it is one of the image store, it is looked at closely beside, and withdrawn when it is
    /// damaged.
    pub fn suspect(&self, content: &Content) {
        let (Some(images), Some(blob)) = (self.images.clone(), content.blob()) else { return };
        if !images.suspect(blob) {
            return;
        }
        let verifying = Arc::clone(&self.verifying);
        tokio::spawn(async move {
            let place = verifying.lock_owned().await;
            let examined = tokio::task::spawn_blocking(move || images.examine(blob)).await;
            drop(place);
            if let Err(error) = examined {
                tracing::error!(%error, "reading a blob anew broke");
            }
        });
    }
}
