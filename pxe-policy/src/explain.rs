//! A verdict in words, for people.

use std::fmt::Write;

use crate::{BootRequest, Decision, Verdict};

/// The request, the decision with its reason and evidence, and the cure, as text.
pub fn explain(request: &BootRequest, verdict: &Verdict) -> String {
    let mut text = format!("{} asks as {}", request.mac, request.class);
    if let Some(arch) = request.arch() {
        let _ = write!(text, ", {arch}"); // writing to a String cannot fail
    }
    if let Some(uuid) = request.uuid {
        let _ = write!(text, ", GUID {uuid}");
    }
    text.push('\n');
    let gets = match &verdict.decision {
        Decision::Boot(boot) => {
            let key = boot.prompt.as_ref().map_or("", |_| ", once somebody presses F8 and chooses it");
            format!("boots {}{key}", boot.file)
        }
        Decision::LocalBoot => "goes on to its own disk".to_owned(),
        Decision::Images(offer) => format!("is offered {offer}, as far as the image is for it"),
        Decision::Relay => "is forwarded to the distribution point's own responder".to_owned(),
        Decision::Refer(server) => format!("is sent on to the server {server}"),
        Decision::Wait => "waits for an operator".to_owned(),
        Decision::Ignore => "gets no answer from here".to_owned(),
    };
    let _ = writeln!(text, "it {gets}: {}", verdict.reason);
    for (number, evidence) in (1..).zip(&verdict.evidence) {
        let _ = writeln!(text, "  {number}. {evidence}");
    }
    let boots = matches!(
        verdict.decision,
        Decision::Boot(_) | Decision::Relay | Decision::Refer(_) | Decision::Images(_)
    );
    if let Some(cure) = verdict.reason.cure().filter(|_| !boots || verdict.machine.is_some()) {
        let _ = writeln!(text, "to change that: {cure}");
    }
    text
}
