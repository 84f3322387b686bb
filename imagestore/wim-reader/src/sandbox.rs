//! The privileges that this process gives up before it looks at an image.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod syscalls;
#[cfg(all(test, target_os = "linux"))]
mod tests;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::enter;
#[cfg(windows)]
pub use windows::enter;
