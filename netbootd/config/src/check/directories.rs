//! Policy, and the directories that know machines.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imagestore::platform::is_open_to;
use netbootd_dhcp::v4::boot_info::LocalBoot;
use netbootd_dhcp::v4::boot_program;
use netbootd_directory::settings::{Account, ActiveDirectory, Bind, ConfigMgr, Inventory};
use netbootd_net::{Secret, with_causes};
use pxe_policy::{Brake, Prompt, Settings, UnknownMachines};
use toml::Spanned;

use super::super::Policy;
use super::super::finding::Finding;
use super::super::schema::{self, Document};

/// How decisions are made, and how long answers count.
pub(super) fn policy(document: &Document, findings: &mut Vec<Finding>) -> Policy {
    let written = &document.policy;
    let deadline = written.deadline.as_ref().map_or(DEADLINE, |time| time.get_ref().0.0);
    if let Some(span) = written.deadline.as_ref().filter(|_| deadline > LONGEST_DEADLINE).map(Spanned::span) {
        let finding =
            Finding::warning(span, format!("firmware gives up after about {} s", LONGEST_DEADLINE.as_secs()));
        findings.push(finding.help("a directory that takes longer answers the machine's next packet"));
    }
    let settings = Settings {
        response_delay: written.response_delay,
        hidden_deployments: written.hidden_deployments.0.clone(),
        unknown: match written.unknown_machines {
            schema::UnknownMachines::Rules => UnknownMachines::Rules,
            schema::UnknownMachines::Refuse => UnknownMachines::Refuse,
            schema::UnknownMachines::Approve => UnknownMachines::Approve,
        },
        same_boot: written.same_boot.as_ref().map_or(Settings::default().same_boot, |time| time.0.0),
        brake: written.brake.as_ref().map(|brake| Brake { boots: brake.boots, within: brake.within.0.0 }),
        prompt: match written.prompt {
            schema::Prompt::Bios => Prompt::Bios,
            schema::Prompt::All => Prompt::All,
            schema::Prompt::None => Prompt::None,
        },
        boot_program: written.boot_program,
        relay: document.relay.as_ref().is_some_and(|relay| relay.deployments),
        abort_files: written.abort_file.0.clone(),
        signed_by: written.signed_by.as_ref().map(|generation| generation.0),
        image_signed_by: written.image_signed_by.iter().map(|(name, one)| (name.clone(), one.0)).collect(),
    };
    Policy {
        local_boot: match written.local_boot {
            schema::LocalBoot::Silence => LocalBoot::Silence,
            schema::LocalBoot::Menu => LocalBoot::Menu,
        },
        program_prompt: match written.boot_program_prompt {
            schema::ProgramPrompt::OptIn => boot_program::Prompt::OptIn,
            schema::ProgramPrompt::OptOut => boot_program::Prompt::OptOut,
            schema::ProgramPrompt::None => boot_program::Prompt::None,
        },
        settings,
        deadline,
        cache: written.cache.as_ref().map_or(CACHE, |time| time.0.0),
        stale: written.stale.as_ref().map_or(STALE, |time| time.0.0),
    }
}

/// The device file, looked for beside the configuration.
pub(super) fn devices(document: &Document, config: &Path, findings: &mut Vec<Finding>) -> Option<PathBuf> {
    let devices = document.devices.as_ref()?;
    let shared = devices.shared.as_ref().filter(|shared| *shared.get_ref());
    let written = match (&devices.file, shared) {
        (Some(file), None) => file,
        (None, Some(_)) => return None,
        (Some(_), Some(shared)) => {
            let finding =
                Finding::error(shared.span(), "devices come from a file or from the database, not from both");
            findings.push(finding.help("`netbootd device publish FILE` puts a file into the database"));
            return None;
        }
        (None, None) => {
            let span = devices.shared.as_ref().map_or(0..0, Spanned::span);
            findings.push(Finding::error(span, "[devices] needs file = \"...\" or shared = true"));
            return None;
        }
    };
    let file = beside(config, written.get_ref());
    match netbootd_directory::device_file::read(&file) {
        Ok((_, bad)) => findings.extend(bad.iter().take(MAX_BAD).map(|bad| {
            Finding::warning(written.span(), format!("{}:{}: {}", file.display(), bad.line, bad.what))
        })),
        Err(error) => findings.push(Finding::error(written.span(), with_causes(&error))),
    }
    Some(file)
}

pub(super) fn configmgr(
    document: &Document,
    config: &Path,
    findings: &mut Vec<Finding>,
) -> Option<ConfigMgr> {
    let written = document.configmgr.as_ref()?;
    let url = written.url.get_ref();
    refuse_password(url, written.url.span(), findings);
    if !url.starts_with("https://") {
        let finding = Finding::error(written.url.span(), format!("{url:?} is no https:// address"));
        findings.push(finding.help("https://<SMS Provider's full name>/AdminService"));
    } else if host(url).parse::<std::net::IpAddr>().is_ok() || !host(url).contains('.') {
        let finding = Finding::warning(written.url.span(), "Kerberos needs the provider's full name");
        findings.push(finding.help("the AdminService takes no NTLM since version 2509"));
    }
    let account = account(
        [written.keytab.as_ref(), written.password_file.as_ref()],
        written.user.as_ref(),
        config,
        findings,
    );
    Some(ConfigMgr {
        url: url.clone(),
        ca: file(written.ca.as_ref(), config, findings),
        account,
        distribution_point: written.distribution_point.clone(),
        unknown_computers: written.unknown_computers,
        macs: written.macs,
        mirror: written.mirror.unwrap_or(true),
        certificates: written.certificates.0.clone(),
        secure_boot: written.secure_boot.as_ref().map(|inventory| inventoried(inventory, findings)),
    })
}

fn inventoried(written: &schema::Inventory, findings: &mut Vec<Finding>) -> Inventory {
    for name in [&written.class, &written.property] {
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !is_name(name.get_ref()) {
            let message = format!("{:?} is no name of the AdminService", name.get_ref());
            let finding = Finding::error(name.span(), message);
            findings.push(finding.help("letters, digits and _, as in SMS_G_System_SECUREBOOT2023"));
        }
    }
    let values = written.values.as_ref().map(|values| values.0.clone());
    Inventory {
        class: written.class.get_ref().clone(),
        property: written.property.get_ref().clone(),
        // Of WindowsUEFICA2023Capable: the authority is in db, and the boot manager is of 2023.
        values: values.unwrap_or_else(|| vec!["1".to_owned(), "2".to_owned()]),
    }
}

pub(super) fn active_directory(
    document: &Document,
    config: &Path,
    findings: &mut Vec<Finding>,
) -> Option<ActiveDirectory> {
    let written = document.active_directory.as_ref()?;
    let url = written.url.get_ref();
    refuse_password(url, written.url.span(), findings);
    if !url.starts_with("ldaps://") && !url.starts_with("ldap://") {
        let finding =
            Finding::error(written.url.span(), format!("{url:?} is no ldap:// or ldaps:// address"));
        findings.push(finding);
    }
    let account = account(
        [written.keytab.as_ref(), written.password_file.as_ref()],
        written.user.as_ref(),
        config,
        findings,
    );
    let bind = *written.bind.get_ref();
    if bind == Bind::Simple && url.starts_with("ldap://") && !written.start_tls {
        let finding = Finding::warning(written.url.span(), "the password crosses the network in clear text");
        findings.push(finding.help("use ldaps:// or start-tls = true; Active Directory refuses it anyway"));
    }
    if bind == Bind::Simple && (account.user.is_none() || account.password.is_none()) {
        let message = "a simple bind needs user and password-file";
        findings.push(Finding::error(written.bind.span(), message));
    }
    Some(ActiveDirectory {
        url: url.clone(),
        start_tls: written.start_tls,
        base: written.base.clone(),
        bind,
        account,
        ca: file(written.ca.as_ref(), config, findings),
    })
}

fn account(
    [keytab, password]: [Option<&Spanned<PathBuf>>; 2],
    user: Option<&String>,
    config: &Path,
    findings: &mut Vec<Finding>,
) -> Account {
    let password = password.and_then(|written| secret(written, config, findings));
    let file = file(keytab, config, findings);
    if let (Some(written), Some(file)) = (keytab, &file) {
        warn_if_open(written, file, findings);
    }
    Account { user: user.cloned(), password, keytab: file }
}

/// The first line of a file.
pub(super) fn secret(
    written: &Spanned<PathBuf>,
    config: &Path,
    findings: &mut Vec<Finding>,
) -> Option<Secret> {
    let file = beside(config, written.get_ref());
    match fs::read_to_string(&file) {
        Ok(text) => {
            warn_if_open(written, &file, findings);
            Some(Secret::new(text.trim_end_matches(['\r', '\n'])).read_from(file))
        }
        Err(error) => {
            let finding = Finding::error(written.span(), format!("{}: {error}", file.display()));
            findings.push(finding.because(&error));
            None
        }
    }
}

/// A secret that everybody on the host may read is none.
pub(super) fn warn_if_open(written: &Spanned<PathBuf>, file: &Path, findings: &mut Vec<Finding>) {
    if is_open_to(file, OTHERS_READ) {
        let message = format!("everybody on this host may read {}", file.display());
        let finding = Finding::warning(written.span(), message);
        findings.push(finding.help("chmod 0640, and give it to the group of netbootd's user"));
    }
}

/// A password in an address is shown wherever the address is.
pub(super) fn refuse_password(url: &str, span: Range<usize>, findings: &mut Vec<Finding>) {
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
    if authority.is_some_and(|authority| authority.contains('@')) {
        let finding = Finding::error(span, "an address is shown in logs and takes no password");
        findings.push(finding.help("name the account by user and password-file, or by keytab"));
    }
}

pub(super) fn file(
    written: Option<&Spanned<PathBuf>>,
    config: &Path,
    findings: &mut Vec<Finding>,
) -> Option<PathBuf> {
    let written = written?;
    let file = beside(config, written.get_ref());
    if let Err(error) = fs::File::open(&file) {
        let finding = Finding::error(written.span(), format!("{}: {error}", file.display()));
        findings.push(finding.because(&error));
    }
    Some(file)
}

pub(super) fn beside(config: &Path, file: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(file)
}

fn host(url: &str) -> &str {
    netbootd_directory::address::host_of(url)
}

/// iPXE collects offers for 2.5 s at most.
const DEADLINE: Duration = Duration::from_secs(1);
const LONGEST_DEADLINE: Duration = Duration::from_secs(3);
const CACHE: Duration = Duration::from_secs(60);
const STALE: Duration = Duration::from_secs(3600);
const OTHERS_READ: u32 = 0o004;
/// The first lines of a file that is no such list are enough for its error.
const MAX_BAD: usize = 10;
