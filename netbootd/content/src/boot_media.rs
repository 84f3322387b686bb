//! Boot media of Configuration Manager, in two ways.
//!
//! By Windows' own boot manager and TFTP: its configuration names [`WIM`] in the machine's folder,
//! the media's Windows PE with `TsmBootstrap.ini` and `Variables.dat` in `\sms\data`. Windows then
//! says that it started from `NET(0)`, and TSBootShell looks there. Nothing in it is changed beside.
//!
//! By wimboot: the RAM disk is the image's own, and four small files beside it make its first
//! program start the task sequence environment. The order in Windows PE: `winpeshl.exe` reads `winpeshl.ini`; its first line runs
//! [`START_SCRIPT`], which puts `TsmBootstrap.ini` and `Variables.dat` where TSBootShell looks for
//! them, and takes the ARC path out of `SystemStartOptions`: TSBootShell looks it up as a volume,
//! and under wimboot there is none. Its second line starts TSBootShell. wimboot puts files that it
//! does not know into `\Windows\System32`.

use pxe_policy::MacAddr;

use crate::boot_script::Reporting;
use crate::unattended::WINPESHL;
use crate::winpe::report;

/// The folder of these files in the boot tree.
pub const FOLDER: &str = "boot-media";

/// The files for wimboot, in the order in which they are handed over. The one with the secret comes
/// last: a machine that cannot fetch it asks for none of the large ones.
pub(crate) const FILES: [&str; 4] = [WINPESHL, START_SCRIPT, BOOTSTRAP, VARIABLES];

/// The Windows PE with the files inside.
pub(crate) const WIM: &str = "boot.wim";

/// A file of boot media that a machine asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The name of the image.
    pub image: &'a str,
    /// The machine that the path was made for.
    pub mac: MacAddr,
    /// Which of the files.
    pub file: MediaFile,
}

/// One of the files beside the RAM disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaFile {
    /// `winpeshl.ini`, which starts the script.
    Winpeshl,
    /// The script that it starts.
    StartScript,
    /// `TsmBootstrap.ini`, as it is on the media.
    Bootstrap,
    /// `Variables.dat`, which is for machines that policy boots from the media.
    Variables,
    /// The Windows PE with both files inside, for the same machines.
    Wim,
}

/// The path of the folder, with a slash at its end, where a machine finds the files.
pub fn folder(image: &str, mac: MacAddr) -> String {
    format!("{FOLDER}/{image}/{}/", mac.to_string().replace(':', "-"))
}

/// The file that a path below [`FOLDER`] names; None when it names none.
pub fn asked(path: &str) -> Option<Asked<'_>> {
    let inside = path.trim_start_matches('/').strip_prefix(FOLDER)?.strip_prefix('/')?;
    let (rest, name) = inside.rsplit_once('/')?;
    let (image, mac) = rest.rsplit_once('/')?;
    let kinds = [MediaFile::Winpeshl, MediaFile::StartScript, MediaFile::Bootstrap, MediaFile::Variables];
    let mut names = FILES.iter().zip(kinds).chain([(&WIM, MediaFile::Wim)]);
    let (_, file) = names.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(Asked { image, mac: mac.parse().ok()?, file })
}

/// `winpeshl.ini` for the architecture of the RAM disk, as its import spells it.
pub fn winpeshl(arch: &str) -> String {
    let folder = match arch {
        "x86" => "i386",
        "arm64" => "arm64",
        _ => "x64",
    };
    format!(
        "[LaunchApps]\r\n\
         %SYSTEMROOT%\\System32\\cmd.exe, /c %SYSTEMROOT%\\System32\\{START_SCRIPT}\r\n\
         %SYSTEMDRIVE%\\sms\\bin\\{folder}\\TsBootShell.exe\r\n"
    )
}

/// The script that runs before TSBootShell. It needs nothing but `cmd`, `reg` and `find`, which
/// every Windows PE has. The report waits for TSBootShell to bring up the network.
pub fn start_script(reporting: &Reporting) -> String {
    let (up, failed) = (report::start_lines(reporting, "up"), report::start_lines(reporting, "failed"));
    let partitions: String = (1..=MOST_PARTITIONS)
        .map(|number| {
            format!("set \"options=%options:MULTI(0)DISK(0)RDISK(0)PARTITION({number})=ramdisk(0)%\"\r\n")
        })
        .collect();
    format!(
        "@echo off\r\n\
         setlocal EnableExtensions\r\n\
         set \"data=%SYSTEMDRIVE%\\sms\\data\"\r\n\
         if not exist \"%data%\" md \"%data%\"\r\n\
         for %%f in ({BOOTSTRAP} {VARIABLES}) do (\r\n\
         \x20 copy /y \"%SYSTEMROOT%\\System32\\%%f\" \"%data%\\%%f\" >nul\r\n\
         \x20 if errorlevel 1 goto failed\r\n\
         \x20 del /q \"%SYSTEMROOT%\\System32\\%%f\"\r\n\
         )\r\n\
         set \"key={START_OPTIONS_KEY}\"\r\n\
         set \"options=\"\r\n\
         for /f \"tokens=2,*\" %%a in ('reg query \"%key%\" /v {START_OPTIONS} ^| find \"REG_SZ\"') do set \"options=%%b\"\r\n\
         if not defined options goto done\r\n\
         {partitions}\
         reg add \"%key%\" /v {START_OPTIONS} /t REG_SZ /d \"%options%\" /f >nul\r\n\
         :done\r\n\
         {up}exit /b 0\r\n\
         :failed\r\n\
         echo netbootd: the files of the boot media did not come; see the server's log\r\n\
         {failed}exit /b 1\r\n"
    )
}

/// The key in which Windows keeps the options that it was started with.
pub const START_OPTIONS_KEY: &str = "HKLM\\SYSTEM\\CurrentControlSet\\Control";
/// The value of them.
pub const START_OPTIONS: &str = "SystemStartOptions";
/// The name of the script that `winpeshl.ini` starts.
pub const START_SCRIPT: &str = "netbootd-media.cmd";
const BOOTSTRAP: &str = "TsmBootstrap.ini";
const VARIABLES: &str = "Variables.dat";
/// A disk of wimboot has one partition; the number is not its own.
const MOST_PARTITIONS: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_that_a_machine_is_given_leads_back_to_its_file() {
        let mac = MacAddr([0x52, 0x54, 0, 0x4c, 1, 7]);
        assert_eq!(folder("cm", mac), "boot-media/cm/52-54-00-4c-01-07/");
        for (name, file) in [
            ("winpeshl.ini", MediaFile::Winpeshl),
            ("netbootd-media.cmd", MediaFile::StartScript),
            ("TsmBootstrap.ini", MediaFile::Bootstrap),
            ("variables.DAT", MediaFile::Variables),
            ("boot.wim", MediaFile::Wim),
        ] {
            let path = format!("/{}{name}", folder("cm", mac));
            assert_eq!(asked(&path), Some(Asked { image: "cm", mac, file }), "{path}");
        }
        for path in [
            "boot-media/cm/Variables.dat",
            "boot-media/Variables.dat",
            "boot-media/cm/x/Variables.dat",
            "cm/Variables.dat",
        ] {
            assert_eq!(asked(path), None, "{path}");
        }
    }

    #[test]
    fn the_task_sequence_environment_starts_after_its_files_are_in_place() {
        let lines: Vec<String> = winpeshl("x64").lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "[LaunchApps]");
        assert!(
            lines[1].ends_with("netbootd-media.cmd")
                && lines[2].ends_with("\\sms\\bin\\x64\\TsBootShell.exe")
        );
        assert!(winpeshl("x86").contains("\\i386\\"));
        let script = start_script(&Reporting::off());
        assert!(script.lines().all(|line| line.len() < 200), "cmd's lines");
        assert!(!script.replace("\r\n", "").contains(['\r', '\n']));
        assert!(
            script.find("copy /y") < script.find("reg query")
                && script.find("reg query") < script.find("reg add")
        );
    }
}
