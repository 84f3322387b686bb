//! Answer files of installers: whether they can be read and rendered, and what they give away.

use std::path::{Path, PathBuf};

use netbootd_content::template;
use netbootd_content::unattended::secrets::in_clear;
use netbootd_content::unattended::{AnswerFile, Subject};
use toml::Spanned;

use super::super::finding::Finding;
use super::super::schema::{self, Document};

/// Every answer file that is written down, with what it is for.
pub(super) fn files(document: &Document) -> impl Iterator<Item = (Subject, &Spanned<PathBuf>)> {
    let of_rules = document.rule.iter().filter_map(|rule| match rule.action.get_ref() {
        schema::Action::Boot(boot) => {
            Some((Subject::Rule(rule.name.get_ref().clone()), boot.unattended.as_ref()?))
        }
        _ => None,
    });
    let of_images =
        document.unattended.iter().map(|(name, file)| (Subject::Image(name.get_ref().clone()), file));
    of_rules.chain(of_images)
}

/// Reads the answer files, and checks them.
pub(super) fn check(document: &Document, config: &Path, findings: &mut Vec<Finding>) -> Vec<AnswerFile> {
    let mut answers = Vec::new();
    for rule in &document.rule {
        if let schema::Action::Boot(boot) = rule.action.get_ref()
            && let (Some(file), None) = (&boot.unattended, &boot.image)
        {
            let message = format!(
                "the rule {:?} has an answer file, and names no image that asks for it",
                rule.name.get_ref()
            );
            findings.push(
                Finding::warning(file.span(), message)
                    .help("add image = \"NAME\", the name of the installer's image"),
            );
        }
    }
    for (subject, file) in files(document) {
        let place = config.parent().unwrap_or(Path::new("")).join(file.get_ref());
        let template = match std::fs::read_to_string(&place) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("cannot read the answer file {}: {error}", place.display());
                findings.push(Finding::error(file.span(), message).because(&error));
                continue;
            }
        };
        if let Err(error) = template::check(&template) {
            let message = format!("the answer file {} does not read: {error}", place.display());
            findings.push(Finding::error(file.span(), message));
        }
        for (line, what) in in_clear(&template).into_iter().take(MAX_LINES) {
            let message = format!(
                "{}:{line}: {what} in clear, which every machine of the network can read",
                place.display()
            );
            findings.push(Finding::warning(file.span(), message).help(
                "write a hash: passwd/root-password-crypted, rootpw --iscrypted, password: \"$6$...\" (mkpasswd -m sha-512 makes one)",
            ));
        }
        answers.push(AnswerFile { subject, place, template });
    }
    answers
}

/// Lines of one file that are named.
const MAX_LINES: usize = 10;
