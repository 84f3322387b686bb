//! Which generation of a Windows boot program a machine gets, by what it trusts.

use super::{Decision, Site, Verdict, Wanted, is_url};
use crate::{
    ArchType, BootRequest, Class, Evidence, Generation, GenerationReason, Observed, Signers, Stage,
    TrustSource, Trusts, is_boot_program,
};

/// How a program's signers and a machine's trust go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    /// The machine trusts one of its signers.
    Trusted(TrustSource),
    /// Nothing is known, or the program's signers are of neither generation.
    Unknown,
    /// The machine trusts none of its signers.
    Refused(TrustSource),
}

/// Whether a machine starts a program, as far as its signers and the machine are known.
pub(super) fn fit(site: &Site<'_>, said: Option<Trusts>, signers: Option<&Signers>) -> Fit {
    let generations = signers.map(|signers| signers.generations.as_slice()).unwrap_or_default();
    let known: Vec<_> = generations.iter().map(|generation| site.trust.trusts(*generation, said)).collect();
    let trusted = known.iter().flatten().find(|(trusts, _)| *trusts);
    if let Some((_, source)) = trusted {
        return Fit::Trusted(source.clone());
    }
    match known.iter().flatten().next() {
        Some((_, source)) if known.iter().all(Option::is_some) => Fit::Refused(source.clone()),
        _ => Fit::Unknown,
    }
}

/// Whether a machine's firmware is known to refuse a program.
pub(super) fn is_refused(request: &BootRequest, site: &Site<'_>, wanted: Wanted, file: &str) -> bool {
    let said = wanted.trusts;
    starts_by_firmware(request)
        && !is_nothing_known(site, said)
        && matches!(fit(site, said, (site.signers)(file).as_ref()), Fit::Refused(_))
}

/// Puts the program of the generation that the machine trusts in the place of the one that was
/// decided, where both are there, and says why.
pub(super) fn choose(request: &BootRequest, site: &Site<'_>, wanted: Wanted, verdict: Verdict) -> Verdict {
    let Some(choice) = chosen(request, site, wanted, &verdict.decision) else { return verdict };
    let mut verdict = verdict;
    if let Decision::Boot(boot) = &mut verdict.decision {
        boot.file.clone_from(&choice.file);
    }
    verdict.evidence.extend(choice.evidence());
    verdict
}

/// Whether the machine's firmware refused a program in this boot, and the one that it would get now
/// is of the other generation: the boot goes on, and spends nothing once more.
pub(super) fn goes_on(request: &BootRequest, site: &Site<'_>, wanted: Wanted, decision: &Decision) -> bool {
    if !site.trust.is_retry() || Stage::from_request(request) != Stage::Firmware {
        return false;
    }
    let choice = chosen(request, site, wanted, decision);
    choice.is_some_and(|choice| !matches!(choice.fit, Fit::Refused(_)))
}

/// The program that a machine gets.
struct Choice {
    file: String,
    signers: Option<Signers>,
    fit: Fit,
    /// How it is known that the machine does not trust the other generation.
    other: Option<TrustSource>,
    /// The setting that names the generation, if one does.
    fixed: Option<Fixed>,
    /// How many programs there were to choose from.
    candidates: usize,
}

#[derive(Debug, Clone, Copy)]
enum Fixed {
    ByRule,
    ByImage,
}

impl Choice {
    /// The evidence for operators; None when there was no choice and nothing against it.
    fn evidence(&self) -> Option<Evidence> {
        let signers = self.signers.clone()?;
        let file = self.file.clone();
        if let Fit::Refused(source) = &self.fit {
            return Some(Evidence::NoSignerTrusted { file, signers, source: source.clone() });
        }
        let generation = Generation::of_name(&self.file)?;
        let why = match (&self.fit, &self.other) {
            _ if matches!(self.fixed, Some(Fixed::ByRule)) => GenerationReason::Rule,
            _ if matches!(self.fixed, Some(Fixed::ByImage)) => GenerationReason::Image,
            (Fit::Trusted(source), _) => GenerationReason::Trusted(source.clone()),
            _ if self.candidates < 2 => return None,
            (_, Some(source)) => GenerationReason::OtherRefused(source.clone()),
            (_, None) => GenerationReason::Untried,
        };
        Some(Evidence::Generation { generation, file, signers, why })
    }
}

fn chosen(request: &BootRequest, site: &Site<'_>, wanted: Wanted, decision: &Decision) -> Option<Choice> {
    let Wanted { trusts: said, signed_by: by_rule } = wanted;
    let Decision::Boot(boot) = decision else { return None };
    let by_image = || site.settings.generation_of_image(boot.image.as_deref(), &boot.file);
    let fixed = by_rule.or_else(by_image);
    if !starts_by_firmware(request) || is_url(&boot.file) || boot.next_server.is_some() {
        return None;
    }
    let candidates = candidates(site, &boot.file);
    if candidates.len() < 2 && is_nothing_known(site, said) {
        return None;
    }
    let first = fixed.or(site.settings.signed_by);
    let rated = candidates.iter().map(|file| {
        let signers = (site.signers)(file).or_else(|| Signers::of_name(file));
        let fit = fit(site, said, signers.as_ref());
        let generation = Generation::of_name(file);
        let is_fixed = fixed.is_some() && generation == fixed;
        let fixed = is_fixed.then_some(if by_rule.is_some() { Fixed::ByRule } else { Fixed::ByImage });
        // 2023's stays good when 2011's is revoked; of what is not known, 2011's is trusted by
        // more.
        let preferred = first.unwrap_or(match fit {
            Fit::Trusted(_) => Generation::Of2023,
            _ => Generation::Of2011,
        });
        let (rank, age) = match &fit {
            Fit::Trusted(_) => (0, 0),
            Fit::Unknown => (1, 0),
            // The one that was refused longest ago: its authority may have been added since.
            Fit::Refused(TrustSource::Refused { at, .. }) => (2, at.0),
            Fit::Refused(_) => (2, u64::MAX),
        };
        let order = (!is_fixed, rank, age, generation != Some(preferred));
        let other = generation.and_then(|own| site.trust.trusts(own.other(), said));
        let other = other.filter(|(trusts, _)| !trusts).map(|(_, source)| source);
        let (file, candidates) = (file.clone(), candidates.len());
        (order, Choice { file, signers, fit, other, fixed, candidates })
    });
    rated.min_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, choice)| choice)
}

/// Whether UEFI firmware, or a boot program that lets it start the next one, asks.
fn starts_by_firmware(request: &BootRequest) -> bool {
    let is_bios = request.arch().is_none_or(|arch| arch.same_family(ArchType::X86_BIOS));
    !is_bios && matches!(request.class, Class::Pxe | Class::Http)
}

fn is_nothing_known(site: &Site<'_>, said: Option<Trusts>) -> bool {
    said.is_none() && site.trust.observed == Observed::default()
}

/// The program itself, that of the other generation, and for a program that asks the server once
/// more the boot manager of the other generation, where there is no such program of it.
fn candidates(site: &Site<'_>, file: &str) -> Vec<String> {
    let mut candidates = vec![file.to_owned()];
    let Some(own) = Generation::of_name(file) else { return candidates };
    let other = own.other();
    let Some(sibling) = other.sibling(file) else { return candidates };
    if (site.available)(&sibling) {
        candidates.push(sibling);
    } else if is_boot_program(file) {
        let folder = file.rfind(['/', '\\']).map_or("", |slash| &file[..=slash]);
        let manager = other.sibling(&format!("{folder}bootmgfw.efi"));
        candidates.extend(manager.filter(|manager| (site.available)(manager)));
    }
    candidates
}

#[cfg(test)]
mod tests;
