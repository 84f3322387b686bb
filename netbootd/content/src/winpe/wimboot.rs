//! iPXE and wimboot: Windows PE by HTTP, without a boot manager's own TFTP.
//!
//! wimboot (of the iPXE project; the operator supplies it) shows the boot manager a disk on which
//! every file lies where it looks: `\sources` and `\boot`.

use netbootd_dhcp::v4::boot_info::Origin;
use pxe_policy::{BootRequest, WIMBOOT_SCRIPT};

use super::{SDI, Settings, WIM, bcd, holds_windows_pe, report};
use crate::boot_media;
use crate::boot_script::Reporting;
use crate::files::Files;
use crate::unattended::{START_SCRIPT, WINPESHL};

/// The machine that asks and the server that it asked.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The beginning of URLs for the machine.
    pub origin: &'a Origin,
    /// Where wimboot is in the boot tree.
    pub wimboot: &'a str,
    /// The machine's last boot request; None when it is unknown.
    pub request: Option<&'a BootRequest>,
    /// How the script reports.
    pub reporting: &'a Reporting,
    /// The files that are put into the RAM disk.
    pub beside: Beside<'a>,
}

/// URLs of folders, each with a slash at its end, whose files are put into the RAM disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The machine's answer file, when there is one.
    pub answers: Option<&'a str>,
    /// The files of boot media, when the image is one.
    pub media: Option<&'a str>,
}

/// The script or the configuration for wimboot, when that is what a path means and its image holds
/// a Windows PE.
pub fn file(path: &str, files: &Files, settings: Settings, around: Around<'_>) -> Option<Vec<u8>> {
    let at = path.rfind('/').map_or(0, |slash| slash + 1);
    let (folder, name) = path.split_at(at);
    let is_script = name.eq_ignore_ascii_case(WIMBOOT_SCRIPT);
    let is_bcd = name.eq_ignore_ascii_case(WIMBOOT_BCD);
    if !(is_script || is_bcd) || !holds_windows_pe(folder, files) {
        return None;
    }
    if is_bcd {
        return bcd(folder, "", None, around.request, settings);
    }
    files.open_raw(around.wimboot.as_bytes()).ok()?;
    let has_winpeshl = files.open_raw(format!("{folder}{WINPESHL}").as_bytes()).is_ok();
    Some(script(folder, around, has_winpeshl).into_bytes())
}

/// `has_winpeshl`: the image brings a winpeshl.ini of its own for Windows PE with an answer file.
fn script(folder: &str, around: Around<'_>, has_winpeshl: bool) -> String {
    let url = |path: &str| around.origin.url(path);
    let step = |name: &str, command: &str, url: String, after: &str| {
        format!("set step {name}\nset file {url}\n{command} ${{file}}{after} || goto failed\n")
    };
    let mut text = format!("#!ipxe\n{}\n", around.reporting.ipxe_started());
    text.push_str(&step("kernel", "kernel", url(around.wimboot), ""));
    let mut initrd = |name: &str, url: String| {
        // Old iPXE knows a file by the words behind its address, new iPXE by --name.
        let command = format!("initrd --name {name}");
        text.push_str(&step(name, &command, url, &format!(" {name}")));
    };
    // Their start scripts report by these.
    let starts = around.beside.answers.is_some() || around.beside.media.is_some();
    if starts && !around.reporting.url().is_empty() {
        for name in report::FILES {
            initrd(name, url(&format!("{}{name}", report::FOLDER)));
        }
    }
    // Boot media has a first program of its own.
    for name in around.beside.media.iter().flat_map(|_| boot_media::FILES) {
        initrd(name, format!("{}{name}", around.beside.media.unwrap_or_default()));
    }
    // wimboot puts files that it does not know into \Windows\System32 of the RAM disk.
    if let Some(answers) = around.beside.answers.filter(|_| around.beside.media.is_none()) {
        for name in ["unattend.xml", START_SCRIPT] {
            initrd(name, format!("{answers}{name}"));
        }
        let own = || url(&format!("{folder}{WINPESHL}"));
        initrd(WINPESHL, if has_winpeshl { own() } else { format!("{answers}{WINPESHL}") });
    }
    for (path, name) in [(WIMBOOT_BCD, "BCD"), (SDI, "boot.sdi"), (WIM, "boot.wim")] {
        initrd(name, url(&format!("{folder}{path}")));
    }
    text.push_str(&format!("set step boot\nset file {}\nboot || goto failed\n", url(around.wimboot)));
    text.push_str(&around.reporting.ipxe_failed());
    text.push('\n');
    text
}

const WIMBOOT_BCD: &str = "wimboot.bcd";

#[cfg(test)]
mod tests {
    use super::*;

    /// A router that puts its own address into siaddr leads relative names elsewhere.
    #[test]
    fn the_script_for_wimboot_names_this_server() {
        let origin = Origin::http([10, 77, 0, 1].into(), 8080);
        let reporting = Reporting::to(&origin, 17);
        let (wimboot, reporting) = ("wimboot", &reporting);
        let around = Around { origin: &origin, wimboot, request: None, reporting, beside: Beside::default() };
        let text = script("images/winpe/", around, false);
        let mut files = text.lines().filter_map(|line| line.strip_prefix("set file "));
        assert!(files.all(|file| file.starts_with("http://10.77.0.1:8080/")), "{text}");
        assert!(!text.contains("unattend"), "{text}");
    }

    #[test]
    fn an_answer_file_is_put_into_windows_pe_with_what_starts_it() {
        let origin = Origin::http([10, 77, 0, 1].into(), 80);
        let (on, off) = (Reporting::to(&origin, 17), Reporting::off());
        let answers = Some("http://10.77.0.1/unattended/image/winpe/52-54-00-4c-01-07/");
        let around = Around {
            origin: &origin,
            wimboot: "wimboot",
            request: None,
            reporting: &off,
            beside: Beside { answers, media: None },
        };
        let initrds = |text: &str| -> Vec<String> {
            let names = text.lines().filter_map(|line| line.strip_prefix("initrd --name "));
            names.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
        };
        let text = script("winpe/", around, false);
        let expected = ["unattend.xml", "netbootd.cmd", "winpeshl.ini", "BCD", "boot.sdi", "boot.wim"];
        assert_eq!(initrds(&text), expected);
        assert!(text.contains("/52-54-00-4c-01-07/winpeshl.ini\n"), "{text}");
        let reported = script("winpe/", Around { reporting: &on, ..around }, false);
        assert_eq!(initrds(&reported), [&report::FILES[..], &expected].concat());
        assert!(reported.contains("set file http://10.77.0.1/netbootd/winpe/netbootd-report.js\n"));
        let own = script("winpe/", around, true);
        assert!(own.contains("set file http://10.77.0.1/winpe/winpeshl.ini\n"), "{own}");
    }
}
