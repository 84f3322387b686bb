//! `netbootd status`: the running server, its machines, and what is wrong with one of them.

use std::time::Duration;

use clap::Args;
use hyper::Method;
use netbootd_config::Config;
use netbootd_telemetry::event::Refusal;
use netbootd_telemetry::strangers::{CONDUCT, Conduct};
use netbootd_telemetry::timeline::MAX_NUMBER;
use netbootd_web::api::views::DeviceView;
use pxe_policy::{MacAddr, Reason};
use serde_json::Value;

use super::client::{ask, config_of, not_running};
use super::colour::{BAD, CURE, GOOD, styled};
use super::human::{count, date_and_time, duration, when_text};
use super::table::styled_table;
use super::{Failure, SiteArgs};
use crate::cli::out::out;
use indicatif::HumanBytes;

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A MAC address or the number on a machine's screen for one machine, or part of a MAC address,
    /// GUID or name to filter the list.
    #[arg(value_name = "MACHINE")]
    who: Option<String>,
    #[command(flatten)]
    site: SiteArgs,
    /// Show the steps of the last seven days; with a word, list machines with a step that contains
    /// it.
    #[arg(long, requires = "who")]
    history: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Asks the running netbootd and shows what it says.
pub fn run(args: &StatusArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let one = match &args.who {
        Some(who) => who.parse::<MacAddr>().ok().or(with_number(&config, who)?),
        None => None,
    };
    let text = match (&one, &args.who) {
        (Some(mac), _) if args.history => {
            let steps = answer(&config, &format!("/devices/{mac}/history"))?;
            if args.json { pretty(&steps)? } else { steps_of(&steps) }
        }
        (Some(mac), _) => {
            let timeline = answer(&config, &format!("/devices/{mac}"))?;
            if args.json { pretty(&timeline)? } else { rendered(&timeline) }
        }
        (None, Some(word)) if args.history => {
            let steps = answer(&config, &format!("/history?search={}", encoded(word)))?;
            let line = |step: &Value| {
                format!("{}  {}  {}\n", shown(&step["mac"]), when_text(&shown(&step["at"])), step_words(step))
            };
            match args.json {
                true => pretty(&steps)?,
                false => steps.as_array().into_iter().flatten().map(line).collect(),
            }
        }
        (None, who) => {
            let search = who.as_deref().unwrap_or_default();
            let found = answer(&config, &format!("/devices?search={}", encoded(search)))?;
            let status = answer(&config, "/status")?;
            if args.json {
                pretty(&serde_json::json!({ "status": status, "devices": found }))?
            } else {
                let devices: Vec<DeviceView> = read(found)?;
                format!("{}\n{}", summary(&status), listed(&devices))
            }
        }
    };
    out!("{text}");
    Ok(())
}

/// The machine whose screen shows this number, if that is what it is.
fn with_number(config: &Config, who: &str) -> Result<Option<MacAddr>, Failure> {
    let Some(number) = who.parse::<u32>().ok().filter(|number| (1..=MAX_NUMBER).contains(number)) else {
        return Ok(None);
    };
    let found = answer(config, &format!("/devices?boot={number}"))?;
    Ok(found[0]["mac"].as_str().and_then(|mac| mac.parse().ok()))
}

fn answer(config: &Config, path: &str) -> Result<Value, Failure> {
    let text = ask(config, Method::GET, path)?.ok_or_else(|| not_running(config))?;
    serde_json::from_str(&text).map_err(|error| Failure::NoAnswer(error.to_string()))
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| Failure::NoAnswer(error.to_string()))
}

fn pretty(value: &Value) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Bug(error.to_string()))?;
    Ok(text + "\n")
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn summary(status: &Value) -> String {
    let word = |name: &str| status[name].as_str().map_or_else(|| status[name].to_string(), str::to_owned);
    let number = |name: &str, noun| count(status[name].as_u64().unwrap_or_default(), noun);
    let up = Duration::from_secs(status["uptime_seconds"].as_u64().unwrap_or_default());
    let mut text = format!(
        "netbootd {}, up {}, DHCP mode {}: {}, {} in progress, {} waiting for approval\n",
        word("version"),
        duration(up),
        word("mode"),
        number("machines", "machine"),
        number("transfers", "transfer"),
        word("pending"),
    );
    text.push_str(&dropped_by_limits(status));
    for sender in status["strangers"].as_array().into_iter().flatten() {
        text.push_str(&stranger(sender));
    }
    for directory in status["directories"].as_array().into_iter().flatten() {
        let state = match directory["trouble"].as_str() {
            Some(trouble) => styled(BAD, &plain(trouble)),
            None => styled(GOOD, "answers"),
        };
        text.push_str(&format!("directory {}: {state}\n", shown(&directory["name"])));
    }
    for certificate in status["certificates"].as_array().into_iter().flatten() {
        let state = match (certificate["days"].as_i64(), certificate["trouble"].as_str()) {
            (Some(days), _) if days < netbootd_directory::certificates::WARN_DAYS => {
                let words = if days == 1 { "1 day left".to_owned() } else { format!("{days} days left") };
                styled(BAD, &format!("{words}: renew it"))
            }
            (Some(days), _) => styled(GOOD, &format!("{days} days left")),
            (None, trouble) => styled(BAD, &plain(trouble.unwrap_or("not valid"))),
        };
        text.push_str(&format!("certificate of {}: {state}\n", shown(&certificate["server"])));
    }
    text
}

/// A sender of what no boot client sends.
fn stranger(sender: &Value) -> String {
    let conduct = CONDUCT.into_iter().find(|conduct| serde_json::json!(conduct) == sender["conduct"]);
    let words = conduct.map_or("sends what no boot client sends", Conduct::words);
    let address = styled(BAD, &shown(&sender["address"]));
    let times = count(sender["count"].as_u64().unwrap_or_default(), "time");
    let first = when_text(&shown(&sender["since"]));
    let example = sender["example"].as_str().map(|name| format!(", last for {}", plain(name)));
    format!("{address} {words}: {times}, first {first}{}\n", example.unwrap_or_default())
}

/// Requests that a limit dropped, if there are any.
fn dropped_by_limits(status: &Value) -> String {
    let reasons = Reason::LIMITS.map(Reason::as_str);
    let refusals = Refusal::LIMITS.map(Refusal::name);
    let is_limit = |counter: &&Value| {
        let words = |name: &str| counter[name].as_str().unwrap_or_default();
        let file = matches!(words("kind"), "tftp" | "http");
        if file { refusals.contains(&words("word")) } else { reasons.contains(&words("word")) }
    };
    let counters = status["counters"].as_array().into_iter().flatten().filter(is_limit);
    let dropped: Vec<String> = counters
        .map(|counter| {
            format!("{} {}: {}", shown(&counter["kind"]), shown(&counter["word"]), counter["count"])
        })
        .collect();
    match dropped.is_empty() {
        true => String::new(),
        false => format!("dropped by limits: {}\n", styled(BAD, &dropped.join(", "))),
    }
}

fn listed(devices: &[DeviceView]) -> String {
    if devices.is_empty() {
        return "no machine seen yet: start one from the network, or try `netbootd probe pxe`\n".to_owned();
    }
    let rows: Vec<Vec<String>> = devices
        .iter()
        .map(|device| {
            let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            vec![
                device.mac.clone(),
                or_none(&device.name),
                when_text(&device.last_seen),
                device.last_step.clone(),
                or_none(&device.finding),
            ]
        })
        .collect();
    let heading = ["MACHINE", "NAME", "LAST SEEN", "LAST STEP", "FINDING"];
    styled_table(&heading, &rows, |row| devices.get(row)?.finding.as_ref().map(|_| BAD))
}

/// One machine: its steps, what is wrong, and what to do.
fn rendered(timeline: &Value) -> String {
    let boot = timeline["boot"].as_u64().filter(|boot| *boot > 0);
    let boot = boot.map(|boot| format!("boot {boot} ")).unwrap_or_default();
    let title = format!("{} {boot}{}", shown(&timeline["mac"]), shown(&timeline["name"]));
    let mut text = title.trim_end().to_owned() + "\n";
    text.push_str(&steps_of(&timeline["steps"]));
    text.push_str(&diagnosis(timeline));
    text
}

/// The finding, other possible causes, and the next step.
fn diagnosis(timeline: &Value) -> String {
    let mut text = String::new();
    let (finding, also, expected) = (&timeline["finding"], &timeline["also"], &timeline["expected"]);
    if finding.is_null() {
        text.push_str(if expected["overdue"] == true { "No cause found." } else { "No finding." });
        if let Some(last) = timeline["last"]["what"].as_str() {
            let ago = timeline["last"]["ago"].as_f64().unwrap_or_default();
            text.push_str(&format!(" Last: {}, {} ago.", plain(last), seconds(ago)));
        }
    } else {
        let cause = styled(BAD, &shown(&finding["cause"]));
        text.push_str(&format!("{cause}: {}\n", shown(&finding["headline"])));
        for seen in finding["evidence"].as_array().into_iter().flatten() {
            text.push_str(&format!("  {}\n", shown(seen)));
        }
        text.push_str(&format!("  {}\n", styled(CURE, &format!("-> {}", shown(&finding["cure"])))));
        if !also.is_null() {
            let (cause, headline) = (shown(&also["cause"]), shown(&also["headline"]));
            text.push_str(&format!("Also possible: {cause}: {headline}\n"));
        }
    }
    if let Some(what) = expected["what"].as_str() {
        let waited = expected["waited"].as_f64().unwrap_or_default();
        let separator = if finding.is_null() { " " } else { "" };
        let waited = seconds(waited);
        text.push_str(&format!("{separator}Expected next: {}; waited {waited} so far.", plain(what)));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    for past in timeline["past"].as_array().into_iter().flatten() {
        let (cause, headline) = (shown(&past["cause"]), shown(&past["headline"]));
        let [boot, ended] = ["boot", "ended"].map(|name| when_text(&shown(&past[name])));
        text.push_str(&format!("Ended {ended} (boot {boot}): {cause}: {headline}\n"));
    }
    text
}

/// One step a line, below a line for each day.
fn steps_of(steps: &Value) -> String {
    let (mut text, mut day) = (String::new(), String::new());
    for step in steps.as_array().into_iter().flatten() {
        let at = shown(&step["at"]);
        let (date, time) = date_and_time(&at).unwrap_or((String::new(), at));
        if date != day {
            text.push_str(&format!("{date}\n"));
            day = date;
        }
        text.push_str(&format!("  {time}  {}\n", step_words(step)));
    }
    text
}

/// A step in one line: protocol, file or request, result, and what explains it.
pub(super) fn step_words(step: &Value) -> String {
    let word = |name: &str| Some(shown(&step[name])).filter(|word| !word.is_empty());
    let what = shown(&step["what"]);
    let result = match what.as_str() {
        "offer" | "ack" | "completed" | "taken-in" | "up" => styled(GOOD, &what),
        "timed-out" | "client-gone" | "read-failed" | "failed" | "busy" | "send-failed" | "not-taken-in"
        | "error" => styled(BAD, &what),
        _ => what,
    };
    let mut line = format!("{} {result}", shown(&step["proto"]));
    if let Some(file) = word("file") {
        line.push_str(&format!(" {file}"));
    }
    if let Some(bytes) = step["bytes"].as_u64() {
        let elapsed = Duration::from_secs_f64(step["seconds"].as_f64().unwrap_or_default().clamp(0.0, 1e9));
        let rate = HumanBytes(step["rate"].as_f64().unwrap_or_default() as u64);
        line.push_str(&format!(": {} in {}, {rate}/s", HumanBytes(bytes), duration(elapsed)));
    }
    let resends = step["resends"].as_u64().filter(|resends| *resends > 0);
    let facts = [
        word("asked").map(|asked| format!("asked as {asked}")),
        word("reason"),
        word("by").map(|by| format!("by {by}")),
        word("negotiated"),
        resends.map(|resends| count(resends, "block") + " sent again"),
        word("detail"),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    if !facts.is_empty() {
        line.push_str(&format!(" ({})", facts.join("; ")));
    }
    line
}

fn seconds(seconds: f64) -> String {
    duration(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
}

pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

/// Text without control characters: bytes from the wire must not move the cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use netbootd_diagnosis::Cause;
    use netbootd_telemetry::finding::FindingView;
    use serde_json::json;

    use super::*;

    /// The API gives a finding as it is; the terminal shows the same words of it.
    #[test]
    fn every_cause_is_shown_in_the_words_of_the_table() {
        let reasons = Reason::ALL.into_iter().map(Cause::Decision);
        let directories = pxe_policy::TroubleKind::ALL.into_iter().map(Cause::Directory);
        for cause in Cause::rows().chain(reasons).chain(directories) {
            let finding = FindingView {
                cause: cause.as_str(),
                severity: cause.severity(),
                headline: cause.headline(),
                evidence: vec!["13:05:00Z offered boot.efi".into()],
                cure: cause.cure().to_owned(),
                codes: cause.codes(),
            };
            let text = rendered(&json!({
                "mac": "52:54:00:4c:01:01",
                "steps": [],
                "finding": finding,
                "also": finding,
                "past": [{"cause": finding.cause, "headline": finding.headline}],
            }));
            let (name, headline, cure) = (cause.as_str(), cause.headline(), cause.cure());
            assert!(text.contains(&format!("{name}: {headline}\n")), "{text}");
            assert!(text.contains("  13:05:00Z offered boot.efi\n"), "{text}");
            assert!(text.contains(&format!("-> {cure}")), "{text}");
            assert!(text.contains(&format!("Also possible: {name}: {headline}\n")), "{text}");
        }
    }
}
