//! What a boot that goes on does next.

use pxe_policy::Class;

use crate::event::{Answered, Decided, Event, Proto, TransferOutcome};
use crate::timeline::Timeline;

/// What should follow a machine's last step; None when nothing more is to come here.
pub fn expected(timeline: &Timeline) -> Option<&'static str> {
    let steps = timeline.steps.iter().rev();
    let last = steps.map(|step| &step.event).find(|event| !matches!(event, Event::OtherOffered(_)))?;
    match last {
        Event::Decided(decided) => after_decision(decided),
        Event::MacAnswered(answered) => match (answered.decision, answered.boot_file.is_some()) {
            (Answered::Ack, true) => Some("the Mac fetches its booter by TFTP"),
            (Answered::Ack, false) => Some("the Mac chooses an image"),
            _ => None,
        },
        Event::TransferStarted(_) => Some("the file's last block"),
        Event::TransferFinished(finished) => match finished.outcome {
            TransferOutcome::Probed => Some("the same file once more, now that its size is known"),
            TransferOutcome::Completed => {
                Some("the program starts and asks for its own files, or needs none")
            }
            _ => Some("the machine asks for the file once more"),
        },
        Event::FileRefused(_) => Some("the program goes on without the file, or asks for another"),
        Event::OtherOffered(_)
        | Event::ImageFolderRead(_)
        | Event::ImageBegun(_)
        | Event::ImageTaken(_)
        | Event::TransferProgress { .. } => None,
    }
}

fn after_decision(decided: &Decided) -> Option<&'static str> {
    match (decided.decision, decided.proto, decided.class) {
        (Answered::Offer, Proto::Proxy | Proto::Dhcp, Some(Class::Http)) => {
            Some("an HTTP request for the URL that was offered")
        }
        (Answered::Offer, Proto::Proxy, _) => {
            Some("an address from the DHCP server, then a question to port 4011")
        }
        (Answered::Offer, Proto::Dhcp6, _) => {
            Some("an address over IPv6, then a question to port 4011 or the boot file's URL")
        }
        (Answered::Offer, ..) => Some("a DHCPREQUEST for the address that was offered"),
        (Answered::Ack, ..) if decided.boot_file.is_some() => Some("a request for the boot file"),
        (Answered::Wait, ..) => Some("an operator's word: `netbootd pending approve`"),
        (Answered::SendFailed, ..) => Some("the machine asks once more"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use pxe_policy::{MacAddr, Reason};

    use super::*;
    use crate::diagnosis::testing::{completed, decided, offer, refused, started, step};

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    #[test]
    fn each_step_has_one_that_follows() {
        let named = |proto, decision, file: Option<&str>| {
            Event::Decided(Decided {
                boot_file: file.map(str::to_owned),
                ..decided(MAC, proto, decision, Reason::Rule)
            })
        };
        let table = [
            (offer(MAC), "port 4011"),
            (named(Proto::Dhcp, Answered::Offer, None), "DHCPREQUEST"),
            (named(Proto::Dhcp6, Answered::Offer, None), "over IPv6"),
            (named(Proto::Pxe, Answered::Ack, Some("boot.efi")), "the boot file"),
            (named(Proto::Proxy, Answered::Wait, None), "pending approve"),
            (started(1, MAC, "boot.efi"), "last block"),
            (completed(1, MAC, "boot.efi"), "the program starts"),
            (refused(MAC, "grub.cfg"), "goes on without"),
        ];
        for (event, words) in table {
            let timeline = Timeline { steps: [step(1, event)].into(), ..Timeline::default() };
            let told = expected(&timeline).unwrap_or_default();
            assert!(told.contains(words), "{words:?} is not in {told:?}");
        }
        let silent = Timeline {
            steps: [step(1, named(Proto::Proxy, Answered::LocalBoot, None))].into(),
            ..Timeline::default()
        };
        assert_eq!((expected(&silent), expected(&Timeline::default())), (None, None));
    }
}
