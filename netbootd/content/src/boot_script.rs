//! The lines of generated scripts by which a machine reports back, and what it then shows on its
//! own screen.
//!
//! Text alone: nothing here knows of sockets. The service behind [`REPORT_PATH`] is
//! `listen/http/report.rs` of
//! netbootd-server.

use netbootd_dhcp::v4::boot_info::Origin;
use netbootd_diagnosis::report::Reporter;

/// Where the boot HTTP port takes reports.
pub const REPORT_PATH: &str = "/report";

/// How a machine's scripts report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reporting {
    /// The URL of the service, without a query; None when reports are off.
    url: Option<String>,
    /// The number of the machine's boot, by which an operator finds it.
    boot: u32,
}

impl Reporting {
    /// To this server, about the boot of a number.
    pub fn to(origin: &Origin, boot: u32) -> Self {
        Reporting { url: Some(format!("{origin}{REPORT_PATH}")), boot }
    }

    /// For scripts that do not report.
    pub fn off() -> Self {
        Reporting { url: None, boot: 0 }
    }

    /// The URL; empty when reports are off.
    pub fn url(&self) -> &str {
        self.url.as_deref().unwrap_or_default()
    }

    /// The number of the boot; 0 when it is not known.
    pub fn boot(&self) -> u32 {
        self.boot
    }

    /// The kernel's argument, with a blank behind it, that tells an installer where to report;
    /// empty when reports are off.
    pub fn kernel_argument(&self) -> String {
        self.url.as_ref().map(|url| format!("netbootd.report={url} ")).unwrap_or_default()
    }

    /// Lines of iPXE that report the beginning of a script, with what iPXE knows of the machine. A
    /// setting that this build of iPXE does not have is empty.
    pub fn ipxe_started(&self) -> String {
        let Some(url) = &self.url else { return String::new() };
        let facts: Vec<String> = FACTS
            .iter()
            .map(|(name, setting)| format!("&{name}=${{{setting}:uristring}}"))
            .chain([format!("&vlan=${{{VLAN}}}")])
            .collect();
        // The fetched answer would count as a RAM disk, so it is freed.
        format!(
            "imgfetch --name {REPORT} {url}?by=ipxe&state=started{} && imgfree {REPORT} ||",
            facts.concat()
        )
    }

    /// The label `failed` of iPXE, which a failed step goes to. The steps set `step` and `file`.
    /// The answer is a script that shows the finding.
    pub fn ipxe_failed(&self) -> String {
        let Some(url) = &self.url else { return ":failed\nexit 1".to_owned() };
        format!(
            ":failed\nset error ${{errno:hexraw}}\n\
             chain --autofree {url}?by=ipxe&state=failed&step=${{step}}&file=${{file:uristring}}&error=${{error}} ||\n\
             exit 1"
        )
    }

    /// The function `failed STEP FILE` of GRUB. It needs GRUB's module http.
    pub fn grub_failed(&self) -> String {
        // `(http,host:port)/path` is GRUB's way to write a URL; it has no TLS.
        let url = self.url.as_ref().and_then(|url| url.strip_prefix("http://"));
        let Some(url) = url else { return "function failed { true; }".to_owned() };
        let (host, path) = url.split_once('/').unwrap_or((url, ""));
        format!(
            "function failed {{\n  insmod http\n  \
             source \"(http,{host})/{path}?by=grub&state=failed&step=$1&file=$2\"\n}}"
        )
    }
}

/// The text that a machine shows after a report, in the language of the program that reported.
pub fn screen(by: Reporter, boot: u32, lines: &[String]) -> String {
    let heading = format!("netbootd: boot {boot} - on the server: netbootd status {boot}");
    let lines = std::iter::once(heading).chain(lines.iter().flat_map(|line| wrapped(line)));
    match by {
        Reporter::Ipxe => {
            let echoed: String = lines.map(|line| format!("echo {}\n", harmless(&line))).collect();
            format!("#!ipxe\necho\n{echoed}sleep {SHOWN_SECONDS}\n")
        }
        Reporter::Grub => {
            let echoed: String = lines.map(|line| format!("echo \"{}\"\n", harmless(&line))).collect();
            format!("{echoed}sleep {SHOWN_SECONDS}\n")
        }
        Reporter::System => lines.map(|line| line + "\n").collect(),
    }
}

/// Lines of a text screen.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let fits = |line: &String| line.is_empty() || line.chars().count() + word.chars().count() < WIDTH;
        match lines.last_mut().filter(|line| fits(line)) {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines.truncate(MAX_LINES);
    lines
}

/// A line without special characters of any script: part of it may be a client's.
fn harmless(line: &str) -> String {
    let known = |c: char| c.is_ascii_alphanumeric() || " .,:;/_-()=+%?@'".contains(c);
    let line: String = line.chars().filter(|c| *c != '`').map(|c| if known(c) { c } else { '?' }).collect();
    // A word that begins with a dash is an option of iPXE's echo.
    let word = |word: &str| match word {
        "-" => word.to_owned(),
        word => word.trim_start_matches('-').to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The name of the fetched answer in iPXE.
const REPORT: &str = "netbootd-report";
/// The values of a report, each with the setting of iPXE that has it. `netX` is the card that was
/// used last. LLDP (iPXE 2.0): type 5 is the system's name; type 2 the port, behind a byte for its
/// kind.
const FACTS: [(&str, &str); 8] = [
    ("link", "netX/link"),
    ("chip", "netX/chip"),
    ("manufacturer", "manufacturer"),
    ("product", "product"),
    ("serial", "serial"),
    ("version", "version"),
    ("switch", "netX.lldp/5.0.0.0"),
    ("port", "netX.lldp/2.0.1.0"),
];
/// LLDP's port VLAN of IEEE 802.1 (type 127, 00-80-C2, subtype 1): two bytes behind those four.
const VLAN: &str = "netX.lldp/0x0080c201.127.0.4.2:int16";
/// Characters of a line.
const WIDTH: usize = 75;
const MAX_LINES: usize = 6;
/// How long the words stand before the machine goes on.
const SHOWN_SECONDS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn reporting() -> Reporting {
        Reporting::to(&Origin::http([10, 0, 0, 1].into(), 8080), 17)
    }

    #[test]
    fn scripts_report_where_reports_are_on_and_end_as_before_where_they_are_off() {
        let started = reporting().ipxe_started();
        assert!(started.starts_with(
            "imgfetch --name netbootd-report http://10.0.0.1:8080/report?by=ipxe&state=started&link="
        ));
        assert!(started.ends_with("&& imgfree netbootd-report ||") && !started.contains('\n'));
        assert!(reporting().ipxe_failed().contains("&error=${error} ||\nexit 1"));
        assert!(reporting().grub_failed().contains("source \"(http,10.0.0.1:8080)/report?by=grub"));
        let off = Reporting::off();
        assert_eq!((off.ipxe_started(), off.ipxe_failed().as_str()), (String::new(), ":failed\nexit 1"));
        assert_eq!((off.url(), off.boot()), ("", 0));
    }

    #[test]
    fn what_a_client_wrote_is_no_command_on_its_screen() {
        let finding = "The script asks for ${boot} && sanboot \"x\" `reboot` --name --n <b>|| #é.".to_owned();
        let ipxe = screen(Reporter::Ipxe, 17, std::slice::from_ref(&finding));
        assert!(
            ipxe.starts_with("#!ipxe\necho\necho netbootd: boot 17 - on the server: netbootd status 17\n")
        );
        assert!(ipxe.lines().filter(|line| line.starts_with("echo netbootd")).count() == 1);
        assert!(!ipxe.contains(['$', '{', '&', '|', '"', '`', '<']) && !ipxe.contains("--"), "{ipxe}");
        let grub = screen(Reporter::Grub, 17, std::slice::from_ref(&finding));
        assert!(grub.lines().all(|line| line.matches('"').count() == 2 || line == "sleep 10"), "{grub}");
        let long = "word ".repeat(500);
        let lines = screen(Reporter::Ipxe, 1, &[long]);
        assert!(lines.lines().count() < 12 && lines.lines().all(|line| line.len() <= 80));
    }
}
