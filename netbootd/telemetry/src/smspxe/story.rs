//! One machine's story in a log.

use std::collections::HashMap;
use std::fmt;

use pxe_policy::MacAddr;

use super::{BootAction, Entry, Reply};

/// A machine's steps in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Story {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The server's own faults, each once.
    pub troubles: Vec<Step>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When, as the log writes it.
    pub at: String,
    /// The step in plain words.
    pub what: String,
    /// The remedy, for a step that needs one.
    pub cure: Option<&'static str>,
}

/// Finds a machine's story. Answers of the management point name no machine: they belong to the
/// next line of their thread that does.
pub fn tell(entries: &[Entry], mac: MacAddr) -> Story {
    let mut story = Story::default();
    let mut pending: HashMap<&str, Vec<Step>> = HashMap::new();
    for entry in entries {
        if let Some(trouble) = trouble(entry)
            && !story.troubles.iter().any(|known| known.what == trouble.what)
            && story.troubles.len() < MAX_TROUBLES
        {
            story.troubles.push(trouble);
        }
        let waiting = pending.entry(&entry.thread).or_default();
        if let Some(step) = answer(entry) {
            if waiting.len() < MAX_PENDING {
                waiting.push(step);
            }
            continue;
        }
        match mac_in(&entry.message) {
            Some(found) if found == mac => {
                story.steps.append(waiting);
                story.steps.extend(line(entry));
            }
            Some(_) => waiting.clear(),
            None => {}
        }
    }
    story
}

/// The first hardware address in a text.
fn mac_in(text: &str) -> Option<MacAddr> {
    let parts = text.split(|sign: char| !sign.is_ascii_hexdigit() && sign != ':' && sign != '-');
    parts.filter(|part| part.len() == 17).find_map(|part| part.parse().ok())
}

fn step(entry: &Entry, what: impl Into<String>, cure: Option<&'static str>) -> Step {
    Step { at: entry.at.clone(), what: what.into(), cure }
}

/// The management point's answer.
fn answer(entry: &Entry) -> Option<Step> {
    let message = &entry.message;
    if let Some(xml) = message.find("<ClientIDReply").map(|at| &message[at..]) {
        let reply = Reply::parse(xml)?;
        return Some(match &reply.boot_action {
            Some(action) => boot_action(entry, action),
            None => identification(entry, &reply),
        });
    }
    let numbers = message.split_once("MP_LookupDevice succeeded:")?.1;
    let mut numbers = numbers.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
    let (guid_key, guids, mac_key, macs) =
        (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?);
    let what =
        format!("looked up: GuidCount={guids} (record {guid_key}), MacCount={macs} (record {mac_key})");
    let differ = guids > 0 && macs > 0 && guid_key != mac_key;
    Some(step(
        entry,
        what,
        differ.then_some("GUID and address belong to different records: delete the one that is not true"),
    ))
}

fn identification(entry: &Entry, reply: &Reply) -> Step {
    let key = reply.item_key.unwrap_or_default();
    let mut what = match reply.unknown {
        Some(true) => "the site does not know it".to_owned(),
        _ if reply.is_unknown_object() => format!("the site treats it as an unknown computer (object {key})"),
        _ => format!("the site knows it (record {key})"),
    };
    let mut cure = None;
    if reply.unknown == Some(true) {
        cure = Some("import the machine, or let the distribution point serve unknown computers");
    }
    if reply.duplicate_smbios == Some(true) {
        what.push_str("; its GUID is on the list of duplicates and took no part");
    }
    if reply.duplicate_mac == Some(true) {
        what.push_str("; its hardware address is on the list of duplicates and took no part");
    }
    step(entry, what, cure)
}

fn boot_action(entry: &Entry, action: &BootAction) -> Step {
    let Some(offer) = &action.offer else {
        let what = "nothing is deployed to it";
        return step(
            entry,
            what,
            Some("deploy a task sequence to a collection it is in, available to media and PXE"),
        );
    };
    let purpose = if action.mandatory == Some(true) { "Required" } else { "Available" };
    let image = action.boot_image.as_deref().unwrap_or("no boot image");
    if action.mandatory == Some(true) && action.last_offer.as_ref() == Some(offer) {
        let at = action.last_time.as_deref().unwrap_or("before");
        let what = format!("{offer} is Required, and was given to it already ({at})");
        return step(entry, what, Some("Clear Required PXE Deployments"));
    }
    step(entry, format!("{offer} is {purpose}, with {image}"), None)
}

/// A line that names the machine.
fn line(entry: &Entry) -> Option<Step> {
    let text = entry.message.to_ascii_lowercase();
    let is = |word: &str| text.contains(word);
    if is("maccount=") {
        let of = |name: &str| {
            let at = text.find(name)? + name.len();
            text[at..].split(|sign: char| !sign.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        let (macs, guids) = (of("maccount=").unwrap_or(0), of("guidcount=").unwrap_or(0));
        let no_guid = is("guid= ") || is("guid=>");
        let mut what = format!("found by MacCount={macs} GuidCount={guids}");
        if no_guid && guids == 0 {
            what.push_str("; its GUID is banned or missing, so the address alone was looked up");
        }
        let cure =
            (macs > 1).then_some("several records share the address: delete the ones that are not true");
        return Some(step(entry, what, cure));
    }
    let told = [
        (
            "is not in the database",
            "the site does not know it",
            Some("import the machine, or let the distribution point serve unknown computers"),
        ),
        ("is in the database", "the site knows it", None),
        (
            "no advertisements found",
            "nothing is deployed to it",
            Some("deploy a task sequence to a collection it is in, available to media and PXE"),
        ),
        ("found optional advertisement", "an Available deployment was offered", None),
        ("found mandatory advertisement", "a Required deployment was given", None),
        ("no boot action", "it was sent to its disk", None),
        ("not serviced", "it got no answer", None),
        ("device has been accepted", "it was accepted", None),
        (
            "no advertisement found in db",
            "nothing is deployed to it",
            Some("deploy a task sequence to a collection it is in, available to media and PXE"),
        ),
    ];
    told.iter().find(|(word, _, _)| is(word)).map(|(_, what, cure)| step(entry, *what, *cure))
}

/// A fault of the server, whichever machine asks.
fn trouble(entry: &Entry) -> Option<Step> {
    let told = [
        (
            "has expired",
            "a certificate of the distribution point has expired",
            "renew it, and check both clocks (BIOS clocks too)",
        ),
        (
            "PXEClientKey certificate",
            "the distribution point's certificate is not accepted",
            "renew it in the distribution point's properties",
        ),
        (
            "PXE::MP_GetList failed; 0x80092002",
            "the distribution point's certificate store is incomplete",
            "see IssuingCertificateList under HKLM\\SOFTWARE\\Microsoft\\SMS\\Security",
        ),
        (
            "PXE::MP_LookupDevice failed",
            "the management point does not answer",
            "check the management point and its certificate",
        ),
        (
            "PXE Provider failed to initialize MP connection",
            "the management point cannot be reached",
            "check the management point and its certificate",
        ),
        (
            "no message header marker",
            "something else than the management point answered",
            "look into IIS: an error page, a proxy, a certificate",
        ),
        (
            "0x80070490",
            "something else than the management point answered",
            "look into IIS: an error page, a proxy, a certificate",
        ),
        (
            "80004005",
            "the management point refused the message",
            "check the distribution point's certificate",
        ),
    ];
    let hit = told.iter().find(|(word, _, _)| entry.message.contains(word))?;
    Some(step(entry, hit.1, Some(hit.2)))
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.steps.iter().chain(&self.troubles) {
            writeln!(f, "{:<28} {}", step.at, step.what)?;
            if let Some(cure) = step.cure {
                writeln!(f, "{:<28}   -> {cure}", "")?;
            }
        }
        Ok(())
    }
}

/// Answers that wait for the line that names their machine.
const MAX_PENDING: usize = 16;
const MAX_TROUBLES: usize = 32;

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    const MAC: &str = "00:15:5D:00:19:CA";

    fn log(lines: &[(&str, &str)]) -> Vec<u8> {
        let entry = |(thread, message): &(&str, &str)| {
            format!(
                "<![LOG[{message}]LOG]!><time=\"03:53:49.320+360\" date=\"11-14-2022\" component=\"SMSPXE\" thread=\"{thread}\">\r\n"
            )
        };
        lines.iter().map(entry).collect::<String>().into_bytes()
    }

    fn steps_of(lines: &[(&str, &str)]) -> Vec<String> {
        let story = tell(&read(&log(lines)), MAC.parse().unwrap());
        story.steps.into_iter().chain(story.troubles).map(|step| step.what).collect()
    }

    /// The order of 2012 R2's log as Microsoft published it.
    #[test]
    fn a_known_machine_without_a_deployment() {
        let known = "Client lookup reply: <ClientIDReply><Identification Unknown=\"0\" ItemKey=\"16777299\" ServerName=\"\"><Machine><ClientID/><NetbiosName/></Machine></Identification></ClientIDReply>";
        let nothing = "Client boot action reply: <ClientIDReply><Identification Unknown=\"0\" ItemKey=\"16777299\" ServerName=\"\"><Machine/></Identification><PXEBootAction LastPXEAdvertisementID=\"\" OfferID=\"\" PkgID=\"\" packagePath=\"\" BootImageID=\"\" Mandatory=\"\"/></ClientIDReply>";
        let steps = steps_of(&[
            ("1", known),
            (
                "2",
                "Client lookup reply: <ClientIDReply><Identification Unknown=\"1\" ItemKey=\"0\"/></ClientIDReply>",
            ),
            ("1", "MP_LookupDevice succeeded: 16777299 1 16777299 1 0"),
            ("2", "AA:BB:CC:DD:EE:FF, 32E5B71A-B626-4A4B-902E-7F94AD38B5B3: device is not in the database."),
            ("1", "00:15:5D:00:19:CA, 32E5B71A-B626-4A4B-902E-7F94AD38B5B3: device is in the database."),
            ("1", nothing),
            ("1", "00:15:5D:00:19:CA, 32E5B71A-B626-4A4B-902E-7F94AD38B5B3: no advertisements found"),
            ("1", "00:15:5D:00:19:CA, 32E5B71A-B626-4A4B-902E-7F94AD38B5B3: No boot action. Aborted."),
            ("1", "00:15:5D:00:19:CA, 32E5B71A-B626-4A4B-902E-7F94AD38B5B3: Not serviced."),
        ]);
        assert_eq!(
            steps,
            [
                "the site knows it (record 16777299)",
                "looked up: GuidCount=1 (record 16777299), MacCount=1 (record 16777299)",
                "the site knows it",
                "nothing is deployed to it",
                "nothing is deployed to it",
                "it was sent to its disk",
                "it got no answer",
            ]
        );
    }

    #[test]
    fn a_banned_guid_and_two_records_for_one_address() {
        let steps = steps_of(&[(
            "1",
            "MAC=00:15:5D:00:19:CA SMBIOS GUID= > Device found in the database. MacCount=2 GuidCount=0",
        )]);
        assert_eq!(
            steps,
            [
                "found by MacCount=2 GuidCount=0; its GUID is banned or missing, so the address alone was looked up"
            ]
        );
    }

    #[test]
    fn required_deployments_and_troubles_of_the_server_are_told() {
        let run = "<ClientIDReply><Identification Unknown=\"0\" ItemKey=\"16777219\"/><PXEBootAction LastPXEAdvertisementID=\"PS120083\" LastPXEAdvertisementTime=\"3/02/2025 10:41:07\" OfferID=\"PS120083\" BootImageID=\"PS100005\" Mandatory=\"1\"/></ClientIDReply>";
        let steps = steps_of(&[
            ("1", run),
            ("1", "00:15:5d:00:19:ca, x: found mandatory advertisement PS120083"),
            ("9", "Certificate [AB] issued to 'dp01' has expired."),
            ("9", "Certificate [CD] issued to 'dp01' has expired."),
        ]);
        assert_eq!(
            steps,
            [
                "PS120083 is Required, and was given to it already (3/02/2025 10:41:07)",
                "a Required deployment was given",
                "a certificate of the distribution point has expired",
            ]
        );
    }
}
