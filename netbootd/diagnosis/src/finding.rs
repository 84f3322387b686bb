//! A cause with what was seen, and the words for both.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bsdp::{BootImageId, LeftOut};
use pxe_policy::{ArchType, Evidence, MacAddr, Signers, SystemUuid};

use crate::boot::{Broken, Fetched, Missed};
use crate::cause::{Cause, Severity};
use crate::configuration::Load;
use crate::report::{Facts, Report};
use crate::server::Outage;
use crate::step::{
    LeaseTaken, Negotiated, OtherServer, Program, SharedError, SmallMtu, TlsFailure, TransferDetail,
};

/// A fault of a boot.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The row of the table of causes.
    pub cause: Cause,
    /// The file that the headline names.
    pub file: Option<String>,
    /// The server that the headline names.
    pub server: Option<Ipv4Addr>,
    /// The fact that the headline adds behind its sentence.
    pub addition: Option<Addition>,
    /// The observations behind it, in order.
    pub seen: Vec<Seen>,
    /// Whether this server got round it: the machine boots all the same.
    pub is_mended: bool,
    /// How much it rests on this very boot: of two causes that fit, the more specific one goes
    /// first.
    pub(crate) specific: u8,
}

/// A fact that a headline adds behind its sentence.
#[derive(Debug, Clone, PartialEq)]
pub enum Addition {
    /// The other server is a program on this server's host.
    SameHost,
    /// The other server answers as a boot server (option 60) without a boot file.
    NamesNoFile,
    /// The error of a packet that could not be sent.
    SendError(SharedError),
    /// The DHCP server that handed out a URL.
    UrlFrom(Ipv4Addr),
    /// The file's name has an ending that HTTP boot firmware does not know.
    UnknownEnding,
    /// The rule for a Mac names other images.
    OtherImages,
    /// The image is for other models or architectures of Macs.
    OtherModels,
    /// The message of the TFTP ERROR that a client sent.
    ClientMessage(String),
    /// The interface of this server that is too small for the transfer's packets.
    OwnMtu(SmallMtu),
    /// The name of a file that is there and differs least from the requested one.
    NearestName(String),
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// The machine was offered a boot.
    Offered(SystemTime, Option<String>),
    /// The machine received the name of its boot file.
    Named(SystemTime, String),
    /// The machine asked for an address, so often.
    Asked(u32),
    /// The machine took a lease from another server.
    Took(SystemTime, LeaseTaken),
    /// No REQUEST was seen.
    TookNothing,
    /// NAKs of another server, and the last one's time.
    Naks(SystemTime, Ipv4Addr, u32),
    /// Addresses that the machine declined.
    Declined(u32),
    /// The machine asks from another segment than before.
    Moved(SystemTime, String, String),
    /// An address that no machine is known by asked for a file.
    AskedFrom(SystemTime, IpAddr, String),
    /// Blocks of a file, and how many of them were sent again.
    Loss(u64, u64),
    /// How long each window takes until it is acknowledged, its bytes, and the time for the rest of
    /// the file.
    RoundTrip(Duration, u64, Duration),
    /// Another server's OFFER or ACK.
    Other(SystemTime, OtherServer),
    /// The machine has a file.
    Fetched(SystemTime, String, u64),
    /// The machine asked for a file's size alone.
    Sized(SystemTime, String),
    /// A line of a configuration: its number, the configuration, and its text.
    Line(usize, String, String),
    /// A file was refused.
    Missed(SystemTime, String, &'static str, Option<SharedError>),
    /// A transfer ended early.
    Ended(SystemTime, String, &'static str, u64),
    /// The address that the machine declined last.
    LastDeclined(IpAddr),
    /// The decision that stands behind a more specific cause.
    Decided(Cause),
    /// The model identifier that a Mac sent.
    Model(String),
    /// The image that a Mac asks for.
    AsksFor(BootImageId),
    /// An error of this server.
    Error(SharedError),
    /// More about the end of a transfer.
    EndOf(TransferDetail),
    /// The options that a transfer negotiated.
    Negotiated(Negotiated),
    /// A transfer is under way.
    UnderWay(String, u64, Duration),
    /// The same block was sent again.
    Resent(u64, Option<u16>),
    /// The facts in a program's header.
    Header(Option<ArchType>, bool),
    /// The authorities behind a program's signatures.
    Signers(Arc<Signers>),
    /// The machine's own architecture.
    Machine(ArchType),
    /// Nothing came for so long.
    Silent(Duration),
    /// The firmware started again so long after.
    Restarted(Duration),
    /// A boot was repeated: how often, and within which time.
    Repeated(usize, Duration),
    /// A file was fetched so often within a time.
    Loads(usize, Duration),
    /// How a TLS handshake ended.
    Tls(SystemTime, TlsFailure),
    /// The message of the TLS library.
    TlsMessage(String),
    /// Another file was served instead.
    Served(SystemTime, String),
    /// The next request of other machines, how many there are, and whether this machine did so
    /// before.
    WentOnWith(String, usize, bool),
    /// The GUIDs that come with one hardware address.
    Guids(Vec<SystemUuid>),
    /// Other machines went on from the same file.
    OthersWentOn(usize),
    /// Machines with the same GUID.
    SameGuid(SystemUuid, Vec<MacAddr>),
    /// The usual server of a segment, and how many machines take their leases from it.
    UsualServer(Ipv4Addr, usize),
    /// Machines of the segment that do ask port 4011.
    OthersAsk(usize),
    /// The machine's packets come through this relay.
    Relay(IpAddr),
    /// A rate, and the usual one, in bytes a second.
    Rate(f64, f64),
    /// Why an image is not for a Mac.
    LeftOut(String, LeftOut),
    /// The evidence of the decision.
    Decision(Evidence),
    /// The machine's own report.
    Reported(SystemTime, Box<Report>),
    /// The machine's own facts.
    Facts(Box<Facts>),
    /// An error that the machine sent by syslog.
    Complained(SystemTime, String),
    /// Trouble of this server itself during the boot.
    Outage(Outage),
    /// It happened in the boot before.
    Before(SystemTime),
}

impl Finding {
    /// With nothing seen yet. `specific` orders causes that fit at the same time.
    pub(crate) fn new(cause: Cause, specific: u8) -> Self {
        let (file, server, addition) = (None, None, None);
        Finding { cause, file, server, addition, seen: Vec::new(), is_mended: false, specific }
    }

    pub(crate) fn about(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    pub(crate) fn by(mut self, server: Ipv4Addr) -> Self {
        self.server = Some(server);
        self
    }

    /// Adds a fact behind the headline's sentence.
    pub fn adding(mut self, addition: Addition) -> Self {
        self.addition = Some(addition);
        self
    }

    /// The server got round it.
    pub(crate) fn mended(mut self) -> Self {
        self.is_mended = true;
        self
    }

    pub(crate) fn with(mut self, seen: impl IntoIterator<Item = Seen>) -> Self {
        self.seen.extend(seen);
        self
    }

    /// The headline, in one sentence that names the file or server.
    pub fn headline(&self) -> String {
        let server = self.server.map_or_else(|| "Another server".to_owned(), |server| server.to_string());
        let file = self.file.as_deref().unwrap_or("the file");
        let mut text = self.cause.template().replace("{server}", &server).replace("{file}", file);
        if let Some(addition) = &self.addition {
            text.truncate(text.trim_end_matches('.').len());
            text.push_str(&format!("; {}.", addition.to_string().trim_end_matches('.')));
        }
        let mut letters = text.chars();
        // A file's name is not spelled with a capital, whatever stands first.
        match letters.next() {
            Some(first) if !self.cause.template().starts_with('{') => {
                first.to_uppercase().chain(letters).collect()
            }
            _ => text,
        }
    }

    /// The remedy for an administrator.
    pub fn cure(&self) -> String {
        let server = self.server.map_or_else(|| "the other server".to_owned(), |server| server.to_string());
        self.cause.cure().replace("{server}", &server)
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        if self.is_mended { Severity::Notice } else { self.cause.severity() }
    }
}

impl Seen {
    pub(crate) fn fetched(file: &Fetched) -> Self {
        Seen::Fetched(file.at, file.path.to_string(), file.bytes)
    }

    pub(crate) fn signers(program: &Program) -> Option<Self> {
        program.signers.clone().map(Seen::Signers)
    }

    pub(crate) fn line(configuration: &str, load: &Load) -> Self {
        Seen::Line(load.line, configuration.to_owned(), load.text.clone())
    }

    pub(crate) fn missed(missed: &Missed) -> Self {
        Seen::Missed(missed.at, missed.path.clone(), missed.refusal.name(), missed.detail.clone())
    }

    pub(crate) fn broken(broken: &Broken) -> Self {
        let finished = &broken.finished;
        Seen::Ended(broken.at, finished.path.to_string(), finished.outcome.name(), finished.bytes)
    }
}

impl fmt::Display for Addition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Addition::SameHost => f.write_str("it is another program on this server's own host"),
            Addition::NamesNoFile => {
                f.write_str("it answers as a boot server (option 60) and names no boot file")
            }
            Addition::SendError(error) => error.fmt(f),
            Addition::UrlFrom(server) => write!(f, "the URL comes from the DHCP server {server}"),
            Addition::UnknownEnding => f.write_str("firmware does not know what the file is by its name"),
            Addition::OtherImages => f.write_str("its rule names other images"),
            Addition::OtherModels => f.write_str("it is for other models or architectures"),
            Addition::ClientMessage(message) => write!(f, "it says \"{message}\""),
            Addition::OwnMtu(small) => small.fmt(f),
            Addition::NearestName(name) => write!(f, "the nearest name is {name}"),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Offered(at, Some(file)) => write!(f, "{} offered {file}", clock(*at)),
            Seen::Offered(at, None) => write!(f, "{} offered a boot", clock(*at)),
            Seen::Named(at, file) => write!(f, "{} answered with the boot file {file}", clock(*at)),
            Seen::Asked(times) => write!(f, "asked {times} times"),
            Seen::Took(at, taken) => write!(f, "{} {taken}", clock(*at)),
            Seen::TookNothing => f.write_str("no REQUEST for an address was seen"),
            Seen::Naks(at, server, times) => {
                write!(f, "{} {server} refused with a NAK, {times} times in this boot", clock(*at))
            }
            Seen::Declined(times) => write!(f, "the machine declined {times} addresses"),
            Seen::Moved(at, from, to) => {
                write!(f, "{} its packets come {to}, those of its firmware came {from}", clock(*at))
            }
            Seen::AskedFrom(at, from, path) => write!(f, "{} {from} asked for {path}", clock(*at)),
            Seen::Loss(blocks, resent) => write!(f, "{resent} of {blocks} blocks were sent again"),
            Seen::RoundTrip(each, bytes, rest) => {
                write!(
                    f,
                    "every {bytes} bytes take {} ms until they are acknowledged; the rest takes {}",
                    each.as_millis(),
                    span(*rest)
                )
            }
            Seen::Other(at, other) => write!(f, "{} {other}", clock(*at)),
            Seen::Fetched(at, path, bytes) => write!(f, "{} {path} complete, {bytes} bytes", clock(*at)),
            Seen::Sized(at, path) => write!(f, "{} asked for the size of {path} (HEAD)", clock(*at)),
            Seen::Line(number, path, text) => write!(f, "line {number} of {path}: {text}"),
            Seen::Missed(at, path, word, None) => write!(f, "{} {path}: {word}", clock(*at)),
            Seen::Missed(at, path, word, Some(detail)) => {
                write!(f, "{} {path}: {word}, {detail}", clock(*at))
            }
            Seen::Ended(at, path, word, bytes) => {
                write!(f, "{} {path}: {word} after {bytes} bytes", clock(*at))
            }
            Seen::LastDeclined(address) => write!(f, "{address} was the last one"),
            Seen::Decided(cause) => write!(f, "{}: {}", cause.as_str(), cause.headline()),
            Seen::Model(model) => f.write_str(model),
            Seen::AsksFor(image) => write!(f, "it asks for image {image}"),
            Seen::Error(error) => error.fmt(f),
            Seen::EndOf(detail) => detail.fmt(f),
            Seen::Negotiated(negotiated) => negotiated.fmt(f),
            Seen::UnderWay(path, bytes, since) => {
                write!(f, "{path}: {bytes} bytes in {}", span(*since))
            }
            Seen::Resent(times, Some(size)) => {
                write!(f, "the same {size}-byte block was sent {times} times again")
            }
            Seen::Resent(times, None) => write!(f, "the same was sent {times} times again"),
            Seen::Header(arch, signed) => {
                let signed = if *signed { "signed" } else { "not signed" };
                match arch {
                    Some(arch) => write!(f, "the program is for {arch}, {signed}"),
                    None => write!(f, "the program is {signed}"),
                }
            }
            Seen::Signers(signers) => write!(f, "it is signed by {signers}"),
            Seen::Machine(arch) => write!(f, "the machine is {arch} (option 93: {})", arch.0),
            Seen::Silent(time) => write!(f, "silent for {}", span(*time)),
            Seen::Restarted(time) => write!(f, "the firmware started again {} later", span(*time)),
            Seen::Repeated(times, within) => write!(f, "{times} boots within {}", span(*within)),
            Seen::Loads(times, within) => write!(f, "fetched {times} times within {}", span(*within)),
            Seen::TlsMessage(message) => f.write_str(message),
            Seen::Tls(at, why) => write!(f, "{} {why}", clock(*at)),
            Seen::Served(at, path) => write!(f, "{} {path} is served instead", clock(*at)),
            Seen::WentOnWith(next, 0, _) => write!(f, "an earlier boot of this machine went on with {next}"),
            Seen::WentOnWith(next, 1, _) => write!(f, "another machine went on with {next}"),
            Seen::WentOnWith(next, count, _) => write!(f, "{count} other machines went on with {next}"),
            Seen::Guids(uuids) => {
                let uuids: Vec<String> = uuids.iter().map(ToString::to_string).collect();
                write!(f, "this hardware address was seen with the GUIDs {}", uuids.join(", "))
            }
            Seen::OthersWentOn(1) => f.write_str("another machine went on from the same file"),
            Seen::OthersWentOn(count) => write!(f, "{count} other machines went on from the same file"),
            Seen::SameGuid(uuid, macs) => {
                let macs: Vec<String> = macs.iter().map(ToString::to_string).collect();
                write!(f, "{uuid} is used by {}", macs.join(", "))
            }
            Seen::UsualServer(server, machines) => {
                write!(f, "{machines} machines of this segment take their addresses from {server}")
            }
            Seen::OthersAsk(0) => f.write_str("no other machine of this segment asked port 4011 either"),
            Seen::OthersAsk(count) => write!(f, "{count} other machines of this segment did ask port 4011"),
            Seen::Relay(relay) => write!(f, "its packets come through the relay {relay}"),
            Seen::Rate(rate, usual) => {
                write!(f, "{:.2} MB/s; other machines {:.2} MB/s", rate / 1e6, usual / 1e6)
            }
            Seen::LeftOut(folder, why) => write!(f, "{folder}: {why}"),
            Seen::Decision(evidence) => evidence.fmt(f),
            Seen::Reported(at, report) => {
                write!(f, "{} {} reports: {report}", clock(*at), report.by)
            }
            Seen::Facts(facts) => facts.fmt(f),
            Seen::Complained(at, words) => write!(f, "{} syslog: {words}", clock(*at)),
            Seen::Outage(outage) => write!(f, "since {} {outage}", clock(outage.since)),
            Seen::Before(at) => write!(f, "in the boot that began at {}", clock(*at)),
        }
    }
}

/// The time of day, UTC.
fn clock(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A time as people say it: `0.4 s`, `42 s`, `3 min`.
pub(crate) fn span(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..120 => format!("{} s", time.as_secs()),
        seconds => format!("{} min", seconds / 60),
    }
}
