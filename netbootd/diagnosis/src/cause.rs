//! The causes: for each its name, how bad it is, a headline, a cure, the codes on the machine's screen, and a handbook paragraph.
//!
//! The same table feeds the terminal, the page, the API and docs/troubleshooting.md.

mod decision;
mod table;

use pxe_policy::{Reason, TroubleKind};
use serde::Serialize;

use table::Row;

/// Why a machine does not boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The decision itself: nothing was offered, for this reason.
    Decision(Reason),
    /// A directory did not answer, for this reason.
    Directory(TroubleKind),
    /// One of the table.
    Row(&'static Row),
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; the machine boots.
    Notice,
    /// The machine boots, but not as it should.
    Warning,
    /// The machine does not boot.
    Error,
}

impl Severity {
    /// The word for the API, metrics and the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        #[allow(non_upper_case_globals)] // they read as variants do
        impl Cause {
            $($(#[$doc])* pub const $name: Cause = Cause::Row(&table::$name);)+
            /// Those of the table, in the order of a boot.
            pub const ROWS: &'static [Cause] = &[$(Cause::$name),+];
            #[cfg(test)]
            pub(crate) const ROW_NAMES: &'static [&'static str] = &[$(stringify!($name)),+];
        }
    };
}

rows! {
    /// Another server offered the machine something to boot, and it did not go on here.
    AnotherServer,
    /// The lease is from another DHCP server than the segment's usual one.
    SecondDhcpServer,
    /// Its DHCP broadcasts do not come here, and the answer on port 4011 did not help.
    NoDhcpRelay,
    /// It was offered a boot and nobody gave it an address.
    NoAddress,
    /// A lease was offered and not taken.
    OfferNotTaken,
    /// NAKs in a row.
    RepeatedNak,
    /// A Raspberry Pi's ROM, which wants option 43 of its own.
    RaspberryPi,
    /// It took an address and did not ask port 4011.
    NoBootServerRequest,
    /// HTTP firmware did not fetch the URL that it was offered.
    NoHttpRequest,
    /// The same, and the URL has a name that nobody resolves for it.
    NameNotResolved,
    /// The router's own address stands where the boot server's should.
    NextServerOverwritten,
    /// The boot file was named and not asked for.
    NoFileRequest,
    /// The answer could not leave.
    SendFailed,
    /// Nothing that was sent is acknowledged.
    TftpOpenTimeout,
    /// The first block is larger than a frame.
    BlocksTooLarge,
    /// Small packets pass and full blocks do not.
    MtuTooSmall,
    /// Blocks stopped being acknowledged.
    TftpReadTimeout,
    /// An HTTP transfer broke.
    TransferBroke,
    /// The client ended the transfer with an error.
    ClientGaveUp,
    /// The file could not be read here.
    ReadFailed,
    /// Much slower than other machines.
    SlowTransfer,
    /// The file is not there.
    FileNotFound,
    /// A PXE client was given a URL and asks for it by TFTP.
    UrlOverTftp,
    /// shim takes the name of a boot entry for its second stage's.
    ShimSecondStage,
    /// Another DHCP server names a file that is not here.
    ForeignBootFile,
    /// A request without a name.
    NoFileName,
    /// The file has no bytes.
    EmptyFile,
    /// What the started system needs is not there.
    RootMissing,
    /// Its image is being taken into the store.
    ImageComing,
    /// Its image was refused.
    ImageRefused,
    /// A file of the distribution point's boot folder is not there.
    SmsBootMissing,
    /// The path leads out, or may not be read.
    AccessDenied,
    /// Too many transfers.
    TooBusy,
    /// More than one client may have.
    Limited,
    /// A script asks for a file that its server does not have.
    ScriptFileMissing,
    /// A script's server cannot be reached.
    ScriptServerAway,
    /// The name of a script's server is not resolved.
    ScriptNameUnknown,
    /// A script's file is not started.
    ScriptFileRefused,
    /// The machine's memory does not suffice for a script's files.
    ScriptNoMemory,
    /// A step of a script failed otherwise.
    ScriptFailed,
    /// The installer or the system reports that it failed.
    SystemFailed,
    /// The program is for another kind of machine.
    WrongProgram,
    /// iPXE loads iPXE again.
    IpxeLoop,
    /// Firmware was handed something else than a program.
    NotAProgram,
    /// The client says that it has too little memory.
    OutOfMemory,
    /// The client does not count blocks beyond 16 bits.
    BlockRollover,
    /// iPXE was loaded, and the network did not come back after it reset the link.
    PortBlocked,
    /// A signed program is not started.
    SignerNotTrusted,
    /// An unsigned program is not started.
    ProgramRefused,
    /// GRUB looks for its files at another server.
    GrubNoServer,
    /// A program was fetched and nothing came after it.
    ProgramStalled,
    /// Nothing follows a file that other boots go on from.
    StoppedAfter,
    /// Windows PE restarts after the task sequence environment found no management point.
    NoManagementPoint,
    /// Windows PE restarts by itself.
    WinPeRestarts,
    /// The same boot again and again.
    BootLoop,
    /// The system was started and is silent, where others speak.
    SystemSilent,
    /// A Mac that cannot boot from a network.
    CannotNetboot,
    /// No image suits the Mac.
    NoImageForMac,
    /// The record that a failed deployment left behind.
    LeftoverUnknown,
    /// GUID and hardware address belong to different records.
    DuplicateIdentity,
    /// Its GUID is banned, and its hardware address alone boots nothing.
    BannedGuid,
    /// Several machines have its GUID.
    SharedGuid,
    /// Several machines have its hardware address.
    SharedAdapter,
}

impl Cause {
    /// The word for the page, the API, metrics and the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Decision(reason) => reason.as_str(),
            Cause::Directory(kind) => decision::directory_name(kind),
            Cause::Row(row) => row.name,
        }
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Cause::Decision(reason) => decision::severity(reason),
            Cause::Directory(_) => Severity::Error,
            Cause::Row(row) => row.severity,
        }
    }

    /// What happened, with `{file}` and `{server}` where a finding names one.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Cause::Decision(reason) => decision::headline(reason),
            Cause::Directory(kind) => decision::directory_headline(kind),
            Cause::Row(row) => row.headline,
        }
    }

    /// What happened, without names.
    pub fn headline(self) -> String {
        self.template().replace("{file}", "the file").replace("{server}", "another server")
    }

    /// What an administrator does next.
    pub fn cure(self) -> &'static str {
        match self {
            Cause::Decision(reason) => reason.cure().unwrap_or_default(),
            Cause::Directory(kind) => kind.cure(),
            Cause::Row(row) => row.cure,
        }
    }

    /// What firmware may show on its screen meanwhile.
    pub fn codes(self) -> &'static [&'static str] {
        match self {
            Cause::Decision(reason) => decision::codes(reason),
            Cause::Directory(_) => &["PXE-E53"],
            Cause::Row(row) => row.codes,
        }
    }

    /// A paragraph of the handbook: how this shows, and what tells it from its neighbours. Empty for decisions, which `explain` explains.
    pub fn handbook(self) -> &'static str {
        match self {
            Cause::Row(row) => row.handbook,
            Cause::Decision(_) | Cause::Directory(_) => "",
        }
    }

    /// Whether somebody has to do something about a decision.
    pub fn is_loud(self) -> bool {
        match self {
            Cause::Decision(reason) => decision::is_loud(reason),
            Cause::Directory(_) | Cause::Row(_) => true,
        }
    }
}
