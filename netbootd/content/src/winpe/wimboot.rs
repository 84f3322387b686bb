//! iPXE and wimboot: Windows PE by HTTP, without a boot manager's own TFTP.
//!
//! wimboot (of the iPXE project; the operator supplies it) shows the boot manager a disk on which every file lies where it looks: `\sources`
//! and `\boot`.

use std::net::IpAddr;

use netbootd_dhcp::v4::boot_info::url;
use pxe_policy::{BootRequest, WIMBOOT_SCRIPT};

use super::{SDI, Settings, WIM, bcd, holds_windows_pe};
use crate::files::Files;

/// Who asks, of which server.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// This server's address towards the machine.
    pub server: IpAddr,
    /// The port of the HTTP service.
    pub http_port: u16,
    /// Where wimboot is in the boot tree.
    pub wimboot: &'a str,
    /// What the machine said of itself.
    pub request: Option<&'a BootRequest>,
}

/// The script or the configuration for wimboot, when that is what a path means and its image holds a Windows PE.
pub fn file(path: &str, files: &Files, settings: Settings, around: Around<'_>) -> Option<Vec<u8>> {
    let at = path.rfind('/').map_or(0, |slash| slash + 1);
    let (folder, name) = path.split_at(at);
    let is_script = name.eq_ignore_ascii_case(WIMBOOT_SCRIPT);
    let is_bcd = name.eq_ignore_ascii_case(WIMBOOT_BCD);
    if !(is_script || is_bcd) || !holds_windows_pe(folder, files) {
        return None;
    }
    if is_bcd {
        return bcd(folder, "", around.request, settings);
    }
    files.open_raw(around.wimboot.as_bytes()).ok()?;
    Some(script(folder, around).into_bytes())
}

fn script(folder: &str, around: Around<'_>) -> String {
    let url = |path: &str| url(path, around.server, around.http_port);
    let mut text = format!("#!ipxe\nkernel {}\n", url(around.wimboot));
    for (path, name) in [(WIMBOOT_BCD, "BCD"), (SDI, "boot.sdi"), (WIM, "boot.wim")] {
        // Old iPXE knows a file by the words behind its address, new iPXE by --name.
        text.push_str(&format!("initrd --name {name} {} {name}\n", url(&format!("{folder}{path}"))));
    }
    text.push_str("boot\n");
    text
}

const WIMBOOT_BCD: &str = "wimboot.bcd";
