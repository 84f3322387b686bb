//! `netbootd watch`: each machine's steps as they happen, until it is ended.

use std::io::Write;

use clap::Args;
use serde_json::Value;

use super::client::{config_of, follow};
use super::status::{nobody_runs, step_line};
use super::{Failure, SiteArgs};

/// `netbootd watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Show only machines whose MAC address contains this.
    who: Option<String>,
    #[command(flatten)]
    site: SiteArgs,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// Shows what comes.
pub fn run(args: &WatchArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let wanted = args.who.as_ref().map(|who| who.to_ascii_lowercase());
    let mut out = anstream::stdout();
    let followed = follow(&config, "/events", |line| {
        let Some(json) = line.strip_prefix("data: ") else { return true };
        let Ok(step) = serde_json::from_str::<Value>(json) else { return true };
        let mac = step["mac"].as_str().unwrap_or_default();
        if wanted.as_ref().is_some_and(|wanted| !mac.contains(wanted.as_str())) {
            return true;
        }
        let written = match args.json {
            true => writeln!(out, "{json}"),
            false if step.is_object() => writeln!(out, "{mac:17}{}", step_line(&step)),
            false => writeln!(out, "({json} steps not shown)"),
        };
        written.is_ok() // nobody reads any more otherwise
    });
    followed?.ok_or_else(|| nobody_runs(&config))
}
