//! The Configuration Manager site before anything boots: the copy's age, boot images that are ready
//! and those that are not, and networks whose machines the site would not find.

use netbootd_server::site;

use super::super::words;
use super::Line;
use crate::console::Console;

/// A line for each; none without a copy of a site.
pub(super) fn lines(console: &Console) -> Vec<Line> {
    let view = console.daemon.mirror.view();
    if view.url.is_empty() {
        return Vec::new();
    }
    let devices = words::count(view.devices as u64, "device");
    let (tint, words) = match (&view.trouble, view.held, view.age) {
        (Some(trouble), ..) => ("bad", trouble.clone()),
        (None, Some(held), _) => (
            "warn",
            format!(
                "{} of {} are not shown any more; netbootd site accept removes them",
                held.missing, held.of
            ),
        ),
        (None, None, Some(age)) if view.whole => {
            ("ok", format!("{devices}, up to date {} ago", words::span(age.max(1) as f64)))
        }
        _ => ("warn", format!("{devices} so far; each machine is looked up at the site until all were read")),
    };
    let mut lines = vec![Line { tint, name: "Copy of the site".to_owned(), words }];
    lines.extend(site::readiness(&console.services).into_iter().map(image));
    let networks = site::networks(&console.services).into_iter().filter_map(|network| {
        let machines = words::count(network.machines as u64, "machine");
        let words = format!("{machines}: {}", network.problem?);
        Some(Line { tint: "warn", name: network.address.to_string(), words })
    });
    lines.extend(networks.take(MOST_NETWORKS));
    lines
}

fn image(row: site::Readiness) -> Line {
    let deployments = words::count(row.deployments as u64, "deployment");
    let boots = match (row.boots.is_empty(), row.relayed) {
        (false, _) => format!("boots {}", row.boots.join(", ")),
        (true, true) => "given by the responder".to_owned(),
        (true, false) => "boots nothing".to_owned(),
    };
    let tint = match (&row.problem, row.deployments) {
        (None, _) => "ok",
        (Some(_), 0) => "off",
        (Some(_), _) => "bad",
    };
    let words = match row.problem {
        Some(problem) => format!("{deployments}: {problem}"),
        None => format!("{deployments}, {boots}"),
    };
    Line { tint, name: format!("{} {}", row.image.package, row.image.name), words }
}

/// Of the networks with a problem, those with the most machines.
const MOST_NETWORKS: usize = 20;
