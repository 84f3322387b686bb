//! Answer files of installers, and files of images that are rendered for the machine.

use std::sync::Arc;

use super::templates::InTemplates;
use super::{Content, types};
use crate::refused::Refused;
use crate::served::{Known, Served};
use crate::template::{self, Asker, Stored};
use crate::unattended::{self, UNATTENDED};

/// The content of a path that is one of these; None for another path.
pub(super) fn content(
    served: &Served<'_>,
    known: &Known<'_>,
    path: &str,
    asker: &Asker,
) -> Option<Result<Content, Refused>> {
    if let Some(asked) = unattended::asked(served.unattended, path) {
        if let Some(text) = asked.fixed(&asker.reporting) {
            return Some(Ok(Content::generated(text.into_bytes(), None)));
        }
        let machine = known.machines.by_mac(asked.mac);
        let asker = Asker { mac: Some(asked.mac), machine, ..asker.clone() };
        return Some(answer_file(served, path, &asker, &asked));
    }
    let (image, text) = served.files.rendered(path)?;
    let folder = asker.origin.url(&image);
    let answers = asker.answers.as_ref().map(|answers| answers.of_file(&image, asker));
    let text = text.replace("{image-url}", &folder).replace(UNATTENDED, &answers.unwrap_or_default());
    Some(Ok(Content::generated(text.into_bytes(), Some(types::TEXT.to_owned()))))
}

fn answer_file(
    served: &Served<'_>,
    path: &str,
    asker: &Asker,
    asked: &unattended::Asked<'_>,
) -> Result<Content, Refused> {
    let file = asked.generated();
    let (files, menu) = (served.files.clone(), served.menu.clone());
    let stored: Arc<dyn Stored> = Arc::new(InTemplates { files, menu, asker: asker.clone() });
    match template::render(&file, path, asker, stored) {
        Ok(text) => Ok(Content::generated(text.into_bytes(), file.content_type)),
        Err(error) => Err(Refused::AnswerFile(Arc::new(error))),
    }
}
