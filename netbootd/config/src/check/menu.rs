//! Checks of `[menu]`: images, password, time.

use std::path::Path;
use std::time::Duration;

use netbootd_content::menu::{Default, Password, Settings};
use pxe_policy::{Action, ImageSelector, Rules};

use super::super::finding::Finding;
use super::super::schema::{Document, OneOrMany, Text};
use super::directories::secret;

/// The menu is on by default where no rule names a boot file.
pub(super) fn check(
    document: &Document,
    config: &Path,
    rules: &Rules,
    findings: &mut Vec<Finding>,
) -> Settings {
    let (written, usual) = (&document.menu, Settings::default());
    let selectors = |list: &OneOrMany<Text<ImageSelector>>| -> Vec<ImageSelector> {
        list.0.iter().map(|selector| selector.0.clone()).collect()
    };
    let timeout = written.timeout.as_ref().map_or(usual.timeout, |timeout| timeout.get_ref().0.0);
    if let Some(span) = written.timeout.as_ref().filter(|_| timeout > LONGEST).map(toml::Spanned::span) {
        let message = format!("the menu waits {} s at most", LONGEST.as_secs());
        findings.push(Finding::error(span, message).help("0s waits for somebody at the machine"));
    }
    let password =
        written.password_file.as_ref().and_then(|file| secret(file, config, findings)).map(Password::new);
    if let Some(protected) = written.protected.as_ref().filter(|_| written.password_file.is_none()) {
        let finding = Finding::error(protected.span(), "protected entries need menu.password-file");
        findings.push(finding.help("write a password into a file of its own, and name that"));
    }
    let names_file = |action: &Action| matches!(action, Action::Boot(boot) if !boot.is_for_macs());
    let default_on = !rules.0.iter().any(|rule| names_file(&rule.action));
    let title = written.title.as_ref().map(|title| title.get_ref().clone());
    if let Some(span) = written
        .title
        .as_ref()
        .filter(|title| title.get_ref().chars().any(char::is_control))
        .map(toml::Spanned::span)
    {
        findings.push(Finding::error(span, "the title contains control characters"));
    }
    Settings {
        enabled: written.enabled.unwrap_or(default_on),
        in_firmware: written.firmware,
        in_templates: written.enabled != Some(false),
        title: title.unwrap_or(usual.title),
        timeout,
        default: match written.default.as_deref() {
            None | Some("disk") => Default::Disk,
            Some(name) => Default::Image(name.to_owned()),
        },
        images: selectors(&written.images),
        hidden: selectors(&written.hidden),
        protected: written.protected.as_ref().map(|list| selectors(list.get_ref())).unwrap_or_default(),
        password,
    }
}

/// A machine that waits longer is one that nobody looks at.
const LONGEST: Duration = Duration::from_secs(3600);
