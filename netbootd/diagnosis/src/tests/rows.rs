//! One boot for each cause that no other test tells the story of, and the proof that no row is
//! without one.

use bsdp::LeftOut;

use super::*;
use crate::step::{MacAnswered, Negotiated, TlsFailed, TlsFailure, TransferDetail};

pub(super) fn ended(outcome: TransferOutcome, proto: Proto, bytes: u64) -> TransferFinished {
    TransferFinished {
        id: TransferId(1),
        proto,
        peer: PEER,
        mac: Some(PC),
        path: "boot.efi".into(),
        partial: false,
        outcome,
        bytes,
        blocks: 0,
        resends: 0,
        proved: true,
        elapsed: Duration::from_secs(1),
        detail: Some(TransferDetail::ClientMessage("its own words".into())),
        program: None,
    }
}

fn refused(refusal: Refusal, path: &str) -> FileRefused {
    FileRefused { proto: Proto::Tftp, peer: PEER, mac: Some(PC), path: path.into(), refusal, detail: None }
}

pub(super) fn mac_answered(reason: bsdp::Reason, left_out: Vec<(String, LeftOut)>) -> MacAnswered {
    MacAnswered {
        iface: "lan0".into(),
        peer: PEER,
        xid: 1,
        mac: PC,
        model: Some("Macmini9,1".into()),
        architecture: None,
        asked: None,
        decision: Answered::Ignore,
        reason,
        detail: None,
        rule: None,
        machine: None,
        image: None,
        boot_file: None,
        offered: 0,
        cut: 0,
        left_out,
        probe: false,
    }
}

#[test]
fn silences_before_the_first_file_have_their_causes() {
    Site::new().named("boot.efi").wait(9.0).finds(Cause::NoDhcpRelay);
    let mut site = Site::new();
    let offer = site.decided(Proto::Dhcp, Some(Class::Pxe), Answered::Offer, Reason::Rule);
    let offer = Decided { boot_file: Some("boot.efi".into()), ..offer };
    site.step(Step::Decided(&offer)).finds_nothing().wait(9.0).finds(Cause::OfferNotTaken);
    Site::new().firmware("boot.efi").finds_nothing().wait(9.0).finds(Cause::NoFileRequest);
    let mut site = Site::new();
    let unsent = site.decided(Proto::Pxe, Some(Class::Pxe), Answered::SendFailed, Reason::Rule);
    site.step(Step::Decided(&unsent)).finds(Cause::SendFailed);
}

#[test]
fn a_secret_that_policy_does_not_give_has_its_cause() {
    let missed = refused(Refusal::NotForMachine, "boot-media/cm/52-54-00-00-00-01/Variables.dat");
    let missed = FileRefused { proto: Proto::Http, ..missed };
    let mut site = Site::new();
    site.firmware("cm/wimboot.ipxe").step(Step::FileRefused(&missed)).finds(Cause::BootMediaRefused);
}

#[test]
fn a_handshake_that_fails_has_its_cause_until_the_machine_goes_on() {
    let failed = |why| TlsFailed { peer: PEER, mac: Some(PC), why, detail: None };
    let table = [
        (TlsFailure::Alert(48), Some(Cause::CertificateNotTrusted)),
        (TlsFailure::Alert(45), Some(Cause::CertificateNotTrusted)),
        (TlsFailure::LeftAtCertificate, Some(Cause::CertificateNotTrusted)),
        (TlsFailure::Alert(40), Some(Cause::NothingInCommon)),
        (TlsFailure::NothingInCommon, Some(Cause::NothingInCommon)),
        (TlsFailure::Alert(0), None),
        (TlsFailure::NoTls, None),
        (TlsFailure::Late, None),
    ];
    for (why, cause) in table {
        let mut site = Site::new();
        site.firmware("boot.efi").step(Step::TlsFailed(&failed(why)));
        match cause {
            Some(cause) => drop(site.finds(cause)),
            None => drop(site.finds_nothing()),
        }
        site.fetches("boot.efi", SIGNED).finds_nothing();
    }
}

#[test]
fn transfers_that_end_early_have_their_causes() {
    let table = [
        (TransferOutcome::ClientGone, Proto::Http, 500, Cause::TransferBroke),
        (TransferOutcome::Aborted, Proto::Tftp, 500, Cause::ClientGaveUp),
        (TransferOutcome::ReadFailed, Proto::Tftp, 500, Cause::ReadFailed),
    ];
    for (outcome, proto, bytes, cause) in table {
        let mut site = Site::new();
        site.firmware("boot.efi").starts("boot.efi", SIGNED);
        site.step(Step::TransferFinished(&ended(outcome, proto, bytes))).finds(cause);
        site.fetches("boot.efi", SIGNED).finds_nothing();
    }
    let mut site = Site::new();
    let started = TransferStarted {
        id: TransferId(1),
        proto: Proto::Tftp,
        peer: PEER,
        mac: Some(PC),
        path: "boot.efi".into(),
        size: Some(1_000_000),
        negotiated: Negotiated::Options(vec![("blksize", 8192)]),
        block_size: Some(8192),
        program: None,
        partial: false,
        substitute: None,
        proved: true,
        configuration: None,
    };
    site.firmware("boot.efi").step(Step::TransferStarted(&started));
    site.step(Step::TransferFinished(&ended(TransferOutcome::TimedOut, Proto::Tftp, 0)))
        .finds(Cause::BlocksTooLarge);
}

#[test]
fn files_that_are_refused_have_their_causes_once_nothing_follows() {
    let table = [
        (Refusal::NotFound, "boot.efi", Cause::FileNotFound),
        (Refusal::NotFound, "smsboot\\x64\\wdsmgfw.efi", Cause::SmsBootMissing),
        (Refusal::ImageComing, "winpe/boot.wim", Cause::ImageComing),
        (Refusal::ImageRefused, "winpe/boot.wim", Cause::ImageRefused),
        (Refusal::AccessDenied, "boot.efi", Cause::AccessDenied),
        (Refusal::Busy, "boot.efi", Cause::TooBusy),
        (Refusal::ClientFull, "boot.efi", Cause::Limited),
        (Refusal::Failed, "boot.efi", Cause::ReadFailed),
    ];
    for (refusal, path, cause) in table {
        let mut site = Site::new();
        site.firmware("boot.efi").step(Step::FileRefused(&refused(refusal, path)));
        site.finds_nothing().wait(9.0).finds(cause);
        site.fetches(path, None).finds_nothing();
    }
    let mut site = Site::new();
    let files = vec!["smsboot\\x64\\wdsnbp.com".into()];
    site.silenced(Reason::NoBootFile, vec![Evidence::FilesMissing { rule: "pc".into(), files }]);
    site.finds(Cause::SmsBootMissing);
}

#[test]
fn a_program_without_a_reason_stalls_and_three_equal_boots_are_a_loop() {
    let mut site = Site::new();
    site.arch = ArchType::X86_BIOS;
    site.firmware("pxelinux.0").fetches("pxelinux.0", None).wait(14.0).finds_nothing();
    site.wait(2.0).finds(Cause::ProgramStalled);
    let mut site = Site::new();
    for _ in 0..3 {
        site.firmware("ipxe.efi").fetches("ipxe.efi", None).fetches("vmlinuz", None).wait(60.0);
    }
    site.finds(Cause::BootLoop);
}

#[test]
fn macs_and_identities_have_their_causes() {
    for (reason, cause) in
        [(bsdp::Reason::CannotNetboot, Cause::CannotNetboot), (bsdp::Reason::NoImage, Cause::NoImageForMac)]
    {
        Site::new().step(Step::MacAnswered(&mac_answered(reason, Vec::new()))).finds(cause);
    }
    let guid = "00000000-0000-0000-0000-ac1f6b000001".parse().unwrap();
    let table = [
        (Reason::NoDeployment, Evidence::LeftoverUnknown { key: "16777219".into() }, Cause::LeftoverUnknown),
        (
            Reason::UnknownMachine,
            Evidence::GuidBanned { guid, by: "policy.banned-guids".into() },
            Cause::BannedGuid,
        ),
    ];
    for (reason, evidence, cause) in table {
        Site::new().silenced(reason, vec![evidence]).finds(cause);
    }
}

#[test]
fn a_record_of_another_machine_that_boots_as_well_is_named() {
    let owner = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
    let uuid = Some("4c4c4544-0042-3510-8053-5254004c0101".parse().unwrap());
    let mut site = Site::new();
    for n in [1, 2] {
        site.on(n);
        let other = Evidence::OtherAddress { name: "kiosk".into(), macs: vec![owner] };
        let evidence = if n == 1 { Vec::new() } else { vec![other] };
        let offer = site.decided(Proto::Proxy, Some(Class::Pxe), Answered::Offer, Reason::Record);
        let boot_file = Some("boot.efi".into());
        site.step(Step::Decided(&Decided { uuid, evidence, boot_file, ..offer }));
        site.takes_from(ROUTER).named("boot.efi").finds_nothing().fetches("boot.efi", SIGNED);
    }
    site.finds(Cause::AnothersRecord).on(1).finds_nothing();
}

#[test]
fn no_row_of_the_table_is_without_a_boot() {
    let tests = [
        include_str!("../tests.rs"),
        include_str!("reports.rs"),
        include_str!("rows.rs"),
        include_str!("scripts.rs"),
        include_str!("stories.rs"),
        include_str!("field.rs"),
        include_str!("network.rs"),
        include_str!("transfers.rs"),
    ]
    .concat();
    let named = |name: &str| {
        tests.split("Cause::").skip(1).any(|rest| {
            let word = rest.split(|c: char| !c.is_ascii_alphanumeric()).next();
            word == Some(name)
        })
    };
    for name in Cause::row_names() {
        assert!(named(name), "{name} has none");
    }
}
