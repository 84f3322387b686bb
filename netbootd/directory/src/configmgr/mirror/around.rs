//! The site around a boot: boundaries with their groups, and the content of boot images.
//! An account that does not see them, or a site that does not serve them, loses these checks alone.

use std::sync::Arc;

use netbootd_state::site_file::SiteChange;
use pxe_policy::{Trouble, TroubleKind};

use super::content::{Content, ContentRows};
use super::places::{PlaceRows, Places};
use super::{Mirror, kept};
use crate::configmgr::client::Client;

impl Mirror {
    /// Reads both, and gives the rows for the file.
    pub(super) async fn around(&self, client: &Client) -> Result<Vec<SiteChange>, Trouble> {
        let (mut changes, mut unread) = (Vec::new(), Vec::new());
        match PlaceRows::read(client).await {
            Ok(rows) => {
                self.model.write().places = Arc::new(Places::of_rows(&rows));
                changes.push(kept::places(&rows));
            }
            Err(trouble) => unread.push(unless_away(trouble)?),
        }
        match ContentRows::read(client).await {
            Ok(rows) => {
                self.model.write().content = Arc::new(Content::of_rows(&rows));
                changes.push(kept::content(&rows));
            }
            Err(trouble) => unread.push(unless_away(trouble)?),
        }
        self.status.lock().unread = unread;
        Ok(changes)
    }
}

/// A site that does not answer at all fails the whole cycle.
fn unless_away(trouble: Trouble) -> Result<Trouble, Trouble> {
    match trouble.kind {
        TroubleKind::Forbidden | TroubleKind::Malformed | TroubleKind::TooLarge => Ok(trouble),
        _ => Err(trouble),
    }
}
