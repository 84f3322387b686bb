//! Files that are rendered for the machine that asks for them.

use std::net::IpAddr;
use std::sync::Arc;

use minijinja::{Environment, UndefinedBehavior, context};
use netbootd_dhcp::v4::boot_info::Origin;
use pxe_policy::{BootRequest, Decision, MacAddr};
use thiserror::Error;

use crate::boot_script::Reporting;
use crate::machines::Machine;
use crate::settings::GeneratedFile;
use crate::unattended::Answers;

/// The client that asks, and the address of this server that it asked.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The address that the request comes from.
    pub client: IpAddr,
    /// The machine's hardware address, when known.
    pub mac: Option<MacAddr>,
    /// The machine that asks; None when it is unknown.
    pub machine: Option<Arc<Machine>>,
    /// This server's address towards the client.
    pub server: IpAddr,
    /// The beginning of URLs for the client.
    pub origin: Origin,
    /// How its scripts report.
    pub reporting: Reporting,
    /// The answer files of installers; None where none are looked for.
    pub answers: Option<Answers>,
}

/// A template's questions about the boot tree.
pub trait Stored: Send + Sync + 'static {
    /// Whether a file is there.
    fn exists(&self, path: &str) -> bool;
    /// The first line of a small file; empty when there is none.
    fn first_line(&self, path: &str) -> String;
    /// The boot menu for a boot loader, `ipxe`, `grub` or `pxelinux`; empty when no image is in it.
    fn menu(&self, loader: &str) -> String;
}

/// The fault of a template's text.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// Something in one line.
    #[error("line {line}: {source}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// The error of the template engine.
        source: minijinja::Error,
    },
    /// Something that is in no line.
    #[error(transparent)]
    Text(minijinja::Error),
}

/// Whether a template's text can be read.
pub fn check(text: &str) -> Result<(), TemplateError> {
    Environment::new().template_from_str(text).map(drop).map_err(|source| match source.line() {
        Some(line) => TemplateError::Line { line, source },
        None => TemplateError::Text(source),
    })
}

/// Whether a path is the one of a generated file; one `*` of `pattern` stands for anything, letters
/// compare without case.
pub fn path_fits(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.to_ascii_lowercase(), path.replace('\\', "/").to_ascii_lowercase());
    let path = path.trim_start_matches('/');
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, tail)) => {
            path.len() >= head.len() + tail.len() && path.starts_with(head) && path.ends_with(tail)
        }
    }
}

/// The generated file for a path and a machine, the first that fits.
pub fn find<'a>(
    files: &'a [GeneratedFile],
    path: &str,
    request: Option<&BootRequest>,
    fallback: bool,
) -> Option<&'a GeneratedFile> {
    files.iter().filter(|file| file.fallback == fallback && path_fits(&file.path, path)).find(|file| {
        match request {
            Some(request) => file.matches.fits(request),
            None => file.matches == pxe_policy::Match::default(),
        }
    })
}

/// Renders a file's text for a client. Nothing that a client wrote gets into it but addresses and
/// numbers.
pub fn render(
    file: &GeneratedFile,
    path: &str,
    asker: &Asker,
    stored: Arc<dyn Stored>,
) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    let looked_up = Arc::clone(&stored);
    environment.add_function("exists", move |path: &str| looked_up.exists(path));
    let of_menu = Arc::clone(&stored);
    environment.add_function("menu", move |loader: &str| of_menu.menu(loader));
    environment.add_function("text", move |path: &str| stored.first_line(path));

    let request = asker.machine.as_ref().map(|machine| &machine.request);
    let verdict = asker.machine.as_ref().map(|machine| &machine.verdict);
    let mac = asker.mac.map(|mac| mac.to_string()).unwrap_or_default();
    let text = |value: Option<String>| value.unwrap_or_default();
    let uuid = request.and_then(|request| request.uuid);
    let image = verdict.and_then(|verdict| match &verdict.decision {
        Decision::Boot(boot) => boot.image.clone(),
        _ => None,
    });
    let rendered = environment.template_from_str(&file.template)?.render(context! {
        name => if mac.is_empty() { asker.client.to_string() } else { mac.clone() },
        mac_hyphens => mac.replace(':', "-"),
        mac,
        uuid => text(uuid.map(|uuid| uuid.to_string())),
        uuid_wire => text(uuid.map(|uuid| uuid.wire_order_text())),
        arch => text(request.and_then(BootRequest::arch).map(|arch| arch.to_string())),
        class => text(request.map(|request| request.class.to_string())),
        client_addr => asker.client.to_string(),
        server => asker.server.to_string(),
        http_url => asker.origin.to_string(),
        rule => text(verdict.and_then(|verdict| verdict.rule.clone())),
        image => text(image),
        report_url => asker.reporting.url(),
        boot_number => asker.reporting.boot(),
        kernel_report => asker.reporting.kernel_argument(),
        ipxe => context! {
            started => asker.reporting.ipxe_started(),
            failed => asker.reporting.ipxe_failed(),
        },
        grub => context! { failed => asker.reporting.grub_failed() },
        path,
    })?;
    // The first line break belongs to the quotes of the configuration file.
    Ok(rendered.trim_start_matches('\n').to_owned() + "\n")
}

/// Steps that a template may take; a loop over a machine's facts takes a few dozen.
const FUEL: u64 = 100_000;

#[cfg(test)]
mod tests;
