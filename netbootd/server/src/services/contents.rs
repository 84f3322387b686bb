//! The files that clients get, from what the services hold.

use std::path::Path;
use std::sync::Arc;

use netbootd_content::ingests::Ingests;
use netbootd_content::programs::Programs;
use netbootd_content::relay::Relay;
use netbootd_content::uploads::Uploads;
use netbootd_content::watch::Notes;
use netbootd_content::{Caller, Content, Digests, Known, Refused, Requested, Served};

use super::{Services, Snapshot};

/// The state behind clients' files, beside the boot tree and the images.
#[derive(Debug)]
pub struct Contents {
    /// The images that are being imported.
    pub ingests: Ingests,
    /// The images that operators upload.
    pub uploads: Uploads,
    /// The distribution point's own responder.
    pub relay: Relay,
    /// The boot program of each address.
    pub programs: Programs,
    /// Digests of boot images for Raspberry Pis.
    pub digests: Digests,
}

impl Contents {
    pub(super) fn new(state_dir: &Path) -> Self {
        Contents {
            ingests: Ingests::default(),
            uploads: Uploads::default(),
            relay: Relay::new(state_dir),
            programs: Programs::default(),
            digests: Digests::default(),
        }
    }
}

impl Snapshot {
    /// The sources of files that are served.
    pub fn served(&self) -> Served<'_> {
        Served {
            files: &self.files,
            generated: &self.config.files,
            unattended: &self.config.unattended,
            http_port: self.config.http.port,
            reports: self.config.reports.enabled && self.config.http.enabled,
            winpe: self.config.winpe,
            media_without_password: self.config.media_without_password,
            menu: &self.config.menu,
            wimboot: self.config.wimboot.as_deref(),
            responder: self.config.relay.as_ref(),
        }
    }
}

impl Services {
    /// The script of an image in the boot menu, for somebody who knows the password.
    pub fn open_protected(&self, image: &str, caller: &Caller) -> Result<Content, Refused> {
        let content = Content::of_menu(&self.snapshot.load().served(), &self.known(), image, caller);
        content.ok_or(Refused::NotInMenu)
    }

    /// Looks a path up. Reads folders and files: not for a thread that must not block.
    pub fn open_content(&self, asked: &Requested, caller: &Caller) -> Result<Content, Refused> {
        Content::open(&self.snapshot.load().served(), &self.known(), asked, caller)
    }

    /// The same for an operator who asks what a machine would get: nothing is noted of it.
    pub fn look_at_content(&self, asked: &Requested, caller: &Caller) -> Result<Content, Refused> {
        Content::look(&self.snapshot.load().served(), &self.known(), asked, caller)
    }

    fn known(&self) -> Known<'_> {
        Known {
            machines: &self.machines,
            ingests: &self.content.ingests,
            relay: &self.content.relay,
            timelines: &self.timelines,
            programs: &self.content.programs,
            digests: &self.content.digests,
            interfaces: &self.network.interfaces,
        }
    }

    /// The same on any thread: only what is opened without waiting for a disk or the network.
    pub fn open_content_at_once(&self, asked: &Requested, caller: &Caller) -> Option<Content> {
        Content::open_at_once(&self.snapshot.load().served(), asked, caller)
    }

    /// Where it is noted which images are taken in.
    pub fn notes(&self) -> Notes<'_> {
        Notes { ingests: &self.content.ingests, recorder: &self.recorder }
    }

    /// A file could not be read to its end: if it is one of the image store, it is looked at
    /// closely beside, and withdrawn when it is damaged.
    pub fn suspect(&self, content: &Content) {
        let snapshot = self.snapshot.load();
        let (Some(images), Some(blob)) = (snapshot.files.store().cloned(), content.blob()) else { return };
        if !images.suspect(blob) {
            return;
        }
        tokio::spawn(async move {
            let turn = Arc::clone(&images.verification).lock_owned().await;
            let examined = tokio::task::spawn_blocking(move || images.examine(blob)).await;
            drop(turn);
            if let Err(error) = examined {
                tracing::error!(%error, "reading a blob anew broke");
            }
        });
    }
}
