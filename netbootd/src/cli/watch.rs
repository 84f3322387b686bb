//! `netbootd watch`: boot steps or findings as they happen, until Ctrl-C.

use std::io::Write;

use clap::Args;
use serde_json::Value;

use super::client::{config_of, follow, not_running};
use super::colour::{BAD, GOOD, styled};
use super::human::date_and_time;
use super::status::{shown, step_words};
use super::{Failure, SiteArgs};

#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Show only machines whose MAC address contains this.
    mac: Option<String>,
    #[command(flatten)]
    site: SiteArgs,
    /// Show findings as they open and end, instead of steps.
    #[arg(long)]
    findings: bool,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// Prints events until Ctrl-C.
pub fn run(args: &WatchArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let wanted = args.mac.as_ref().map(|mac| mac.to_ascii_lowercase());
    let mut out = anstream::stdout();
    let path = if args.findings { "/events/findings" } else { "/events" };
    let followed = follow(&config, path, |line| {
        let Some(json) = line.strip_prefix("data: ") else { return true };
        let Ok(step) = serde_json::from_str::<Value>(json) else { return true };
        let mac = step["mac"].as_str().unwrap_or_default();
        if wanted.as_ref().is_some_and(|wanted| !mac.contains(wanted.as_str())) {
            return true;
        }
        let written = match args.json {
            true => writeln!(out, "{json}"),
            false if !step.is_object() => writeln!(out, "({json} steps not shown)"),
            false if args.findings => writeln!(out, "{}", finding_line(&step)),
            false => writeln!(out, "{}  {mac:17}  {}", time_of(&step), step_words(&step)),
        };
        written.is_ok() // the pipe is closed otherwise
    });
    followed?.ok_or_else(|| not_running(&config))
}

/// The local time of day.
fn time_of(step: &Value) -> String {
    let at = shown(&step["at"]);
    date_and_time(&at).map_or(at, |(_, time)| time)
}

/// One finding that opens or ends: when, of which machine, and what.
fn finding_line(change: &Value) -> String {
    let event = shown(&change["event"]);
    let event = styled(if event == "opened" { BAD } else { GOOD }, &event);
    let mut line = format!("{}  {}  {event}  ", time_of(change), shown(&change["mac"]));
    if !change["name"].is_null() {
        line.push_str(&format!("{}  ", shown(&change["name"])));
    }
    let words = ["severity", "cause", "headline"].map(|name| shown(&change[name]));
    line.push_str(&format!("{} {}: {}", words[0], words[1], words[2]));
    line
}
