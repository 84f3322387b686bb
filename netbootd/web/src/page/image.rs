//! One image: its versions, files, the parts of a boot that it has, the machines that get it and
//! run from it; and the question before it is removed.

use hyper::StatusCode;
use imagestore::Version;
use minijinja::context;
use netbootd_content::menu;
use pxe_policy::{Action, Target};
use serde::Serialize;

use super::{Part, framed, images, problem, query, serialized, words};
use crate::api::ImageDetails;
use crate::console::{Asked, Console};

#[derive(Debug, Serialize)]
struct VersionLine {
    digest: String,
    short: String,
    served: bool,
    imported: String,
    source: String,
    size: String,
    files: usize,
    labels: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FileLine {
    path: String,
    size: String,
    digest: String,
}

#[derive(Debug, Serialize)]
struct RunnerLine {
    client: String,
    mac: Option<String>,
    at: String,
}

pub(super) async fn page(console: &Console, asked: &Asked<'_>, name: &str) -> Option<Part> {
    shown(console, asked, name, "image.html").await
}

/// The page that asks before an image is removed, with the consequences.
pub(super) async fn remove(console: &Console, asked: &Asked<'_>, name: &str) -> Option<Part> {
    shown(console, asked, name, "remove.html").await
}

async fn shown(console: &Console, asked: &Asked<'_>, name: &str, template: &str) -> Option<Part> {
    let details = match details(console, name).await? {
        Ok(details) => details,
        Err(cause) => {
            let cure = "Verify the image, or import it again.";
            let title = ("The image cannot be read", cause.as_str(), cure);
            return Some(problem(console, asked, StatusCode::INTERNAL_SERVER_ERROR, title));
        }
    };
    let current = details.record.current();
    let about = current.and_then(|version| version.about.as_deref());
    let label = |key: &str| current.and_then(|version| version.labels.get(key)).cloned().unwrap_or_default();
    let users = images::users(console).get(name).copied().unwrap_or_default();
    let wanted = query::value(asked.query, "version");
    let versions: Vec<VersionLine> = details
        .record
        .versions
        .iter()
        .rev()
        .map(|version| version_line(version, version.manifest == details.record.current))
        .collect();
    let chosen = wanted.and_then(|digest| versions.iter().position(|version| version.digest == digest));
    let runners = details.runners.iter().map(|runner| RunnerLine {
        client: runner.client.clone(),
        mac: runner.mac.clone(),
        at: words::at(runner.at),
    });
    let files = details.files.iter().take(MOST_FILES).map(|file| FileLine {
        path: file.path.clone(),
        size: words::bytes(file.size),
        digest: file.sha256.clone(),
    });
    let values = context! {
        name,
        kind => current.map(|version| version.kind.to_string()),
        title => about.map(|about| about.title()),
        ways => about.map(|about| about.ways.iter().map(|way| way.as_str()).collect::<Vec<_>>().join(", ")),
        editions => about.map(|about| about.editions.join(", ")),
        windows => about.and_then(|about| about.windows.as_ref()).map(serialized),
        answers => about.and_then(|about| about.unattended.as_ref()).map(|answers| answers.form.file_name()),
        boot => details.boot.as_ref().map(serialized),
        withdrawn => details.record.retired.as_ref().map(|retired| retired.why.clone()),
        version => chosen.and_then(|place| versions.get(place)).map(serialized),
        versions => serialized(&versions),
        total_files => details.files.len(),
        files => serialized(files.collect::<Vec<_>>()),
        roles => serialized(&details.roles),
        programs => serialized(&details.programs),
        users,
        users_link => format!("/machines?image={}", query::encoded(name)),
        rules => rules_that_name(console, name),
        devices => devices_that_boot(console, name),
        total_runners => details.runners.len(),
        runners => serialized(runners.take(MOST_RUNNERS).collect::<Vec<_>>()),
        menu_title => label(menu::TITLE),
        menu_order => label(menu::ORDER),
        menu_hidden => label(menu::MENU) == "hidden",
    };
    Some(framed(console, asked, template, name, "/images", values))
}

/// None when there is no such image; an error in words when it cannot be read.
async fn details(console: &Console, name: &str) -> Option<Result<ImageDetails, Unreadable>> {
    let store = console.daemon.images.clone()?;
    let snapshot = console.services.snapshot.load();
    snapshot.files.catalogue().images.get(name)?;
    let (name, state) = (name.to_owned(), console.services.state.folder().to_owned());
    let read =
        tokio::task::spawn_blocking(move || ImageDetails::read(store.store(), &state, &name)).await.ok()?;
    Some(read.map_err(|error| Unreadable(netbootd_net::with_causes(&error))))
}

/// Why an image cannot be read, in words.
struct Unreadable(String);

impl Unreadable {
    fn as_str(&self) -> &str {
        &self.0
    }
}

fn version_line(version: &Version, served: bool) -> VersionLine {
    let digest = version.manifest.to_string();
    VersionLine {
        short: digest[..12].to_owned(),
        digest,
        served,
        imported: words::at(version.at),
        source: version.source.clone(),
        size: words::bytes(version.size),
        files: version.files,
        labels: version.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
    }
}

/// The rules whose image it is.
fn rules_that_name(console: &Console, image: &str) -> Vec<String> {
    let snapshot = console.services.snapshot.load();
    let folder = format!("{image}/");
    let names = |rule: &&pxe_policy::Rule| match &rule.action {
        Action::Boot(boot) => {
            boot.image.as_deref() == Some(image)
                || boot.all_files().any(|file| file.trim_start_matches('/').starts_with(&folder))
        }
        _ => false,
    };
    snapshot.config.rules.0.iter().filter(names).map(|rule| rule.name.clone()).collect()
}

/// The devices that an operator lets boot it, the first ones.
fn devices_that_boot(console: &Console, image: &str) -> Vec<String> {
    let is_it = |target: &Target| matches!(target, Target::Image(name) if name == image);
    let devices = netbootd_server::devices::list(&console.services);
    let boots = devices.into_iter().filter(|device| {
        device.boot.as_ref().is_some_and(is_it)
            || device.next.as_ref().is_some_and(|next| next.used.is_none() && is_it(&next.target))
    });
    boots.take(MOST_RUNNERS).map(|device| device.mac).collect()
}

/// Files on the page; the API has all of them.
const MOST_FILES: usize = 200;
/// Machines on the page.
const MOST_RUNNERS: usize = 20;
