//! Deployments, in Configuration Manager's words, and which one a machine gets.

use std::cmp::Reverse;
use std::fmt;

use crate::{ArchType, Evidence, ImageArch, NotTaken, Ran};

/// A task sequence deployed to a collection that the machine is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// Its id, such as `PS120083`.
    pub id: String,
    /// The task sequence's name.
    pub name: String,
    /// The collection it is deployed to.
    pub collection: String,
    /// Whether it runs without being asked for.
    pub purpose: Purpose,
    /// Whether it is made available to media and PXE (0x00040000 in `AdvertFlags`).
    pub for_pxe: bool,
    /// Whether it is hidden (0x20000000): given only to who names it.
    pub hidden: bool,
    /// The boot image that its task sequence names.
    pub boot_image: Option<BootImage>,
    /// A boot file, instead of the image's own.
    pub file: Option<String>,
    /// The run that is asked for; empty when none is named.
    pub run: String,
    /// When the site says that the machine was given it already (`SMS_LastPXEAdvertisement`).
    pub last_pxe: Option<String>,
}

/// Whether a deployment runs without being asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// It does, once.
    Required,
    /// Only when somebody at the machine asks for it.
    #[default]
    Available,
}

/// A boot image package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootImage {
    /// Its package id, such as `PS100005`.
    pub id: String,
    /// The architecture inside; None when the site does not say.
    pub arch: Option<ImageArch>,
}

/// What is known besides the deployments themselves.
pub(crate) struct Around<'a> {
    pub(crate) arch: Option<ArchType>,
    pub(crate) wanted_hidden: &'a [String],
    pub(crate) ran: &'a dyn Fn(&Deployment) -> Ran,
    pub(crate) files: &'a dyn Fn(&Deployment) -> Result<String, Vec<String>>,
}

/// The deployment that a machine gets with its boot file, and what was looked at. Required goes before Available, then the image that suits
/// best, then the highest id, as the site's own servers choose.
pub(crate) fn choose<'a>(
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
    let boots_from =
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
        .map_err(|files| NotTaken::BootImageMissing { image: boots_from.clone(), files })
}

impl Deployment {
    /// Id and task sequence, for people.
    pub fn label(&self) -> String {
        if self.name.is_empty() { self.id.clone() } else { format!("{} ({})", self.id, self.name) }
    }
}

impl Purpose {
    /// The site's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Required => "Required",
            Purpose::Available => "Available",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
