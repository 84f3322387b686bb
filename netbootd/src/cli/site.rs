//! `netbootd site`: the copy of the Configuration Manager site that a running netbootd keeps.

use std::time::Duration;

use clap::Subcommand;
use hyper::Method;
use netbootd_config::Config;
use serde_json::Value;

use super::client::{ask, config_of, not_running};
use super::human::{count, duration};
use super::table::{ListArgs, show, table};
use super::{Failure, SiteArgs};
use crate::cli::out::{out, outln};

#[derive(Debug, Subcommand)]
pub enum SiteCommand {
    /// Show how old the copy of the site is and what it holds.
    Status(StatusArgs),
    /// List the site's boot images, and whether machines can boot from them here.
    Images(ListArgs),
    /// List the networks that machines ask from, and the site's boundary groups of each.
    Networks(ListArgs),
    /// List addresses and GUIDs that records of different machines have.
    Duplicates(ListArgs),
    /// Read every device of the site now.
    Sweep(SiteArgs),
    /// Accept a removal of many records that was held back.
    Accept(SiteArgs),
}

#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Asks the running netbootd: it alone has the copy.
pub fn run(command: &SiteCommand) -> Result<(), Failure> {
    match command {
        SiteCommand::Status(args) => {
            let config = config_of(&args.site)?;
            let view = answered(&config, Method::GET, "/api/site")?;
            if args.json {
                let text = serde_json::to_string_pretty(&view);
                outln!("{}", text.map_err(|error| Failure::Bug(error.to_string()))?);
            } else {
                out!("{}", rendered(&view));
            }
        }
        SiteCommand::Images(args) => {
            let rows = listed(args, "/api/site/readiness")?;
            show(args, &rows, "no copy of a site is kept", images)?;
        }
        SiteCommand::Networks(args) => {
            let rows = listed(args, "/api/site/networks")?;
            show(args, &rows, "no machine was seen, or the site shows no boundary", networks)?;
        }
        SiteCommand::Duplicates(args) => {
            let rows = listed(args, "/api/site/duplicates")?;
            show(args, &rows, "no identifier belongs to records of different machines", duplicates)?;
        }
        SiteCommand::Sweep(args) => {
            answered(&config_of(args)?, Method::POST, "/api/site/sweep")?;
            outln!("every device of the site is read now; `netbootd site status` shows how far it is");
        }
        SiteCommand::Accept(args) => {
            let held = answered(&config_of(args)?, Method::POST, "/api/site/accept")?;
            let missing = count(held["missing"].as_u64().unwrap_or_default(), "record");
            outln!("{missing} of {} will be removed once every device was read again", held["of"]);
        }
    }
    Ok(())
}

fn listed(args: &ListArgs, path: &str) -> Result<Vec<Value>, Failure> {
    match answered(&config_of(&args.site)?, Method::GET, path)? {
        Value::Array(rows) => Ok(rows),
        _ => Err(Failure::NoAnswer(format!("{path} gave no list"))),
    }
}

fn images(rows: &[Value]) -> String {
    let row = |one: &Value| {
        let boots = words(&one["boots"]);
        let boots = if boots.is_empty() && one["relayed"] == true { "responder".to_owned() } else { boots };
        vec![
            text(&one["package"]),
            text(&one["name"]),
            text(&one["architecture"]),
            one["deployments"].to_string(),
            text(&one["state"]),
            boots,
            one["problem"].as_str().unwrap_or("ready").to_owned(),
        ]
    };
    let heading = ["PACKAGE", "NAME", "ARCH", "DEPLOYMENTS", "AT THE SITE", "BOOTS HERE", "RESULT"];
    table(&heading, &rows.iter().map(row).collect::<Vec<_>>())
}

fn networks(rows: &[Value]) -> String {
    let row = |one: &Value| {
        let groups = one["place"]["groups"].as_array().into_iter().flatten();
        let groups: Vec<String> = groups.map(|group| text(&group["name"])).collect();
        vec![
            text(&one["address"]),
            one["machines"].to_string(),
            one["days"].to_string(),
            groups.join(", "),
            one["problem"].as_str().unwrap_or("found").to_owned(),
        ]
    };
    table(&["NETWORK", "MACHINES", "DAYS", "GROUPS", "RESULT"], &rows.iter().map(row).collect::<Vec<_>>())
}

/// Each with the command that adds it to the site's list of duplicate hardware identifiers.
fn duplicates(rows: &[Value]) -> String {
    let row = |one: &Value| {
        let value = text(&one["value"]);
        let command = match one["kind"] == "mac" {
            true => format!("New-CMDuplicateHardwareIdMacAddress -MacAddress {value}"),
            false => format!("New-CMDuplicateHardwareIdGuid -Id {value}"),
        };
        let names = one["names"].as_array().map(Vec::len).unwrap_or_default();
        vec![value, names.to_string(), words(&one["names"]), command]
    };
    table(&["IDENTIFIER", "RECORDS", "NAMES", "TO LEAVE IT OUT"], &rows.iter().map(row).collect::<Vec<_>>())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The first words of a list.
fn words(value: &Value) -> String {
    let words: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let more = if words.len() > MOST_NAMED { ", ..." } else { "" };
    format!("{}{more}", words[..words.len().min(MOST_NAMED)].join(", "))
}

fn answered(config: &Config, method: Method, path: &str) -> Result<Value, Failure> {
    let answer = ask(config, method, path)?.ok_or_else(|| not_running(config))?;
    serde_json::from_str(&answer).map_err(|error| Failure::NoAnswer(error.to_string()))
}

/// A line for each figure.
fn rendered(view: &Value) -> String {
    let url = view["url"].as_str().unwrap_or_default();
    if url.is_empty() {
        return "no copy of a site is kept: [configmgr] is missing, or has mirror = false\n".to_owned();
    }
    let number = |name: &str| view[name].as_u64().unwrap_or_default();
    let ago = |name: &str| match view[name].as_u64() {
        Some(seconds) => format!("{} ago", duration(Duration::from_secs(seconds))),
        None => "never".to_owned(),
    };
    let devices = match view["counted"].as_u64() {
        Some(counted) => {
            format!("{}, {} obsolete; All Systems counts {counted}", number("devices"), number("retired"))
        }
        None => format!("{}, {} obsolete", number("devices"), number("retired")),
    };
    let mut rows = vec![
        ("site", url.to_owned()),
        (
            "whole",
            if view["whole"] == true { "yes" } else { "no: each machine is looked up at the site" }
                .to_owned(),
        ),
        ("up to date", ago("age")),
        ("every device read", ago("swept")),
        ("devices", devices),
        ("deployments", number("deployments").to_string()),
        (
            "memberships",
            format!("{} in {}", number("memberships"), count(number("collections"), "collection")),
        ),
    ];
    if let Some(shapes) = view["shapes"].as_object() {
        let paging = shapes["paging"].as_str().unwrap_or_default().to_owned();
        let yes = |name: &str| if shapes[name] == true { "yes" } else { "no" };
        rows.push(("paging", paging));
        rows.push(("filter obsolete", yes("obsolete").to_owned()));
        rows.push(("several records", yes("several").to_owned()));
    }
    if let Some(held) = view["held"].as_object() {
        let text = format!(
            "{} of {} are not shown any more; `netbootd site accept` removes them",
            held["missing"], held["of"]
        );
        rows.push(("held back", text));
    }
    if let Some(trouble) = view["trouble"].as_str() {
        rows.push(("trouble", trouble.to_owned()));
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, text)| vec![name.to_owned(), text]).collect();
    table(&["COPY", ""], &rows)
}

/// Names in one line of a list.
const MOST_NAMED: usize = 4;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_copy_that_is_held_back_says_what_to_do() {
        let view = json!({
            "url": "https://cm01.corp.example/AdminService", "whole": true, "age": 12, "swept": 7200, "devices": 90,
            "retired": 2, "counted": 100, "deployments": 4, "collections": 3, "memberships": 80,
            "shapes": { "paging": "keyset", "obsolete": true, "several": false },
            "held": { "missing": 50, "of": 90 }, "trouble": null,
        });
        let text = rendered(&view);
        for words in [
            "12 s ago",
            "90, 2 obsolete; All Systems counts 100",
            "80 in 3 collections",
            "keyset",
            "netbootd site accept",
        ] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
        assert!(rendered(&json!({ "url": "" })).contains("mirror = false"));
    }
}
