//! The causes, in words.

use pxe_policy::{Reason, TroubleKind};

use super::Finding;

/// Why a machine does not boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The decision itself: nothing was offered, for this reason.
    Decision(Reason),
    /// A directory did not say what to do, for this reason.
    Directory(TroubleKind),
    /// Another server offered the machine something to boot, and it did not go on here.
    AnotherServer,
    /// Its DHCP broadcasts do not come here, and what it was told did not help it.
    NoDhcpRelay,
    /// PXE firmware was offered a boot and did not ask port 4011.
    NoBootServerRequest,
    /// HTTP firmware was offered a URL and did not fetch it.
    NoHttpRequest,
    /// A lease was offered and not taken.
    OfferNotTaken,
    /// The boot file was named and not asked for.
    NoFileRequest,
    /// The answer could not leave.
    SendFailed,
    /// The first block was never acknowledged.
    TftpOpenTimeout,
    /// The first block was never acknowledged, and is larger than a frame.
    BlocksTooLarge,
    /// Blocks stopped being acknowledged.
    TftpReadTimeout,
    /// An HTTP transfer broke.
    TransferBroke,
    /// The client ended the transfer with an error.
    ClientGaveUp,
    /// The file could not be read here.
    ReadFailed,
    /// No image and no folder has the file.
    FileNotFound,
    /// Its image is being taken in.
    ImageComing,
    /// Its image was not taken in.
    ImageRefused,
    /// A file of the distribution point's boot folder is not there.
    SmsBootMissing,
    /// The path leads out, or may not be read.
    AccessDenied,
    /// Too many transfers.
    TooBusy,
    /// More than one client may have.
    Limited,
    /// The same boot again and again.
    BootLoop,
    /// The same program again and again, and nothing after it.
    ProgramRefused,
    /// Much slower than other machines.
    SlowTransfer,
    /// A Mac that Apple took network boot from.
    CannotNetboot,
    /// No image suits the Mac.
    NoImageForMac,
    /// Kerberos refuses because of the time.
    ClockOff,
    /// The record that a failed deployment left behind.
    LeftoverUnknown,
    /// Its GUID and its hardware address are those of different records.
    DuplicateIdentity,
    /// Its GUID is banned, and its hardware address alone boots nothing.
    BannedGuid,
    /// Its GUID is one that many machines have.
    SharedGuid,
}

impl Cause {
    /// Every cause but the decisions and the directories', for documentation and tests.
    pub const ALL: [Cause; 30] = [
        Cause::AnotherServer,
        Cause::NoDhcpRelay,
        Cause::NoBootServerRequest,
        Cause::NoHttpRequest,
        Cause::OfferNotTaken,
        Cause::NoFileRequest,
        Cause::SendFailed,
        Cause::TftpOpenTimeout,
        Cause::BlocksTooLarge,
        Cause::TftpReadTimeout,
        Cause::TransferBroke,
        Cause::ClientGaveUp,
        Cause::ReadFailed,
        Cause::FileNotFound,
        Cause::ImageComing,
        Cause::ImageRefused,
        Cause::SmsBootMissing,
        Cause::AccessDenied,
        Cause::TooBusy,
        Cause::Limited,
        Cause::BootLoop,
        Cause::ProgramRefused,
        Cause::SlowTransfer,
        Cause::CannotNetboot,
        Cause::NoImageForMac,
        Cause::ClockOff,
        Cause::LeftoverUnknown,
        Cause::DuplicateIdentity,
        Cause::BannedGuid,
        Cause::SharedGuid,
    ];

    /// The word for the page, the API and the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Decision(reason) => reason.as_str(),
            Cause::Directory(kind) => match kind {
                TroubleKind::Timeout => "directory-timeout",
                TroubleKind::Unreachable => "directory-unreachable",
                TroubleKind::Resting => "directory-resting",
                TroubleKind::CertificateUntrusted => "directory-certificate-untrusted",
                TroubleKind::CertificateName => "directory-certificate-name",
                TroubleKind::CertificateExpired => "directory-certificate-expired",
                TroubleKind::KerberosNeeded => "directory-kerberos-needed",
                TroubleKind::NtlmOnly => "directory-ntlm-only",
                TroubleKind::Unauthorized => "directory-unauthorized",
                TroubleKind::Forbidden => "directory-forbidden",
                TroubleKind::Malformed => "directory-malformed",
                TroubleKind::TooLarge => "directory-too-large",
                TroubleKind::Failed => "directory-failed",
            },
            Cause::AnotherServer => "another-server",
            Cause::NoDhcpRelay => "no-dhcp-relay",
            Cause::NoBootServerRequest => "no-boot-server-request",
            Cause::NoHttpRequest => "no-http-request",
            Cause::OfferNotTaken => "offer-not-taken",
            Cause::NoFileRequest => "no-file-request",
            Cause::SendFailed => "send-failed",
            Cause::TftpOpenTimeout => "tftp-open-timeout",
            Cause::BlocksTooLarge => "blocks-too-large",
            Cause::TftpReadTimeout => "tftp-read-timeout",
            Cause::TransferBroke => "transfer-broke",
            Cause::ClientGaveUp => "client-gave-up",
            Cause::ReadFailed => "read-failed",
            Cause::FileNotFound => "file-not-found",
            Cause::ImageComing => "image-coming",
            Cause::ImageRefused => "image-refused",
            Cause::SmsBootMissing => "smsboot-missing",
            Cause::AccessDenied => "access-denied",
            Cause::TooBusy => "too-busy",
            Cause::Limited => "limited",
            Cause::BootLoop => "boot-loop",
            Cause::ProgramRefused => "program-refused",
            Cause::SlowTransfer => "slow-transfer",
            Cause::CannotNetboot => "cannot-netboot",
            Cause::NoImageForMac => "no-image-for-mac",
            Cause::ClockOff => "clock-off",
            Cause::LeftoverUnknown => "leftover-unknown",
            Cause::DuplicateIdentity => "duplicate-identity",
            Cause::BannedGuid => "banned-guid",
            Cause::SharedGuid => "shared-guid",
        }
    }

    /// What it means, in one line.
    pub fn headline(self) -> &'static str {
        match self {
            Cause::Decision(reason) => reason.on_screen(),
            Cause::Directory(kind) => match kind {
                TroubleKind::Timeout => "A directory did not answer in time.",
                TroubleKind::Unreachable => "A directory cannot be reached.",
                TroubleKind::Resting => "A directory failed several times and is left alone for a while.",
                TroubleKind::CertificateUntrusted => "A directory's certificate is not trusted.",
                TroubleKind::CertificateName => "A directory's certificate is for another name.",
                TroubleKind::CertificateExpired => "A directory's certificate has expired.",
                TroubleKind::KerberosNeeded => "A directory wants Kerberos, and there is no ticket for it.",
                TroubleKind::NtlmOnly => "A directory's web server offers NTLM and no Kerberos.",
                TroubleKind::Unauthorized => "A directory does not accept this server's account.",
                TroubleKind::Forbidden => "This server's account has no rights in a directory.",
                TroubleKind::Malformed => "A directory answered something else than was asked.",
                TroubleKind::TooLarge => "A directory answered more than is read.",
                TroubleKind::Failed => "A directory failed.",
            },
            Cause::AnotherServer => {
                "Another server offered the machine something to boot, and the machine did not go on here."
            }
            Cause::NoDhcpRelay => {
                "The machine's DHCP broadcasts do not come here, and it did not go on from its answer on port 4011."
            }
            Cause::NoBootServerRequest => "The firmware was offered a boot and never asked port 4011.",
            Cause::NoHttpRequest => "The firmware was offered a URL and never fetched it.",
            Cause::OfferNotTaken => "The machine was offered an address and did not take it.",
            Cause::NoFileRequest => "The machine was told its boot file and never asked for it.",
            Cause::SendFailed => "The answer could not be sent.",
            Cause::TftpOpenTimeout => "The machine never acknowledged the first block.",
            Cause::BlocksTooLarge => {
                "The machine never acknowledged a first block that is larger than a frame."
            }
            Cause::TftpReadTimeout => "The machine stopped acknowledging in the middle of a file.",
            Cause::TransferBroke => "The connection broke in the middle of a file.",
            Cause::ClientGaveUp => "The machine ended the transfer by itself.",
            Cause::ReadFailed => "The file could not be read on this server.",
            Cause::FileNotFound => "The file that the machine asked for is not there.",
            Cause::ImageComing => "The image that should hold the file is still being taken in.",
            Cause::ImageRefused => "The image that should hold the file was not taken in.",
            Cause::SmsBootMissing => "A file of the distribution point's SMSBoot folder is not there.",
            Cause::AccessDenied => "The path leads out of the boot folder, or the file may not be read.",
            Cause::TooBusy => "Too many transfers are under way.",
            Cause::Limited => "The client asks for more than one may have.",
            Cause::BootLoop => "The machine boots the same again and again.",
            Cause::ProgramRefused => {
                "The machine fetches the same program again and again and does not go on from it."
            }
            Cause::SlowTransfer => "The machine fetches much slower than others do.",
            Cause::CannotNetboot => {
                "This Mac cannot boot from a network: Apple took that out of its firmware."
            }
            Cause::NoImageForMac => "No image suits this Mac.",
            Cause::ClockOff => "This server's clock and the domain's differ too much for Kerberos.",
            Cause::LeftoverUnknown => {
                "A record named Unknown, left behind by a failed deployment, stands for this machine."
            }
            Cause::DuplicateIdentity => {
                "The machine's GUID and its hardware address are those of different records."
            }
            Cause::BannedGuid => {
                "The machine's GUID is banned, and its hardware address alone boots nothing."
            }
            Cause::SharedGuid => "The machine's GUID is one that many machines have.",
        }
    }

    /// What an operator does about it.
    pub fn cure(self) -> &'static str {
        match self {
            Cause::Decision(reason) => reason.cure().unwrap_or_default(),
            Cause::Directory(kind) => kind.cure(),
            Cause::AnotherServer => {
                "turn the boot options (60, 66, 67) of the server named above off, or let it name this one"
            }
            Cause::NoDhcpRelay => {
                "name this server beside the DHCP server in the segment's DHCP relay (ip helper-address), and no boot options in its scope"
            }
            Cause::NoBootServerRequest => {
                "let UDP 4011 through to this server; if another server offers as well, `netbootd probe pxe` shows it: turn its boot options (60, 66, 67) off"
            }
            Cause::NoHttpRequest => {
                "let TCP through to the HTTP port; some firmware wants https or a name it can resolve"
            }
            Cause::OfferNotTaken => {
                "another DHCP server was faster, or the answer did not arrive: `netbootd probe pxe` shows who offers"
            }
            Cause::NoFileRequest => {
                "let UDP 69 through to this server, and see that no old option 66 or 67 sends the machine elsewhere"
            }
            Cause::SendFailed => "see the detail: the interface, its address or a local firewall",
            Cause::TftpOpenTimeout => {
                "let UDP through from this server's high ports, or narrow them with tftp.port-range, or set tftp.single-port"
            }
            Cause::BlocksTooLarge => {
                "lower tftp.max-block-size to 1468, or the MTU of tunnels on the way to it"
            }
            Cause::TftpReadTimeout => {
                "look for loss on the way: cable, duplex, wireless; a smaller tftp.max-window-size helps old firmware"
            }
            Cause::TransferBroke => "look for loss on the way, and whether the machine was switched off",
            Cause::ClientGaveUp => {
                "see its own words in the detail; wrong architecture and too little memory are the usual ones"
            }
            Cause::ReadFailed => "`netbootd image verify` names the damage; look at the disk",
            Cause::FileNotFound => {
                "put the file into the image or folder that the path names; `netbootd image show` lists what is there"
            }
            Cause::ImageComing => "wait until `netbootd status` shows no ingest, and start the machine again",
            Cause::ImageRefused => "`netbootd image sources` says what is wrong with it",
            Cause::SmsBootMissing => {
                "distribute the boot image again with \"Deploy this boot image from the PXE-enabled distribution point\", for x86 and x64"
            }
            Cause::AccessDenied => {
                "let netbootd's account read the file; links out of the boot folder are not followed"
            }
            Cause::TooBusy => "raise tftp.max-transfers or http.max-connections",
            Cause::Limited => {
                "see what else asks from its address, then docs/limits.md for the number to raise"
            }
            Cause::BootLoop => {
                "put the disk before the network in the boot order, or use a Required deployment: it runs once"
            }
            Cause::ProgramRefused => {
                "Secure Boot refuses unsigned programs: hand out the signed shim; or the program is for another architecture"
            }
            Cause::SlowTransfer => "look at the machine's port: speed, duplex, errors",
            Cause::CannotNetboot => "start it from an external disk, or restore it with Apple Configurator",
            Cause::NoImageForMac => {
                "each image says above why it is not for this Mac: enable it, or add the model to it"
            }
            Cause::ClockOff => "set the time on this server by the domain's time service",
            Cause::LeftoverUnknown => "delete the record named Unknown in the console",
            Cause::DuplicateIdentity => {
                "delete the stale record; an adapter that many machines use belongs on the site's list of duplicate identifiers"
            }
            Cause::BannedGuid => {
                "give the machine's record its hardware address, or take the GUID out of policy.banned-guids"
            }
            Cause::SharedGuid => {
                "ban the GUID (policy.banned-guids), so that the hardware address alone decides"
            }
        }
    }

    /// What firmware may show on its screen meanwhile.
    pub fn codes(self) -> &'static [&'static str] {
        match self {
            Cause::Decision(
                Reason::UnknownMachine | Reason::NoDeployment | Reason::NoRule | Reason::NoBootFile,
            ) => &["PXE-E53", "PXE-E51"],
            Cause::Decision(_) | Cause::DuplicateIdentity | Cause::BannedGuid | Cause::SharedGuid => {
                &["PXE-E53"]
            }
            Cause::Directory(_) => &["PXE-E53"],
            Cause::AnotherServer => &["PXE-E55", "PXE-E53", "PXE-E32", "PXE-T01"],
            Cause::NoDhcpRelay => &["PXE-E53", "PXE-E11", "PXE-E32"],
            Cause::NoBootServerRequest => &["PXE-E55", "PXE-E53", "PXE-E78"],
            Cause::NoHttpRequest => &["PXE-E23"],
            Cause::OfferNotTaken => &["PXE-E51", "PXE-E52"],
            Cause::NoFileRequest => &["PXE-E11", "PXE-E32", "PXE-E18"],
            Cause::TftpOpenTimeout | Cause::BlocksTooLarge => &["PXE-E32", "PXE-E18"],
            Cause::TftpReadTimeout | Cause::TransferBroke => &["PXE-E35", "PXE-E18"],
            Cause::ClientGaveUp => &["PXE-E3C", "PXE-E99"],
            Cause::ReadFailed | Cause::TooBusy | Cause::Limited => &["PXE-E36"],
            Cause::FileNotFound | Cause::ImageComing | Cause::ImageRefused | Cause::SmsBootMissing => {
                &["PXE-T01", "PXE-E3B", "PXE-E23", "0xc0000001", "0xc000000f"]
            }
            Cause::AccessDenied => &["PXE-T02", "PXE-E3B"],
            Cause::ProgramRefused => &["Access Denied", "Security Violation", "PXE-E79", "PXE-E74"],
            _ => &[],
        }
    }

    pub(super) fn with(self, evidence: Vec<String>) -> Finding {
        Finding {
            cause: self.as_str(),
            headline: self.headline(),
            evidence,
            cure: self.cure(),
            codes: self.codes(),
        }
    }

    /// None for a decision that nobody has to do anything about.
    pub(super) fn found(self, evidence: Vec<String>) -> Option<Finding> {
        let quiet = matches!(
            self,
            Cause::Decision(
                Reason::NotABootRequest
                    | Reason::NotForABootServer
                    | Reason::OtherServer
                    | Reason::ResponseDelay
            )
        );
        (!quiet && !self.cure().is_empty()).then(|| self.with(evidence))
    }
}
