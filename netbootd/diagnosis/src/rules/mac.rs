//! Macs: those that cannot boot, and those that nothing suits.

use super::specific;
use crate::case::Case;
use crate::cause::Cause;
use crate::finding::{Addition, Finding, Seen};
use crate::step::Answered;

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let (at, answered) = case.boot.mac.as_ref()?;
    let words = || {
        let model = answered.model.clone().map(Seen::Model);
        model.into_iter().chain(answered.detail.clone().map(Seen::Error))
    };
    let left_out = || answered.left_out.iter().map(|(folder, why)| Seen::LeftOut(folder.clone(), *why));
    match answered.reason {
        bsdp::Reason::CannotNetboot => {
            Some(Finding::new(Cause::CannotNetboot, specific::PROVEN).with(words()))
        }
        bsdp::Reason::UnknownImage | bsdp::Reason::BoundImageGone => {
            let image = answered.image.map(Seen::AsksFor);
            Some(Finding::new(Cause::MacImageGone, specific::PROVEN).with(image).with(words()))
        }
        bsdp::Reason::ImageNotForThisMac | bsdp::Reason::ImageNotAllowed => {
            let why = match answered.reason {
                bsdp::Reason::ImageNotAllowed => Addition::OtherImages,
                _ => Addition::OtherModels,
            };
            let finding = Finding::new(Cause::MacImageRefused, specific::PROVEN).adding(why);
            Some(finding.with(words()).with(left_out()))
        }
        bsdp::Reason::NoImage => {
            Some(Finding::new(Cause::NoImageForMac, specific::REFUSED).with(words()).with(left_out()))
        }
        _ if answered.decision == Answered::SendFailed => {
            Some(Finding::new(Cause::SendFailed, specific::PROVEN).with(words()))
        }
        _ if answered.decision == Answered::Ack
            && answered.boot_file.is_some()
            && *at == case.boot.last
            && case.is_silent() =>
        {
            let file = answered.boot_file.clone().unwrap_or_default();
            let seen = [Seen::Named(*at, file.clone()), Seen::Silent(case.silence())];
            Some(Finding::new(Cause::NoFileRequest, specific::SILENCE).about(file).with(seen))
        }
        _ => None,
    }
}
