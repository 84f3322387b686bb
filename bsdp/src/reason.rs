//! Why a Mac was answered as it was, and why an image was left out for it.

use std::fmt;

/// The one reason of an answer or a silence. Its text is the log field, the metric label and the
/// heading in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The Mac asked for the list and gets it.
    List,
    /// The Mac chose an image and gets it, now and at its next start.
    Selected,
    /// The Mac chose an image before; it is offered without asking again.
    Bound,
    /// FAILED: no image has the id that the Mac chose.
    UnknownImage,
    /// FAILED: the image that the Mac chose is not for it.
    ImageNotForThisMac,
    /// FAILED: the operator does not let the Mac have the image that it chose.
    ImageNotAllowed,
    /// Option 60 is no Mac's, or names no architecture and model.
    NotBsdp,
    /// A length inside option 43 lies.
    Malformed,
    /// A message that no BSDP server answers: a DHCP REQUEST, FAILED from a client, no message
    /// type.
    NotARequest,
    /// The version is missing, or neither 0.0, 1.0 nor 1.1.
    WrongVersion,
    /// The reply port is 1024 or above: the sender is not the system.
    ReplyPortNotPrivileged,
    /// Neither `ciaddr` nor the sender says where the answer should go.
    NoAddress,
    /// The Mac has a T2 chip or Apple silicon and cannot boot from a network.
    CannotNetboot,
    /// No image is for this Mac; each says why.
    NoImage,
    /// The operator does not let this Mac boot.
    NotAllowed,
    /// A choice that names no server.
    NoServerIdentifier,
    /// A choice at another server; this one forgets what the Mac chose here.
    OtherServer,
    /// A Mac that has chosen nothing here is not offered anything before it asks.
    NotBound,
    /// The image that the Mac chose before is gone, or no longer for it.
    BoundImageGone,
    /// The choice could not be saved, so it is not confirmed.
    NotSaved,
}

impl Reason {
    /// Every reason, for documentation and tests.
    pub const ALL: [Reason; 20] = [
        Reason::List,
        Reason::Selected,
        Reason::Bound,
        Reason::UnknownImage,
        Reason::ImageNotForThisMac,
        Reason::ImageNotAllowed,
        Reason::NotBsdp,
        Reason::Malformed,
        Reason::NotARequest,
        Reason::WrongVersion,
        Reason::ReplyPortNotPrivileged,
        Reason::NoAddress,
        Reason::CannotNetboot,
        Reason::NoImage,
        Reason::NotAllowed,
        Reason::NoServerIdentifier,
        Reason::OtherServer,
        Reason::NotBound,
        Reason::BoundImageGone,
        Reason::NotSaved,
    ];

    /// The text, in kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::List => "list",
            Reason::Selected => "selected",
            Reason::Bound => "bound",
            Reason::UnknownImage => "unknown-image",
            Reason::ImageNotForThisMac => "image-not-for-this-mac",
            Reason::ImageNotAllowed => "image-not-allowed",
            Reason::NotBsdp => "not-bsdp",
            Reason::Malformed => "malformed",
            Reason::NotARequest => "not-a-request",
            Reason::WrongVersion => "wrong-version",
            Reason::ReplyPortNotPrivileged => "reply-port-not-privileged",
            Reason::NoAddress => "no-address",
            Reason::CannotNetboot => "cannot-netboot",
            Reason::NoImage => "no-image",
            Reason::NotAllowed => "not-allowed",
            Reason::NoServerIdentifier => "no-server-identifier",
            Reason::OtherServer => "other-server",
            Reason::NotBound => "not-bound",
            Reason::BoundImageGone => "bound-image-gone",
            Reason::NotSaved => "not-saved",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an image is not for a Mac. The first of these that holds, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeftOut {
    /// The image's key `IsEnabled` is false.
    Disabled,
    /// `Architectures` does not list the Mac's.
    Architecture,
    /// `EnabledSystemIdentifiers` does not list the model.
    ModelNotEnabled,
    /// `DisabledSystemIdentifiers` lists the model.
    ModelDisabled,
    /// `DisabledMACAddresses` lists the Mac.
    MacDisabled,
    /// `EnabledMACAddresses` does not list the Mac.
    MacNotEnabled,
    /// The operator's rules or records do not let the Mac have it.
    NotAllowed,
    /// The Mac asked for other attributes than the image has.
    OtherAttributes,
    /// The image is for those who ask for its attributes, and the Mac did not.
    FilterOnly,
}

impl LeftOut {
    /// The text, in kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            LeftOut::Disabled => "disabled",
            LeftOut::Architecture => "architecture",
            LeftOut::ModelNotEnabled => "model-not-enabled",
            LeftOut::ModelDisabled => "model-disabled",
            LeftOut::MacDisabled => "mac-disabled",
            LeftOut::MacNotEnabled => "mac-not-enabled",
            LeftOut::NotAllowed => "not-allowed",
            LeftOut::OtherAttributes => "other-attributes",
            LeftOut::FilterOnly => "filter-only",
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
