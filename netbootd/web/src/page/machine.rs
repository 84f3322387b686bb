//! One machine: what is wrong, its boot as a waterfall, its earlier boots, and who it is.

use std::sync::Arc;
use std::time::SystemTime;

use hyper::StatusCode;
use minijinja::context;
use netbootd_diagnosis::Severity;
use netbootd_telemetry::finding::FindingView;
use netbootd_telemetry::timeline::Timeline;
use netbootd_telemetry::view::StepView;
use pxe_policy::{Approval, Generation, MacAddr};
use serde::Serialize;

use super::rows::{RowView, arch_words};
use super::waterfall::{BootSteps, Fall, Next, Step, boots, fall, parting};
use super::{Part, framed, number, problem, query, serialized, words};
use crate::api::views;
use crate::audit::entries;
use crate::board::Row;
use crate::console::{Asked, Console};

/// A boot above its waterfall.
#[derive(Debug, Serialize)]
struct BootView {
    title: String,
    started: String,
    length: String,
    chosen: bool,
    folded_link: String,
    true_link: String,
}

/// A boot as it was at a moment.
#[derive(Debug, Serialize)]
struct Replay {
    /// The boot's own page: a link to a moment lasts as long as the boot is kept.
    link: String,
    /// Its length in seconds.
    seconds: String,
    /// The moment that is shown, in seconds from its begin.
    at: Option<String>,
    scale: Option<String>,
}

/// A boot in the list of boots.
#[derive(Debug, Serialize)]
struct BootLine {
    id: String,
    started: String,
    gets: Option<String>,
    end: String,
    took: String,
    compare: Option<String>,
}

/// A word and its value.
#[derive(Debug, Serialize)]
struct Fact {
    word: &'static str,
    value: String,
    mono: bool,
}

#[derive(Debug, Serialize)]
struct Finding {
    #[serde(flatten)]
    finding: FindingView,
    tint: &'static str,
}

/// A machine, and which of its boots are looked at.
struct Chosen {
    mac: MacAddr,
    key: Option<u64>,
    history: bool,
}

pub(super) async fn page(console: &Console, asked: &Asked<'_>, mac: &str) -> Option<Part> {
    let mac = mac.parse().ok()?;
    let history = !asked.live && query::value(asked.query, "boots").is_some();
    Some(shown(console, asked, &Chosen { mac, key: None, history }).await)
}

/// One boot of the kept days: `/boots/{hardware address}-{milliseconds}`.
pub(super) async fn boot(console: &Console, asked: &Asked<'_>, id: &str) -> Option<Part> {
    let (mac, key) = id.split_once('-')?;
    let mac = (mac.len() == 12 && mac.is_ascii())
        .then(|| (0..6).map(|n| &mac[2 * n..2 * n + 2]).collect::<Vec<_>>().join(":").parse().ok())??;
    Some(shown(console, asked, &Chosen { mac, key: Some(key.parse().ok()?), history: true }).await)
}

/// The machine whose screen shows a number.
pub(super) async fn by_number(console: &Console, asked: &Asked<'_>, number: &str) -> Option<Part> {
    let number = number.parse().ok()?;
    let mac = console.services.timelines.with_number(number)?;
    Some(shown(console, asked, &Chosen { mac, key: None, history: false }).await)
}

async fn shown(console: &Console, asked: &Asked<'_>, chosen: &Chosen) -> Part {
    let mac = chosen.mac;
    let timeline = console.services.timelines.get(mac);
    let mut kept = timeline.as_ref().map(steps_in_memory).unwrap_or_default();
    if chosen.history {
        match history(console, mac).await {
            Some(steps) if !steps.is_empty() => kept = steps,
            _ => {}
        }
    }
    let kept = boots(kept);
    if kept.is_empty() && timeline.is_none() {
        let cause = format!("{mac} did not ask this server lately.");
        let cure = "Check the address, or look at its boots of the last seven days: add `?boots=all` to the address.";
        return problem(console, asked, StatusCode::NOT_FOUND, ("Not seen", &cause, cure));
    }
    let (now, is_true) = (SystemTime::now(), query::value(asked.query, "scale").as_deref() == Some("true"));
    let present = match chosen.key {
        Some(key) => kept.iter().find(|boot| boot.key() == key),
        None => kept.last(),
    };
    let Some(present) = present else {
        let cause = format!("No boot of {mac} began then, or it is older than seven days.");
        return problem(
            console,
            asked,
            StatusCode::NOT_FOUND,
            ("Not kept", &cause, "Look at its other boots."),
        );
    };
    let is_last = kept.last().is_some_and(|last| last.key() == present.key());
    let view = timeline.as_ref().filter(|_| is_last).and_then(|_| views::timeline(&console.services, mac));
    let next = view.as_ref().and_then(|view| view.expected()).map(|(what, overdue)| Next { what, overdue });
    let row = console.board.row(mac);
    let row = row.as_deref();
    let arch = row.and_then(|row| row.arch.clone()).unwrap_or_default();
    let usual = |what| console.board.usual(&arch, what);
    let moment = moment(asked, present);
    let drawn = match moment {
        // The boot as it was then.
        Some(at) => fall(&present.until(at), None, at, is_true, &usual),
        None => fall(&present.steps, next.as_ref(), words::seconds(now), is_true, &usual),
    };
    let other = query::value(asked.query, "with").and_then(|key| key.parse::<u64>().ok());
    let other = other.and_then(|key| kept.iter().find(|boot| boot.key() == key));
    let other_fall = other.map(|boot| fall(&boot.steps, None, words::seconds(now), is_true, &usual));
    let finding = |finding: &FindingView| {
        let cure = super::findings::sentence(&finding.cure);
        Finding { tint: tint(finding.severity), finding: FindingView { cure, ..finding.clone() } }
    };
    // Reads the disk: for the page as a whole, and for no part that follows what happens.
    let changes = match asked.live {
        true => Vec::new(),
        false => entries(&console.services, &mac.to_string(), MOST_CHANGES).await,
    };
    let values = context! {
        row => serialized(row.map(|row| RowView::new(row, now)).unwrap_or_else(|| RowView::forgotten(mac))),
        boot => serialized(boot_view(asked, present, &drawn, chosen.key.is_some(), is_last)),
        replay => serialized(replay(asked, mac, present, moment)),
        qr => asked.site.and_then(|site| number::svg(&format!("{site}/machines/{mac}"))),
        parts => other_fall.as_ref().map(|other| parting(&drawn, other)),
        fall => serialized(drawn),
        other => other.map(|boot| serialized(BootView { title: "The other boot".to_owned(), ..boot_view(asked, boot, &Fall::default(), true, false) })),
        other_fall => other_fall.map(serialized),
        finding => view.as_ref().and_then(|view| view.finding()).map(|found| serialized(finding(found))),
        also => view.as_ref().and_then(|view| view.also()).map(|found| serialized(finding(found))),
        past => view.as_ref().map(|view| serialized(view.past())),
        boots => serialized(boot_lines(mac, &kept, present.key())),
        all_boots => (!chosen.history).then(|| format!("/machines/{mac}?boots=all")),
        changes => serialized(changes),
        rejected => console.services.approvals.get(mac) == Approval::Rejected,
        gets => gets(console, mac, row),
        facts => serialized(facts(console, mac, row, timeline.as_ref())),
    };
    let title = row.map_or_else(|| mac.to_string(), Row::title);
    framed(console, asked, "machine.html", &title, "/machines", values)
}

pub(super) fn steps_in_memory(timeline: &Timeline) -> Vec<Step> {
    let views = timeline.steps.iter().filter_map(|step| StepView::from_recorded(step));
    let json = views.filter_map(|view| serde_json::to_value(view).ok());
    json.filter_map(|json| serde_json::from_value(json).ok()).collect()
}

/// The steps of the kept days. Reads the disk, few at a time.
async fn history(console: &Console, mac: MacAddr) -> Option<Vec<Step>> {
    let daemon = Arc::clone(&console.daemon);
    let turn = daemon.history.turn().await;
    let read = tokio::task::spawn_blocking(move || {
        let _turn = turn; // held though the client may have left
        daemon.history.steps(mac, SystemTime::now())
    });
    let steps = read.await.ok()?.ok()?;
    Some(steps.into_iter().filter_map(|json| serde_json::from_value(json).ok()).collect())
}

fn boot_view(asked: &Asked<'_>, boot: &BootSteps, drawn: &Fall, chosen: bool, is_last: bool) -> BootView {
    let scaled = |scale: Option<&str>| {
        let kept = query::pairs(asked.query).filter(|(name, _)| name != "scale" && name != "at");
        let mut pairs: Vec<String> = kept
            .map(|(name, value)| format!("{}={}", query::encoded(&name), query::encoded(&value)))
            .collect();
        pairs.extend(scale.map(|scale| format!("scale={scale}")));
        if pairs.is_empty() { asked.path.to_owned() } else { format!("{}?{}", asked.path, pairs.join("&")) }
    };
    BootView {
        title: if is_last { "This boot".to_owned() } else { "That boot".to_owned() },
        started: boot.started().to_owned(),
        length: if drawn.groups.is_empty() { String::new() } else { words::span(drawn.seconds) },
        chosen,
        folded_link: scaled(None),
        true_link: scaled(Some("true")),
    }
}

/// The moment that is asked for, in seconds since 1970.
fn moment(asked: &Asked<'_>, boot: &BootSteps) -> Option<f64> {
    let at = query::value(asked.query, "at")?.parse::<f64>().ok().filter(|at| at.is_finite())?;
    let begin = words::seconds(words::time(boot.started())?);
    Some(begin + at.clamp(0.0, boot.seconds()))
}

fn replay(asked: &Asked<'_>, mac: MacAddr, boot: &BootSteps, moment: Option<f64>) -> Replay {
    let begin = words::time(boot.started()).map_or(0.0, words::seconds);
    Replay {
        link: format!("/boots/{}", boot_id(mac, boot)),
        // Rounded up: the last moment shows the last step.
        seconds: format!("{:.1}", (boot.seconds() * 10.0).ceil() / 10.0),
        at: moment.map(|at| format!("{:.1}", at - begin)),
        scale: query::value(asked.query, "scale"),
    }
}

/// A boot in an address.
fn boot_id(mac: MacAddr, boot: &BootSteps) -> String {
    format!("{}-{}", mac.to_string().replace(':', ""), boot.key())
}

fn boot_lines(mac: MacAddr, kept: &[BootSteps], present: u64) -> Vec<BootLine> {
    let id = |boot: &BootSteps| boot_id(mac, boot);
    let present_id = kept.iter().find(|boot| boot.key() == present).map(id).unwrap_or_default();
    let line = |boot: &BootSteps| BootLine {
        id: id(boot),
        started: boot.started().to_owned(),
        gets: boot.gets().map(str::to_owned),
        end: boot.end(),
        took: words::span(boot.seconds()),
        compare: (boot.key() != present).then(|| format!("/boots/{present_id}?with={}", boot.key())),
    };
    kept.iter().rev().take(MOST_BOOTS).map(line).collect()
}

fn gets(console: &Console, mac: MacAddr, row: Option<&Row>) -> minijinja::Value {
    let device = netbootd_server::devices::view(&console.services, mac);
    let next = device.as_ref().and_then(|device| device.next.as_ref());
    if let Some(next) = next.filter(|next| next.used.is_none() && !next.expired) {
        let lasts = if next.once { "once" } else { "until its time is over" };
        return context! { words => format!("`{}`, {lasts}, as an operator ordered.", next.target) };
    }
    if let Some(boot) = device.and_then(|device| device.boot) {
        return context! { words => format!("`{boot}`, as an operator assigned.") };
    }
    let words = match row.map(|row| (&row.gets, &row.rule)) {
        Some((Some(gets), Some(rule))) => format!("`{gets}`, by rule `{rule}`, as it was decided last."),
        Some((Some(gets), None)) => format!("`{gets}`, as it was decided last."),
        Some((None, Some(rule))) => format!("Nothing, by rule `{rule}`."),
        _ => "Nothing was decided for it yet.".to_owned(),
    };
    context! { words }
}

fn facts(console: &Console, mac: MacAddr, row: Option<&Row>, timeline: Option<&Timeline>) -> Vec<Fact> {
    let fact = |word, value: Option<String>, mono| value.map(|value| Fact { word, value, mono });
    let boot = timeline.and_then(|timeline| timeline.machine.boot());
    let class = boot.and_then(|boot| boot.class).map(|class| class.to_string());
    let firmware = match (row.and_then(|row| row.arch.as_deref()).map(arch_words), class) {
        (Some(arch), Some(class)) => {
            Some(format!("{arch}, {}", class.to_uppercase().replace("IPXE", "iPXE")))
        }
        (arch, class) => arch.or(class),
    };
    let facts = [
        fact("Address", Some(mac.to_string()), true),
        fact("Adapter", row.and_then(|row| row.vendor.clone()), false),
        fact("IP", row.and_then(|row| row.address.clone()), true),
        fact("GUID", row.and_then(|row| row.uuid.clone()), true),
        fact("Firmware", firmware, false),
        fact("Secure Boot", secure_boot(console, mac), false),
        fact("Network", row.and_then(|row| row.network.clone()), false),
        fact(
            "Last seen",
            row.map(|row| {
                humantime::format_rfc3339_seconds(row.seen).to_string().replace('T', " ").replace('Z', " UTC")
            }),
            false,
        ),
    ];
    facts.into_iter().flatten().collect()
}

/// The machine's reactions to boot programs of both generations: `starts 2023, refuses 2011`.
fn secure_boot(console: &Console, mac: MacAddr) -> Option<String> {
    let machine = console.services.machines.by_mac(mac)?;
    let observed = console.services.trust.known(&machine.request).observed;
    let word = |generation: &Generation| {
        let starts = observed.reaction(*generation)?.starts;
        Some(format!("{} {generation}", if starts { "starts" } else { "refuses" }))
    };
    let words: Vec<String> = Generation::ALL.iter().rev().filter_map(word).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn tint(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "bad",
        Severity::Warning => "warn",
        Severity::Notice => "off",
    }
}

/// Changes of operators in the list.
const MOST_CHANGES: usize = 10;
/// Boots in the list.
const MOST_BOOTS: usize = 50;
