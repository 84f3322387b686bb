//! The rules of Macs: a Mac chooses among images by itself, and its user chooses what to install in
//! the started system.

use super::{Decision, Site, State, Verdict};
use crate::{BootAction, Evidence, Reason, Record};

/// The decision for a Mac by a rule or a record that lets it boot.
pub(super) fn images_of(boot: &BootAction) -> Decision {
    Decision::Images(boot.images.clone().unwrap_or_default())
}

/// A Mac that the site knows, or treats as an unknown Mac, needs a deployment, whatever that is:
/// its user chooses in the started system, after logging in. Nothing is run by itself, so nothing
/// is noted as given.
pub(super) fn of_deployments(record: &Record, state: &mut State) -> Verdict {
    let Some(deployment) = record.deployments.first() else {
        return Verdict::new(Decision::LocalBoot, Reason::NoDeployment);
    };
    state.evidence.push(Evidence::Deployed {
        deployment: deployment.label(),
        purpose: deployment.purpose.as_str(),
        collection: deployment.collection.clone(),
    });
    Verdict::new(images_of(&BootAction::default()), Reason::Available)
}

/// The verdict for a Mac that neither a directory nor a rule decides about. The images' own lists
/// say which Macs they are for, so it is offered those, unless a site that is asked about Macs does
/// not know it.
pub(super) fn undecided(site: &Site<'_>) -> Verdict {
    let refused = |said: &crate::DirectoryAnswer| said.decides && !said.skipped;
    if site.answers.iter().any(|answer| answer.said.as_ref().is_ok_and(refused)) {
        return Verdict::silence(Reason::UnknownMachine);
    }
    Verdict::new(images_of(&BootAction::default()), Reason::NoRule)
}
