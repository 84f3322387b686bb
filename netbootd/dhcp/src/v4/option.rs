//! Option codes (RFC 2132 unless another source is named) and message types.

pub use dhcproto::v4::MessageType;

/// Option 1: the subnet's mask.
pub const SUBNET_MASK: u8 = 1;
/// Option 3: routers, the preferred one first.
pub const ROUTER: u8 = 3;
/// Option 6: servers of names.
pub const DNS: u8 = 6;
/// Log servers, for syslog.
pub const LOG_SERVER: u8 = 7;
/// Option 12: the client's host name.
pub const HOST_NAME: u8 = 12;
/// Option 15: the client's domain name.
pub const DOMAIN_NAME: u8 = 15;
/// Option 17: the path of the client's root.
pub const ROOT_PATH: u8 = 17;
/// Vendor options: PXE's and BSDP's own options inside.
pub const VENDOR_OPTIONS: u8 = 43;
/// The address that the client asks for.
pub const REQUESTED_ADDRESS: u8 = 50;
/// Lease time in seconds.
pub const LEASE_TIME: u8 = 51;
/// Which fields of the header hold options.
pub const OVERLOAD: u8 = 52;
/// Option 53: the DHCP message type.
pub const MESSAGE_TYPE: u8 = 53;
/// The server that an answer is from, or that a request is for.
pub const SERVER_IDENTIFIER: u8 = 54;
/// The options that the client would like.
pub const PARAMETER_LIST: u8 = 55;
/// The largest DHCP message that the client takes.
pub const MAX_MESSAGE_SIZE: u8 = 57;
/// Renewal time in seconds.
pub const RENEWAL_TIME: u8 = 58;
/// Rebinding time in seconds.
pub const REBINDING_TIME: u8 = 59;
/// Option 60: the vendor class.
pub const VENDOR_CLASS: u8 = 60;
/// Option 66: the name of the TFTP server.
pub const TFTP_SERVER_NAME: u8 = 66;
/// Option 67: the name of the boot file.
pub const BOOT_FILE: u8 = 67;
/// User class (RFC 3004).
pub const USER_CLASS: u8 = 77;
/// Relay agent information (RFC 3046).
pub const RELAY_AGENT: u8 = 82;
/// Client system architecture (RFC 4578).
pub const ARCH: u8 = 93;
/// Client machine identifier (RFC 4578).
pub const SYSTEM_UUID: u8 = 97;
/// The mark of `netbootd probe` in its packets, of the range for private use (RFC 3942): an
/// operator asks, and no machine boots.
pub const PROBE: u8 = 224;
/// The value of the mark.
pub const PROBE_MARK: &[u8] = b"netbootd probe";
/// Where ConfigMgr put a machine's variables file.
pub const VARIABLES_FILE: u8 = 243;
/// The dialogue of Windows' boot programs with their server (WdsBp.h).
pub const WDS: u8 = 250;
/// Where a boot manager finds its configuration.
pub const BCD_PATH: u8 = 252;
/// Option 0: padding, a single byte.
pub const PAD: u8 = 0;
/// End of the options.
pub const END: u8 = 255;
