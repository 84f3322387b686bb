//! Option codes (RFC 8415 unless another source is named) and message types.

pub use dhcproto::v6::MessageType;

/// Option 1: the client's DUID.
pub const CLIENT_ID: u16 = 1;
/// The server's DUID: whom an answer is from, or a request is for.
pub const SERVER_ID: u16 = 2;
/// Addresses: an identity association.
pub const IA_NA: u16 = 3;
/// One address, inside of that.
pub const IA_ADDR: u16 = 5;
/// The options that the client would like.
pub const OPTION_REQUEST: u16 = 6;
/// How long the client has been trying, in hundredths of a second.
pub const ELAPSED_TIME: u16 = 8;
/// The message that a relay carries.
pub const RELAY_MESSAGE: u16 = 9;
/// Option 13: whether the request succeeded, and why not.
pub const STATUS_CODE: u16 = 13;
/// User class; iPXE says so here.
pub const USER_CLASS: u16 = 15;
/// Vendor class: `PXEClient`, `HTTPClient`.
pub const VENDOR_CLASS: u16 = 16;
/// Where a relay heard the client; it wants it back.
pub const INTERFACE_ID: u16 = 18;
/// Name servers (RFC 3646).
pub const DNS: u16 = 23;
/// Where the boot file is (RFC 5970).
pub const BOOT_FILE_URL: u16 = 59;
/// Client system architecture (RFC 5970).
pub const ARCH: u16 = 61;
/// The client's hardware address, as its first relay saw it (RFC 6939).
pub const CLIENT_LINK_LAYER: u16 = 79;
