//! The report of a started Windows PE, sent with what a Windows PE has.
//!
//! Windows PE has `cmd`. With its component WinPE-Scripting, which ConfigMgr's boot images have, it
//! runs [`SCRIPT`] by Windows Script Host; otherwise [`FALLBACK`] looks for curl and PowerShell. With
//! none of them the machine reports nothing. Nothing is shown on its screen in any case.
//!
//! Both run beside the start script that starts them ([`start_lines`]): with boot media the network
//! comes up after it, by TSBootShell.

use crate::boot_script::Reporting;

/// The files that [`start_lines`] need in `\Windows\System32`.
pub(crate) const FILES: [&str; 2] = [SCRIPT, FALLBACK];
/// The folder of [`FILES`] in the boot tree, with a slash at its end.
pub(crate) const FOLDER: &str = "netbootd/winpe/";

/// The file that a path means; None when it means none, or reports are off.
pub(crate) fn file(path: &str, reporting: &Reporting) -> Option<Vec<u8>> {
    let name = path.trim_start_matches('/').strip_prefix(FOLDER)?;
    let text = match name {
        SCRIPT => SCRIPT_TEXT,
        FALLBACK => FALLBACK_TEXT,
        _ => return None,
    };
    let url = Some(reporting.url()).filter(|url| !url.is_empty())?;
    Some(text.replace("{url}", url).replace('\n', "\r\n").into_bytes())
}

/// Lines of a start script of Windows PE that report its state in the background; empty when reports
/// are off.
pub(crate) fn start_lines(reporting: &Reporting, state: &str) -> String {
    if reporting.url().is_empty() {
        return String::new();
    }
    let system = "%SYSTEMROOT%\\System32";
    // wscript.exe has no window, and //B keeps errors off the screen.
    format!(
        "if exist \"{system}\\wscript.exe\" (\r\n\
         \x20 start \"\" \"{system}\\wscript.exe\" //B //NoLogo \"{system}\\{SCRIPT}\" {state}\r\n\
         ) else if exist \"{system}\\{FALLBACK}\" (\r\n\
         \x20 start \"\" /b cmd.exe /c \"{system}\\{FALLBACK}\" {state} >nul 2>&1\r\n\
         )\r\n"
    )
}

/// For Windows Script Host.
const SCRIPT: &str = "netbootd-report.js";
/// For `cmd`, where there is no Windows Script Host.
const FALLBACK: &str = "netbootd-report.cmd";
/// ECMAScript 3, which JScript of every Windows PE has. SMBIOS' maker and model are in the registry;
/// the rest needs the component WinPE-WMI.
const SCRIPT_TEXT: &str = r#"// Windows PE reports over HTTP that it runs, and shows nothing when it cannot.
var url = "{url}";
var state = WScript.Arguments.length > 0 ? WScript.Arguments.Item(0) : "up";
var began = new Date();

function read(value) {
  try {
    var found = value();
    return found == null ? "" : String(found);
  } catch (error) {
    return "";
  }
}

function registry(name) {
  return read(function () { return new ActiveXObject("WScript.Shell").RegRead("HKLM\\" + name); });
}

function wmi(property, table) {
  return read(function () {
    var service = new ActiveXObject("WbemScripting.SWbemLocator").ConnectServer(".", "root\\cimv2");
    return new Enumerator(service.ExecQuery("SELECT " + property + " FROM " + table)).item()[property];
  });
}

function form() {
  var bios = "HARDWARE\\DESCRIPTION\\System\\BIOS\\";
  var facts = {
    state: state,
    text: "Windows PE",
    manufacturer: registry(bios + "SystemManufacturer"),
    product: registry(bios + "SystemProductName"),
    version: registry("SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\CurrentBuild"),
    serial: wmi("SerialNumber", "Win32_BIOS"),
    chip: wmi("Description", "Win32_NetworkAdapterConfiguration WHERE IPEnabled = TRUE")
  };
  var pairs = [];
  for (var name in facts) {
    if (facts[name] != "") pairs.push(name + "=" + encodeURIComponent(facts[name]));
  }
  return pairs.join("&");
}

// The status of the answer; 0 when there is none.
function send(text) {
  var kinds = ["WinHttp.WinHttpRequest.5.1", "MSXML2.ServerXMLHTTP", "MSXML2.XMLHTTP"];
  for (var i = 0; i < kinds.length; i++) {
    try {
      var http = new ActiveXObject(kinds[i]);
      try { http.setTimeouts(5000, 5000, 5000, 10000); } catch (error) {}
      http.open("POST", url, false);
      http.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
      http.send(text);
      return http.status;
    } catch (error) {}
  }
  return 0;
}

// The network may come up later, and 403 means that the server does not know its address yet.
for (var attempt = 0; attempt < 60 && new Date() - began < 180000; attempt++) {
  var status = send(form());
  if (status != 0 && status != 403 && status != 429 && status != 503) break;
  try { WScript.Sleep(2000); } catch (error) {}
}
"#;

/// No component of Windows PE has curl; some images bring it. PowerShell is a component.
const FALLBACK_TEXT: &str = r#"@echo off
setlocal EnableExtensions
set "state=%~1"
if not defined state set "state=up"
set "curl="
for %%i in (curl.exe) do set "curl=%%~$PATH:i"
set "shell=%SYSTEMROOT%\System32\WindowsPowerShell\v1.0\powershell.exe"
if not defined curl if not exist "%shell%" exit 0
set "form=state=%state%&text=Windows+PE"
for /l %%n in (1,1,40) do (
  if defined curl (
    "%curl%" -s -f -m 10 -o NUL -d "%form%" "{url}" && exit 0
  ) else (
    "%shell%" -NoProfile -NonInteractive -Command "try { $c = New-Object Net.WebClient; $c.Headers['Content-Type'] = 'application/x-www-form-urlencoded'; [void]$c.UploadString('{url}', $env:form) } catch { exit 1 }" && exit 0
  )
  ping -n 4 127.0.0.1 >nul
)
exit 0
"#;

#[cfg(test)]
mod tests {
    use netbootd_dhcp::v4::boot_info::Origin;

    use super::*;

    fn reporting() -> Reporting {
        Reporting::to(&Origin::http([10, 0, 0, 1].into(), 8080), 17)
    }

    #[test]
    fn every_file_has_the_url_and_the_line_ends_of_windows() {
        for name in FILES {
            let text = String::from_utf8(file(&format!("/{FOLDER}{name}"), &reporting()).unwrap()).unwrap();
            assert!(text.contains("http://10.0.0.1:8080/report") && !text.contains("{url}"), "{text}");
            assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']));
            assert_eq!(file(&format!("{FOLDER}{name}"), &Reporting::off()), None);
        }
        assert_eq!(file(&format!("{FOLDER}other"), &reporting()), None);
    }

    #[test]
    fn start_scripts_report_where_reports_are_on() {
        let lines = start_lines(&reporting(), "up");
        assert!(FILES.iter().all(|name| lines.contains(name)) && lines.ends_with(")\r\n"), "{lines}");
        assert_eq!(start_lines(&Reporting::off(), "up"), "");
    }
}
