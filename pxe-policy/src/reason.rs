//! Why a packet was answered as it was.

use std::fmt;

/// The one reason of a decision. Its text is the log field, the metric label, the test's
/// expectation and the heading in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// A rule of the configuration matched.
    Rule,
    /// An operator set the machine's next boot.
    BootNext,
    /// An operator assigned a boot to the machine.
    Assigned,
    /// No rule names a boot file, so the machine is shown the boot menu.
    Menu,
    /// No rule fits the machine.
    NoRule,
    /// Rules matched, but none of their boot files exists.
    NoBootFile,
    /// The packet could not be parsed.
    Malformed,
    /// A DHCP packet of a machine that did not ask to boot from the network.
    NotABootRequest,
    /// A message type that a boot server does not answer.
    NotForABootServer,
    /// A REQUEST that takes another server's lease (option 54 names it).
    OtherServer,
    /// A boot client without option 93, so no boot file can be chosen.
    NoArchitecture,
    /// A boot client over IPv6 whose hardware address nothing tells, so it cannot be known again.
    NoHardwareAddress,
    /// An address was leased or renewed.
    Lease,
    /// The pool has no free address.
    PoolExhausted,
    /// No subnet of the configuration holds the client's segment.
    NoSubnet,
    /// The address that the client asks for is not its own, or does not fit the segment.
    WrongAddress,
    /// The client found its address in use and declined it.
    Declined,
    /// The client gave its address back.
    Released,
    /// The address is in use by a machine that holds no lease.
    AddressInUse,
    /// The lease could not be written down, so it was not given.
    LeaseNotSaved,
    /// The answer would not fit a packet that firmware takes.
    AnswerTooLarge,
    /// The mode in force does not answer this kind of client.
    Disabled,
    /// The machine is on the list of those that are never served.
    MacIgnored,
    /// A directory's record of the machine names its boot file.
    Record,
    /// A deployment that is Required for the machine.
    Required,
    /// A deployment that is Available to the machine.
    Available,
    /// The Required deployment was given to the machine before.
    AlreadyRun,
    /// The machine is known, and nothing is deployed to it.
    NoDeployment,
    /// No directory knows the machine.
    UnknownMachine,
    /// A directory that might know the machine did not answer.
    DirectoryDown,
    /// A Required deployment is not started from an old answer.
    StaleAnswer,
    /// A Required deployment is not started while several records claim the machine.
    AmbiguousRecord,
    /// The boot image, or the file in it that the machine needs, is not here.
    BootImageMissing,
    /// The boot image is for another architecture.
    WrongArchitecture,
    /// The client has not waited long enough yet, so that other servers go first.
    ResponseDelay,
    /// Too many Required deployments were given lately.
    Brake,
    /// Somebody would have to press a key, and this kind of firmware cannot ask for one.
    NoMenu,
    /// An operator has not yet approved the machine.
    Pending,
    /// An operator has rejected the machine.
    Rejected,
    /// The distribution point's own responder answers PXE, and this machine asks by HTTP.
    PxeOnly,
    /// The distribution point's own responder did not answer.
    RelayNoAnswer,
    /// The responder's answers were for another machine or another question.
    RelayOtherMachine,
    /// The responder has nothing for the machine to boot.
    RelayNothing,
    /// The responder's answer names paths or options that nobody should follow.
    RelayMalformed,
    /// The machine is not in a segment whose machines are handed on.
    RelayElsewhere,
    /// The machine asks to be handed on more often than machines do.
    RelayTooOften,
    /// That a Required deployment is given could not be written down, so it was not given.
    LedgerNotSaved,
    /// The configuration's lists do not name the machine's network or relay.
    NotAllowed,
    /// The machine asks more often than machines do.
    MachineTooOften,
    /// More is asked through this relay, or from this link, than one may bring.
    SourceTooOften,
    /// More machines that were never seen come through this relay, or from this link, than one may
    /// bring.
    TooManyNewMachines,
    /// The address that the reply would go to was sent as much as one may be.
    AddressTooOften,
    /// Too many packets wait for a directory or the disk.
    TooManyWaiting,
    /// The rest of the pool is kept for machines that are known.
    PoolKept,
    /// The database that several servers share cannot be reached, and without it the machine could
    /// be given what another has.
    SharedStateAway,
}

impl Reason {
    /// Every reason, for documentation and tests.
    pub const ALL: [Reason; 55] = [
        Reason::Rule,
        Reason::BootNext,
        Reason::Assigned,
        Reason::Menu,
        Reason::NoRule,
        Reason::NoBootFile,
        Reason::Malformed,
        Reason::NotABootRequest,
        Reason::NotForABootServer,
        Reason::OtherServer,
        Reason::NoArchitecture,
        Reason::NoHardwareAddress,
        Reason::Lease,
        Reason::PoolExhausted,
        Reason::NoSubnet,
        Reason::WrongAddress,
        Reason::Declined,
        Reason::Released,
        Reason::AddressInUse,
        Reason::LeaseNotSaved,
        Reason::AnswerTooLarge,
        Reason::Disabled,
        Reason::MacIgnored,
        Reason::Record,
        Reason::Required,
        Reason::Available,
        Reason::AlreadyRun,
        Reason::NoDeployment,
        Reason::UnknownMachine,
        Reason::DirectoryDown,
        Reason::StaleAnswer,
        Reason::AmbiguousRecord,
        Reason::BootImageMissing,
        Reason::WrongArchitecture,
        Reason::ResponseDelay,
        Reason::Brake,
        Reason::NoMenu,
        Reason::Pending,
        Reason::Rejected,
        Reason::PxeOnly,
        Reason::RelayNoAnswer,
        Reason::RelayOtherMachine,
        Reason::RelayNothing,
        Reason::RelayMalformed,
        Reason::RelayElsewhere,
        Reason::RelayTooOften,
        Reason::LedgerNotSaved,
        Reason::NotAllowed,
        Reason::MachineTooOften,
        Reason::SourceTooOften,
        Reason::TooManyNewMachines,
        Reason::AddressTooOften,
        Reason::TooManyWaiting,
        Reason::PoolKept,
        Reason::SharedStateAway,
    ];

    /// The text, in kebab-case. A table, not strum's derive: the words are an interface (logs,
    /// metrics, documentation), which the renaming of a variant must not change.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Rule => "rule",
            Reason::BootNext => "boot-next",
            Reason::Assigned => "assigned",
            Reason::Menu => "menu",
            Reason::NoRule => "no-rule",
            Reason::NoBootFile => "no-boot-file",
            Reason::Malformed => "malformed",
            Reason::NotABootRequest => "not-a-boot-request",
            Reason::NotForABootServer => "not-for-a-boot-server",
            Reason::OtherServer => "other-server",
            Reason::NoArchitecture => "no-architecture",
            Reason::NoHardwareAddress => "no-hardware-address",
            Reason::Lease => "lease",
            Reason::PoolExhausted => "pool-exhausted",
            Reason::NoSubnet => "no-subnet",
            Reason::WrongAddress => "wrong-address",
            Reason::Declined => "declined",
            Reason::Released => "released",
            Reason::AddressInUse => "address-in-use",
            Reason::LeaseNotSaved => "lease-not-saved",
            Reason::AnswerTooLarge => "answer-too-large",
            Reason::Disabled => "disabled",
            Reason::MacIgnored => "mac-ignored",
            Reason::Record => "record",
            Reason::Required => "required",
            Reason::Available => "available",
            Reason::AlreadyRun => "already-run",
            Reason::NoDeployment => "no-deployment",
            Reason::UnknownMachine => "unknown-machine",
            Reason::DirectoryDown => "directory-down",
            Reason::StaleAnswer => "stale-answer",
            Reason::AmbiguousRecord => "ambiguous-record",
            Reason::BootImageMissing => "boot-image-missing",
            Reason::WrongArchitecture => "wrong-architecture",
            Reason::ResponseDelay => "response-delay",
            Reason::Brake => "brake",
            Reason::NoMenu => "no-menu",
            Reason::Pending => "pending",
            Reason::Rejected => "rejected",
            Reason::PxeOnly => "pxe-only",
            Reason::RelayNoAnswer => "relay-no-answer",
            Reason::RelayOtherMachine => "relay-other-machine",
            Reason::RelayNothing => "relay-nothing",
            Reason::RelayMalformed => "relay-malformed",
            Reason::RelayElsewhere => "relay-elsewhere",
            Reason::RelayTooOften => "relay-too-often",
            Reason::LedgerNotSaved => "ledger-not-saved",
            Reason::NotAllowed => "not-allowed",
            Reason::MachineTooOften => "machine-too-often",
            Reason::SourceTooOften => "source-too-often",
            Reason::TooManyNewMachines => "too-many-new-machines",
            Reason::AddressTooOften => "address-too-often",
            Reason::TooManyWaiting => "too-many-waiting",
            Reason::PoolKept => "pool-kept",
            Reason::SharedStateAway => "shared-state-away",
        }
    }
}

impl Reason {
    /// The reasons of the limits on what strangers may have.
    pub const LIMITS: [Reason; 7] = [
        Reason::NotAllowed,
        Reason::MachineTooOften,
        Reason::SourceTooOften,
        Reason::TooManyNewMachines,
        Reason::AddressTooOften,
        Reason::TooManyWaiting,
        Reason::PoolKept,
    ];

    /// The operator's remedy, for reasons that leave a machine without a boot.
    pub fn cure(self) -> Option<&'static str> {
        match self {
            Reason::NoRule => Some("write a rule that fits this machine, or a last one for all"),
            Reason::NoBootFile => Some("put one of the named files into the boot folder or an image"),
            Reason::Malformed => Some("see who sends this: it is no DHCP client"),
            Reason::NotABootRequest => Some("nothing to do: the machine asks for an address only"),
            Reason::NotForABootServer => Some("nothing to do: this packet is for the DHCP server"),
            Reason::OtherServer => Some("nothing to do: the machine takes its address elsewhere"),
            Reason::NoArchitecture => {
                Some("the firmware does not say what it is: update it, or give it a reservation")
            }
            Reason::NoHardwareAddress => {
                Some("let the relay tell the client's link-layer address (option 79 of DHCPv6, RFC 6939)")
            }
            Reason::PoolExhausted => Some("enlarge the pool or shorten the leases"),
            Reason::NoSubnet => Some("write a [[dhcp.subnet]] for the segment"),
            Reason::WrongAddress => Some("nothing to do: the machine asks anew"),
            Reason::AddressInUse => Some("look for a host with a fixed address inside the pool"),
            Reason::LeaseNotSaved => Some("look at the disk of the state folder"),
            Reason::AnswerTooLarge => Some("shorten boot file names"),
            Reason::Disabled => Some("turn the service on in the configuration"),
            Reason::MacIgnored => Some("take it off policy.banned-macs or the ignore list"),
            Reason::AlreadyRun => Some(
                "`netbootd ledger clear --mac MAC` or, for what the site remembers, Clear Required PXE Deployments in the console",
            ),
            Reason::NoDeployment => Some(
                "deploy a task sequence to a collection the machine is in, and make it available to media and PXE",
            ),
            Reason::UnknownMachine => Some("import the machine, or allow unknown computers"),
            Reason::DirectoryDown => Some("`netbootd doctor` shows which link of the connection is broken"),
            Reason::StaleAnswer => Some("`netbootd doctor` shows why the site does not answer"),
            Reason::AmbiguousRecord => Some("delete the records that are no longer true"),
            Reason::BootImageMissing => {
                Some("distribute the boot image to this server, and see `netbootd image list`")
            }
            Reason::WrongArchitecture => {
                Some("name a boot image of the machine's architecture in the task sequence")
            }
            Reason::ResponseDelay => {
                Some("nothing to do, unless this server should be first: policy.response-delay")
            }
            Reason::Brake => Some("look whether they were meant, then `netbootd ledger release`"),
            Reason::NoMenu => {
                Some("let the machine start by PXE, or set policy.prompt to \"bios\" or \"none\"")
            }
            Reason::PxeOnly => Some("let the machine start by PXE, or give it a rule of its own"),
            Reason::RelayNoAnswer => {
                Some("see whether the responder runs, listens on port 4011 and lets this server's packets in")
            }
            Reason::RelayOtherMachine => Some("see who answers in the responder's place"),
            Reason::RelayNothing => {
                Some("see what the responder says of the machine: `netbootd explain MAC --smspxe FILE`")
            }
            Reason::RelayMalformed => Some("see who answers in the responder's place"),
            Reason::RelayElsewhere => Some("put its segment into relay.segments, if it should be"),
            Reason::RelayTooOften => Some("see who asks this often"),
            Reason::LedgerNotSaved => Some("look at the disk of the state folder"),
            Reason::NotAllowed => Some(
                "put its network into limits.subnets and its relay into limits.relays, if it should be answered",
            ),
            Reason::MachineTooOften => {
                Some("see what keeps it asking; raise limits.machine-packets if it is meant")
            }
            Reason::SourceTooOften => {
                Some("see who floods that network; raise limits.way-packets if it is meant")
            }
            Reason::TooManyNewMachines => Some(
                "see who makes up hardware addresses there; raise limits.new-machines if they are real, or name the relays in limits.relays",
            ),
            Reason::AddressTooOften => {
                Some("see who asks in its name; raise limits.reply-bytes if many machines are behind it")
            }
            Reason::TooManyWaiting => Some("see which directory is slow: `netbootd doctor`"),
            Reason::PoolKept => {
                Some("enlarge the pool or shorten the leases; limits.pool-kept says how much is kept")
            }
            Reason::SharedStateAway => Some("see why the [database] cannot be reached: the log says so"),
            Reason::Pending => Some("`netbootd pending approve MAC`, or reject"),
            Reason::Rejected => Some("`netbootd pending approve MAC`"),
            Reason::Rule
            | Reason::BootNext
            | Reason::Assigned
            | Reason::Menu
            | Reason::Lease
            | Reason::Declined
            | Reason::Released
            | Reason::Record
            | Reason::Required
            | Reason::Available => None,
        }
    }
}

impl Reason {
    /// The text on the machine's screen: why it waits, or goes to its disk.
    pub fn on_screen(self) -> &'static str {
        match self {
            Reason::AlreadyRun => "This installation has run on this device before.",
            Reason::AmbiguousRecord => "Several records claim this device.",
            Reason::BootImageMissing => "The boot image is not on this server.",
            Reason::Brake => "Many devices are being installed: waiting for an operator.",
            Reason::DirectoryDown | Reason::StaleAnswer => "The site cannot be reached.",
            Reason::NoDeployment => "No deployment for this device.",
            Reason::Pending => "This device is not known: waiting for an operator to approve it.",
            Reason::Rejected => "An operator has rejected this device.",
            Reason::UnknownMachine => "This device is not known.",
            Reason::WrongArchitecture => "The boot image is for another architecture.",
            Reason::PxeOnly => "This device has to start by PXE.",
            Reason::RelayNoAnswer => "The site's own server does not answer.",
            Reason::RelayOtherMachine => "The site's own server answers another device.",
            Reason::RelayNothing => "The site has nothing to boot for this device.",
            Reason::RelayMalformed => "The site's own server answers nonsense.",
            Reason::RelayElsewhere => "This device's network is not served from here.",
            Reason::RelayTooOften | Reason::MachineTooOften => "This device asks too often: wait a minute.",
            Reason::SharedStateAway => "The site's database cannot be reached.",
            _ => "Nothing to boot from here.",
        }
    }
}

impl std::error::Error for Reason {}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
