use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use pxe_policy::{Class, Evidence, MacAddr, Reason, Trouble};

use super::testing::{PEER, completed, decided, finished, offer, refused, started, step};
use super::*;
use crate::api::views::StepView;
use crate::event::{OtherOffer, TransferStarted};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// A simulated boot: what happened, second by second, and what is found at the end.
struct Case {
    cause: Cause,
    steps: Vec<(u64, Event)>,
    now: u64,
}

fn at(cause: Cause, now: u64, steps: Vec<(u64, Event)>) -> Case {
    Case { cause, steps, now }
}

fn ended(outcome: TransferOutcome, bytes: u64) -> Event {
    Event::TransferFinished(TransferFinished { outcome, bytes, ..finished(1, MAC, "boot.efi") })
}

fn named(proto: Proto, decision: Answered, file: &str) -> Event {
    Event::Decided(Decided { boot_file: Some(file.into()), ..decided(MAC, proto, decision, Reason::Rule) })
}

fn silent(reason: Reason, detail: &str) -> Event {
    Event::Decided(Decided {
        detail: Some(detail.into()).filter(|detail: &String| !detail.is_empty()),
        ..decided(MAC, Proto::Proxy, Answered::LocalBoot, reason)
    })
}

fn mac_answered(reason: bsdp::Reason, left_out: Vec<(String, bsdp::LeftOut)>) -> Event {
    Event::MacAnswered(MacAnswered {
        iface: "lan0".into(),
        peer: PEER,
        xid: 1,
        mac: MAC,
        model: Some("Macmini9,1".into()),
        architecture: None,
        asked: None,
        decision: Answered::Ignore,
        reason,
        detail: None,
        image: None,
        boot_file: None,
        offered: 0,
        cut: 0,
        left_out,
    })
}

fn rival() -> Event {
    Event::OtherOffered(OtherOffer {
        iface: "lan0".into(),
        server: Ipv4Addr::new(10, 77, 0, 9),
        mac: MAC,
        class: Some("PXEClient".into()),
        next_server: Some("wds.corp.example".into()),
        boot_file: Some("boot\\x64\\wdsnbp.com".into()),
        address: None,
    })
}

/// The decisions that somebody has to do something about, each as it ends a boot.
fn decisions() -> impl Iterator<Item = Case> {
    let loud = Reason::ALL.into_iter().map(Cause::Decision).filter(|cause| cause.found(Vec::new()).is_some());
    loud.map(|cause| match cause {
        Cause::Decision(reason) => at(cause, 1, vec![(0, silent(reason, ""))]),
        other => panic!("{other:?}"),
    })
}

/// A directory in every kind of trouble, in the words that a decision is logged with.
fn directories() -> impl Iterator<Item = Case> {
    TroubleKind::ALL.into_iter().map(|kind| {
        let trouble = Trouble::new(kind, "10.77.0.7 said so");
        let silence = Evidence::NoAnswer { directory: "configmgr".into(), trouble };
        at(Cause::Directory(kind), 1, vec![(0, silent(Reason::DirectoryDown, &silence.to_string()))])
    })
}

fn cases() -> Vec<Case> {
    let boots = |file: &'static str, others: &'static [&'static str]| {
        (0..3).flat_map(move |n| {
            let mut steps = vec![(n * 60, offer(MAC)), (n * 60 + 2, completed(n, MAC, file))];
            steps.extend(others.iter().map(|other| (n * 60 + 3, completed(n + 10, MAC, other))));
            steps
        })
    };
    let large = Event::TransferStarted(TransferStarted {
        negotiated: "blksize=8192 windowsize=4".into(),
        ..match started(1, MAC, "boot.efi") {
            Event::TransferStarted(started) => started,
            other => panic!("{other:?}"),
        }
    });
    let slow = TransferFinished {
        bytes: 300_000_000,
        elapsed: Duration::from_secs(300),
        ..finished(1, MAC, "boot.wim")
    };
    let http_offer = Event::Decided(Decided {
        class: Some(Class::Http),
        boot_file: Some("http://10.77.0.1/boot.efi".into()),
        ..decided(MAC, Proto::Proxy, Answered::Offer, Reason::Rule)
    });
    let over_http = TransferFinished {
        proto: Proto::Http,
        outcome: TransferOutcome::ClientGone,
        ..finished(1, MAC, "boot.efi")
    };
    let refusal = |refusal| {
        Event::FileRefused(FileRefused {
            refusal,
            ..match refused(MAC, "boot.efi") {
                Event::FileRefused(refused) => refused,
                other => panic!("{other:?}"),
            }
        })
    };
    let conflict = Evidence::Conflict { by_guid: "PC01".into(), by_mac: "PC02".into() };
    let guid = "00000000-0000-0000-0000-ac1f6b000001".parse().unwrap();
    let banned = Evidence::GuidBanned { guid, by: "policy.banned-guids".into() };
    let told = vec![
        at(Cause::NoBootServerRequest, 20, vec![(0, offer(MAC))]),
        at(Cause::NoHttpRequest, 20, vec![(0, http_offer)]),
        at(Cause::OfferNotTaken, 20, vec![(0, named(Proto::Dhcp, Answered::Offer, "boot.efi"))]),
        at(
            Cause::NoFileRequest,
            20,
            vec![(0, offer(MAC)), (4, named(Proto::Pxe, Answered::Ack, "boot.efi"))],
        ),
        at(Cause::SendFailed, 1, vec![(0, named(Proto::Pxe, Answered::SendFailed, "boot.efi"))]),
        at(
            Cause::TftpOpenTimeout,
            40,
            vec![(0, started(1, MAC, "boot.efi")), (30, ended(TransferOutcome::TimedOut, 0))],
        ),
        at(Cause::BlocksTooLarge, 40, vec![(0, large), (30, ended(TransferOutcome::TimedOut, 0))]),
        at(
            Cause::TftpReadTimeout,
            40,
            vec![(0, started(1, MAC, "boot.efi")), (30, ended(TransferOutcome::TimedOut, 500))],
        ),
        at(Cause::TransferBroke, 1, vec![(0, Event::TransferFinished(over_http))]),
        at(Cause::ClientGaveUp, 1, vec![(0, ended(TransferOutcome::Aborted, 500))]),
        at(Cause::ReadFailed, 1, vec![(0, ended(TransferOutcome::ReadFailed, 500))]),
        at(
            Cause::FileNotFound,
            20,
            vec![(0, completed(1, MAC, "a.efi")), (1, refused(MAC, "winpe/boot/BCD"))],
        ),
        at(Cause::SmsBootMissing, 20, vec![(0, refused(MAC, "smsboot\\x64\\pxeboot.com"))]),
        at(Cause::ImageComing, 20, vec![(0, refusal(Refusal::ImageComing))]),
        at(Cause::ImageRefused, 20, vec![(0, refusal(Refusal::ImageRefused))]),
        at(Cause::AccessDenied, 20, vec![(0, refusal(Refusal::AccessDenied))]),
        at(Cause::TooBusy, 20, vec![(0, refusal(Refusal::Busy))]),
        at(Cause::Limited, 20, vec![(0, refusal(Refusal::ClientFull))]),
        at(Cause::BootLoop, 130, boots("menu.efi", &["vmlinuz"]).collect()),
        at(Cause::ProgramRefused, 130, boots("unsigned.efi", &[]).collect()),
        at(Cause::SlowTransfer, 1, vec![(0, Event::TransferFinished(slow))]),
        at(Cause::CannotNetboot, 1, vec![(0, mac_answered(bsdp::Reason::CannotNetboot, Vec::new()))]),
        at(Cause::NoImageForMac, 1, vec![(0, mac_answered(bsdp::Reason::NoImage, Vec::new()))]),
        at(
            Cause::ClockOff,
            1,
            vec![(0, silent(Reason::DirectoryDown, "kerberos-needed: Clock skew too great"))],
        ),
        at(
            Cause::LeftoverUnknown,
            1,
            vec![(0, silent(Reason::NoDeployment, "a failed deployment left it behind"))],
        ),
        at(Cause::DuplicateIdentity, 1, vec![(0, silent(Reason::NoDeployment, &conflict.to_string()))]),
        at(Cause::BannedGuid, 1, vec![(0, silent(Reason::UnknownMachine, &banned.to_string()))]),
        at(
            Cause::SharedGuid,
            1,
            vec![(
                0,
                silent(Reason::UnknownMachine, "many machines have this GUID: consider policy.banned-guids"),
            )],
        ),
        at(Cause::AnotherServer, 20, vec![(0, offer(MAC)), (0, rival())]),
        at(
            Cause::NoDhcpRelay,
            90_020,
            vec![(0, rival()), (90_000, named(Proto::Pxe, Answered::Ack, "boot.efi"))],
        ),
    ];
    told.into_iter().chain(decisions()).chain(directories()).collect()
}

fn found(case: &Case) -> Option<Finding> {
    let steps = case.steps.iter().map(|(second, event)| step(*second, event.clone())).collect();
    let timeline = Timeline { steps, ..Timeline::default() };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(case.now);
    diagnose(&timeline, Fleet { rate: Some(100e6) }, now)
}

#[test]
fn every_cause_is_found_in_its_simulated_boot() {
    let cases = cases();
    for case in &cases {
        let found = found(case);
        assert_eq!(found.as_ref().map(|finding| finding.cause), Some(case.cause.as_str()), "{found:?}");
        let finding = found.unwrap();
        assert!(!finding.headline.is_empty() && !finding.cure.is_empty());
    }
    for cause in Cause::ALL {
        assert!(cases.iter().any(|case| case.cause == cause), "{cause:?} has no case");
    }
}

/// Each boot with what is found in it, as `tests/boots` keeps it; `UPDATE_GOLDEN=1` writes them anew.
#[test]
fn the_simulated_boots_read_as_they_are_kept() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boots");
    for case in cases() {
        let finding = found(&case).unwrap();
        let mut text = String::new();
        for (second, event) in &case.steps {
            let view = StepView::of(&step(*second, event.clone())).unwrap();
            writeln!(text, "{second:>4} s  {}", view.words()).unwrap();
        }
        writeln!(text, "\nafter {} s: {}: {}", case.now, finding.cause, finding.headline).unwrap();
        for seen in &finding.evidence {
            writeln!(text, "  seen: {seen}").unwrap();
        }
        writeln!(text, "  -> {}", finding.cure).unwrap();
        let path = folder.join(format!("{}.txt", finding.cause));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, text).unwrap();
        } else {
            assert!(fs::read_to_string(&path).unwrap() == text, "{} is now:\n{text}", path.display());
        }
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), cases().len(), "one for each cause");
}

#[test]
fn a_boot_that_goes_on_has_nothing_wrong() {
    let quiet = [
        vec![(0, offer(MAC))],
        vec![(0, offer(MAC)), (3, named(Proto::Pxe, Answered::Ack, "boot.efi"))],
        vec![(0, offer(MAC)), (3, started(1, MAC, "boot.efi"))],
        vec![(0, offer(MAC)), (3, completed(1, MAC, "boot.efi"))],
        vec![(0, offer(MAC)), (3, refused(MAC, "grub.cfg"))],
        vec![(0, silent(Reason::OtherServer, ""))],
        vec![(0, offer(MAC)), (1, rival()), (3, completed(1, MAC, "boot.efi")), (4, rival())],
        Vec::new(),
    ];
    for steps in quiet {
        let case = at(Cause::BootLoop, 5, steps);
        assert_eq!(found(&case), None);
    }
}

#[test]
fn a_loop_is_counted_by_boots_whatever_a_boot_begins_with() {
    let selected = || match mac_answered(bsdp::Reason::Selected, Vec::new()) {
        Event::MacAnswered(answered) => {
            Event::MacAnswered(MacAnswered { decision: Answered::Ack, ..answered })
        }
        other => other,
    };
    let begins: [&dyn Fn() -> Event; 3] =
        [&|| offer(MAC), &|| named(Proto::Pxe, Answered::Ack, "pxelinux.0"), &selected];
    for begin in begins {
        let boot = |n: u64| {
            let fetched = (0..3).map(move |at| (n * 60 + 3 + at, completed(n, MAC, "pxelinux.0")));
            std::iter::once((n * 60, begin())).chain(fetched)
        };
        let boots = |count| (0..count).flat_map(boot).collect::<Vec<_>>();
        assert_eq!(found(&at(Cause::BootLoop, 130, boots(2))), None, "two boots, six fetches");
        let finding = found(&at(Cause::BootLoop, 190, boots(3))).unwrap();
        assert_eq!(finding.cause, "boot-loop");
        assert_eq!(finding.evidence, ["pxelinux.0 was fetched 3 times in 15 minutes"]);
    }
}

/// What stands behind the mark in `docs/troubleshooting.md`; `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_documentation_names_every_cause() {
    let mut text = String::from(
        "| cause | what it means | firmware may show | what to do |\n| --- | --- | --- | --- |\n",
    );
    let directories = TroubleKind::ALL.into_iter().map(Cause::Directory);
    let decisions = decisions().map(|case| case.cause);
    for cause in Cause::ALL.into_iter().chain(directories).chain(decisions) {
        let codes = cause.codes().join(", ");
        writeln!(text, "| `{}` | {} | {codes} | {} |", cause.as_str(), cause.headline(), cause.cure())
            .unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/troubleshooting.md");
    let page = fs::read_to_string(&path).unwrap();
    let (head, generated) = page.split_once(MARK).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{head}{MARK}{text}")).unwrap();
    } else {
        assert!(
            generated == text,
            "docs/troubleshooting.md is not what the causes say; UPDATE_GOLDEN=1 writes it anew"
        );
    }
}

const MARK: &str = "<!-- What follows is written by the tests of netbootd. -->\n\n";

#[test]
fn a_finding_shows_what_was_seen() {
    let case = &cases()[6];
    let finding = found(case).unwrap();
    assert_eq!(finding.evidence, ["boot.efi: timed-out after 0 bytes", "blksize=8192 windowsize=4"]);
    assert!(finding.codes.contains(&"PXE-E32"));
}

#[test]
fn a_lease_without_a_boot_file_is_explained_by_the_decision_and_not_as_an_offer_that_nobody_took() {
    for reason in [Reason::NoRule, Reason::NoBootFile] {
        for decision in [Answered::Offer, Answered::Ack] {
            let event = Event::Decided(decided(MAC, Proto::Dhcp, decision, reason));
            let timeline = Timeline { steps: [step(0, event)].into(), ..Timeline::default() };
            let found = |now| diagnose(&timeline, Fleet::default(), SystemTime::UNIX_EPOCH + now);
            assert_eq!(found(Duration::from_secs(1)), None);
            assert_eq!(found(Duration::from_secs(30)).unwrap().cause, reason.as_str(), "{decision:?}");
        }
    }
}
