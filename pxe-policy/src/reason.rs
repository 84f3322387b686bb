//! Why a packet was answered as it was.

use std::fmt;

/// The one reason of a decision. Its text is the log field, the metric label, the test's expectation and the
/// heading in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// A rule of the configuration matched.
    Rule,
    /// No rule matched.
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
}

impl Reason {
    /// Every reason, for documentation and tests.
    pub const ALL: [Reason; 19] = [
        Reason::Rule,
        Reason::NoRule,
        Reason::NoBootFile,
        Reason::Malformed,
        Reason::NotABootRequest,
        Reason::NotForABootServer,
        Reason::OtherServer,
        Reason::NoArchitecture,
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
    ];

    /// The text, in kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Rule => "rule",
            Reason::NoRule => "no-rule",
            Reason::NoBootFile => "no-boot-file",
            Reason::Malformed => "malformed",
            Reason::NotABootRequest => "not-a-boot-request",
            Reason::NotForABootServer => "not-for-a-boot-server",
            Reason::OtherServer => "other-server",
            Reason::NoArchitecture => "no-architecture",
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
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
