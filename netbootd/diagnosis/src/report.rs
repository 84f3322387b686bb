//! A client's reports of its own boot: a form of named values, from a script, an installer or a
//! started system.
//!
//! Nothing in it is trusted: it is text of one machine, cut to named bounds and freed of control
//! characters, and it counts for that machine's own boot alone.

use std::fmt;

use crate::ipxe::ScriptError;

/// One report of a machine about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The program that reports.
    pub by: Reporter,
    /// How the machine is.
    pub state: State,
    /// The step that it is about: `kernel`, `initrd`, `boot`.
    pub step: Option<String>,
    /// The file or URL of that step.
    pub file: Option<String>,
    /// iPXE's error code (`${errno}`).
    pub error: Option<ScriptError>,
    /// The facts that the machine reports.
    pub facts: Facts,
    /// The machine's own words, cut short.
    pub text: Option<String>,
}

/// The program that reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reporter {
    /// A script of iPXE.
    Ipxe,
    /// A configuration of GRUB.
    Grub,
    /// An installer, Windows PE, or the started system.
    #[default]
    System,
}

/// How a machine is, as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum State {
    /// The machine's boot script begins.
    Started,
    /// A step of the boot failed.
    Failed,
    /// The system is up.
    Up,
    /// It says something else.
    #[default]
    Note,
}

/// A machine's facts, by its own reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whether the network link is up, in the client's word.
    pub link: Option<String>,
    /// The network card's chip.
    pub chip: Option<String>,
    /// The maker of the machine (SMBIOS).
    pub manufacturer: Option<String>,
    /// The model that SMBIOS names.
    pub product: Option<String>,
    /// The serial number (SMBIOS).
    pub serial: Option<String>,
    /// The version of the program that reports.
    pub version: Option<String>,
    /// The switch that it is plugged into (LLDP).
    pub switch: Option<String>,
    /// The switch's port (LLDP).
    pub port: Option<String>,
    /// The port's VLAN (LLDP, IEEE 802.1).
    pub vlan: Option<String>,
}

impl Report {
    /// Reads `name=value` pairs as forms and queries have them (application/x-www-form-urlencoded).
    /// Unknown names are left out; of a name that comes twice the last value counts.
    pub fn parse(form: &str) -> Self {
        let mut report = Report::default();
        for (name, value) in form_urlencoded::parse(form.as_bytes()).take(MAX_PAIRS) {
            let value = |most| plain(&value, most);
            match &*name {
                "by" => report.by = Reporter::parse(value(MAX_VALUE).as_deref()),
                "state" => report.state = State::parse(value(MAX_VALUE).as_deref()),
                "step" => report.step = value(MAX_VALUE),
                "file" => report.file = value(MAX_VALUE),
                "error" => report.error = value(MAX_VALUE).as_deref().and_then(ScriptError::parse),
                "text" => report.text = value(MAX_TEXT),
                "link" => report.facts.link = value(MAX_VALUE),
                "chip" => report.facts.chip = value(MAX_VALUE),
                "manufacturer" => report.facts.manufacturer = value(MAX_VALUE),
                "product" => report.facts.product = value(MAX_VALUE),
                "serial" => report.facts.serial = value(MAX_VALUE),
                "version" => report.facts.version = value(MAX_VALUE),
                "switch" => report.facts.switch = value(MAX_VALUE),
                "port" => report.facts.port = value(MAX_VALUE),
                "vlan" => report.facts.vlan = value(MAX_VALUE),
                _ => {}
            }
        }
        report
    }

    /// Adds a text that came beside the form. Of a long one, a log, the end counts.
    pub fn with_text(mut self, text: &[u8]) -> Self {
        let end = text.get(text.len().saturating_sub(MAX_TEXT * 4)..).unwrap_or_default();
        let end = plain(&String::from_utf8_lossy(end), MAX_TEXT * 4);
        self.text = end
            .map(|end| end.chars().skip(end.chars().count().saturating_sub(MAX_TEXT)).collect())
            .or(self.text);
        self
    }
}

impl Reporter {
    fn parse(word: Option<&str>) -> Self {
        match word {
            Some("ipxe") => Reporter::Ipxe,
            Some("grub") => Reporter::Grub,
            _ => Reporter::System,
        }
    }
}

impl fmt::Display for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reporter::Ipxe => "iPXE",
            Reporter::Grub => "GRUB",
            Reporter::System => "the system",
        })
    }
}

impl State {
    /// The word for the log, the API and metrics.
    pub fn name(self) -> &'static str {
        match self {
            State::Started => "started",
            State::Failed => "failed",
            State::Up => "up",
            State::Note => "note",
        }
    }

    fn parse(word: Option<&str>) -> Self {
        [State::Started, State::Failed, State::Up]
            .into_iter()
            .find(|state| Some(state.name()) == word)
            .unwrap_or(State::Note)
    }
}

impl Facts {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Facts::default()
    }

    /// Takes over what a later report says.
    pub(crate) fn update(&mut self, later: &Facts) {
        let pairs = [
            (&mut self.link, &later.link),
            (&mut self.chip, &later.chip),
            (&mut self.manufacturer, &later.manufacturer),
            (&mut self.product, &later.product),
            (&mut self.serial, &later.serial),
            (&mut self.version, &later.version),
            (&mut self.switch, &later.switch),
            (&mut self.port, &later.port),
            (&mut self.vlan, &later.vlan),
        ];
        for (known, said) in pairs {
            if said.is_some() {
                known.clone_from(said);
            }
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("", &self.manufacturer),
            ("", &self.product),
            ("serial ", &self.serial),
            ("network card ", &self.chip),
            ("link ", &self.link),
            ("version ", &self.version),
            ("switch ", &self.switch),
            ("switch port ", &self.port),
            ("VLAN ", &self.vlan),
        ];
        let mut separator = "";
        for (name, value) in parts {
            if let Some(value) = value {
                write!(f, "{separator}{name}{value}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

/// In one line: `kernel http://10.0.0.1/vmlinuz, error 2d0c618e: the server has no such file (HTTP
/// 404)`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named =
            [self.step.clone(), self.file.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let facts = (!self.facts.is_empty()).then(|| self.facts.to_string());
        let parts = [
            Some(named).filter(|named| !named.is_empty()),
            self.error.map(|error| error.to_string()),
            self.text.clone(),
            facts,
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// Text that moves no cursor and breaks no line: control characters and line ends become blanks,
/// runs of blanks one. None when nothing is left. At most `most` characters.
pub(crate) fn plain(text: &str, most: usize) -> Option<String> {
    let mut plain = String::new();
    let mut count = 0;
    // Characters beyond the bound are not examined.
    for c in text.chars().take(most.saturating_mul(4)) {
        let blank = c.is_control() || c.is_whitespace() || is_invisible(c);
        if blank && (plain.is_empty() || plain.ends_with(' ')) {
            continue;
        }
        if count == most {
            break;
        }
        plain.push(if blank { ' ' } else { c });
        count += 1;
    }
    plain.truncate(plain.trim_end().len());
    (!plain.is_empty()).then_some(plain)
}

/// Marks of direction and joiners, which let text show as another one.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A report has fewer than twenty.
const MAX_PAIRS: usize = 64;
/// Characters of a value: URLs of files are the longest.
const MAX_VALUE: usize = 200;
/// Characters of a text.
const MAX_TEXT: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_a_script_is_read_and_shown_in_one_line() {
        let report = Report::parse(
            "by=ipxe&state=failed&step=kernel&file=http%3A%2F%2F10.0.0.1%2Fvmlinuz&error=2d0c618e&chip=e1000\
             &product=OptiPlex+7010&serial=&vlan=5&unknown=x",
        );
        assert_eq!((report.by, report.state), (Reporter::Ipxe, State::Failed));
        assert_eq!(report.file.as_deref(), Some("http://10.0.0.1/vmlinuz"));
        assert_eq!(report.facts.serial, None);
        assert_eq!(
            report.to_string(),
            "kernel http://10.0.0.1/vmlinuz, error 2d0c618e: the server has no such file (HTTP 404), \
             OptiPlex 7010, network card e1000, VLAN 5"
        );
    }

    #[test]
    fn text_is_cut_and_loses_what_moves_a_cursor() {
        let report = Report::parse("state=note&text=a%0d%0ab%1b%5b31mc%E2%80%AEd&step=%zz");
        assert_eq!(report.text.as_deref(), Some("a b [31mc d"));
        assert_eq!(report.step.as_deref(), Some("%zz"));
        let long = Report::default().with_text(&[&[b'x'; 1 << 20][..], b" the end\n"].concat()).text.unwrap();
        assert!(long.len() == MAX_TEXT && long.ends_with("x the end"), "{long}");
        assert_eq!(Report::default().with_text(b"\0\n\t ").text, None);
        assert_eq!(Report::parse(""), Report::default());
    }
}
