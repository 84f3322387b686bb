//! A step as people and programs read it: one object of JSON, or one line.

use std::time::SystemTime;

use netbootd_diagnosis::Past;
use pxe_policy::MacAddr;
use serde::Serialize;

use crate::event::{ClientMessage, Event, ImageBegun, OtherReply, Proto, REPORT, Recorded, SYSLOG};

/// One step of a boot, as JSON and pages show it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StepView {
    /// When the step happened (RFC 3339).
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    /// The name of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// `proxy`, `dhcp`, `bsdp`, `pxe`, `tftp`, `http`, `report`, `syslog`, or `image`.
    proto: &'static str,
    /// The machine's own description: `x64-uefi pxe`, `Macmini7,1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    /// `offer`, `ack`, `transfer`, `completed`, `not-found`…
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The rule, deployment and image that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negotiated: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resends: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// The throughput in bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
}

impl StepView {
    /// None for what is no step.
    pub fn from_recorded(recorded: &Recorded) -> Option<Self> {
        let at = rfc3339(recorded.at);
        Some(match &recorded.event {
            Event::Decided(decided) => StepView {
                at,
                mac: decided.mac.map(|mac| mac.to_string()),
                uuid: decided.uuid.map(|uuid| uuid.to_string()),
                name: decided.machine.clone(),
                proto: decided.proto.name(),
                asked: joined([
                    decided.arch.map(|arch| arch.to_string()),
                    decided.class.map(|class| class.to_string()),
                    decided.probe.then(|| "probe".to_owned()),
                ]),
                by: joined([decided.rule.clone(), decided.deployment.clone(), decided.image.clone()]),
                what: decided.decision.name(),
                reason: Some(decided.reason.as_str()),
                detail: decided.explanation().or_else(|| decided.taken.map(|taken| taken.to_string())),
                file: decided.boot_file.clone(),
                ..StepView::default()
            },
            Event::MacAnswered(answered) => StepView {
                at,
                mac: Some(answered.mac.to_string()),
                proto: Proto::Bsdp.name(),
                asked: joined([
                    answered.model.clone(),
                    answered.asked.map(|asked| format!("{asked:?}").to_lowercase()),
                    answered.probe.then(|| "probe".to_owned()),
                ]),
                by: answered.image.map(|image| image.to_string()),
                what: answered.decision.name(),
                reason: Some(answered.reason.as_str()),
                detail: answered.detail.as_ref().map(ToString::to_string),
                file: answered.boot_file.clone(),
                ..StepView::default()
            },
            Event::OtherServer(other) => StepView {
                at,
                mac: Some(other.mac.to_string()),
                proto: Proto::Dhcp.name(),
                what: match other.reply {
                    OtherReply::Offer => "other-offer",
                    OtherReply::Ack => "other-ack",
                    OtherReply::Nak => "other-nak",
                },
                detail: Some(other.to_string()),
                file: other.boot_file.clone(),
                ..StepView::default()
            },
            Event::TransferStarted(started) => StepView {
                at,
                mac: started.mac.map(|mac| mac.to_string()),
                proto: started.proto.name(),
                what: "transfer",
                file: Some(started.path.as_ref().into()),
                reason: started.substitute.as_ref().map(|substitute| substitute.why.name()),
                detail: started.substitute.as_ref().map(ToString::to_string),
                negotiated: Some(started.negotiated.to_string()),
                ..StepView::default()
            },
            Event::TransferFinished(finished) => StepView {
                at,
                mac: finished.mac.map(|mac| mac.to_string()),
                proto: finished.proto.name(),
                what: finished.outcome.name(),
                detail: finished.detail.as_ref().map(ToString::to_string),
                file: Some(finished.path.as_ref().into()),
                bytes: Some(finished.bytes),
                resends: Some(finished.resends).filter(|_| finished.proto == Proto::Tftp),
                seconds: Some(finished.elapsed.as_secs_f64()),
                rate: Some(finished.rate()),
                ..StepView::default()
            },
            Event::FileRefused(refused) => StepView {
                at,
                mac: refused.mac.map(|mac| mac.to_string()),
                proto: refused.proto.name(),
                what: refused.refusal.name(),
                detail: refused.detail.as_ref().map(ToString::to_string),
                file: Some(refused.path.clone()),
                ..StepView::default()
            },
            Event::TlsFailed(failed) => {
                StepView {
                    at,
                    mac: failed.mac.map(|mac| mac.to_string()),
                    proto: "https",
                    what: failed.why.name(),
                    detail: Some(failed.detail.as_ref().map_or_else(
                        || failed.why.to_string(),
                        |detail| format!("{}: {detail}", failed.why),
                    )),
                    ..StepView::default()
                }
            }
            Event::Disproved(disproved) => StepView {
                at,
                mac: disproved.mac.map(|mac| mac.to_string()),
                proto: Proto::Tftp.name(),
                what: "disproved",
                file: Some(disproved.path.clone()),
                ..StepView::default()
            },
            Event::Reported(reported) => {
                let step =
                    StepView { at, mac: reported.mac.map(|mac| mac.to_string()), ..StepView::default() };
                match &reported.message {
                    ClientMessage::Report(report) => StepView {
                        proto: REPORT,
                        asked: Some(report.by.to_string()),
                        what: report.state.name(),
                        detail: Some(report.to_string()).filter(|words| !words.is_empty()),
                        ..step
                    },
                    ClientMessage::Syslog(message) => StepView {
                        proto: SYSLOG,
                        asked: message.program.clone(),
                        what: if message.is_error() { "error" } else { "message" },
                        detail: Some(message.text.clone()),
                        ..step
                    },
                }
            }
            Event::ImageBegun(ImageBegun(source)) => StepView {
                at,
                proto: "image",
                what: "begun",
                file: Some(source.clone()),
                ..StepView::default()
            },
            Event::ImageTaken(taken) => StepView {
                at,
                proto: "image",
                what: if taken.image.is_some() { "taken-in" } else { "not-taken-in" },
                detail: taken.detail.clone(),
                file: taken.image.clone().or_else(|| Some(taken.source.clone())),
                ..StepView::default()
            },
            Event::ImageFolderRead(_) | Event::TransferProgress { .. } | Event::TransferStalled(_) => {
                return None;
            }
        })
    }

    /// A finding that is over, as a step of its machine.
    pub fn of_past(mac: MacAddr, past: &Past) -> Self {
        StepView {
            at: rfc3339(past.ended),
            mac: Some(mac.to_string()),
            proto: "diagnosis",
            what: "finding-over",
            reason: Some(past.finding.cause.as_str()),
            detail: Some(past.finding.headline()),
            ..StepView::default()
        }
    }

    /// `proxy`, `dhcp`, `bsdp`, `pxe`, `tftp`, `http`, `report`, `syslog`, or `image`.
    pub fn proto(&self) -> &'static str {
        self.proto
    }

    /// The step in one line of words.
    pub fn words(&self) -> String {
        let parts = [Some(self.proto), Some(self.what), self.reason, self.file.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Words that are there, with a space between them.
fn joined<const N: usize>(words: [Option<String>; N]) -> Option<String> {
    let words: Vec<String> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// A time as RFC 3339 writes it, in milliseconds.
pub fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}
