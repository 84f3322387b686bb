//! Before the first file: an address, an offer, the boot server, and who else speaks on the
//! segment.

use std::time::SystemTime;

use pxe_policy::{ArchType, Class, MacAddr};

use super::specific;
use crate::case::Case;
use crate::cause::Cause;
use crate::finding::{Addition, Finding, Seen};
use crate::fleet::Segment;
use crate::step::{Answered, Decided, OtherReply, OtherServer, Proto};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    if boot.naks >= NAKS {
        let seen =
            [Seen::Asked(boot.naks)].into_iter().chain(boot.taken.map(took)).chain(others(case, |_| true));
        return Some(Finding::new(Cause::RepeatedNak, specific::PROVEN).with(seen));
    }
    if let Some(finding) = refused_elsewhere(case) {
        return Some(finding);
    }
    // A file was asked for since: then the address is not what fails, unless a boot program asks
    // for one of its own.
    let asked = boot
        .offer
        .as_ref()
        .map(|(at, _)| *at)
        .into_iter()
        .chain(boot.named.as_ref().map(|(at, _)| *at))
        .max()?;
    if !is_last(case, asked) {
        return None;
    }
    if boot.declined >= DECLINES {
        let offered = boot.named.iter().chain(&boot.offer).find_map(|(_, decided)| decided.address);
        let offered = offered.map(Seen::LastDeclined);
        let seen = [Seen::Declined(boot.declined)].into_iter().chain(offered);
        return Some(Finding::new(Cause::AddressConflict, specific::PROVEN).with(seen));
    }
    if let Some((at, decided)) = &boot.named
        && decided.decision == Answered::Ack
        && boot.offer.as_ref().is_none_or(|(offered, _)| at >= offered)
    {
        return after_its_name(case, *at, decided);
    }
    let (at, decided) = boot.offer.as_ref()?;
    if decided.decision != Answered::Offer {
        return None;
    }
    let takes_nothing = boot.taken.is_none_or(|(taken, _)| taken < *at);
    if is_raspberry_pi(case.mac, boot.arch) && boot.asked >= ROM_ASKS && takes_nothing {
        let seen = [Seen::Offered(*at, decided.boot_file.clone()), Seen::Asked(boot.asked)];
        return Some(
            Finding::new(Cause::RaspberryPi, specific::PROVEN).with(seen).with(boot.taken.map(took)),
        );
    }
    if !case.is_silent_after(decided.class) {
        return None;
    }
    // Firmware goes on by another of the machine's network cards.
    if case.fleet.other_card(case.machine.uuids(), case.mac, *at).is_some() {
        return None;
    }
    after_offer(case, *at, decided)
}

/// Another server answers the machine's REQUESTs with NAK, and it fetched nothing since.
fn refused_elsewhere(case: &Case<'_>) -> Option<Finding> {
    let boot = case.boot;
    let (at, server, times) = boot.other_naks.filter(|(at, ..)| is_last(case, *at))?;
    let own = boot.taken.filter(|(_, taken)| taken.server == server);
    let (cause, needed) = match own {
        Some(_) => (Cause::RepeatedNak, NAKS),
        None => (Cause::OtherServerNak, OTHER_NAKS),
    };
    let seen = [Seen::Naks(at, server, times)].into_iter().chain(boot.taken.map(took));
    (times >= needed).then(|| Finding::new(cause, specific::PROVEN).by(server).with(seen))
}

/// The machine's boot program asks from another network than its firmware did.
fn moved(case: &Case<'_>) -> Option<Finding> {
    let (at, to) = case.boot.moved.as_ref()?;
    let from = case.boot.segments.first()?;
    let seen = [Seen::Moved(*at, from.to_string(), to.to_string())];
    Some(Finding::new(Cause::NetworkChanged, specific::SILENCE + 8).with(seen))
}

/// Whether nothing but DHCP came after this moment.
fn is_last(case: &Case<'_>, at: SystemTime) -> bool {
    let boot = case.boot;
    boot.running.is_empty()
        && boot.probed.as_ref().is_none_or(|probed| probed.at < at)
        && boot.broken.as_ref().is_none_or(|broken| broken.at < at)
        && boot.fetched.iter().all(|file| file.at < at)
        && boot.missed.iter().all(|missed| missed.at < at)
}

fn after_offer(case: &Case<'_>, at: SystemTime, decided: &Decided) -> Option<Finding> {
    let boot = case.boot;
    if decided.elsewhere.is_some() {
        return None; // the rest of its boot is not to be seen here
    }
    let offered = Seen::Offered(at, decided.boot_file.clone());
    let taken = boot.taken.filter(|(taken, _)| *taken >= boot.started);
    if let Some(finding) = moved(case) {
        return Some(finding.with([offered]).with(taken.map(took)));
    }
    if let Some(finding) = overwritten(case, decided) {
        return Some(finding.with([offered]));
    }
    if let Some(finding) = rival(case, decided) {
        return Some(finding.with([offered]).with(taken.map(took)));
    }
    if let Some(finding) = second_server(case, decided) {
        return Some(finding.with([offered]));
    }
    let has_address = boot.taken6.is_some_and(|taken| taken >= boot.started);
    match (decided.proto, decided.class) {
        (Proto::Dhcp6, _) if decided.address.is_none() && !has_address => {
            let repeats = boot.asked >= REPEATS
                || case.silence() >= case.patience.firmware * 3
                || case.restarted.is_some();
            repeats.then(|| {
                let seen = [offered, Seen::Asked(boot.asked), Seen::TookNothing];
                Finding::new(Cause::NoAddress6, specific::SILENCE).with(seen)
            })
        }
        (Proto::Dhcp6, class) if has_address && class != Some(Class::Http) => {
            let seen = [offered, Seen::Silent(case.silence())];
            let cause = match class {
                Some(Class::Ipxe) => Cause::NoFileRequest,
                _ => Cause::NoBootServerRequest,
            };
            let file = decided.boot_file.clone().unwrap_or_default();
            Some(Finding::new(cause, specific::SILENCE).about(file).with(seen))
        }
        (_, Some(Class::Http)) => Some(no_http(case, decided).with([offered]).with(taken.map(took))),
        (Proto::Proxy, _) if taken.is_none() && decided.relay.is_none() => {
            // It may still be collecting offers; a repetition counts at once.
            let repeats = boot.asked >= REPEATS
                || case.silence() >= case.patience.firmware * 3
                || case.restarted.is_some();
            let heard = others(case, |other| other.address.is_some()).collect::<Vec<_>>();
            repeats.then(|| {
                let seen = [offered, Seen::Asked(boot.asked), Seen::TookNothing];
                Finding::new(Cause::NoAddress, specific::SILENCE).with(seen).with(heard)
            })
        }
        (Proto::Proxy, Some(Class::Ipxe)) => {
            let file = decided.boot_file.clone().unwrap_or_default();
            let seen = [offered].into_iter().chain(taken.map(took)).chain([Seen::Silent(case.silence())]);
            Some(Finding::new(Cause::NoFileRequest, specific::SILENCE).about(file).with(seen))
        }
        (Proto::Proxy, _) if taken.is_none() => {
            // Behind a relay its REQUEST may go to the DHCP server alone.
            let seen = [offered, Seen::Asked(boot.asked), Seen::TookNothing];
            let relay = decided.relay.map(Seen::Relay);
            let cause = if boot.asked >= REPEATS { Cause::NoAddress } else { Cause::NoBootServerRequest };
            Some(Finding::new(cause, specific::SILENCE).with(seen).with(relay))
        }
        (Proto::Proxy, _) => {
            let segment = Segment::from_decided(decided);
            let seen =
                [offered].into_iter().chain(taken.map(took)).chain(decided.relay.map(Seen::Relay)).chain([
                    Seen::OthersAsk(case.fleet.asks_boot_server(&segment, case.mac)),
                    Seen::Silent(case.silence()),
                ]);
            Some(Finding::new(Cause::NoBootServerRequest, specific::SILENCE).with(seen))
        }
        (Proto::Dhcp, _) if decided.relay.is_some() && taken.is_none() && boot.asked >= REPEATS => {
            let seen = [offered, Seen::Asked(boot.asked), Seen::TookNothing];
            let relay = decided.relay.map(Seen::Relay);
            Some(Finding::new(Cause::RelayAnswersLost, specific::SILENCE).with(seen).with(relay))
        }
        (Proto::Dhcp | Proto::Dhcp6, _) => {
            let seen = [offered, Seen::Asked(boot.asked)].into_iter().chain(taken.map(took));
            Some(
                Finding::new(Cause::OfferNotTaken, specific::SILENCE).with(seen).with(others(case, |_| true)),
            )
        }
        _ => None,
    }
}

/// The boot file was named: an ACK of port 67, or the answer of port 4011.
fn after_its_name(case: &Case<'_>, at: SystemTime, decided: &Decided) -> Option<Finding> {
    let file = decided.boot_file.clone()?;
    if !case.is_silent_after(decided.class) || decided.elsewhere.is_some() {
        return None;
    }
    let seen = || [Seen::Named(at, file.clone()), Seen::Silent(case.silence())];
    if let Some((asked, from)) = case.fleet.asked_in_vain(&file, at) {
        let seen = seen().into_iter().chain([Seen::AskedFrom(asked, from, file.clone())]);
        let finding = Finding::new(Cause::AddressTranslated, specific::SILENCE + 4);
        return Some(finding.about(file.clone()).with(seen));
    }
    if let Some(finding) = moved(case) {
        return Some(finding.with(seen()));
    }
    if let Some(finding) = overwritten(case, decided) {
        return Some(finding.with(seen()));
    }
    if let Some(finding) = rival(case, decided) {
        return Some(finding.with(seen()));
    }
    if is_raspberry_pi(case.mac, case.boot.arch) {
        return Some(Finding::new(Cause::RaspberryPi, specific::SILENCE).with(seen()));
    }
    if decided.class == Some(Class::Http) {
        return Some(no_http(case, decided).with(seen()));
    }
    let heard = case.boot.offer.is_some() || decided.proto != Proto::Pxe;
    let cause = if heard { Cause::NoFileRequest } else { Cause::NoDhcpRelay };
    Some(Finding::new(cause, specific::SILENCE).about(file.clone()).with(seen()))
}

fn no_http(case: &Case<'_>, decided: &Decided) -> Finding {
    let url = decided.boot_file.clone().unwrap_or_else(|| "a URL".into());
    let named = host_is_a_name(&url);
    let acks = case.boot.others.iter().filter(|(_, other)| other.reply == OtherReply::Ack);
    let knows_dns = acks.clone().count() > 0 && acks.clone().all(|(_, other)| other.has_dns);
    let cause = if named && !knows_dns { Cause::NameNotResolved } else { Cause::NoHttpRequest };
    Finding::new(cause, specific::SILENCE)
        .about(url)
        .with(others(case, |other| other.reply == OtherReply::Ack))
}

/// Whether a URL has a host name where an address could stand.
fn host_is_a_name(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit_once(':').filter(|_| !host.starts_with('[')).map_or(host, |(host, _)| host);
    !host.is_empty() && !host.starts_with('[') && host.parse::<std::net::Ipv4Addr>().is_err()
}

/// Another server offered something to boot in this boot.
fn rival(case: &Case<'_>, decided: &Decided) -> Option<Finding> {
    let boots = |other: &OtherServer| other.boots();
    let (_, first) = case.boot.others.iter().find(|(_, other)| boots(other))?;
    let ours = decided.boot_file.as_deref();
    // A DHCP server that names the very same file sends the machine here.
    if ours.is_some() && first.boot_file.as_deref() == ours {
        return None;
    }
    let finding = Finding::new(Cause::AnotherServer, specific::SILENCE + 5).by(first.server);
    let finding = match first.boot_file {
        _ if first.same_host => finding.adding(Addition::SameHost),
        Some(_) => finding,
        None => finding.adding(Addition::NamesNoFile),
    };
    Some(finding.with(others(case, boots)))
}

/// A relative name is looked for at the address that the lease names.
fn overwritten(case: &Case<'_>, decided: &Decided) -> Option<Finding> {
    let relative = decided.boot_file.as_deref().is_some_and(|file| !file.contains("://"));
    let later_stage = decided.class == Some(Class::Ipxe);
    if !later_stage && !relative {
        return None;
    }
    let own = |other: &OtherServer| other.next_server.as_deref() == Some(other.server.to_string().as_str());
    let (_, other) = case.boot.others.iter().find(|(_, other)| !other.boots() && own(other))?;
    if !later_stage {
        return None;
    }
    let seen = others(case, own);
    Some(Finding::new(Cause::NextServerOverwritten, specific::SILENCE + 6).by(other.server).with(seen))
}

/// The lease is from another server than everybody else's.
fn second_server(case: &Case<'_>, decided: &Decided) -> Option<Finding> {
    let (at, taken) = case.boot.taken?;
    let usual = case.fleet.usual_server(&Segment::from_decided(decided), taken.server);
    // Where this server gives the addresses, any other one is a second one.
    if usual.is_none() && decided.proto != Proto::Dhcp {
        return None;
    }
    let usual = usual.map(|(usual, machines)| Seen::UsualServer(usual, machines));
    let seen = [Seen::Took(at, taken)].into_iter().chain(usual);
    Some(Finding::new(Cause::SecondDhcpServer, specific::SILENCE + 7).by(taken.server).with(seen))
}

fn others<'a>(case: &Case<'a>, fits: impl Fn(&OtherServer) -> bool + 'a) -> impl Iterator<Item = Seen> + 'a {
    let others: &'a [(SystemTime, OtherServer)] = &case.boot.others;
    others.iter().filter(move |(_, other)| fits(other)).map(|(at, other)| Seen::Other(*at, other.clone()))
}

fn took((at, taken): (SystemTime, crate::step::LeaseTaken)) -> Seen {
    Seen::Took(at, taken)
}

/// The ROM of models up to 3 says that it is BIOS firmware (raspberrypi.com, "Network boot your
/// Raspberry Pi").
fn is_raspberry_pi(mac: MacAddr, arch: Option<ArchType>) -> bool {
    arch.is_none_or(|arch| arch == ArchType::X86_BIOS) && mac.is_raspberry_pi()
}

/// One NAK is normal after a move.
const NAKS: u32 = 3;
/// One may be of a lease from elsewhere that the machine still had.
const OTHER_NAKS: u32 = 2;
/// One address may be in use.
const DECLINES: u32 = 2;
/// DISCOVERs without an answer that the ROM likes.
const ROM_ASKS: u32 = 4;
/// DISCOVERs of a machine that nobody gives an address.
const REPEATS: u32 = 3;
