//! The devices of the database that several servers share.

use netbootd_state::shared::SharedDevices;
use pxe_policy::{Answer, DirectoryAnswer, Identity, Trouble};

use crate::directory::{Asking, Directory};
use crate::links::Links;

impl Directory for SharedDevices {
    fn ask<'a>(&'a self, who: &'a Identity) -> Asking<'a, Result<DirectoryAnswer, Trouble>> {
        Box::pin(async move { SharedDevices::ask(self, "", who).said })
    }

    fn at_once(&self, name: &str, who: &Identity) -> Option<Answer> {
        Some(SharedDevices::ask(self, name, who))
    }

    fn trouble(&self) -> Option<Trouble> {
        SharedDevices::trouble(self)
    }

    fn links<'a>(&'a self, links: &'a mut Links) -> Asking<'a, Option<()>> {
        Box::pin(async move {
            let known = SharedDevices::trouble(self).map_or(Ok(format!("{} devices", self.len())), Err);
            links.note("read", known).map(drop)
        })
    }
}
