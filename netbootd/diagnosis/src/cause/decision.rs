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

/// The severity, codes and headline of a decision.
pub(super) struct Words {
    pub(super) severity: Severity,
    pub(super) codes: &'static [&'static str],
    pub(super) headline: &'static str,
}

macro_rules! decisions {
    ($($reason:ident $severity:ident [$($code:literal),*] $headline:literal)+) => {
        /// Severity, codes and headline of a decision. A decision on purpose is no error.
        pub(super) fn of_reason(reason: Reason) -> Words {
            match reason {
                $(Reason::$reason => Words {
                    severity: Severity::$severity,
                    codes: &[$($code),*],
                    headline: $headline,
                },)+
                _ => Words {
                    severity: Severity::Error,
                    codes: &["PXE-E53"],
                    headline: "The machine gets nothing to boot from this server.",
                },
            }
        }
    };
}

decisions! {
    NoRule Error ["PXE-E53", "PXE-E51"] "No rule fits this machine."
    NoBootFile Error ["PXE-E53", "PXE-E51"] "A rule fits, and none of its boot files exists."
    Malformed Error ["PXE-E53"] "This server cannot parse a packet with this machine's hardware address."
    NoArchitecture Error ["PXE-E53"] "The machine does not say its architecture (option 93)."
    NoHardwareAddress Error ["PXE-E53"] "The machine asks over IPv6, and its hardware address is not known."
    PoolExhausted Error ["PXE-E53"] "The address pool is exhausted."
    NoSubnet Error ["PXE-E53"] "No configured subnet fits the machine's segment."
    AddressInUse Error ["PXE-E53"] "Another host uses the machine's address."
    LeaseNotSaved Error ["PXE-E53"] "This server could not save the lease, and did not give it."
    AnswerTooLarge Error ["PXE-E53"] "The answer does not fit into a packet that firmware accepts."
    Disabled Notice ["PXE-E53"] "The mode in force does not answer this kind of client."
    MacIgnored Notice ["PXE-E53"] "The machine is on the list of ignored machines."
    AlreadyRun Notice ["PXE-E53"] "The Required deployment has run on this machine before."
    NoDeployment Warning ["PXE-E53", "PXE-E51"] "The machine is known, and nothing is deployed to it."
    UnknownMachine Error ["PXE-E53", "PXE-E51"] "No directory knows the machine."
    DirectoryDown Error ["PXE-E53"] "A directory that may know the machine did not answer."
    StaleAnswer Error ["PXE-E53"] "The directory is down, and an old answer starts no Required deployment."
    AmbiguousRecord Error ["PXE-E53"] "Several records claim the machine, so nothing Required is started."
    BootImageMissing Error ["PXE-E53"] "The boot image of the deployment is not on this server."
    WrongArchitecture Error ["PXE-E53"] "The boot image of the deployment is for another architecture."
    Brake Warning ["PXE-E53"] "Many machines got a Required deployment: the brake holds this one back."
    NoMenu Error ["PXE-E53"] "The deployment needs a key press, and HTTP boot has no menu."
    Pending Warning ["PXE-E53"] "The machine waits for an operator's approval."
    Rejected Notice ["PXE-E53"] "An operator rejected the machine."
    PxeOnly Error ["PXE-E53"] "The distribution point's responder answers PXE only, and the machine uses HTTP boot."
    RelayNoAnswer Error ["PXE-E53"] "The distribution point's responder did not answer."
    RelayOtherMachine Error ["PXE-E53"] "The distribution point's responder answered for another machine."
    RelayNothing Error ["PXE-E53"] "The distribution point's responder has nothing to boot for the machine."
    RelayMalformed Error ["PXE-E53"] "The distribution point's responder sent an answer that is not safe to forward."
    RelayElsewhere Error ["PXE-E53"] "This server does not forward the machine's segment to the responder."
    RelayTooOften Error ["PXE-E53"] "The machine asks more often than the limit allows."
    MachineTooOften Error ["PXE-E53"] "The machine asks more often than the limit allows."
    LedgerNotSaved Error ["PXE-E53"] "This server could not write the deployment to the ledger, and did not start it."
    NotAllowed Notice ["PXE-E53"] "The limits do not name the machine's network."
    SourceTooOften Error ["PXE-E53"] "Too many packets come from the machine's network."
    TooManyNewMachines Error ["PXE-E53"] "Too many unknown hardware addresses come from the machine's network."
    AddressTooOften Error ["PXE-E53"] "This server sent the machine's address as many bytes as the limit allows."
    TooManyWaiting Error ["PXE-E53"] "Too many packets wait for a directory or the disk."
    PoolKept Error ["PXE-E53"] "The rest of the address pool is reserved for known machines."
    SharedStateAway Error ["PXE-E53"] "The shared database is not reachable."
}

/// Name and headline of a directory's trouble.
pub(super) fn of_directory(kind: TroubleKind) -> (&'static str, &'static str) {
    match kind {
        TroubleKind::Timeout => ("directory-timeout", "A directory did not answer in time."),
        TroubleKind::Unreachable => ("directory-unreachable", "A directory is not reachable."),
        TroubleKind::Resting => {
            ("directory-resting", "A directory failed several times; it is retried later.")
        }
        TroubleKind::CertificateUntrusted => {
            ("directory-certificate-untrusted", "A directory's certificate is not trusted.")
        }
        TroubleKind::CertificateName => {
            ("directory-certificate-name", "A directory's certificate is for another name.")
        }
        TroubleKind::CertificateExpired => {
            ("directory-certificate-expired", "A directory's certificate has expired.")
        }
        TroubleKind::KerberosNeeded => {
            ("directory-kerberos-needed", "A directory requires Kerberos, and there is no ticket for it.")
        }
        TroubleKind::ClockSkew => {
            ("clock-off", "This server's clock and the domain's differ too much for Kerberos.")
        }
        TroubleKind::NtlmOnly => {
            ("directory-ntlm-only", "A directory's web server offers NTLM and no Kerberos.")
        }
        TroubleKind::Unauthorized => {
            ("directory-unauthorized", "A directory does not accept this server's account.")
        }
        TroubleKind::Forbidden => {
            ("directory-forbidden", "This server's account has no rights in a directory.")
        }
        TroubleKind::Malformed => ("directory-malformed", "A directory sent an answer of an unknown form."),
        TroubleKind::TooLarge => ("directory-too-large", "A directory's answer is larger than the limit."),
        TroubleKind::Failed => ("directory-failed", "A directory failed."),
    }
}
