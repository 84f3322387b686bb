//! Rules, generated files, and whether the one's boot files are among the other's.

mod firmware;
mod warnings;

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use boot_program::Revocations;
use imagestore::{BootFile, BootTree, Mount, Signature, Store, StoreLimits};
use netbootd_content::files::{Files, Images};
use netbootd_content::secure_boot::{self, MAX_PROGRAM};
use netbootd_content::{template, winpe};
use netbootd_diagnosis::shim;
use pxe_policy::{
    Action, AddressRange, ArchType, BootAction, Class, ImageOffer, KernelBoot, Match, Rule, Rules, Via,
    WIMBOOT_SCRIPT, is_grub_or_shim, is_ipxe_binary,
};
use toml::Spanned;

use warnings::{
    note_refused_programs, warn_of_grub_behind_a_proxy, warn_of_ipxe_roms_left_out,
    warn_of_ipxe_without_script, warn_of_missing_files,
};

use super::super::finding::Finding;
use super::super::read;
use super::super::schema::{self, Classes, Document};
use super::super::{BUILT_IN, BUILT_IN_NAME, GeneratedFile, Mode};

pub(super) fn check(
    document: &Document,
    mounts: &[Mount],
    path: &Path,
    findings: &mut Vec<Finding>,
) -> (Rules, Vec<GeneratedFile>) {
    let mut files: Vec<GeneratedFile> =
        document.file.iter().filter_map(|file| generated(file, document, path, findings)).collect();
    if !is_built_in(path) {
        // `netbootd setup` writes them out, to be changed.
        let missing: Vec<_> = built_in_files().into_iter().filter(|file| !files.contains(file)).collect();
        files.extend(missing);
    }
    let tree = BootTree::new(mounts).ok().map(|tree| Files::new(tree, images_of(document)));
    // A damaged list is the concern of the commands that read it; the bundled one counts here then.
    let revocations =
        secure_boot::revocations(&document.server.state_dir).unwrap_or_else(|_| Revocations::bundled());
    let mut names = HashSet::new();
    let mut rules = Vec::with_capacity(document.rule.len());
    for written in &document.rule {
        if !names.insert(written.name.get_ref()) {
            let message = format!("the rule {:?} is there twice", written.name.get_ref());
            findings.push(Finding::error(written.name.span(), message));
        }
        let rule = rule(written, document, findings);
        if let (Action::Boot(boot), schema::Action::Boot(action)) = (&rule.action, written.action.get_ref()) {
            let span = action.file.span();
            if boot.is_for_macs() && boot.images.is_none() {
                let message = format!("the rule {:?} has no boot file", rule.name);
                let finding = Finding::error(written.action.span(), message).missing();
                findings.push(
                    finding.help("name a path in the boot folder, or a URL; for Macs, images = \"all\""),
                );
            }
            warn_of_images_for_pcs(&rule, boot, action, findings);
            warn_of_missing_files(boot, span.clone(), tree.as_ref(), &files, path, findings);
            warn_of_grub_behind_a_proxy(&rule, boot, span.clone(), document, findings);
            firmware::warn(&rule, boot, &span, &rules, findings);
            note_refused_programs(boot, span, tree.as_ref(), &revocations, findings);
        }
        rules.push(rule);
    }
    warn_of_ipxe_without_script(document, &rules, findings);
    warn_of_ipxe_roms_left_out(document, &rules, findings);
    let no_dhcp6 = document.dhcp6.mode.is_none_or(|mode| mode == Mode::Off);
    // Macs are judged by them, too.
    let nobody = document.dhcp.mode == Mode::Off && no_dhcp6 && !document.netboot.enabled;
    if nobody && !rules.is_empty() {
        let span = document.rule.first().map_or(0..0, |rule| rule.name.span());
        findings.push(Finding::warning(
            span,
            "no rule is looked at while dhcp.mode is \"off\" and netboot.enabled is false",
        ));
    }
    (Rules(rules), files)
}

/// The files generated where nothing else is found: the scripts of the built-in default, which
/// rules of other configurations name as well.
fn built_in_files() -> Vec<GeneratedFile> {
    let Ok((built_in, _)) = read::read(BUILT_IN) else { return Vec::new() }; // a test shows that it reads
    let path = Path::new(BUILT_IN_NAME);
    let files = built_in.file.iter().filter(|file| file.fallback);
    files.filter_map(|file| generated(file, &built_in, path, &mut Vec::new())).collect()
}

fn is_built_in(path: &Path) -> bool {
    path == Path::new(BUILT_IN_NAME)
}

/// The images of the store, when there is one.
fn images_of(document: &Document) -> Option<Arc<Images>> {
    let folder = document.store.folder.clone().unwrap_or_else(|| document.server.state_dir.join("images"));
    if !folder.join("catalogue.redb").exists() {
        return None;
    }
    let store = Store::open(&folder, StoreLimits::default()).ok()?;
    Images::open(store, None).ok().map(Arc::new)
}

fn rule(written: &schema::Rule, document: &Document, findings: &mut Vec<Finding>) -> Rule {
    let action = match written.action.get_ref() {
        schema::Action::LocalBoot => Action::LocalBoot,
        schema::Action::Ignore => Action::Ignore,
        schema::Action::Relay => Action::Relay,
        schema::Action::Directories => Action::Directories,
        schema::Action::Boot(boot) => Action::Boot(BootAction {
            file: boot.file.get_ref().any.clone(),
            file_by_arch: boot.file.get_ref().by_arch.clone(),
            kernel: kernel(boot, findings),
            menu: boot.menu.as_ref().and_then(|written| menu_of_rule(written, boot, findings)),
            via: boot.via.map(|via| match via {
                schema::Via::Tftp => Via::Tftp,
                schema::Via::Http => Via::Http,
            }),
            https: boot.https.as_ref().is_some_and(|https| *https.get_ref()),
            next_server: boot.next_server.as_ref().map(|addr| addr.0),
            image: boot.image.clone(),
            refer: boot.refer.as_ref().map(|addr| addr.0),
            images: images(boot, findings),
            signed_by: boot.signed_by.as_ref().map(|generation| generation.0),
        }),
    };
    Rule {
        name: written.name.get_ref().clone(),
        matches: matches(&written.matches, document, findings),
        action,
    }
}

/// The kernel that a rule names. Names of RAM disks and arguments have no effect without one.
fn kernel(boot: &schema::BootAction, findings: &mut Vec<Finding>) -> Option<KernelBoot> {
    let Some(kernel) = &boot.kernel else {
        if let Some(cmdline) = &boot.cmdline {
            findings.push(Finding::error(cmdline.span(), "cmdline has no effect without kernel"));
        }
        return None;
    };
    let path = |path: &String| path.trim_start_matches('/').to_owned();
    Some(KernelBoot {
        kernel: path(kernel.get_ref()),
        initrds: boot.initrd.0.iter().map(path).collect(),
        cmdline: boot.cmdline.as_ref().map(|cmdline| cmdline.get_ref().clone()).unwrap_or_default(),
        folder: String::new(),
    })
}

fn menu_of_rule(
    written: &Spanned<schema::OneOrMany<String>>,
    boot: &schema::BootAction,
    findings: &mut Vec<Finding>,
) -> Option<ImageOffer> {
    let default = boot.default_image.as_ref().map(|default| default.0.clone());
    match ImageOffer::of_words(written.get_ref().0.iter().map(String::as_str)) {
        Ok(offer) => Some(ImageOffer { default, ..offer }),
        Err(error) => {
            findings.push(Finding::error(written.span(), error.to_string()));
            None
        }
    }
}

/// The images that a rule offers Macs; None when it names no image.
fn images(boot: &schema::BootAction, findings: &mut Vec<Finding>) -> Option<ImageOffer> {
    let default = boot.default_image.as_ref().map(|default| default.0.clone());
    let Some(written) = &boot.images else {
        let default = default.filter(|_| boot.menu.is_none());
        return default.map(|default| ImageOffer { only: None, default: Some(default) });
    };
    match ImageOffer::of_words(written.get_ref().0.iter().map(String::as_str)) {
        Ok(offer) => Some(ImageOffer { default, ..offer }),
        Err(error) => {
            findings.push(Finding::error(written.span(), error.to_string()));
            None
        }
    }
}

fn warn_of_images_for_pcs(
    rule: &Rule,
    boot: &BootAction,
    written: &schema::BootAction,
    findings: &mut Vec<Finding>,
) {
    let for_macs = rule.matches.class.is_empty() || rule.matches.class.contains(&Class::Bsdp);
    // Macs say neither.
    let for_macs = for_macs && rule.matches.arch.is_empty() && rule.matches.uuid.is_empty();
    if let Some(images) = written.images.as_ref().filter(|_| boot.images.is_some() && !for_macs) {
        let message = format!("the rule {:?} names images for Macs, and fits none", rule.name);
        findings.push(
            Finding::warning(images.span(), message)
                .help("Macs have the class \"bsdp\", and neither an architecture nor a UUID"),
        );
    }
}

fn matches(written: &schema::Match, document: &Document, findings: &mut Vec<Finding>) -> Match {
    fn values<T: Clone>(written: &schema::OneOrMany<schema::Text<T>>) -> Vec<T> {
        written.0.iter().map(|text| text.0.clone()).collect()
    }
    Match {
        mac: values(&written.mac),
        tags: written.tags.0.clone(),
        uuid: values(&written.uuid),
        arch: values(&written.arch),
        class: values(&written.class).into_iter().flat_map(|classes: Classes| classes.0).collect(),
        subnet: values(&written.subnet),
        relay: values(&written.relay),
        iface: ifaces(written.iface.as_ref(), findings),
        boundary: boundary(written.boundary.as_ref(), document, findings),
        known: written.known,
    }
}

fn ifaces(written: Option<&Spanned<schema::OneOrMany<String>>>, findings: &mut Vec<Finding>) -> Vec<String> {
    let Some(written) = written else { return Vec::new() };
    let names = &written.get_ref().0;
    for name in names {
        super::warn_of_unknown_interface(name, written.span(), findings);
    }
    names.clone()
}

/// The ranges of the boundaries that are named, and the ranges that are written.
fn boundary(
    written: Option<&Spanned<schema::OneOrMany<String>>>,
    document: &Document,
    findings: &mut Vec<Finding>,
) -> Vec<AddressRange> {
    let Some(written) = written else { return Vec::new() };
    let mut ranges = Vec::new();
    for text in &written.get_ref().0 {
        match (document.boundary.get(text), text.parse()) {
            (Some(named), _) => ranges.extend(named.0.iter().map(|range| range.0)),
            (None, Ok(range)) => ranges.push(range),
            (None, Err(_)) => {
                let message = format!("there is no boundary {text:?}, and it is no range of addresses");
                let finding = Finding::error(written.span(), message);
                findings.push(finding.help("write [boundary] and a line name = \"10.7.0.10-10.7.3.250\""));
            }
        }
    }
    ranges
}

fn generated(
    file: &schema::File,
    document: &Document,
    config: &Path,
    findings: &mut Vec<Finding>,
) -> Option<GeneratedFile> {
    let (text, span) = template_text(file, config, findings)?;
    if file.path.get_ref().matches('*').count() > 1 {
        findings.push(Finding::error(file.path.span(), "a path has one * at most"));
    }
    let generated = GeneratedFile {
        path: file.path.get_ref().trim_start_matches('/').to_owned(),
        matches: matches(&file.matches, document, findings),
        template: text,
        fallback: file.fallback,
        content_type: file.content_type.clone(),
    };
    if let Err(error) = template::check(&generated.template) {
        findings.push(Finding::error(
            span,
            format!("the template of {:?} cannot be read: {error}", generated.path),
        ));
    }
    Some(generated)
}

fn template_text(
    file: &schema::File,
    config: &Path,
    findings: &mut Vec<Finding>,
) -> Option<(String, Range<usize>)> {
    match (&file.template, &file.template_file) {
        (Some(text), None) => Some((text.get_ref().clone(), text.span())),
        (None, Some(name)) => {
            let place = config.parent().unwrap_or(Path::new("")).join(name.get_ref());
            match std::fs::read_to_string(&place) {
                Ok(text) => Some((text, name.span())),
                Err(error) => {
                    let message = format!("cannot read the template {}: {error}", place.display());
                    findings.push(Finding::error(name.span(), message).because(&error));
                    None
                }
            }
        }
        (None, None) => {
            let finding = Finding::error(file.path.span(), "the file has no text").missing();
            findings.push(finding.help("add template = \"\"\"...\"\"\" or template-file = \"...\""));
            None
        }
        (Some(_), Some(name)) => {
            findings.push(Finding::error(name.span(), "template and template-file exclude each other"));
            None
        }
    }
}
