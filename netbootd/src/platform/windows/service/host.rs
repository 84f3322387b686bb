//! The folder, events, firewall rules and privileges of the service on its host.

use std::path::Path;
use std::process::{Command, Stdio};

use netbootd_config::paths::{BOOT_ROOT, DEFAULT_CONFIG, STATE_DIR};

use super::super::event_log;
use super::NAME;
use crate::failure::Failure;

/// Makes the folder of configuration, state and log: for the system, administrators and the account
/// of the service, and nobody else. Gives a line for the operator.
pub(super) fn own_folder(account: Option<&str>) -> Result<String, Failure> {
    let folder = Path::new(DEFAULT_CONFIG).parent().unwrap_or(Path::new(r"C:\"));
    let shown = folder.display();
    for below in [folder, Path::new(BOOT_ROOT), Path::new(STATE_DIR)] {
        std::fs::create_dir_all(below)
            .map_err(|error| Failure::Permission(format!("{}: {error}", below.display())))?;
    }
    let mut icacls = Command::new("icacls");
    icacls.arg(folder).args(["/inheritance:r", "/grant:r"]).args(OWNERS);
    icacls.args(account.map(|account| format!("{account}:(OI)(CI)M")));
    Ok(match (runs(&mut icacls), account) {
        (true, None) => format!("{shown} is there, for the system and administrators"),
        (true, Some(account)) => format!("{shown} is there, for the system, administrators and {account}"),
        (false, _) => {
            format!("{shown} is there; icacls did not run, so look who may read it (docs/windows.md)")
        }
    })
}

/// Registers the source of events.
pub(super) fn events() -> Result<String, Failure> {
    event_log::register().map_err(|error| Failure::Permission(format!("the source of events: {error}")))?;
    Ok(format!("events go to the Application log, source {NAME}"))
}

/// Lets clients reach this program. Gives a line for the operator.
pub(super) fn open_firewall(program: &Path) -> String {
    close_firewall();
    let opened = RULES.iter().all(|(name, protocol, ports)| {
        let mut netsh = firewall("add", name);
        netsh.args(["dir=in", "action=allow"]).arg(format!("protocol={protocol}"));
        netsh.arg(format!("localport={ports}")).arg(format!("program={}", program.display()));
        runs(&mut netsh)
    });
    if opened {
        format!("the firewall lets clients reach {}", program.display())
    } else {
        "netsh did not run, so look at the firewall's rules (docs/windows.md)".to_owned()
    }
}

/// Removes the rules, where there are any.
pub(super) fn close_firewall() {
    for (name, ..) in RULES {
        runs(&mut firewall("delete", name));
    }
}

/// Takes every privilege from the service's process but the one to pass through folders.
pub(super) fn drop_privileges() -> String {
    match runs(Command::new("sc").args(["privs", NAME, "SeChangeNotifyPrivilege"])) {
        true => "the service runs without privileges of its account".to_owned(),
        false => "sc privs did not run: the service keeps the privileges of its account".to_owned(),
    }
}

fn firewall(verb: &str, name: &str) -> Command {
    let mut netsh = Command::new("netsh");
    netsh.args(["advfirewall", "firewall", verb, "rule"]).arg(format!("name={name}"));
    netsh
}

fn runs(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// LocalSystem and the administrators' group, by number: their names are other words in other
/// languages.
const OWNERS: [&str; 2] = ["*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F"];
/// Name, protocol, and ports. TFTP has a port of its own for each transfer.
const RULES: [(&str, &str, &str); 3] = [
    ("netbootd DHCP, PXE, TFTP", "UDP", "67,69,4011"),
    ("netbootd transfers", "UDP", "49152-65535"),
    ("netbootd HTTP", "TCP", "80"),
];
