//! The link of the chain that asks the directories.

use super::choice::{Around, choose};
use super::generation;
use super::mac;
use super::rule::boot_of;
use super::{Boot, Decision, Known, Prompt, Site, State, UnknownMachines, Verdict, is_url};
use crate::{
    Answer, Approval, ArchType, BootRequest, Class, Deployed, Deployment, DirectoryAnswer, Evidence,
    FirmwareMenu, Identifier, ImageArch, MachineId, NotTaken, Purpose, Ran, Reason, Record, SiteMemory,
    Stage, Trusts, Via, WIMBOOT_SCRIPT, boot_files, is_boot_program, is_ipxe_binary, is_shared,
};

/// The verdict by the directories' answers; None when the rules have to decide.
pub(super) fn consult(request: &BootRequest, site: &Site<'_>, state: &mut State) -> Option<Verdict> {
    let mut silent = false;
    for answer in site.answers {
        match &answer.said {
            Err(trouble) => {
                let directory = answer.directory.clone();
                state.evidence.push(Evidence::NoAnswer { directory, trouble: trouble.clone() });
                silent = true;
            }
            Ok(said) => {
                if let Some(verdict) = read(request, site, answer, said, state) {
                    return Some(verdict);
                }
            }
        }
    }
    if silent {
        // The silent directory might know the machine and deploy something else.
        return Some(Verdict::silence(Reason::DirectoryDown));
    }
    let known = state.known.is_some() || site.answers.is_empty();
    match (site.settings.unknown, site.approval) {
        _ if known => None,
        (UnknownMachines::Rules, _) | (UnknownMachines::Approve, Approval::Approved) => None,
        (UnknownMachines::Refuse, _) => Some(Verdict::new(Decision::LocalBoot, Reason::UnknownMachine)),
        (UnknownMachines::Approve, Approval::Pending) => Some(Verdict::new(Decision::Wait, Reason::Pending)),
        (UnknownMachines::Approve, Approval::Rejected) => {
            Some(Verdict::new(Decision::LocalBoot, Reason::Rejected))
        }
    }
}

fn read(
    request: &BootRequest,
    site: &Site<'_>,
    answer: &Answer,
    said: &DirectoryAnswer,
    state: &mut State,
) -> Option<Verdict> {
    let directory = &answer.directory;
    if said.skipped {
        state.evidence.push(Evidence::NotAsked { directory: directory.clone() });
        return None;
    }
    if answer.stale {
        state.evidence.push(Evidence::Stale { directory: directory.clone(), age: answer.age });
    }
    for identifier in &said.left_out {
        state.evidence.push(Evidence::LeftOut { directory: directory.clone(), identifier: *identifier });
    }
    let by_guid = active(&said.by_uuid);
    let by_mac = active(&said.by_mac);
    state.evidence.push(Evidence::LookedUp {
        directory: directory.clone(),
        mac_count: by_mac.len(),
        guid_count: by_guid.len(),
        age: answer.age,
    });
    let (records, by) = if by_guid.is_empty() { (&by_mac, "hardware address") } else { (&by_guid, "GUID") };
    let Some(record) = records.first() else {
        let unknown = said.unknown.as_ref()?;
        let name = unknown.name.clone();
        state.evidence.push(Evidence::UnknownObject { directory: directory.clone(), name });
        if request.class == Class::Bsdp {
            return Some(mac::of_deployments(unknown, state));
        }
        // All unknown machines share the object: it tells none from another.
        let machine = machine_id(request, said, unknown, None);
        return Some(of_deployments(request, site, answer, unknown, machine, false, state));
    };
    if let (Some(guid), Some(mac)) = (by_guid.first(), by_mac.first())
        && guid.key != mac.key
    {
        let label = |record: &Record| format!("{} ({})", record.name, record.key);
        state.evidence.push(Evidence::Conflict { by_guid: label(guid), by_mac: label(mac) });
    }
    if by_mac.is_empty()
        && !by_guid.is_empty()
        && !record.macs.is_empty()
        && !record.macs.contains(&request.mac)
    {
        let (name, macs) = (record.name.clone(), record.macs.clone());
        state.evidence.push(Evidence::OtherAddress { name, macs });
    }
    let several = records.len() > 1;
    if several {
        let names = records.iter().map(|record| format!("{} ({})", record.name, record.key)).collect();
        state.evidence.push(Evidence::Several { names });
    }
    state.evidence.push(Evidence::Matched {
        directory: directory.clone(),
        name: record.name.clone(),
        key: record.key.clone(),
        by,
    });
    let known = Known { directory: directory.clone(), key: record.key.clone(), name: record.name.clone() };
    state.known.get_or_insert(known);
    state.wanted.trusts = Trusts::first_of(state.wanted.trusts, record.trusts);
    if said.decides && record.name.eq_ignore_ascii_case("unknown") {
        state.evidence.push(Evidence::LeftoverUnknown { key: record.key.clone() });
    }
    let is_mac = request.class == Class::Bsdp;
    if let Some(boot) = &record.boot {
        if is_mac {
            return Some(Verdict::new(mac::images_of(boot), Reason::Record));
        }
        return match boot_of(request, boot, site, state) {
            Ok(boot) => Some(Verdict::new(Decision::Boot(boot), Reason::Record)),
            Err(_) => {
                let rule = format!("of the record {}", record.name);
                state.evidence.push(Evidence::FilesMissing { rule, files: boot.file.clone() });
                let folder = boot.file.iter().find_map(|file| Some(file.split_once("/boot/")?.0));
                let other =
                    folder.and_then(|folder| Some((folder, holds_other(request, site, folder, false)?)));
                let reason = match other {
                    Some((image, arch)) => {
                        let (deployment, why) = (image.to_owned(), NotTaken::WrongArchitecture(arch));
                        state.evidence.push(Evidence::NotTaken { deployment, why });
                        Reason::WrongArchitecture
                    }
                    None => Reason::NoBootFile,
                };
                Some(Verdict::new(Decision::LocalBoot, reason))
            }
        };
    }
    if record.deployments.is_empty() && !said.decides {
        return None; // known, and nothing more: the rules go on
    }
    if is_mac {
        return Some(mac::of_deployments(record, state));
    }
    // A directory that decides numbers its records; in others the key may be a place, which another
    // record has tomorrow.
    let numbered = said.decides.then(|| format!("{directory}/{}", record.key));
    let machine = machine_id(request, said, record, numbered);
    Some(of_deployments(request, site, answer, record, machine, several, state))
}

/// The identifiers of this machine alone, without those that several machines share.
fn machine_id(
    request: &BootRequest,
    said: &DirectoryAnswer,
    record: &Record,
    numbered: Option<String>,
) -> MachineId {
    let counts = |identifier| !said.left_out.contains(&identifier);
    let guid = request.uuid.filter(|guid| counts(Identifier::Guid(*guid)) && !is_shared(*guid));
    let mut macs = record.macs.clone();
    if !macs.contains(&request.mac) && (guid.is_none() || counts(Identifier::Mac(request.mac))) {
        macs.push(request.mac);
    }
    MachineId { guid, macs, record: numbered }
}

/// Without retired records, the newest first.
fn active(records: &[Record]) -> Vec<&Record> {
    let mut active: Vec<&Record> = records.iter().filter(|record| !record.retired).collect();
    active.sort_by(|a, b| b.created.cmp(&a.created));
    active
}

fn of_deployments(
    request: &BootRequest,
    site: &Site<'_>,
    answer: &Answer,
    record: &Record,
    machine: MachineId,
    several: bool,
    state: &mut State,
) -> Verdict {
    let settings = site.settings;
    let of_site = answer.said.as_ref().is_ok_and(|said| said.decides);
    let relayed = settings.relay && of_site;
    // The site notes nothing of the unknown machines that share an object.
    let notes = relayed && machine.record.is_some();
    // Asking again for the program of the other generation, the machine is still in the boot that
    // the deployment was given in.
    let wanted = state.wanted;
    let goes_on = |deployment: &Deployment| {
        let boot = |file| Decision::Boot(boot(request, deployment, file, None));
        !relayed
            && site.trust.is_retry()
            && boot_file(request, site, deployment)
                .is_ok_and(|file| generation::goes_on(request, site, wanted, &boot(file)))
    };
    let stage = |deployment: &Deployment| match goes_on(deployment) {
        true => Stage::Program,
        false => Stage::from_request(request),
    };
    let deployed = |deployment: &Deployment| Deployed {
        id: deployment.id.clone(),
        run: deployment.run.clone(),
        purpose: deployment.purpose,
        machine: machine.clone(),
        name: record.name.clone(),
        stage: stage(deployment),
        site: of_site.then(|| SiteMemory { noted: deployment.last_pxe.is_some(), age: answer.age, notes }),
    };
    let ran = |deployment: &Deployment| site.ledger.ran(&deployed(deployment), site.now, settings.same_boot);
    let files = |deployment: &Deployment| match relayed {
        true => Ok(String::new()), // the responder knows its own
        false => boot_file(request, site, deployment),
    };
    let around = Around {
        arch: request.arch(),
        wanted_hidden: &settings.hidden_deployments,
        ran: &ran,
        files: &files,
    };
    let (chosen, looked_at) = choose(&record.deployments, &around);
    let required = record.deployments.iter().filter(|one| one.purpose == Purpose::Required);
    state.learned.extend(required.flat_map(|one| site.ledger.learn(&deployed(one), site.now)));
    let why_nothing = most_telling(&looked_at);
    state.evidence.extend(looked_at);
    let Some((deployment, file)) = chosen else {
        return Verdict::new(Decision::LocalBoot, why_nothing);
    };
    state.evidence.push(Evidence::Deployed {
        deployment: deployment.label(),
        purpose: deployment.purpose.as_str(),
        collection: deployment.collection.clone(),
    });
    if deployment.purpose == Purpose::Required {
        let ran = ran(deployment);
        // A boot that was begun by a fresh answer goes on; nothing begins by an old one.
        let is_begun = ran == Ran::ThisBoot && stage(deployment) == Stage::Program;
        if answer.stale && !is_begun {
            return Verdict::new(Decision::LocalBoot, Reason::StaleAnswer);
        }
        if several {
            return Verdict::new(Decision::LocalBoot, Reason::AmbiguousRecord);
        }
        if let Ran::Cleared { at } = ran {
            let deployment = deployment.label();
            state.evidence.push(Evidence::ClearedAtSite { deployment, given: at });
        }
        if let Some(brake) = settings.brake
            && matches!(ran, Ran::Never | Ran::Cleared { .. })
            && site.ledger.is_braked(brake, site.now)
        {
            let given = site.ledger.lately(brake, site.now);
            state.evidence.push(Evidence::Braked { given, within: brake.within.as_secs() });
            return Verdict::new(Decision::Wait, Reason::Brake);
        }
    }
    let reason = match deployment.purpose {
        Purpose::Required => Reason::Required,
        Purpose::Available => Reason::Available,
    };
    let deployed = deployed(deployment);
    if relayed {
        return match request.class.speaks_pxe() {
            false => Verdict::new(Decision::LocalBoot, Reason::PxeOnly),
            true => Verdict { deployment: Some(deployed), ..Verdict::new(Decision::Relay, reason) },
        };
    }
    let asks = asks_for_key(request, settings.prompt, deployment.purpose);
    if asks && !request.class.speaks_pxe() {
        return Verdict::new(Decision::LocalBoot, Reason::NoMenu);
    }
    // The boot program asks by itself, once it is told to.
    let prompt = (asks && !is_boot_program(&file)).then(|| FirmwareMenu::of_deployment(deployment.label()));
    // Nothing is spent for a program of the other generation.
    let is_spent = deployment.purpose == Purpose::Required
        && goes_on(deployment)
        && site.ledger.ran(&deployed, site.now, settings.same_boot) == Ran::ThisBoot;
    let boot = boot(request, deployment, file, prompt);
    let deployment = (!is_spent).then_some(deployed);
    Verdict { deployment, ..Verdict::new(Decision::Boot(boot), reason) }
}

fn boot(request: &BootRequest, deployment: &Deployment, file: String, prompt: Option<FirmwareMenu>) -> Boot {
    let image = deployment.boot_image.as_ref().map(|image| image.id.clone());
    let via = Via::for_client(request.class, &file);
    Boot { file, via, next_server: None, image, prompt, config: None }
}

fn boot_file(request: &BootRequest, site: &Site<'_>, deployment: &Deployment) -> Result<String, NotTaken> {
    let missing = |image: &str, files| NotTaken::BootImageMissing { image: image.to_owned(), files };
    if let Some(file) = &deployment.file {
        let loops = request.class == Class::Ipxe && is_ipxe_binary(file);
        let can_be_had = !loops && (is_url(file) || (site.available)(file));
        return if can_be_had { Ok(file.clone()) } else { Err(missing(file, vec![file.clone()])) };
    }
    let Some(image) = &deployment.boot_image else { return Err(NotTaken::NoBootImage) };
    let folder = (site.image_folder)(&image.id);
    let asks_server = site.settings.boot_program && request.class == Class::Pxe && !request.boot_program;
    let mut inside = request.arch().map(|arch| boot_files(arch, image.arch, asks_server)).unwrap_or_default();
    if request.class == Class::Ipxe {
        inside.insert(0, WIMBOOT_SCRIPT.to_owned());
    }
    let paths: Vec<String> = inside.iter().map(|path| format!("{folder}/{path}")).collect();
    match paths.iter().find(|path| (site.available)(path)) {
        Some(path) => Ok(path.clone()),
        None => match holds_other(request, site, &folder, asks_server).filter(|_| image.arch.is_none()) {
            Some(arch) => Err(NotTaken::WrongArchitecture(arch)),
            None => Err(missing(&image.id, paths)),
        },
    }
}

/// The architecture that an image holds boot files for, where it holds none for this machine.
fn holds_other(request: &BootRequest, site: &Site<'_>, folder: &str, asks_server: bool) -> Option<ImageArch> {
    let machine = request.arch()?;
    let firmware = [
        (ImageArch::X86, ArchType::IA32_UEFI),
        (ImageArch::X64, ArchType::X64_UEFI),
        (ImageArch::Arm64, ArchType::ARM64_UEFI),
    ];
    let holds = |firmware: ArchType| {
        let files = boot_files(firmware, None, asks_server);
        files.iter().any(|path| (site.available)(&format!("{folder}/{path}")))
    };
    let mut others = firmware.into_iter().filter(|(arch, _)| arch.suits(machine).is_none());
    others.find(|(_, firmware)| holds(*firmware)).map(|(arch, _)| arch)
}

/// Whether somebody at the machine has to say so first, in the firmware's own menu.
fn asks_for_key(request: &BootRequest, prompt: Prompt, purpose: Purpose) -> bool {
    let bios = request.arch().is_some_and(|arch| arch.same_family(ArchType::X86_BIOS));
    let wanted = match prompt {
        Prompt::None => false,
        Prompt::Bios => bios,
        Prompt::All => true,
    };
    purpose == Purpose::Available && wanted
}

/// Of the reasons why nothing was taken, the one that an operator should hear first.
fn most_telling(looked_at: &[Evidence]) -> Reason {
    let reasons = looked_at.iter().filter_map(|evidence| match evidence {
        Evidence::NotTaken { why, .. } => Some(why),
        _ => None,
    });
    let rank = |why: &NotTaken| match why {
        NotTaken::AlreadyRun { .. } => (0, Reason::AlreadyRun),
        NotTaken::BootImageMissing { .. } => (1, Reason::BootImageMissing),
        NotTaken::WrongArchitecture(_) => (2, Reason::WrongArchitecture),
        NotTaken::NoBootImage | NotTaken::NotForPxe | NotTaken::Hidden | NotTaken::Outranked => {
            (3, Reason::NoDeployment)
        }
    };
    reasons.map(rank).min_by_key(|(rank, _)| *rank).map_or(Reason::NoDeployment, |(_, reason)| reason)
}
