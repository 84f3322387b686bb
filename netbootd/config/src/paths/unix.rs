//! The default paths on Linux.

/// Where the configuration is when nothing else is said.
pub const DEFAULT_CONFIG: &str = "/etc/netbootd/netbootd.toml";
/// Where state is kept when nothing else is said.
pub const STATE_DIR: &str = "/var/lib/netbootd";
/// The boot folder when nothing else is said.
pub const BOOT_ROOT: &str = "/srv/netboot";
/// The boot folder of the built-in default, where it is not the one that its text names.
pub const BUILT_IN_ROOT: Option<&str> = None;
