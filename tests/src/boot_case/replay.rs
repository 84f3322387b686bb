//! A case without packets and without waiting: the same lines as steps for the diagnosis, in the
//! time that they take in the field.
//!
//! `wait` lasts as long as the configuration's patience is short, so that every deadline is the one
//! that operators have.

mod fetch;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use netbootd_diagnosis::report::Report;
use netbootd_diagnosis::step::{
    Answered, ClientMessage, Decided, LeaseTaken, OtherReply, OtherServer, Proto, Reported, Step, TlsFailed,
    TlsFailure, TransferStalled,
};
use netbootd_diagnosis::{Diagnosis, Fleet, Machine, Patience, diagnose};
use pxe_policy::{ArchType, Class, MacAddr, Reason};

use self::fetch::Open;
use super::policy::Policy;
use super::script::{Host, How, Https, Kind, Line, Options};

/// When a cause was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The word of the cause that was found.
    pub cause: String,
    /// From the machine's last packet until the diagnosis names the cause.
    pub after: Duration,
}

/// Plays a case; gives what was found for the machines in the order in which it expects causes.
///
/// # Panics
/// When something else is found than it expects. Of a healthy one (`quiet`) when anything is found
/// at any time.
pub(super) fn play(configuration: &str, script: &[Line], quiet: bool) -> Vec<Found> {
    let mut replay = Replay::new(configuration, quiet);
    for line in script {
        replay.play(line);
    }
    if quiet {
        replay.pass(AFTERWARDS);
    }
    replay.found
}

struct Replay {
    policy: Policy,
    quiet: bool,
    now: SystemTime,
    fleet: Fleet,
    machines: HashMap<String, (Host, Machine)>,
    files: HashMap<String, Vec<u8>>,
    said: HashMap<String, Options>,
    /// When each host last sent anything.
    last: HashMap<String, SystemTime>,
    /// The host and the cause that were first found together then, as long as they are.
    first: HashMap<(String, String), Duration>,
    transfers: u64,
    /// Transfers that go on, or that the client leaves alone.
    open: Vec<Open>,
    found: Vec<Found>,
}

impl Replay {
    fn new(configuration: &str, quiet: bool) -> Self {
        Replay {
            policy: Policy::parse(configuration),
            quiet,
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
            fleet: Fleet::new(),
            machines: HashMap::new(),
            files: HashMap::new(),
            said: HashMap::new(),
            last: HashMap::new(),
            first: HashMap::new(),
            transfers: 0,
            open: Vec::new(),
            found: Vec::new(),
        }
    }

    fn play(&mut self, line: &Line) {
        match line {
            Line::Host(name, host) => {
                self.machines.insert(name.clone(), (*host, Machine::default()));
            }
            Line::File { path, content } => drop(self.files.insert(path.clone(), content.clone())),
            Line::Wait(seconds) => self.pass(Duration::from_secs_f64(seconds / self.policy.patience)),
            Line::Expect { host, cause } => self.expect(host, cause.as_deref()),
            Line::Client { host, kind, options } => self.ask(host, *kind, options),
            Line::BootServer { host } => {
                let named = self.decided(host, Proto::Pxe, Answered::Ack, &self.options(host));
                self.step(host, Step::Decided(&named));
            }
            Line::Other { server, reply, client, options } => self.other(server, *reply, client, options),
            Line::Report { host, form } => {
                let message = ClientMessage::Report(Box::new(Report::parse(form)));
                let peer = SocketAddr::new(IpAddr::V4(self.host(host).address), 40000);
                let mac = Some(MacAddr(self.host(host).mac));
                self.step(host, Step::Reported(&Reported { peer, mac, message }));
            }
            Line::Tftp { host, how, path } => self.fetch(host, Proto::Tftp, *how, path),
            Line::Wire { .. } | Line::Disk { .. } | Line::ServerMtu(_) => {}
            Line::Https { host, what: Https::Get(path) } => self.fetch(host, Proto::Http, How::Get, path),
            Line::Https { host, what } => {
                let why = match what {
                    Https::KnowsOldSuites => TlsFailure::NothingInCommon,
                    _ => TlsFailure::Alert(48),
                };
                let peer = SocketAddr::new(IpAddr::V4(self.host(host).address), 40000);
                let mac = Some(MacAddr(self.host(host).mac));
                self.step(host, Step::TlsFailed(&TlsFailed { peer, mac, why, detail: None }));
            }
            Line::Http { host, path, how } => self.fetch(host, Proto::Http, *how, path),
        }
    }

    fn host(&self, name: &str) -> Host {
        self.machines.get(name).unwrap_or_else(|| panic!("there is no host {name}")).0
    }

    fn options(&self, host: &str) -> Options {
        self.said.get(host).cloned().unwrap_or_default()
    }

    fn ask(&mut self, host: &str, kind: Kind, options: &Options) {
        let mut all = options.clone();
        if kind == Kind::Request {
            all = self.options(host);
            all.extend(options.clone());
        } else if !matches!(kind, Kind::PlainDiscover | Kind::Decline) {
            self.said.insert(host.to_owned(), all.clone());
        }
        let address = |name: &str| all.get(name).map(|text| text.parse::<Ipv4Addr>().unwrap());
        match kind {
            Kind::Discover | Kind::PlainDiscover => self.discover(host, &all),
            Kind::Decline => {
                let declined = self.decided(host, Proto::Dhcp, Answered::Ignore, &all);
                self.step(host, Step::Decided(&Decided { reason: Reason::Declined, ..declined }));
            }
            Kind::Lease => {
                self.discover(host, &all);
                let ack = self.decided(host, Proto::Dhcp, Answered::Ack, &all);
                self.step(host, Step::Decided(&ack));
            }
            Kind::Request => match address("server").filter(|server| *server != SERVER) {
                Some(server) => {
                    let taken = Some(LeaseTaken { address: address("address"), server });
                    let ignored = self.decided(host, self.policy.proto, Answered::Ignore, &all);
                    let ignored = Decided { taken, reason: Reason::OtherServer, ..ignored };
                    self.step(host, Step::Decided(&ignored));
                }
                // An address of another subnet.
                None => {
                    let nak = self.decided(host, Proto::Dhcp, Answered::Nak, &all);
                    self.step(host, Step::Decided(&Decided { reason: Reason::WrongAddress, ..nak }));
                }
            },
        }
    }

    fn discover(&mut self, host: &str, options: &Options) {
        let decided = self.decided(host, self.policy.proto, Answered::Offer, options);
        let plain = decided.class.is_none() && decided.proto == Proto::Proxy;
        let decided = match plain {
            true => Decided { decision: Answered::Ignore, reason: Reason::NotABootRequest, ..decided },
            false => decided,
        };
        self.step(host, Step::Decided(&decided));
    }

    /// netbootd's answer to a packet with these options.
    fn decided(&self, host: &str, proto: Proto, decision: Answered, options: &Options) -> Decided {
        let host = self.host(host);
        let value = |name: &str| options.get(name).map(String::as_str);
        let class = match (value("ipxe"), value("class")) {
            (Some(_), _) => Some(Class::Ipxe),
            (None, Some("HTTPClient")) => Some(Class::Http),
            (None, Some(_)) => Some(Class::Pxe),
            (None, None) => value("vendor").map(|_| Class::Uboot),
        };
        let arch = class.map(|_| ArchType(value("arch").unwrap_or("7").parse().unwrap()));
        let boot_file = class.zip(arch).and_then(|(class, arch)| self.policy.boot_file(class, arch));
        // iPXE is given the URL of its script.
        let boot_file = boot_file.map(|file| match class == Some(Class::Ipxe) && file.ends_with(".ipxe") {
            true => format!("http://{SERVER}/{file}"),
            false => file,
        });
        let reason = match (class, &boot_file) {
            (None, _) => Reason::Lease,
            (Some(_), Some(_)) => Reason::Rule,
            (Some(_), None) => Reason::NoRule,
        };
        // A proxy has nothing to say to a machine that no rule fits.
        let silent = proto == Proto::Proxy && reason == Reason::NoRule;
        let peer = SocketAddr::new(IpAddr::V4(host.address), 68);
        Decided {
            mac: Some(MacAddr(host.mac)),
            uuid: value("uuid").map(|uuid| uuid.parse().unwrap()),
            arch,
            class,
            boot_file,
            decision: if silent { Answered::LocalBoot } else { decision },
            relay: value("relay").map(|relay| relay.parse().unwrap()),
            ..Decided::ignored(proto, "lan0", peer, reason)
        }
    }

    fn other(&mut self, server: &str, reply: OtherReply, client: &str, options: &Options) {
        let (server, mac) = (self.host(server).address, self.host(client));
        let value = |name: &str| options.get(name).cloned();
        let address = |name: &str| value(name).map(|text| text.parse().unwrap());
        let other = OtherServer {
            iface: "lan0".into(),
            server,
            mac: MacAddr(mac.mac),
            reply,
            class: value("class"),
            next_server: value("siaddr"),
            boot_file: value("file"),
            address: address("address").or(Some(mac.address)),
            router: address("router"),
            has_dns: options.contains_key("dns"),
            same_host: server == SERVER,
        };
        self.step(client, Step::OtherServer(&other));
    }

    fn step(&mut self, host: &str, step: Step<'_>) {
        self.pass(A_PACKET);
        self.last.insert(host.to_owned(), self.now);
        self.record(host, step);
        self.look();
    }

    fn record(&mut self, host: &str, step: Step<'_>) {
        let (known, machine) = self.machines.get_mut(host).unwrap();
        self.fleet.observe(MacAddr(known.mac), self.now, step, machine);
        machine.observe(self.now, step);
    }

    /// Time passes, with what open transfers do meanwhile.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += A_MOMENT;
            for place in 0..self.open.len() {
                let Open { host, id, how, since, is_tftp } = &self.open[place];
                let (host, id, how, is_tftp) = (host.clone(), *id, *how, *is_tftp);
                let lasts = self.now.duration_since(*since).unwrap_or_default();
                match how {
                    // A sender repeats a block after 0.25 s, then half as often each time.
                    How::Stall | How::StallLarge | How::Vanish | How::Wrap if is_tftp => {
                        let stalls = matches!(how, How::Stall | How::StallLarge);
                        let bytes = if stalls { 0 } else { 2936 };
                        let resends = u64::from((lasts.as_millis() / 250).checked_ilog2().unwrap_or(0));
                        let stalled = TransferStalled { id, bytes, proved: true, resends, small_mtu: None };
                        self.record(&host, Step::TransferStalled(&stalled));
                    }
                    How::Slow => {
                        let bytes = (lasts.as_secs_f64() * SLOW_RATE) as u64;
                        self.record(&host, Step::TransferProgress { id, bytes });
                    }
                    _ => {}
                }
            }
            self.look();
        }
    }

    fn diagnosis(&self, host: &str) -> Diagnosis {
        let (known, machine) = &self.machines[host];
        diagnose(MacAddr(known.mac), machine, &self.fleet, Patience::default(), self.now)
    }

    /// Notes what is found now, and since when.
    fn look(&mut self) {
        let now = self.now;
        for host in self.machines.keys().cloned().collect::<Vec<_>>() {
            let diagnosis = self.diagnosis(&host);
            let cause = diagnosis.finding.as_ref().map(|finding| finding.cause.as_str().to_owned());
            assert!(!self.quiet || cause.is_none(), "a healthy boot of {host}: {diagnosis:#?}");
            self.first.retain(|(known, old), _| *known != host || Some(old) == cause.as_ref());
            let last = self.last.get(&host).copied().unwrap_or(now);
            if let Some(cause) = cause {
                let after = now.duration_since(last).unwrap_or_default();
                self.first.entry((host, cause)).or_insert(after);
            }
        }
    }

    fn expect(&mut self, host: &str, cause: Option<&str>) {
        let found =
            |replay: &Replay| replay.diagnosis(host).finding.map(|finding| finding.cause.as_str().to_owned());
        let deadline = self.now + EXPECTED_WITHIN;
        while found(self).as_deref() != cause {
            assert!(self.now < deadline, "{cause:?} is expected, found: {:#?}", self.diagnosis(host));
            self.pass(A_MOMENT);
        }
        if let Some(cause) = cause {
            let after = self.first.get(&(host.to_owned(), cause.to_owned())).copied().unwrap_or_default();
            self.found.push(Found { cause: cause.to_owned(), after });
        }
    }
}

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// From one packet to the next.
const A_PACKET: Duration = Duration::from_millis(200);
/// Time passes in steps of this length.
const A_MOMENT: Duration = Duration::from_millis(100);
/// A finding later than this counts as missing.
const EXPECTED_WITHIN: Duration = Duration::from_secs(120);
/// A healthy boot stays without a finding for this long.
const AFTERWARDS: Duration = Duration::from_secs(120);
/// Bytes a second of usual clients, and of a slow one.
const RATE: f64 = 50_000_000.0;
const SLOW_RATE: f64 = 180_000.0;
