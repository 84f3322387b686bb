//! A transfer's file. A file of the boot folder is closed again as long as its client has
//! acknowledged nothing: somebody else may have asked in its name, and many such requests hold no
//! open files.

use std::borrow::Cow;
use std::sync::Arc;

use netbootd_content::{Caller, Content, Requested};

use super::window::{Unreadable, Window};
use crate::services::Services;

/// A file that is open, or can be opened again.
#[derive(Debug)]
pub(super) struct Held {
    open: Option<(Arc<Content>, Window)>,
    len: u64,
    /// Which file it was; None for one that stays open.
    etag: Option<String>,
}

impl Held {
    /// A file that can be opened again without waiting.
    pub(super) fn at_once(content: Content) -> Self {
        let etag = Some(content.etag().into_owned());
        Held { len: content.len(), open: Some((Arc::new(content), Window::of_one())), etag }
    }

    /// A file that was looked at and is not open.
    pub(super) fn closed(len: u64, etag: String) -> Self {
        Held { open: None, len, etag: Some(etag) }
    }

    /// One that stays open.
    pub(super) fn kept(content: Content) -> Self {
        let window = Window::new(&content);
        Held { len: content.len(), open: Some((Arc::new(content), window)), etag: None }
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The open file, if it is open.
    pub(super) fn content(&self) -> Option<&Content> {
        self.open.as_ref().map(|(content, _)| content.as_ref())
    }

    /// Opens the file again when it was closed.
    pub(super) async fn opened(
        &mut self,
        services: &Arc<Services>,
        path: &Arc<Requested>,
        caller: Caller,
        proved: bool,
    ) -> Result<(&Arc<Content>, &mut Window), Unreadable> {
        if self.open.is_none() {
            let content = match services.open_content_at_once(path, &caller) {
                Some(content) => content,
                None => open_again(Arc::clone(services), Arc::clone(path), caller).await?,
            };
            if Some(content.etag()) != self.etag.as_deref().map(Cow::from) {
                return Err(Unreadable::Replaced);
            }
            let window = if proved { Window::new(&content) } else { Window::of_one() };
            self.open = Some((Arc::new(content), window));
        }
        let (content, window) = self.open.as_mut().ok_or(Unreadable::Closed)?;
        Ok((content, window))
    }

    /// Closes it, if it can be opened again.
    pub(super) fn let_go(&mut self) {
        if self.etag.is_some() {
            self.open = None;
        }
    }

    /// The file could not be read.
    pub(super) fn suspect(&self, services: &Services) {
        if let Some((content, _)) = &self.open {
            services.suspect(content);
        }
    }
}

/// Opens the file again from the disk, on another thread: the kernel has forgotten its path.
async fn open_again(
    services: Arc<Services>,
    path: Arc<Requested>,
    caller: Caller,
) -> Result<Content, Unreadable> {
    let opened = tokio::task::spawn_blocking(move || services.open_content(&path, &caller));
    Ok(opened.await??)
}
