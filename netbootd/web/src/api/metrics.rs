//! The metrics for Prometheus: counters of decisions and transfers, and gauges of the present
//! state. Every label has a bounded set of values. By hand: the values exist already and are read
//! at the question; the registry of prometheus-client would keep them twice.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use netbootd_net::flood_filter;
use netbootd_server::daemon::Daemon;
use netbootd_server::findings::Findings;
use netbootd_server::services::{Services, UNSENT};
use netbootd_telemetry::event::{Proto, REPORT, SYSLOG};

/// The text format, version 0.0.4.
pub fn render(daemon: &Daemon) -> String {
    let services = &daemon.services;
    let mut text = Metrics::default();
    text.family("netbootd_build_info", "gauge", "The running version.");
    text.sample("netbootd_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    let since = SystemTime::now() - daemon.started.elapsed();
    let since = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    text.family("netbootd_start_time_seconds", "gauge", "When it was started, since 1970.");
    text.sample("netbootd_start_time_seconds", &[], since);
    counters(&mut text, services);
    text.family("netbootd_transfer_bytes_total", "counter", "Bytes that clients have, by protocol.");
    for (proto, bytes) in services.recorder.bytes() {
        text.sample("netbootd_transfer_bytes_total", &[("proto", proto.name())], bytes as f64);
    }
    let (machines, lost) = services.timelines.size();
    let lost = lost + daemon.history.lost();
    text.family("netbootd_transfers", "gauge", "Transfers under way.");
    text.sample("netbootd_transfers", &[], services.timelines.transfers().len() as f64);
    text.family("netbootd_machines", "gauge", "Machines whose steps are remembered.");
    text.sample("netbootd_machines", &[], machines as f64);
    text.family("netbootd_lost_steps_total", "counter", "Steps not remembered because the server was busy.");
    text.sample("netbootd_lost_steps_total", &[], lost as f64);
    findings(&mut text, &daemon.findings);
    limits(&mut text, services);
    text.family("netbootd_directory_up", "gauge", "Whether a directory answers, 0 while it fails.");
    for (name, trouble) in services.snapshot.load().directories.health() {
        text.sample("netbootd_directory_up", &[("directory", name)], f64::from(u8::from(trouble.is_none())));
    }
    text.family("netbootd_certificate_valid", "gauge", "Whether a server showed a good certificate.");
    let seen = daemon.certificates.seen();
    for seen in seen.iter() {
        let labels = [("part", seen.part.as_str()), ("server", seen.server.as_str())];
        text.sample("netbootd_certificate_valid", &labels, f64::from(u8::from(seen.days.is_some())));
    }
    text.family("netbootd_certificate_remaining_days", "gauge", "Whole days until a certificate ends.");
    for seen in seen.iter() {
        let labels = [("part", seen.part.as_str()), ("server", seen.server.as_str())];
        if let Some(days) = seen.days {
            text.sample("netbootd_certificate_remaining_days", &labels, days as f64);
        }
    }
    text.0
}

/// Counters of findings and of webhook messages.
fn findings(text: &mut Metrics, findings: &Findings) {
    text.family("netbootd_findings_total", "counter", "Findings that opened, by cause.");
    for (cause, count) in findings.opened() {
        text.sample("netbootd_findings_total", &[("cause", cause)], count as f64);
    }
    text.family("netbootd_findings_open", "gauge", "Machines with a finding now, by severity.");
    for (severity, count) in findings.open() {
        text.sample("netbootd_findings_open", &[("severity", severity.as_str())], count as f64);
    }
    text.family("netbootd_webhook_messages_total", "counter", "Messages to webhooks, by how they ended.");
    for (outcome, count) in findings.webhooks.counts() {
        text.sample("netbootd_webhook_messages_total", &[("outcome", outcome)], count as f64);
    }
}

/// How near the limits are. Requests that they refuse are among the counters, by their reason.
fn limits(text: &mut Metrics, services: &Services) {
    let (limits, snapshot) = (&services.limits, services.snapshot.load());
    let config = &snapshot.config;
    let sessions = [
        (Proto::Tftp, &limits.transfers, config.tftp.max_transfers),
        (Proto::Http, &limits.connections, config.http.max_connections),
    ];
    text.family("netbootd_sessions", "gauge", "TFTP transfers and HTTP connections that hold a place.");
    for (proto, places, _) in sessions {
        text.sample("netbootd_sessions", &[("proto", proto.name())], places.taken() as f64);
    }
    text.family(
        "netbootd_unproved_transfers",
        "gauge",
        "TFTP transfers in which nothing was acknowledged yet; part of the sessions.",
    );
    text.sample("netbootd_unproved_transfers", &[], limits.transfers.unproved() as f64);
    text.family("netbootd_sessions_limit", "gauge", "How many of them there may be.");
    for (proto, _, most) in sessions {
        text.sample("netbootd_sessions_limit", &[("proto", proto.name())], most as f64);
    }
    text.family("netbootd_in_flight_bytes", "gauge", "Bytes of TFTP windows that may be under way.");
    text.sample("netbootd_in_flight_bytes", &[], limits.in_flight.held() as f64);
    text.family("netbootd_in_flight_bytes_limit", "gauge", "How many there may be.");
    text.sample("netbootd_in_flight_bytes_limit", &[], config.limits.bytes_in_flight as f64);
    text.family("netbootd_translated_bytes", "gauge", "Memory of files that are sent as netascii.");
    text.sample("netbootd_translated_bytes", &[], limits.translated.held() as f64);
    text.family("netbootd_limit_entries", "gauge", "Senders whose packets and requests are counted.");
    for (table, entries) in limits.remembered() {
        text.sample("netbootd_limit_entries", &[("table", table)], entries as f64);
    }
    text.family("netbootd_unresolved_neighbours", "gauge", "Next hops that replies wait for, ARP and IPv6.");
    text.sample("netbootd_unresolved_neighbours", &[], services.network.neighbours.unresolved() as f64);
    text.family(
        "netbootd_dropped_datagrams_total",
        "counter",
        "Datagrams that the kernel dropped: invalid ones during floods, and full queues.",
    );
    text.sample("netbootd_dropped_datagrams_total", &[], flood_filter::dropped() as f64);
}

fn counters(text: &mut Metrics, services: &Services) {
    let all = services.recorder.counters();
    let is_transfer = |kind: &str| [Proto::Tftp, Proto::Http].iter().any(|proto| proto.name() == kind);
    text.family("netbootd_decisions_total", "counter", "Packets of machines, by what was answered and why.");
    for ((decision, reason), count) in
        all.iter().filter(|((kind, _), _)| !is_transfer(kind) && ![UNSENT, REPORT, SYSLOG].contains(kind))
    {
        let labels = [("decision", *decision), ("reason", *reason)];
        text.sample("netbootd_decisions_total", &labels, *count as f64);
    }
    text.family("netbootd_unsent_replies_total", "counter", "Replies that did not leave, by why.");
    for ((_, reason), count) in all.iter().filter(|((kind, _), _)| *kind == UNSENT) {
        text.sample("netbootd_unsent_replies_total", &[("reason", *reason)], *count as f64);
    }
    text.family("netbootd_reports_total", "counter", "What machines said of themselves, by way and state.");
    for ((kind, word), count) in all.iter().filter(|((kind, _), _)| [REPORT, SYSLOG].contains(kind)) {
        text.sample("netbootd_reports_total", &[("way", *kind), ("state", *word)], *count as f64);
    }
    text.family(
        "netbootd_file_requests_total",
        "counter",
        "Files asked for, by protocol and how that ended.",
    );
    for ((proto, outcome), count) in all.iter().filter(|((kind, _), _)| is_transfer(kind)) {
        let labels = [("proto", *proto), ("outcome", *outcome)];
        text.sample("netbootd_file_requests_total", &labels, *count as f64);
    }
}

#[derive(Default)]
struct Metrics(String);

impl Metrics {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}"); // a String takes all
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let shown: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let shown = if shown.is_empty() { String::new() } else { format!("{{{}}}", shown.join(",")) };
        let _ = writeln!(self.0, "{name}{shown} {value}"); // a String takes all
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out_of_their_quotes() {
        let mut text = Metrics::default();
        text.sample("x", &[("a", "b\"c\\d\ne")], 1.0);
        assert_eq!(text.0, "x{a=\"b\\\"c\\\\d\\ne\"} 1\n");
    }
}
