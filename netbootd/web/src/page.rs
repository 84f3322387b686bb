//! The status page: rendered here, followed by a little script of its own, without anything from elsewhere.

use std::sync::OnceLock;
use std::time::SystemTime;

use hyper::StatusCode;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use netbootd_server::services::Services;
use netbootd_telemetry::event::Event;
use netbootd_telemetry::finding::FindingView;
use netbootd_telemetry::timeline::Timeline;
use netbootd_telemetry::view::StepView;
use pxe_policy::MacAddr;
use serde::Serialize;

use crate::api::document;
use crate::api::views;

/// One part of the page.
#[derive(Debug)]
pub struct Part {
    /// The status.
    pub status: StatusCode,
    /// Its type.
    pub content_type: &'static str,
    /// Its text.
    pub body: String,
}

/// A finding with every machine that has it.
#[derive(Debug, Serialize)]
struct Grouped {
    #[serde(flatten)]
    finding: FindingView,
    machines: Vec<String>,
}

/// A step on the strip: where it begins and how long it takes, in percent of the boot.
#[derive(Debug, PartialEq, Serialize)]
struct Bar {
    proto: &'static str,
    left: f64,
    width: f64,
    lane: f64,
    words: String,
}

/// The part behind a path; None when the page has none there.
pub fn part(services: &Services, path: &str, search: &str) -> Option<Part> {
    let fixed =
        |content_type, body: &str| Part { status: StatusCode::OK, content_type, body: body.to_owned() };
    match path {
        "/" => Some(index(services, search)),
        "/style.css" => Some(fixed("text/css; charset=utf-8", include_str!("page/style.css"))),
        "/live.js" => Some(fixed("text/javascript; charset=utf-8", include_str!("page/live.js"))),
        "/openapi.json" => Some(fixed("application/json", document::TEXT)),
        _ => machine(services, path.strip_prefix("/machines/")?),
    }
}

fn index(services: &Services, search: &str) -> Part {
    let devices = views::devices(services, search, LISTED);
    let mut findings: Vec<Grouped> = Vec::new();
    for (mac, finding) in views::findings(services) {
        match findings.iter_mut().find(|known| known.finding.cause == finding.cause) {
            Some(known) => known.machines.push(mac.to_string()),
            None => findings.push(Grouped { finding, machines: vec![mac.to_string()] }),
        }
    }
    rendered(
        "index.html",
        context! {
            search,
            devices => Value::from(Serde(devices)),
            findings => Value::from(Serde(findings)),
            status => Value::from(Serde(views::status(services))),
            transfers => Value::from(Serde(views::transfers(services))),
            pending => Value::from(Serde(services.approvals.list())),
            images => Value::from(Serde(services.snapshot.load().files.images())),
        },
    )
}

fn machine(services: &Services, mac: &str) -> Option<Part> {
    let mac: MacAddr = mac.parse().ok()?;
    let view = views::timeline(services, mac)?;
    let (bars, seconds) = strip(&services.timelines.of(mac)?);
    Some(rendered(
        "machine.html",
        context! { machine => Value::from(Serde(view)), bars => Value::from(Serde(bars)), seconds },
    ))
}

fn rendered(name: &str, values: Value) -> Part {
    static TEMPLATES: OnceLock<Environment<'static>> = OnceLock::new();
    let templates = TEMPLATES.get_or_init(|| {
        let mut templates = Environment::new();
        // What the tests render cannot fail to parse here.
        let _ = templates.add_template("frame.html", include_str!("page/frame.html"));
        let _ = templates.add_template("index.html", include_str!("page/index.html"));
        let _ = templates.add_template("machine.html", include_str!("page/machine.html"));
        templates
    });
    let values = context! { version => env!("CARGO_PKG_VERSION"), ..values };
    match templates.get_template(name).and_then(|template| template.render(values)) {
        Ok(body) => Part { status: StatusCode::OK, content_type: "text/html; charset=utf-8", body },
        Err(error) => Part {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            content_type: "text/plain; charset=utf-8",
            body: format!("the page cannot be rendered: {error:#}"),
        },
    }
}

/// The last boot on a strip: from the first step after a pause to the last.
fn strip(timeline: &Timeline) -> (Vec<Bar>, u64) {
    let began = |at: SystemTime, event: &Event| match event {
        Event::TransferFinished(finished) => at.checked_sub(finished.elapsed).unwrap_or(at),
        _ => at,
    };
    let mut first = 0;
    let steps: Vec<_> = timeline.steps.iter().collect();
    for (n, pair) in steps.windows(2).enumerate() {
        let begins = began(pair[1].at, &pair[1].event);
        if begins.duration_since(pair[0].at).is_ok_and(|pause| pause.as_secs() > PAUSE) {
            first = n + 1;
        }
    }
    let steps = &steps[first..];
    let (Some(start), Some(end)) =
        (steps.iter().map(|step| began(step.at, &step.event)).min(), steps.last().map(|step| step.at))
    else {
        return (Vec::new(), 0);
    };
    let whole = end.duration_since(start).unwrap_or_default().as_secs_f64().max(0.1);
    let percent = |at: SystemTime| at.duration_since(start).unwrap_or_default().as_secs_f64() / whole * 100.0;
    let bars = steps.iter().filter(|step| !matches!(step.event, Event::TransferStarted(_)));
    let bars = bars.filter_map(|step| {
        let view = StepView::of(step)?;
        let left = percent(began(step.at, &step.event));
        let width = (percent(step.at) - left).max(0.3);
        let lane = match view.proto() {
            "tftp" => 3.2,
            "http" => 4.8,
            "pxe" => 1.7,
            _ => 0.2,
        };
        let round = |value: f64| (value * 100.0).round() / 100.0;
        Some(Bar { proto: view.proto(), left: round(left), width: round(width), lane, words: view.words() })
    });
    (bars.collect(), whole.ceil() as u64)
}

const LISTED: usize = 200;
/// Seconds of silence between two boots.
const PAUSE: u64 = 120;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::path::Path;

    use netbootd_config::Config;
    use netbootd_server::services::Snapshot;
    use netbootd_telemetry::event::testing::{completed, offer, refused, step};

    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    fn services() -> Services {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("[boot]\nroot = {:?}\n", folder.path().display().to_string());
        let (config, _) = Config::parse(&text, Path::new("test.toml"), None).unwrap();
        Services::in_memory(Snapshot::new(config, None).unwrap())
    }

    #[test]
    fn what_machines_say_is_shown_and_never_run() {
        let services = services();
        let empty = part(&services, "/", "<script>").unwrap();
        assert_eq!(empty.status, StatusCode::OK);
        assert!(empty.body.contains("Switch a machine on") && empty.body.contains("&lt;script&gt;"));
        services.timelines.take(&step(1, offer(MAC)));
        services.timelines.take(&step(3, refused(MAC, "<img src=x onerror=alert(1)>\u{1b}[2J")));
        let index = part(&services, "/", "").unwrap().body;
        assert!(index.contains("file-not-found") && index.contains("02:00:00:00:00:01"), "{index}");
        let machine = part(&services, "/machines/02:00:00:00:00:01", "").unwrap().body;
        assert!(machine.contains("&lt;img src&#x3d;x") || machine.contains("&lt;img src=x"), "{machine}");
        for page in [index, machine] {
            assert!(!page.contains("<img"), "{page}");
        }
        assert!(part(&services, "/machines/<b>", "").is_none());
        assert!(part(&services, "/nothing", "").is_none());
    }

    #[test]
    fn a_thousand_machines_stay_a_small_page() {
        let services = services();
        for n in 0..1000_u32 {
            let [_, a, b, c] = n.to_be_bytes();
            services.timelines.take(&step(1, refused(MacAddr([2, 0, 0, a, b, c]), "winpe/boot/BCD")));
        }
        let page = part(&services, "/", "").unwrap().body;
        assert!(page.len() < 200_000, "{} bytes", page.len());
    }

    #[test]
    fn the_strip_shows_the_last_boot_alone() {
        let steps =
            VecDeque::from([step(0, offer(MAC)), step(1000, offer(MAC)), step(1010, completed(1, MAC, "a"))]);
        let (bars, seconds) = strip(&Timeline { steps, ..Timeline::default() });
        assert_eq!(seconds, 10);
        assert_eq!((bars[0].left, bars[1].left, bars[1].width), (0.0, 90.0, 10.0));
    }
}
