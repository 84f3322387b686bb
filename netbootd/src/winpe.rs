//! What Windows' boot managers ask for once they run: their configuration, made for the machine, and the files beside it.
//!
//! They know nothing of images and ask for `\Boot\BCD` and `\Boot\Fonts\…`, wherever they came from. What is asked for is looked for in
//! the image that the machine was told to boot.

pub mod bcd;
pub mod wimboot;

use pxe_policy::{ArchType, BootRequest, Decision};

use crate::files::Files;
use crate::machines::Machine;
use bcd::{Bcd, Integers};

/// How Windows PE is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bytes in a TFTP block.
    pub block_size: u32,
    /// Blocks in a window.
    pub window_size: u32,
    /// Which element numbers the two are written with.
    pub integers: Integers,
}

impl Default for Settings {
    /// A block that fills an Ethernet frame, as the boot managers of old asked for, and windows of 16.
    fn default() -> Self {
        Settings { block_size: 1456, window_size: 16, integers: Integers::Format }
    }
}

/// The folder of the image that a machine was told to boot, with a slash behind it: what stands before `boot/` in its boot file. It is empty for
/// an image at the root of the boot tree.
pub fn image_folder(machine: &Machine) -> Option<&str> {
    let Decision::Boot(boot) = &machine.verdict.decision else { return None };
    if boot.is_url() || boot.next_server.is_some() {
        return None;
    }
    let file = boot.file.trim_start_matches('/');
    let lower = file.to_ascii_lowercase();
    if lower.starts_with("boot/") {
        return Some("");
    }
    Some(&file[..lower.find("/boot/")? + 1])
}

/// The configuration for a machine, when that is what it asks for and its image holds a Windows PE.
pub fn configuration(path: &str, machine: &Machine, files: &Files, settings: Settings) -> Option<Vec<u8>> {
    let name = path.rsplit(['/', '\\']).next()?;
    if !name.eq_ignore_ascii_case("BCD") {
        return None;
    }
    let folder = image_folder(machine)?;
    holds_windows_pe(folder, files).then(|| bcd(folder, folder, Some(&machine.request), settings))?
}

/// Whether an image has what Windows PE is loaded from.
pub fn holds_windows_pe(folder: &str, files: &Files) -> bool {
    [WIM, SDI].iter().all(|file| files.open_raw(format!("{folder}{file}").as_bytes()).is_ok())
}

/// A configuration that names the image's files below `root`, for the machine's kind of firmware.
fn bcd(folder: &str, root: &str, request: Option<&BootRequest>, settings: Settings) -> Option<Vec<u8>> {
    let arch = request.and_then(BootRequest::arch);
    let with_backslashes = |path: &str| format!("\\{root}{path}").replace('/', "\\");
    let bcd = Bcd {
        description: if folder.is_empty() { "Windows PE" } else { folder.trim_end_matches('/') }.to_owned(),
        wim: with_backslashes(WIM),
        sdi: with_backslashes(SDI),
        bios: arch.is_some_and(|arch| arch.same_family(ArchType::X86_BIOS)),
        settings,
    };
    bcd.emit().ok()
}

/// Where an image keeps its Windows PE.
const WIM: &str = "sources/boot.wim";
const SDI: &str = "boot/boot.sdi";

#[cfg(test)]
mod tests {
    use pxe_policy::{Boot, Class, MacAddr, Reason, Verdict, Via};

    use super::*;
    use crate::what_if::request;

    #[test]
    fn the_image_is_what_stands_before_its_boot_folder() {
        let table = [
            ("winpe/boot/x64/bootmgfw.efi", Some("winpe/")),
            ("/site/winpe/Boot/x64/pxeboot.n12", Some("site/winpe/")),
            ("boot/x64/bootmgfw.efi", Some("")),
            ("menu.efi", None),
            ("http://10.0.0.1/winpe/boot/x64/bootmgfw.efi", None),
        ];
        for (file, folder) in table {
            let boot =
                Boot { file: file.into(), via: Via::Tftp, next_server: None, image: None, prompt: None };
            let machine = Machine {
                uuid: None,
                request: request(MacAddr([2; 6]), None, ArchType::X64_UEFI, Class::Pxe),
                verdict: Verdict { decision: Decision::Boot(boot), ..Verdict::silence(Reason::Rule) },
            };
            assert_eq!(image_folder(&machine), folder, "{file}");
        }
    }
}
