//! The files that Windows' boot managers ask for once they run: their configuration, made for the
//! machine, and the files beside it.
//!
//! They know nothing of images and ask for `\Boot\BCD` and `\Boot\Fonts\…`, wherever they came
//! from. Such a path is looked up in the image of the machine's last verdict.

pub mod bcd;
pub(crate) mod report;
pub mod wimboot;

use pxe_policy::{ArchType, BootRequest, Decision, Generation};

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
    /// A block that fills an Ethernet frame, as the boot managers of old asked for, and windows of
    /// 16.
    fn default() -> Self {
        Settings { block_size: 1456, window_size: 16, integers: Integers::Format }
    }
}

/// The folder of the image in a machine's last verdict, with a slash behind it: what stands before
/// `boot/` in its boot file. It is empty for an image at the root of the boot tree. An image may
/// itself be named `boot`, so `holds_image` says which of several folders is one.
pub fn image_folder(machine: &Machine, holds_image: impl Fn(&str) -> bool) -> Option<&str> {
    let Decision::Boot(boot) = &machine.verdict.decision else { return None };
    if boot.is_url() || boot.next_server.is_some() {
        return None;
    }
    let file = boot.file.trim_start_matches('/');
    let starts = file.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at + 1);
    let boot_at =
        |at: &usize| file.get(*at..at + BOOT.len()).is_some_and(|name| name.eq_ignore_ascii_case(BOOT));
    let folders: Vec<&str> = std::iter::once(0).chain(starts).filter(boot_at).map(|at| &file[..at]).collect();
    // The image's own folder is the one next to the file.
    folders.iter().rev().find(|folder| holds_image(folder)).or(folders.last()).copied()
}

/// The paths at which a boot manager's file is looked for in the image of a machine, the first that
/// is there counts. A machine that was given the boot manager of 2023 gets the files of 2023: fonts
/// and programs of the two generations are never mixed. `boot.stl`, a list and no program, is the
/// image's only one where there is none of 2023.
pub fn of_generation(path: &str, machine: &Machine) -> Vec<String> {
    let path = path.trim_start_matches('/');
    let Decision::Boot(boot) = &machine.verdict.decision else { return vec![path.to_owned()] };
    if Generation::of_name(&boot.file) != Some(Generation::Of2023) {
        return vec![path.to_owned()];
    }
    let begins =
        |folder: &str| path.get(..folder.len()).is_some_and(|start| start.eq_ignore_ascii_case(folder));
    if begins(FONTS) {
        return vec![format!("{FONTS_2023}{}", &path[FONTS.len()..])];
    }
    if path.eq_ignore_ascii_case(STL) {
        return vec![STL_2023.to_owned(), path.to_owned()];
    }
    vec![Generation::Of2023.sibling(path).unwrap_or_else(|| path.to_owned())]
}

/// Where a program of one architecture is looked for that an image does not have: BIOS programs run
/// on every PC, whichever Windows PE they come with, and WDS serves them below both names. None for
/// what is no such program.
pub fn other_architecture(path: &str) -> Option<String> {
    let path = path.trim_start_matches('/');
    let (folder, name) = path.rsplit_once('/')?;
    let (above, architecture) = folder.rsplit_once('/').unwrap_or(("", folder));
    let is_in_boot = above.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case("boot"));
    let other = match architecture.to_ascii_lowercase().as_str() {
        "x86" => "x64",
        "x64" => "x86",
        _ => return None,
    };
    let is_bios_program = BIOS_PROGRAMS.iter().any(|program| name.eq_ignore_ascii_case(program));
    (is_in_boot && is_bios_program).then(|| format!("{above}/{other}/{name}"))
}

/// Whether a path is one of the boot programs at the root, as WDS serves them:
/// `boot/x86/wdsnbp.com`.
pub fn is_program_at_root(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let [boot, architecture, name] = parts.as_slice() else { return false };
    boot.eq_ignore_ascii_case("boot")
        && ["x86", "x64", "arm64"].iter().any(|known| known.eq_ignore_ascii_case(architecture))
        && BIOS_PROGRAMS.iter().chain(&EFI_PROGRAMS).any(|program| program.eq_ignore_ascii_case(name))
}

/// The configuration for a machine, when that is what it asks for and its image holds a Windows PE.
/// `wim` is the path of the Windows PE where it is not the image's own.
pub fn configuration(
    path: &str,
    machine: &Machine,
    files: &Files,
    settings: Settings,
    wim: Option<&str>,
) -> Option<Vec<u8>> {
    let name = path.rsplit(['/', '\\']).next()?;
    if !name.eq_ignore_ascii_case("BCD") {
        return None;
    }
    let folder = image_folder(machine, |folder| holds_windows_pe(folder, files))?;
    holds_windows_pe(folder, files).then(|| bcd(folder, folder, wim, Some(&machine.request), settings))?
}

/// Whether an image has what Windows PE is loaded from.
pub fn holds_windows_pe(folder: &str, files: &Files) -> bool {
    [WIM, SDI].iter().all(|file| files.open_raw(format!("{folder}{file}").as_bytes()).is_ok())
}

/// A configuration that names the image's files below `root`, for the machine's kind of firmware.
fn bcd(
    folder: &str,
    root: &str,
    wim: Option<&str>,
    request: Option<&BootRequest>,
    settings: Settings,
) -> Option<Vec<u8>> {
    let arch = request.and_then(BootRequest::arch);
    let with_backslashes = |path: String| format!("\\{path}").replace('/', "\\");
    let bcd = Bcd {
        description: if folder.is_empty() { "Windows PE" } else { folder.trim_end_matches('/') }.to_owned(),
        wim: with_backslashes(wim.map_or_else(|| format!("{root}{WIM}"), str::to_owned)),
        sdi: with_backslashes(format!("{root}{SDI}")),
        bios: arch.is_some_and(|arch| arch.same_family(ArchType::X86_BIOS)),
        settings,
    };
    bcd.emit().ok()
}

const BOOT: &str = "boot/";
/// Programs of 16 bits, and a boot manager that loads Windows of either kind.
const BIOS_PROGRAMS: [&str; 5] = ["wdsnbp.com", "pxeboot.com", "pxeboot.n12", "abortpxe.com", "bootmgr.exe"];
const EFI_PROGRAMS: [&str; 4] = ["wdsmgfw.efi", "wdsmgfw_EX.efi", "bootmgfw.efi", "bootmgfw_EX.efi"];
/// Where an image keeps the fonts of 2011 and of 2023, and what it is asked for.
const FONTS: &str = "boot/fonts/";
const FONTS_2023: &str = "boot/fonts_ex/";
const STL: &str = "boot/boot.stl";
const STL_2023: &str = "boot/boot_EX.stl";
/// Where an image keeps its Windows PE.
const WIM: &str = "sources/boot.wim";
const SDI: &str = "boot/boot.sdi";

#[cfg(test)]
mod tests {
    use pxe_policy::{Boot, Class, MacAddr, Reason, Verdict, Via};

    use super::*;

    #[test]
    fn the_image_is_what_stands_before_its_boot_folder_whatever_its_name() {
        let table = [
            ("winpe/boot/x64/bootmgfw.efi", &["winpe/"][..], Some("winpe/")),
            ("/site/winpe/Boot/x64/pxeboot.n12", &[], Some("site/winpe/")),
            ("boot/x64/bootmgfw.efi", &[""], Some("")),
            ("boot/x64/bootmgfw.efi", &[], Some("")),
            ("boot/boot/x64/bootmgfw.efi", &["boot/"], Some("boot/")),
            ("boot/boot/x64/bootmgfw.efi", &["", "boot/"], Some("boot/")),
            ("Boot/BOOT/x64/bootmgfw.efi", &[], Some("Boot/")),
            ("boot/x64/boot/more.efi", &[""], Some("")),
            ("pxelinux.cfg/boot/x64/pxeboot.n12", &["pxelinux.cfg/"], Some("pxelinux.cfg/")),
            ("Größe 日本/boot/x64/pxeboot.n12", &["Größe 日本/"], Some("Größe 日本/")),
            ("myboot/x64/bootmgfw.efi", &[], None),
            ("menu.efi", &[], None),
            ("http://10.0.0.1/winpe/boot/x64/bootmgfw.efi", &[], None),
        ];
        for (file, images, folder) in table {
            let boot = Boot {
                file: file.into(),
                via: Via::Tftp,
                next_server: None,
                image: None,
                prompt: None,
                config: None,
            };
            let machine = Machine {
                uuid: None,
                request: BootRequest::asking(MacAddr([2; 6]), None, ArchType::X64_UEFI, Class::Pxe),
                verdict: Verdict { decision: Decision::Boot(boot), ..Verdict::silence(Reason::Rule) },
            };
            assert_eq!(image_folder(&machine, |folder| images.contains(&folder)), folder, "{file}");
        }
    }

    #[test]
    fn a_bios_program_serves_both_architectures_and_an_efi_program_its_own() {
        let table = [
            ("boot/x86/wdsnbp.com", Some("boot/x64/wdsnbp.com")),
            ("/winpe/Boot/X64/pxeboot.n12", Some("winpe/Boot/x86/pxeboot.n12")),
            ("boot/x86/bootmgfw.efi", None),
            ("boot/arm64/wdsnbp.com", None),
            ("x86/wdsnbp.com", None),
            ("wdsnbp.com", None),
        ];
        for (path, other) in table {
            assert_eq!(other_architecture(path).as_deref(), other, "{path}");
        }
        assert!(is_program_at_root("Boot/X86/WDSNBP.COM") && is_program_at_root("boot/x64/bootmgfw.efi"));
        assert!(!is_program_at_root("winpe/boot/x64/bootmgfw.efi") && !is_program_at_root("boot/x64/BCD"));
    }
}
