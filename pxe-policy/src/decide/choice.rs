//! Which of a machine's deployments it gets.

use std::cmp::Reverse;

use crate::{ArchType, Deployment, Evidence, NotTaken, Purpose, Ran};

/// The circumstances of a choice among deployments.
pub(super) struct Around<'a> {
    pub(super) arch: Option<ArchType>,
    pub(super) wanted_hidden: &'a [String],
    pub(super) ran: &'a dyn Fn(&Deployment) -> Ran,
    pub(super) files: &'a dyn Fn(&Deployment) -> Result<String, NotTaken>,
}

/// The deployment that a machine gets with its boot file, and what was looked at. Required goes
/// before Available, then the image that suits best, then the highest id, as the site's own servers
/// choose.
pub(super) fn choose<'a>(
    deployments: &'a [Deployment],
    around: &Around<'_>,
) -> (Option<(&'a Deployment, String)>, Vec<Evidence>) {
    let mut evidence = Vec::new();
    let mut fit: Vec<(&Deployment, String)> = Vec::new();
    for deployment in deployments {
        match examine(deployment, around) {
            Ok(file) => fit.push((deployment, file)),
            Err(why) => evidence.push(Evidence::NotTaken { deployment: deployment.label(), why }),
        }
    }
    fit.sort_by_key(|(deployment, _)| {
        let arch = deployment.boot_image.as_ref().and_then(|image| image.arch);
        let rank = arch.zip(around.arch).and_then(|(arch, machine)| arch.suits(machine));
        (deployment.purpose, rank.unwrap_or(2), Reverse(deployment.id.clone()))
    });
    let mut fit = fit.into_iter();
    let first = fit.next();
    for (deployment, _) in fit {
        evidence.push(Evidence::NotTaken { deployment: deployment.label(), why: NotTaken::Outranked });
    }
    (first, evidence)
}

fn examine(deployment: &Deployment, around: &Around<'_>) -> Result<String, NotTaken> {
    if !deployment.for_pxe {
        return Err(NotTaken::NotForPxe);
    }
    if deployment.hidden && !around.wanted_hidden.contains(&deployment.id) {
        return Err(NotTaken::Hidden);
    }
    let image = deployment.boot_image.as_ref();
    image.map(|image| &image.id).or(deployment.file.as_ref()).ok_or(NotTaken::NoBootImage)?;
    if let (Some(arch), Some(machine)) = (image.and_then(|image| image.arch), around.arch)
        && arch.suits(machine).is_none()
    {
        return Err(NotTaken::WrongArchitecture(arch));
    }
    if deployment.purpose == Purpose::Required {
        match ((around.ran)(deployment), &deployment.last_pxe) {
            // The site notes the first answer of a boot that goes on.
            (Ran::ThisBoot, _) | (Ran::Never | Ran::Cleared { .. }, None) => {}
            (Ran::Before { at, mac }, _) => {
                let told_by = format!("the ledger, for {mac},");
                return Err(NotTaken::AlreadyRun { told_by, at: at.to_string() });
            }
            (Ran::Never | Ran::Cleared { .. }, Some(at)) => {
                return Err(NotTaken::AlreadyRun { told_by: "the site".into(), at: at.clone() });
            }
        }
    }
    (around.files)(deployment)
}
