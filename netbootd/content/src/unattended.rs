//! Answer files of installers: rendered for the machine, at a URL that its kernel's arguments name.
//!
//! The URL says for which rule or image and for which machine the file is, so it stays the same
//! when netbootd restarts while the installer runs.

pub mod secrets;

use std::path::PathBuf;
use std::sync::Arc;

use imagestore::{About, AnswerForm};
use pxe_policy::{Decision, MacAddr, Match};

use crate::boot_script::Reporting;
use crate::files::Files;
use crate::settings::GeneratedFile;
use crate::template::Asker;
use crate::winpe::report;

/// An answer file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerFile {
    /// The machines that it is for.
    pub subject: Subject,
    /// Where its text is.
    pub place: PathBuf,
    /// Its text, before rendering.
    pub template: String,
}

/// The machines that an answer file is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The machines of a rule, by the rule's name.
    Rule(String),
    /// The machines that boot an image, by the image's name.
    Image(String),
}

impl Subject {
    fn kind(&self) -> &'static str {
        match self {
            Subject::Rule(_) => "rule",
            Subject::Image(_) => "image",
        }
    }

    fn name(&self) -> &str {
        match self {
            Subject::Rule(name) | Subject::Image(name) => name,
        }
    }
}

/// The answer file for a machine that a rule sent to an image: the rule's own goes before the
/// image's.
pub fn for_machine<'a>(
    files: &'a [AnswerFile],
    rule: Option<&str>,
    image: Option<&str>,
) -> Option<&'a AnswerFile> {
    let of_rule = |file: &&AnswerFile| matches!((&file.subject, rule), (Subject::Rule(name), Some(rule)) if name == rule);
    let of_image = |file: &&AnswerFile| matches!((&file.subject, image), (Subject::Image(name), Some(image)) if name.eq_ignore_ascii_case(image));
    files.iter().find(of_rule).or_else(|| files.iter().find(of_image))
}

impl AnswerFile {
    /// The path of the folder, with a slash at its end, where a machine finds it.
    pub fn folder(&self, mac: MacAddr) -> String {
        let mac = mac.to_string().replace(':', "-");
        format!("{FOLDER}/{}/{}/{mac}/", self.subject.kind(), self.subject.name())
    }
}

/// The answer files, and the images whose installers ask for them.
#[derive(Debug, Clone)]
pub struct Answers {
    /// The files that the images hold.
    pub files: Files,
    /// The answer files of the configuration.
    pub list: Arc<[AnswerFile]>,
}

impl Answers {
    /// The arguments of an image's kernel that name the answer file of the machine that asks; empty
    /// when there is none, or when the image names it elsewhere.
    pub(crate) fn of_kernel(&self, image: &str, asker: &Asker) -> String {
        let about = self.files.about(image).filter(|about| about.rendered.is_empty());
        about.and_then(|about| self.arguments(&about, image, asker)).unwrap_or_default()
    }

    /// The same for a file of the image.
    pub(crate) fn of_file(&self, image: &str, asker: &Asker) -> String {
        self.files.about(image).and_then(|about| self.arguments(&about, image, asker)).unwrap_or_default()
    }

    fn arguments(&self, about: &About, image: &str, asker: &Asker) -> Option<String> {
        let installer = about.unattended.as_ref()?;
        Some(installer.arguments.replace("{unattended-url}", &self.folder_url(image, asker)?))
    }

    /// The URL, with a slash at its end, of the folder with the answers of the machine that asks,
    /// for an image; None when there are none.
    pub(crate) fn folder_url(&self, image: &str, asker: &Asker) -> Option<String> {
        let verdict = asker.machine.as_ref().map(|machine| &machine.verdict);
        // A rule's answers are for the image that the rule names.
        let names_it = |decision: &Decision| match decision {
            Decision::Boot(boot) => {
                boot.image.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(image))
            }
            _ => false,
        };
        let rule = verdict.filter(|verdict| names_it(&verdict.decision));
        let rule = rule.and_then(|verdict| verdict.rule.as_deref());
        let folder = for_machine(&self.list, rule, Some(image))?.folder(asker.mac?);
        Some(asker.origin.url(&folder))
    }
}

/// A machine's request below [`FOLDER`].
#[derive(Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The answer file that the path names.
    pub file: &'a AnswerFile,
    /// The machine that it is made for.
    pub mac: MacAddr,
    name: &'a str,
}

/// The file that a path below [`FOLDER`] names; None when it names none.
pub fn asked<'a>(files: &'a [AnswerFile], path: &'a str) -> Option<Asked<'a>> {
    let inside = path.trim_start_matches('/').strip_prefix(FOLDER)?.strip_prefix('/')?;
    let (kind, rest) = inside.split_once('/')?;
    let (rest, name) = rest.rsplit_once('/')?;
    let (subject, mac) = rest.rsplit_once('/')?;
    let is_it = |file: &&AnswerFile| file.subject.kind() == kind && file.subject.name() == subject;
    let known = FORMS.iter().any(|form| form.file_name() == name) || BESIDE.contains(&name);
    Some(Asked { file: files.iter().find(is_it)?, mac: mac.parse().ok()?, name }).filter(|_| known)
}

impl Asked<'_> {
    /// The text of a file that no template makes, with the line ends that Windows wants.
    pub fn fixed(&self, reporting: &Reporting) -> Option<String> {
        match self.name {
            WINPESHL => Some(WINPESHL_TEXT.to_owned()),
            START_SCRIPT => Some(start_script(reporting)),
            _ => None,
        }
    }

    /// The file, before rendering.
    pub fn generated(&self) -> GeneratedFile {
        let template = match self.name {
            // cloud-init wants a word that tells one installation from another.
            "meta-data" => "instance-id: netbootd-{{ mac_hyphens }}".to_owned(),
            "vendor-data" => String::new(),
            _ => self.file.template.clone(),
        };
        GeneratedFile {
            path: String::new(),
            matches: Match::default(),
            template,
            fallback: false,
            content_type: self.name.ends_with(".xml").then(|| "application/xml".to_owned()),
        }
    }
}

/// The script that runs Windows PE's own first program. `wpeinit` reads the answer file at the root of
/// the RAM disk by itself.
fn start_script(reporting: &Reporting) -> String {
    let report = report::start_lines(reporting, "up");
    format!(
        "@echo off\r\n\
         copy /y %SYSTEMROOT%\\System32\\unattend.xml %SYSTEMDRIVE%\\unattend.xml >nul\r\n\
         wpeinit\r\n\
         {report}\
         if exist %SYSTEMDRIVE%\\setup.exe (\r\n\
         \x20 %SYSTEMDRIVE%\\setup.exe /unattend:%SYSTEMDRIVE%\\unattend.xml\r\n\
         ) else if exist %SYSTEMROOT%\\System32\\startnet.cmd (\r\n\
         \x20 call %SYSTEMROOT%\\System32\\startnet.cmd\r\n\
         )\r\n\
         cmd.exe\r\n"
    )
}

/// Stands for the arguments that name the answer file.
pub(crate) const UNATTENDED: &str = "{unattended}";
/// The folder of answer files in the boot tree.
pub const FOLDER: &str = "unattended";
const FORMS: [AnswerForm; 6] = [
    AnswerForm::Preseed,
    AnswerForm::Autoinstall,
    AnswerForm::Kickstart,
    AnswerForm::Autoyast,
    AnswerForm::Script,
    AnswerForm::Unattend,
];
/// Makes Windows PE run [`START_SCRIPT`] instead of its own first program.
pub(crate) const WINPESHL: &str = "winpeshl.ini";
/// Hands the answer file to Windows PE, and to Windows Setup where the image has it.
pub(crate) const START_SCRIPT: &str = "netbootd.cmd";
/// The files that cloud-init looks for beside `user-data`, and those that Windows PE needs beside
/// `unattend.xml`.
const BESIDE: [&str; 4] = ["meta-data", "vendor-data", WINPESHL, START_SCRIPT];
const WINPESHL_TEXT: &str =
    "[LaunchApps]\r\n%SYSTEMROOT%\\System32\\cmd.exe, /c %SYSTEMROOT%\\System32\\netbootd.cmd\r\n";
#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<AnswerFile> {
        let file = |subject, text: &str| AnswerFile { subject, place: "x".into(), template: text.into() };
        vec![
            file(Subject::Image("debian-12".into()), "of the image"),
            file(Subject::Rule("lab/1".into()), "of the rule"),
        ]
    }

    #[test]
    fn a_rules_own_file_goes_before_that_of_the_image() {
        let files = files();
        let template = |rule, image| for_machine(&files, rule, image).map(|file| file.template.as_str());
        assert_eq!(template(Some("lab/1"), Some("debian-12")), Some("of the rule"));
        assert_eq!(template(Some("other"), Some("Debian-12")), Some("of the image"));
        assert_eq!((template(None, Some("arch")), template(None, None)), (None, None));
    }

    #[test]
    fn the_path_that_a_machine_is_given_leads_back_to_its_file() {
        let (files, mac) = (files(), MacAddr([0x52, 0x54, 0, 0x4c, 1, 7]));
        for file in &files {
            for name in
                ["preseed.cfg", "user-data", "meta-data", "kickstart.cfg", "unattend.xml", "winpeshl.ini"]
            {
                let path = format!("{}{name}", file.folder(mac));
                let asked = asked(&files, &path).unwrap();
                assert_eq!((asked.file, asked.mac), (file, mac), "{path}");
            }
        }
        assert_eq!(files[0].folder(mac), "unattended/image/debian-12/52-54-00-4c-01-07/");
        for bad in [
            "unattended/image/debian-12/52-54-00-4c-01-07/other",
            "unattended/image/arch/52-54-00-4c-01-07/preseed.cfg",
            "unattended/image/debian-12/nobody/preseed.cfg",
            "unattended/preseed.cfg",
            "preseed.cfg",
        ] {
            assert_eq!(asked(&files, bad), None, "{bad}");
        }
    }
}
