//! Decisions and directories as causes: what `pxe_policy` decided, in an operator's words.

use pxe_policy::{Reason, TroubleKind};

use super::Severity;

pub(super) fn is_loud(reason: Reason) -> bool {
    let quiet = matches!(
        reason,
        Reason::NotABootRequest
            | Reason::NotForABootServer
            | Reason::OtherServer
            | Reason::ResponseDelay
            | Reason::WrongAddress
    );
    !quiet && reason.cure().is_some()
}

/// What somebody decided on purpose is no error.
pub(super) fn severity(reason: Reason) -> Severity {
    match reason {
        Reason::AlreadyRun
        | Reason::MacIgnored
        | Reason::Rejected
        | Reason::Disabled
        | Reason::NotAllowed => Severity::Notice,
        Reason::Pending | Reason::Brake | Reason::NoDeployment => Severity::Warning,
        _ => Severity::Error,
    }
}

pub(super) fn headline(reason: Reason) -> &'static str {
    match reason {
        Reason::NoRule => "No rule fits this machine.",
        Reason::NoBootFile => "A rule fits, and none of its boot files is there.",
        Reason::Malformed => "A packet in this machine's name could not be read.",
        Reason::NoArchitecture => "The machine does not say its architecture (option 93).",
        Reason::NoHardwareAddress => "The machine asks over IPv6, and its hardware address is not known.",
        Reason::PoolExhausted => "The address pool is exhausted.",
        Reason::NoSubnet => "No configured subnet fits the machine's segment.",
        Reason::AddressInUse => "The machine's address is in use by another host.",
        Reason::LeaseNotSaved => "The lease could not be saved, so the machine did not get it.",
        Reason::AnswerTooLarge => "The answer does not fit into a packet that firmware accepts.",
        Reason::Disabled => "The mode in force does not answer this kind of client.",
        Reason::MacIgnored => "The machine is on the list of ignored machines.",
        Reason::AlreadyRun => "The Required deployment has run on this machine before.",
        Reason::NoDeployment => "The machine is known, and nothing is deployed to it.",
        Reason::UnknownMachine => "No directory knows the machine.",
        Reason::DirectoryDown => "A directory that may know the machine did not answer.",
        Reason::StaleAnswer => "The directory is down, and an old answer starts no Required deployment.",
        Reason::AmbiguousRecord => "Several records claim the machine, so nothing Required is started.",
        Reason::BootImageMissing => "The boot image of the deployment is not on this server.",
        Reason::WrongArchitecture => "The boot image of the deployment is for another architecture.",
        Reason::Brake => "Many machines got a Required deployment: the brake holds this one back.",
        Reason::NoMenu => "The deployment needs a key press, and HTTP boot has no menu.",
        Reason::Pending => "The machine waits for an operator's approval.",
        Reason::Rejected => "An operator rejected the machine.",
        Reason::PxeOnly => {
            "The distribution point's responder answers PXE only, and the machine uses HTTP boot."
        }
        Reason::RelayNoAnswer => "The distribution point's responder did not answer.",
        Reason::RelayOtherMachine => "The distribution point's responder answered for another machine.",
        Reason::RelayNothing => "The distribution point's responder has nothing to boot for the machine.",
        Reason::RelayMalformed => {
            "The distribution point's responder sent an answer that must not be followed."
        }
        Reason::RelayElsewhere => "The machine's segment is not one that is forwarded to the responder.",
        Reason::RelayTooOften | Reason::MachineTooOften => {
            "The machine asks more often than the limit allows."
        }
        Reason::LedgerNotSaved => "The deployment could not be written to the ledger, so it was not started.",
        Reason::NotAllowed => "The limits do not name the machine's network.",
        Reason::SourceTooOften => "Too many packets come from the machine's network.",
        Reason::TooManyNewMachines => "Too many unknown hardware addresses come from the machine's network.",
        Reason::AddressTooOften => "The machine's address received as much as the limit allows.",
        Reason::TooManyWaiting => "Too many packets wait for a directory or the disk.",
        Reason::PoolKept => "The rest of the address pool is reserved for known machines.",
        Reason::SharedStateAway => "The shared database is not reachable.",
        _ => "The machine gets nothing to boot from this server.",
    }
}

pub(super) fn codes(reason: Reason) -> &'static [&'static str] {
    match reason {
        Reason::UnknownMachine | Reason::NoDeployment | Reason::NoRule | Reason::NoBootFile => {
            &["PXE-E53", "PXE-E51"]
        }
        _ => &["PXE-E53"],
    }
}

pub(super) fn directory_name(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::Timeout => "directory-timeout",
        TroubleKind::Unreachable => "directory-unreachable",
        TroubleKind::Resting => "directory-resting",
        TroubleKind::CertificateUntrusted => "directory-certificate-untrusted",
        TroubleKind::CertificateName => "directory-certificate-name",
        TroubleKind::CertificateExpired => "directory-certificate-expired",
        TroubleKind::KerberosNeeded => "directory-kerberos-needed",
        TroubleKind::ClockSkew => "clock-off",
        TroubleKind::NtlmOnly => "directory-ntlm-only",
        TroubleKind::Unauthorized => "directory-unauthorized",
        TroubleKind::Forbidden => "directory-forbidden",
        TroubleKind::Malformed => "directory-malformed",
        TroubleKind::TooLarge => "directory-too-large",
        TroubleKind::Failed => "directory-failed",
    }
}

pub(super) fn directory_headline(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::Timeout => "A directory did not answer in time.",
        TroubleKind::Unreachable => "A directory is not reachable.",
        TroubleKind::Resting => "A directory failed several times; it is retried later.",
        TroubleKind::CertificateUntrusted => "A directory's certificate is not trusted.",
        TroubleKind::CertificateName => "A directory's certificate is for another name.",
        TroubleKind::CertificateExpired => "A directory's certificate has expired.",
        TroubleKind::KerberosNeeded => "A directory requires Kerberos, and there is no ticket for it.",
        TroubleKind::ClockSkew => "This server's clock and the domain's differ too much for Kerberos.",
        TroubleKind::NtlmOnly => "A directory's web server offers NTLM and no Kerberos.",
        TroubleKind::Unauthorized => "A directory does not accept this server's account.",
        TroubleKind::Forbidden => "This server's account has no rights in a directory.",
        TroubleKind::Malformed => "A directory sent an answer of an unknown form.",
        TroubleKind::TooLarge => "A directory's answer is larger than the limit.",
        TroubleKind::Failed => "A directory failed.",
    }
}
