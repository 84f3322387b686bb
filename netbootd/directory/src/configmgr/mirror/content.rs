//! The boot images of the site, and the state of their content on each distribution point. Pure.

use std::collections::HashMap;

use pxe_policy::Trouble;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::places::server_of;
use crate::configmgr::client::Client;

/// The rows about content.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ContentRows {
    images: Vec<ImageRow>,
    states: Vec<StateRow>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ImageRow {
    packageid: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    architecture: Option<Value>,
    #[serde(default)]
    sourceversion: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StateRow {
    packageid: String,
    #[serde(default)]
    servernalpath: Option<String>,
    #[serde(default)]
    sourceversion: Option<u64>,
    #[serde(default)]
    state: Option<i64>,
}

impl ContentRows {
    /// Reads the rows from the site: boot images alone, a few for each distribution point.
    pub(super) async fn read(client: &Client) -> Result<Self, Trouble> {
        Ok(ContentRows {
            images: client
                .list("SMS_BootImagePackage", "", &["PackageID", "Name", "Architecture", "SourceVersion"])
                .await?,
            states: client
                .list(
                    "SMS_PackageStatusDistPointsSummarizer",
                    "PackageType eq 258",
                    &["PackageID", "ServerNALPath", "SourceVersion", "State"],
                )
                .await?,
        })
    }
}

/// The boot images and their content.
#[derive(Debug, Default)]
pub(super) struct Content {
    images: Vec<ImageRow>,
    /// By package and server.
    states: HashMap<(String, String), (i64, Option<u64>)>,
}

/// The state of a package on a distribution point, by the site's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentState {
    /// It is not distributed there.
    NotDistributed,
    /// It is there, in the version of the site.
    Installed,
    /// It is there in another version than the site has.
    OtherVersion,
    /// It is on its way.
    Pending,
    /// The site tries again.
    Retrying,
    /// It did not arrive.
    Failed,
    /// It is to go.
    RemovalPending,
}

/// A boot image of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteImage {
    /// Its package id, such as `PS100005`.
    pub package: String,
    /// Its name at the site.
    pub name: String,
    /// Its architecture as the site says it.
    pub architecture: Option<String>,
    /// The version that the site has.
    pub version: Option<u64>,
    /// The version that the distribution point has.
    pub version_there: Option<u64>,
    /// Its state on the distribution point; None without one, or where the site does not say.
    pub state: Option<ContentState>,
}

impl Content {
    pub(super) fn of_rows(rows: &ContentRows) -> Self {
        let state = |row: &StateRow| {
            let server = server_of(row.servernalpath.as_deref()?)?;
            Some(((row.packageid.clone(), server), (row.state?, row.sourceversion)))
        };
        Content { images: rows.images.clone(), states: rows.states.iter().filter_map(state).collect() }
    }

    /// The boot images, with their state on a distribution point.
    pub(super) fn images(&self, point: Option<&str>) -> Vec<SiteImage> {
        let point = point.map(str::to_ascii_lowercase);
        let image = |row: &ImageRow| {
            let there = point.as_ref().and_then(|point| {
                let found = self
                    .states
                    .iter()
                    .find(|((package, server), _)| *package == row.packageid && is_server(server, point));
                found.map(|(_, state)| *state)
            });
            let state = match there {
                _ if point.is_none() || self.states.is_empty() => None,
                None => Some(ContentState::NotDistributed),
                Some((state, version)) => Some(ContentState::of(state, version, row.sourceversion)),
            };
            SiteImage {
                package: row.packageid.clone(),
                name: row.name.clone().unwrap_or_default(),
                architecture: row
                    .architecture
                    .as_ref()
                    .map(|arch| arch.as_str().map_or_else(|| arch.to_string(), str::to_owned)),
                version: row.sourceversion,
                version_there: there.and_then(|(_, version)| version),
                state,
            }
        };
        self.images.iter().map(image).collect()
    }
}

impl ContentState {
    /// The number in `SMS_PackageStatusDistPointsSummarizer.State`.
    fn of(state: i64, there: Option<u64>, site: Option<u64>) -> Self {
        match state {
            0 | 8 if there.is_some() && site.is_some() && there != site => ContentState::OtherVersion,
            0 | 8 => ContentState::Installed,
            2 => ContentState::Retrying,
            3 | 6 => ContentState::Failed,
            4 => ContentState::RemovalPending,
            _ => ContentState::Pending,
        }
    }

    /// The state in words.
    pub fn words(self) -> &'static str {
        match self {
            ContentState::NotDistributed => "not distributed to it",
            ContentState::Installed => "installed",
            ContentState::OtherVersion => "installed in another version",
            ContentState::Pending => "pending",
            ContentState::Retrying => "retrying",
            ContentState::Failed => "failed",
            ContentState::RemovalPending => "removal pending",
        }
    }
}

/// A full name, or its first part.
fn is_server(server: &str, wanted: &str) -> bool {
    server == wanted || server.split('.').next() == Some(wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_image_is_installed_where_its_version_is_the_sites() {
        let nal =
            |server: &str| format!("[\"Display=\\\\{server}\\\"]MSWNET:[\"SMS_SITE=PS1\"]\\\\{server}\\");
        let state = |package: &str, server: &str, version: u64, state: i64| json!({ "packageid": package, "servernalpath": nal(server), "sourceversion": version, "state": state });
        let image = |package: &str, version: u64| json!({ "packageid": package, "name": "Boot image", "architecture": 9, "sourceversion": version });
        let rows = json!({
            "images": [image("PS1", 9), image("PS2", 9), image("PS3", 9), image("PS4", 9), image("PS5", 9)],
            "states": [
                state("PS1", "DP01.corp.example", 9, 0), state("PS2", "dp01.corp.example", 8, 0),
                state("PS3", "dp01.corp.example", 9, 4), state("PS4", "dp01.corp.example", 9, 3),
                state("PS5", "dp02.corp.example", 9, 0),
            ],
        });
        let content = Content::of_rows(&serde_json::from_value(rows).unwrap());
        let states = |point| -> Vec<Option<ContentState>> {
            content.images(point).into_iter().map(|image| image.state).collect()
        };
        let expected = [
            ContentState::Installed,
            ContentState::OtherVersion,
            ContentState::RemovalPending,
            ContentState::Failed,
            ContentState::NotDistributed,
        ];
        assert_eq!(states(Some("dp01.corp.example")), expected.map(Some));
        assert_eq!(states(Some("DP01")), expected.map(Some));
        assert_eq!(states(None), [None; 5]);
        assert_eq!(content.images(None)[0].architecture.as_deref(), Some("9"));
    }
}
