//! The decision itself: one link of the chain after the other, until one decides.

mod assigned;
mod choice;
mod consult;
mod firmware;
mod generation;
mod loaders;
mod mac;
mod rule;
mod settings;
mod verdict;

use crate::{
    Action, Answer, Assignment, BootRequest, Class, Entry, Evidence, Generation, ImageOffer, KernelBoot,
    Ledger, LoaderConfig, MachineId, MachineTrust, MenuSource, Observed, Reason, Rules, Seconds, Signers,
    Stage, Trusts, Via,
};
pub use settings::{Approval, Prompt, Settings, UnknownMachines};
use verdict::is_url;
pub use verdict::{Boot, Decision, Known, Verdict};

/// Everything that a decision looks at besides the request.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The rules of the configuration.
    pub rules: &'a Rules,
    /// How decisions are made.
    pub settings: &'a Settings,
    /// The directories' answers, in the order of the configuration; empty without directories.
    pub answers: &'a [Answer],
    /// Which Required deployments were given.
    pub ledger: &'a Ledger,
    /// An operator's decision about a machine that no directory knows.
    pub approval: Approval,
    /// The operators' assignment to the machine.
    pub assigned: Option<&'a Assignment>,
    /// Whether machines that no rule decides about are shown the boot menu.
    pub menu: bool,
    /// The boot menu's lines in the firmware's own menu, where PXE firmware shows it.
    pub firmware_menu: Option<MenuSource<'a>>,
    /// The time of the request.
    pub now: Seconds,
    /// Whether a path is in the boot tree; URLs are not asked for.
    pub available: &'a dyn Fn(&str) -> bool,
    /// The folder in the boot tree where a boot image package would be.
    pub image_folder: &'a dyn Fn(&str) -> String,
    /// The kernel in a folder of the boot tree that is an image, when boot loaders start it.
    pub kernel_of: &'a dyn Fn(&str) -> Option<KernelBoot>,
    /// The knowledge about the authorities that the machine trusts.
    pub trust: &'a MachineTrust,
    /// The authorities behind the signatures of a program in the boot tree; None for what is not
    /// signed, or cannot be read at once.
    pub signers: &'a dyn Fn(&str) -> Option<Signers>,
}

impl<'a> Site<'a> {
    /// By these rules alone.
    pub fn new(rules: &'a Rules, settings: &'a Settings, ledger: &'a Ledger) -> Self {
        Site {
            rules,
            settings,
            answers: &[],
            ledger,
            approval: Approval::default(),
            assigned: None,
            menu: false,
            firmware_menu: None,
            now: 0,
            available: &|_| true,
            image_folder: &str::to_owned,
            kernel_of: &|_| None,
            trust: &NOTHING_KNOWN,
            signers: &|_| None,
        }
    }
}

/// Decides what a machine gets. An operator's assignment goes before directories and rules. A rule
/// that fits but cannot be carried out (its files are missing, or it would hand iPXE to iPXE) is
/// passed over and leaves evidence. Directories are asked where a rule says so, and before all
/// rules when none does.
///
/// Every client is decided about here, whatever it speaks, and the verdict is what it gets: what a
/// protocol cannot carry is taken out.
pub fn decide(request: &BootRequest, site: &Site<'_>) -> Verdict {
    let (verdict, wanted) = walk_chain(request, site);
    let verdict = generation::choose(request, site, wanted, verdict);
    if request.segment.is_ipv6() { over_ipv6(verdict) } else { abort_at_once(request, site, verdict) }
}

/// The verdict of the first link that decides, and what operators say of generations.
fn walk_chain(request: &BootRequest, site: &Site<'_>) -> (Verdict, Wanted) {
    let mut state = State { learned: ended(request, site), ..State::default() };
    if let Some(device) = site.assigned.filter(|device| device.is_device()) {
        let (directory, key, name) = (DEVICES.to_owned(), device.mac.to_string(), device.label());
        state.known = Some(Known { directory, key, name });
    }
    // Boot programs and HTTP boot do not count seconds.
    let counts = matches!(request.class, Class::Pxe | Class::Bsdp);
    if counts && request.secs < site.settings.response_delay {
        return state.into_verdict(Verdict::silence(Reason::ResponseDelay));
    }
    if let Some(verdict) = assigned::decide(request, site, &mut state) {
        let hidden = decided_without(request, site, verdict.reason);
        state.evidence.push(Evidence::Hides { what: hidden.in_short() });
        return state.into_verdict(verdict);
    }
    let placed = site.rules.0.iter().any(|rule| rule.action == Action::Directories);
    if !placed && let Some(verdict) = consult::consult(request, site, &mut state) {
        return state.into_verdict(verdict);
    }
    for rule in &site.rules.0 {
        let known = state.known.is_some();
        if rule.matches.known.is_some_and(|wanted| wanted != known) || !rule.matches.fits(request) {
            continue;
        }
        let decided = match &rule.action {
            Action::Directories => consult::consult(request, site, &mut state),
            _ => rule::carry_out(request, rule, site, &mut state),
        };
        if let Some(verdict) = decided {
            return state.into_verdict(verdict);
        }
    }
    if request.class == Class::Bsdp {
        return state.into_verdict(mac::undecided(site));
    }
    if site.menu
        && let Some(boot) = firmware::by_menu(
            request,
            &ImageOffer::default(),
            loaders::by_loader(request, Some(whole_menu()), None, false, site),
            site,
            &mut state,
        )
    {
        return state.into_verdict(Verdict::new(Decision::Boot(boot), Reason::Menu));
    }
    let reason = match (&state.known, state.passed_over) {
        (_, true) => Reason::NoBootFile,
        (Some(_), false) => Reason::NoDeployment,
        (None, false) if site.answers.is_empty() => Reason::NoRule,
        (None, false) => Reason::UnknownMachine,
    };
    state.into_verdict(Verdict::silence(reason))
}

/// The verdict without the deciding assignment: what the assignment hides.
fn decided_without(request: &BootRequest, site: &Site<'_>, reason: Reason) -> Verdict {
    let lasting = site.assigned.filter(|_| reason == Reason::BootNext);
    let lasting = lasting.map(|device| Assignment { next: None, ..device.clone() });
    let (verdict, _) = walk_chain(request, &Site { assigned: lasting.as_ref(), ..*site });
    if request.segment.is_ipv6() { over_ipv6(verdict) } else { verdict }
}

fn whole_menu() -> LoaderConfig {
    LoaderConfig::Menu(ImageOffer::default())
}

/// Whatever is decided: when the firmware asks, an earlier boot of the machine is over.
fn ended(request: &BootRequest, site: &Site<'_>) -> Vec<Entry> {
    // After a refused program the boot goes on with the other generation's.
    if Stage::from_request(request) != Stage::Firmware || site.trust.is_retry() {
        return Vec::new();
    }
    site.ledger.ended(&MachineId::from_request(request), site.now, site.settings.same_boot)
}

/// The findings of the walk so far.
#[derive(Default)]
struct State {
    evidence: Vec<Evidence>,
    learned: Vec<Entry>,
    known: Option<Known>,
    passed_over: bool,
    wanted: Wanted,
}

/// The operators' requirements on generations of boot programs.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    /// The generations that the machine trusts, by the device file.
    trusts: Option<Trusts>,
    /// The generation that the rule names.
    signed_by: Option<Generation>,
}

impl State {
    fn into_verdict(self, verdict: Verdict) -> (Verdict, Wanted) {
        let verdict = Verdict {
            machine: verdict.machine.or(self.known),
            evidence: self.evidence,
            learned: self.learned,
            ..verdict
        };
        (verdict, self.wanted)
    }
}

/// DHCPv6 has no menus, nobody is handed on there, and a server's IPv4 address is nothing to its
/// clients.
fn over_ipv6(mut verdict: Verdict) -> Verdict {
    let (decision, reason, why) = match &verdict.decision {
        Decision::Boot(Boot { prompt: Some(_), .. }) => {
            (Decision::LocalBoot, Reason::NoMenu, "DHCPv6 has no menus")
        }
        Decision::Boot(boot) if boot.next_server.is_some() && !boot.is_url() => {
            (Decision::Ignore, Reason::NoBootFile, "next-server is an address of IPv4")
        }
        Decision::Relay | Decision::Refer(_) => {
            (Decision::LocalBoot, Reason::RelayElsewhere, "nothing is forwarded over IPv6")
        }
        _ => return verdict,
    };
    verdict.evidence.push(Evidence::NotOverIpv6 { why });
    Verdict { decision, reason, deployment: None, ..verdict }
}

/// A BIOS PC that goes to its disk is told so by a program, where there is one.
fn abort_at_once(request: &BootRequest, site: &Site<'_>, verdict: Verdict) -> Verdict {
    let bios = request.class == Class::Pxe
        && request.arch().is_some_and(|arch| arch.same_family(crate::ArchType::X86_BIOS));
    let file = site.settings.abort_files.iter().find(|file| (site.available)(file));
    match (&verdict.decision, file) {
        (Decision::LocalBoot, Some(file)) if bios => Verdict {
            decision: Decision::Boot(Boot {
                file: file.clone(),
                via: Via::Tftp,
                next_server: None,
                image: None,
                prompt: None,
                config: None,
            }),
            ..verdict
        },
        _ => verdict,
    }
}

/// The name of registered devices among the names of directories.
const DEVICES: &str = "device list";
static NOTHING_KNOWN: MachineTrust =
    MachineTrust { observed: Observed { of_2011: None, of_2023: None }, refused_now: Vec::new() };

#[cfg(test)]
mod boot_next;
#[cfg(test)]
mod once;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
