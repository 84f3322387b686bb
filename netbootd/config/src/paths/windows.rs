//! The default paths on Windows.

/// Where the configuration is when nothing else is said.
pub const DEFAULT_CONFIG: &str = r"C:\ProgramData\netbootd\netbootd.toml";
/// Where state is kept when nothing else is said.
pub const STATE_DIR: &str = r"C:\ProgramData\netbootd\state";
/// The boot folder when nothing else is said.
pub const BOOT_ROOT: &str = r"C:\ProgramData\netbootd\boot";
/// The boot folder of the built-in default, whose text names one of Linux.
pub const BUILT_IN_ROOT: Option<&str> = Some(BOOT_ROOT);
