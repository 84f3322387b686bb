//! Images and their sources as tables and text.

use netbootd_content::secure_boot::ProgramReport;

use super::*;
use crate::cli::signers;

pub(super) fn list(catalogue: &Catalogue) -> String {
    let row = |(name, record): (&String, &ImageRecord)| {
        let current = record.current();
        let cell = |value: fn(&imagestore::Version) -> String| current.map(value).unwrap_or_default();
        vec![
            name.clone(),
            cell(|version| version.kind.to_string()),
            record.current.to_string()[..12].to_owned(),
            record.versions.len().to_string(),
            cell(|version| version.files.to_string()),
            cell(|version| HumanBytes(version.size).to_string()),
            cell(|version| when_unix(version.at)),
        ]
    };
    let heading = ["NAME", "KIND", "VERSION", "VERSIONS", "FILES", "SIZE", "IMPORTED"];
    let (retired, served): (Vec<_>, Vec<_>) =
        catalogue.images.iter().partition(|(_, record)| record.retired.is_some());
    let mut text = table(&heading, &served.into_iter().map(row).collect::<Vec<_>>());
    for (name, record) in retired {
        let why = record.retired.as_ref().map(|retired| retired.why.as_str()).unwrap_or_default();
        text.push_str(&format!("{name} is withdrawn: {why}; machines that run from it can still read it\n"));
    }
    text
}

pub(super) fn sources(outcomes: &Outcomes, ordinary: usize) -> String {
    let row = |(source, outcome): (&String, &watch::Outcome)| {
        vec![source.clone(), outcome.state(), outcome.detail.clone().unwrap_or_default()]
    };
    let mut text = table(&["SOURCE", "STATE", "DETAIL"], &outcomes.iter().map(row).collect::<Vec<_>>());
    if ordinary > 0 {
        let packages = count(ordinary, "package");
        text.push_str(&format!("\n{packages} without boot files not shown; --all lists them\n"));
    }
    text
}

pub(super) fn show(
    name: &str,
    record: &ImageRecord,
    manifest: &imagestore::Manifest,
    programs: &BTreeMap<String, ProgramReport>,
) -> String {
    let mut text = format!("{name} ({})\n\n", manifest.kind);
    let row = |version: &imagestore::Version| {
        let mark = if version.manifest == record.current { "served" } else { "" };
        let labels: Vec<String> =
            version.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        vec![
            version.manifest.to_string(),
            mark.into(),
            when_unix(version.at),
            labels.join(" "),
            version.source.clone(),
        ]
    };
    let rows: Vec<_> = record.versions.iter().map(row).collect();
    if let Some(about) = record.current().and_then(|version| version.about.as_deref()) {
        text.push_str(&described(about, manifest));
    }
    text.push_str(&table(&["VERSION", "", "IMPORTED", "LABELS", "FROM"], &rows));
    let files: Vec<_> = manifest
        .files
        .iter()
        .map(|file| vec![file.path.clone(), HumanBytes(file.size).to_string(), file.digest.to_string()])
        .collect();
    text.push_str(&format!("\n{}", table(&["FILE", "SIZE", "SHA-256"], &files)));
    if !programs.is_empty() {
        let rows: Vec<_> = programs
            .iter()
            .map(|(path, report)| {
                let revoked = report.revoked.clone().unwrap_or_else(|| "no".into());
                vec![path.clone(), report.architecture.clone(), signers::summary(report), revoked]
            })
            .collect();
        text.push_str(&format!("\n{}", table(&["BOOT PROGRAM", "FOR", "SIGNED BY", "REVOKED"], &rows)));
    }
    if manifest.kind == ImageKind::WinPe {
        let roles = roles_of(manifest.files.iter().map(|file| file.path.as_str()));
        let rows: Vec<_> = roles
            .into_iter()
            .map(|(role, filled)| {
                vec![
                    role.name.into(),
                    if filled { "there" } else { "missing" }.into(),
                    role.needed_for.into(),
                ]
            })
            .collect();
        text.push_str(&format!("\n{}", table(&["ROLE", "", "FOR"], &rows)));
    }
    text
}

/// The description of an image, and how PCs boot it.
fn described(about: &About, manifest: &imagestore::Manifest) -> String {
    let mut lines = vec![("is", about.title())];
    if about.editions.len() > 1 {
        lines.push(("editions", about.editions.join(", ")));
    }
    if let Some(windows) = &about.windows {
        if about.product != windows.role.as_str() {
            lines.push(("for", windows.role.to_string()));
        }
        lines.push(("languages", windows.languages.join(", ")));
        lines.push(("generations", windows.generations.join(", ")));
        if windows.network_drivers > 0 {
            let names = windows.network_driver_names.iter().take(MOST_DRIVERS);
            let names = names.cloned().collect::<Vec<_>>().join(", ");
            let more = windows.network_drivers.saturating_sub(MOST_DRIVERS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            lines.push(("net drivers", format!("{}: {names}{more}", windows.network_drivers)));
        }
    }
    if let Some(media) = &about.media {
        let password = if media.password_required {
            "a password is required"
        } else {
            "none: anybody who has Variables.dat can open it"
        };
        lines.push(("password", password.to_owned()));
        // Only the site itself knows it without the password.
        let known = "its end is encrypted in Variables.dat; ConfigMgr lists it, and netbootd where \
                     configmgr is set";
        lines.push(("certificate", known.to_owned()));
    }
    lines.push(("boots by", about.ways.iter().map(|way| way.as_str()).collect::<Vec<_>>().join(", ")));
    if let Some(boot) = &manifest.boot {
        lines.push(("kernel", boot.kernel.clone()));
        lines.push(("initrds", boot.initrds.join(" ")));
        lines.push(("arguments", boot.cmdline.clone()));
    }
    if let Some(unattended) = &about.unattended {
        lines.push(("answer file", unattended.form.file_name().to_owned()));
    }
    let lines = lines.into_iter().filter(|(_, text)| !text.is_empty());
    lines.map(|(what, text)| format!("{what:<12}{text}\n")).chain(["\n".to_owned()]).collect()
}

/// Network drivers that are named; `--json` lists them all.
const MOST_DRIVERS: usize = 12;
