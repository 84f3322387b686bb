//! The next step of a boot that goes on, its deadline, and its usual duration.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use pxe_policy::Class;

use crate::boot::Boot;
use crate::finding::span;
use crate::fleet::Fleet;
use crate::step::{Answered, Proto, Refusal};

/// How long silences may last before they count. Configured, so that tests need not wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// Firmware goes on, or asks again, within this time.
    pub firmware: Duration,
    /// Boot programs may take this part of their own times.
    pub scale: f64,
}

impl Patience {
    /// The time that something takes which usually takes `time` at most.
    pub fn scale(self, time: Duration) -> Duration {
        time.mul_f64(self.scale)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Patience { firmware: Duration::from_secs(8), scale: 1.0 }
    }
}

/// The next step of a boot.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// The step in words.
    pub what: Cow<'static, str>,
    /// Since when it is awaited.
    pub since: SystemTime,
    /// When it is overdue; None for what may take any time.
    pub due: Option<SystemTime>,
    /// How long it usually takes, learned from other boots.
    pub usual: Option<Duration>,
}

impl Expectation {
    fn within(what: impl Into<Cow<'static, str>>, since: SystemTime, time: Duration) -> Self {
        Expectation { what: what.into(), since, due: Some(since + time), usual: None }
    }

    fn whenever(what: impl Into<Cow<'static, str>>, since: SystemTime) -> Self {
        Expectation { what: what.into(), since, due: None, usual: None }
    }

    /// Whether it should have come.
    pub fn is_overdue(&self, now: SystemTime) -> bool {
        self.due.is_some_and(|due| now > due)
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.usual {
            Some(usual) => write!(f, " (usual {})", span(usual)),
            None => Ok(()),
        }
    }
}

/// The step after a boot's last one; None when nothing more has to come here.
pub(crate) fn expected(boot: &Boot, fleet: &Fleet, patience: Patience) -> Option<Expectation> {
    if boot.system.is_some() {
        return None;
    }
    if let Some(what) = elsewhere(boot) {
        return Some(Expectation::whenever(what, boot.last));
    }
    if let Some(running) = boot.running.last() {
        return Some(Expectation::whenever("the rest of the file", running.since));
    }
    if boot.broken.as_ref().is_some_and(|broken| broken.at == boot.last) {
        let what = "the machine asks for the file again";
        return Some(Expectation::within(what, boot.last, patience.firmware));
    }
    if boot.missed.last().is_some_and(|missed| missed.at == boot.last && missed.refusal == Refusal::NotFound)
    {
        return Some(Expectation::whenever(
            "the program goes on without the file, or asks for another",
            boot.last,
        ));
    }
    if let Some(file) = boot.last_file().filter(|file| file.at == boot.last) {
        return after_file(boot, file.kind, fleet, patience);
    }
    if boot.probed.as_ref().is_some_and(|probed| probed.at == boot.last) {
        return Some(Expectation::whenever("a request for the file whose size was asked", boot.last));
    }
    after_answer(boot, patience)
}

fn after_file(
    boot: &Boot,
    kind: crate::file::FileKind,
    fleet: &Fleet,
    patience: Patience,
) -> Option<Expectation> {
    use crate::file::FileKind;
    if let Some((what, time)) = kind.leads_to() {
        let expectation = Expectation::within(what, boot.last, patience.scale(time));
        return Some(Expectation { usual: fleet.usual_second_stage(), ..expectation });
    }
    match kind {
        FileKind::Program => Some(Expectation::whenever(
            "the program starts, and needs nothing more or asks for it",
            boot.last,
        )),
        FileKind::Configuration | FileKind::Module => {
            Some(Expectation::whenever(after_configuration(boot), boot.last))
        }
        FileKind::Bcd | FileKind::Sdi => Some(Expectation::whenever(
            "Windows' boot manager asks for fonts, boot.sdi and the WIM image",
            boot.last,
        )),
        FileKind::Kernel => {
            Some(Expectation::whenever("the initial RAM disk, if there is one, then the system", boot.last))
        }
        FileKind::Initrd | FileKind::Wim => {
            Some(Expectation::whenever("the system asks for an address", boot.last))
        }
        _ => None,
    }
}

/// The step after the last configuration: the file that it loads first, where nobody has to choose.
fn after_configuration(boot: &Boot) -> Cow<'static, str> {
    let last = boot.last_file().and_then(|file| Some((&file.path, boot.configuration(&file.path)?)));
    let first = last.and_then(|(path, configuration)| {
        Some((path, configuration.loads.first().filter(|_| !configuration.is_menu)?))
    });
    match first {
        Some((path, load)) => {
            format!("a request for {}, which line {} of {path} names", load.target, load.line).into()
        }
        None => "the program asks for what its configuration names".into(),
    }
}

/// Clients fetch the files of another server there.
fn elsewhere(boot: &Boot) -> Option<&'static str> {
    let answers = boot.offer.iter().chain(&boot.named);
    let (at, last) = answers.max_by_key(|(at, _)| *at)?;
    let is_last = *at == boot.last || boot.taken.is_some_and(|(taken, _)| taken == boot.last);
    (is_last && last.elsewhere.is_some())
        .then_some("the machine fetches its boot file from the server that the rule names")
}

fn after_answer(boot: &Boot, patience: Patience) -> Option<Expectation> {
    let soon = |what, since| Some(Expectation::within(what, since, patience.firmware));
    if let Some((at, answered)) = &boot.mac
        && *at == boot.last
    {
        return match (answered.decision, answered.boot_file.is_some()) {
            (Answered::Ack, true) => soon("the Mac fetches its booter by TFTP", *at),
            (Answered::Ack, false) => Some(Expectation::whenever("the Mac chooses an image", *at)),
            _ => None,
        };
    }
    if let Some((at, decided)) = &boot.named
        && *at >= boot.offer.as_ref().map_or(boot.started, |(at, _)| *at)
    {
        return match decided.decision {
            Answered::Ack if decided.class == Some(Class::Ipxe) && decided.boot_file.is_some() => {
                Some(Expectation::within("a request for the script", *at, patience.scale(IPXE_SETTLES)))
            }
            Answered::Ack if decided.boot_file.is_some() => soon("a request for the boot file", *at),
            Answered::SendFailed => soon("the machine asks again", *at),
            _ => None,
        };
    }
    let (at, decided) = boot.offer.as_ref()?;
    let taken = boot.taken.filter(|(taken, _)| taken >= at);
    match (decided.decision, decided.proto, decided.class) {
        (Answered::Offer, Proto::Proxy | Proto::Dhcp, Some(Class::Http)) => {
            soon("an address, then an HTTP request for the URL that was offered", boot.last)
        }
        (Answered::Offer, Proto::Proxy, Some(Class::Ipxe)) => {
            let what = "an address, then a request for the script that was offered";
            Some(Expectation::within(what, boot.last, patience.scale(IPXE_SETTLES)))
        }
        (Answered::Offer, Proto::Proxy, _) if taken.is_some() => soon("a question to port 4011", boot.last),
        (Answered::Offer, Proto::Proxy, _) => {
            soon("an address from the DHCP server, then a question to port 4011", boot.last)
        }
        (Answered::Offer, Proto::Dhcp6, _) => soon(
            "an address over IPv6, then a question to port 4011 or a request for the boot file's URL",
            *at,
        ),
        (Answered::Offer, ..) => soon("a REQUEST for the address that was offered", *at),
        (Answered::Wait, ..) => {
            Some(Expectation::whenever("an operator's approval: `netbootd pending approve`", *at))
        }
        (Answered::SendFailed, ..) => soon("the machine asks again", *at),
        _ => None,
    }
}

/// iPXE uses its address within this time, the wait for a router that advertises IPv6 included.
pub(crate) const IPXE_SETTLES: Duration = Duration::from_secs(25);
