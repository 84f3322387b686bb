//! The sandbox of a running netbootd, as the kernel shows it, and that of one started now.

use hyper::Method;
use netbootd_config::{Config, Source};
use netbootd_server::daemon::Sandboxed;

use super::super::client::ask;
use super::super::{Failure, SiteArgs};
use super::Check;
use crate::sandbox;
use crate::sandbox::seen::Seen;

/// Of the one that runs, if one does; of the next start otherwise.
pub(super) fn checks(config: &Config, site: &SiteArgs) -> Result<Vec<Check>, Failure> {
    // An older netbootd does not know the question.
    let told = ask(config, Method::GET, "/sandbox").ok().flatten();
    match told.and_then(|text| serde_json::from_str::<Sandboxed>(&text).ok()) {
        Some(sandboxed) => Ok(running(&sandboxed)),
        None => next_start(config, site),
    }
}

fn running(sandboxed: &Sandboxed) -> Vec<Check> {
    let check = |link, passed: bool, seen: String, cure: &'static str| Check {
        part: "running".into(),
        link,
        passed,
        seen,
        cure: (!passed).then_some(cure),
    };
    let on = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let cure = if sandboxed.wanted { "see the log of its start" } else { "set server.sandbox = true" };
    let mut checks = Vec::new();
    match Seen::read(sandboxed.pid) {
        Ok(seen) => {
            // A daemon that stays root has logged so, and drops root's capabilities all the same.
            checks.push(check("user", true, sandboxed.user.clone(), cure));
            let names = seen.capability_names();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
            checks.push(check("capabilities", !seen.has_more(), names, cure));
            checks.push(check("no-new-privs", seen.no_new_privs, on(seen.no_new_privs), cure));
            let filter = format!("{}, {} calls refused", on(seen.filtered), sandboxed.refused_calls);
            checks.push(check("seccomp", seen.filtered, filter, cure));
        }
        Err(error) => {
            checks.push(check(
                "process",
                false,
                format!("{}: {error}", sandboxed.pid),
                "run doctor on its host",
            ));
        }
    }
    let files = if sandboxed.files.is_empty() { "off".to_owned() } else { sandboxed.files.clone() };
    checks.push(check("landlock", sandboxed.files_are_held, files, "a kernel from 5.19 on with Landlock"));
    checks.extend(sandboxed.notes.iter().map(|note| check("note", true, note.clone(), cure)));
    checks
}

fn next_start(config: &Config, site: &SiteArgs) -> Result<Vec<Check>, Failure> {
    let check =
        |link, seen: String| Check { part: "next start".into(), link, passed: true, seen, cure: None };
    if !config.server.sandbox {
        return Ok(vec![check("sandbox", "off (server.sandbox = false)".into())]);
    }
    let source = Source { file: site.config.clone(), root: None, state_dir: site.state_dir.clone() };
    let plan = sandbox::would_be(config, &source)?;
    let mut checks = vec![check("user", plan.user), check("landlock", plan.files)];
    checks.extend(plan.paths.into_iter().map(|path| check("path", path)));
    checks.extend(plan.notes.into_iter().map(|note| check("note", note)));
    Ok(checks)
}
