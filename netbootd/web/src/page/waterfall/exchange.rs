//! Exchanges: question and answer are one, the question for a file's size belongs to the file, and
//! a missing file that a client asks for again has one row.

use netbootd_diagnosis::FileKind;

use super::super::words;
use super::boots::Step;

/// One row before it is drawn. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exchange {
    pub(super) begin: f64,
    /// When bytes began to flow: when the client acknowledged the first answer to a read request,
    /// or got the head of an HTTP answer. `begin` for what is no file, `end` when none came.
    pub(super) first_byte: f64,
    pub(super) end: f64,
    pub(super) look: Look,
    pub(super) group: Group,
    pub(super) name: String,
    pub(super) sub: String,
    pub(super) tint: &'static str,
    pub(super) many: Vec<String>,
    pub(super) bytes: Option<u64>,
    pub(super) resends: u64,
    pub(super) is_broken: bool,
    pub(super) runs: bool,
    kind: Kind,
    file: String,
}

/// The colour of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Dhcp,
    Pxe,
    Tftp,
    Http,
    Other,
}

/// A part of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Firmware,
    BootServer,
    Program,
    SecondStage,
    System,
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Offered,
    Named,
    Silent,
    File(FileKind),
    Probed,
    Missed,
    Words,
}

impl Look {
    pub(super) fn class(self) -> &'static str {
        match self {
            Look::Dhcp => "dhcp",
            Look::Pxe => "pxe",
            Look::Tftp => "tftp",
            Look::Http => "http",
            Look::Other => "other",
        }
    }
}

impl Group {
    pub(super) fn word(self) -> &'static str {
        match self {
            Group::Firmware => "Firmware",
            Group::BootServer => "Boot server",
            Group::Program => "Boot program",
            Group::SecondStage => "Second stage",
            Group::System => "System",
            Group::After => "After",
        }
    }
}

impl Exchange {
    /// The step that should have followed.
    pub(super) fn expects(&self) -> &'static str {
        match self.kind {
            Kind::Offered => "a REQUEST for an address, then a question for the boot file",
            Kind::Named => "a request for the boot file",
            Kind::Silent => "another DISCOVER",
            Kind::File(kind) => match kind.leads_to() {
                Some((what, _)) => what,
                None if kind.is_program() => "the program starts and asks for what it needs",
                None => "the next file",
            },
            Kind::Probed => "a request for the file whose size was asked",
            Kind::Missed => "the program goes on without the file",
            Kind::Words => "the next step of the machine",
        }
    }
}

/// The exchanges of a boot, in the order in which they began.
pub(super) fn exchanges(steps: &[Step], now: f64) -> Vec<Exchange> {
    let mut all: Vec<Exchange> = Vec::new();
    for step in steps {
        let at = step.time();
        let group = group_of(step, &all);
        if step.is_file() {
            file(&mut all, step, at, group);
        } else {
            let one = words_of(step, at, group);
            match all.last_mut() {
                Some(last) if last.joins(&one) => last.join(&one),
                _ => all.push(one),
            }
        }
    }
    for one in all.iter_mut().filter(|one| one.runs) {
        one.end = one.end.max(now);
        one.sub = format!("under way · {}", one.sub).trim_end_matches(" · ").to_owned();
    }
    all.sort_by(|one, other| one.begin.total_cmp(&other.begin));
    all
}

fn group_of(step: &Step, all: &[Exchange]) -> Group {
    let before = all.iter().map(|one| one.group).max().unwrap_or(Group::Firmware);
    let has = |fits: fn(FileKind) -> bool| {
        all.iter().any(|one| matches!(one.kind, Kind::File(kind) if fits(kind)) && !one.is_broken)
    };
    let is_system =
        |kind| matches!(kind, FileKind::Kernel | FileKind::Initrd | FileKind::Wim | FileKind::System);
    let asked = step.asked.as_deref().unwrap_or_default();
    let group = if step.is_file() {
        let kind = FileKind::from_path(step.file.as_deref().unwrap_or_default());
        match kind {
            kind if is_system(kind) => Group::System,
            kind if kind.is_program() && !has(FileKind::is_program) => Group::Program,
            FileKind::Other if !has(|_| true) => Group::Program,
            _ if step.what == "not-found" && !has(|_| true) => Group::Program,
            _ => Group::SecondStage,
        }
    } else if step.proto == "report" || step.proto == "syslog" {
        if step.what == "up" || has(is_system) { Group::After } else { before }
    } else if has(is_system) && !asked.contains("ipxe") {
        Group::After
    } else if has(|_| true) {
        Group::SecondStage
    } else if step.proto == "pxe" {
        Group::BootServer
    } else {
        Group::Firmware
    };
    group.max(before)
}

fn file(all: &mut Vec<Exchange>, step: &Step, at: f64, group: Group) {
    let path = step.file.clone().unwrap_or_default();
    let kind = FileKind::from_path(&path);
    let (look, word) = if step.proto == "http" { (Look::Http, "HTTP") } else { (Look::Tftp, "TFTP") };
    let new = |begin: f64| Exchange {
        begin,
        first_byte: begin,
        end: at,
        look,
        group,
        name: format!("{word} {path}"),
        sub: String::new(),
        tint: "",
        many: Vec::new(),
        bytes: None,
        resends: 0,
        is_broken: false,
        runs: false,
        kind: Kind::File(kind),
        file: path.clone(),
    };
    let is_same = |one: &Exchange| one.look == look && one.file == path;
    match step.what.as_str() {
        "transfer" => {
            if let Some(probed) =
                all.iter_mut().rev().take(3).find(|one| is_same(one) && one.kind == Kind::Probed)
            {
                (probed.kind, probed.runs) = (Kind::File(kind), true);
                probed.first_byte = at;
                probed.sub = step.negotiated.clone().unwrap_or_default();
                return;
            }
            let sub = step.negotiated.clone().unwrap_or_default();
            all.push(Exchange { runs: true, sub, ..new(at) });
        }
        outcome if step.seconds.is_some() || step.bytes.is_some() => {
            let began = at - step.seconds.unwrap_or_default();
            let place = all.iter().rposition(|one| is_same(one) && one.runs);
            let place = place.unwrap_or_else(|| {
                all.push(new(began));
                all.len() - 1
            });
            all[place].begin = all[place].begin.min(began);
            finish(&mut all[place], step, outcome, at);
        }
        refusal => {
            let optional = refusal == "not-found" && kind.is_optional(&path);
            let last = all.last_mut();
            if let Some(last) =
                last.filter(|last| last.kind == Kind::Missed && last.tint.is_empty() && optional)
            {
                if last.many.is_empty() {
                    last.many.push(std::mem::take(&mut last.file));
                }
                last.many.push(path);
                last.end = at;
                last.name = format!("{word} files that need not be there");
                last.sub = format!("{} looked for, not there", last.many.len());
                return;
            }
            let told = if refusal == "not-found" { "not there" } else { refusal };
            let sub = match (&step.detail, optional) {
                (Some(detail), _) => format!("{told} · {detail}"),
                (None, true) => format!("{told}; it need not be"),
                (None, false) => told.to_owned(),
            };
            let tint = if optional { "" } else { "bad" };
            all.push(Exchange { sub, tint, is_broken: !optional, kind: Kind::Missed, ..new(at) });
        }
    }
}

fn finish(one: &mut Exchange, step: &Step, outcome: &str, at: f64) {
    (one.end, one.runs, one.bytes) = (at, false, step.bytes);
    if step.bytes == Some(0) && outcome != "completed" {
        one.first_byte = at;
    }
    one.resends = step.resends.unwrap_or_default();
    let negotiated = std::mem::take(&mut one.sub);
    if outcome == "probed" {
        (one.kind, one.sub) = (Kind::Probed, "size asked".to_owned());
        (one.bytes, one.first_byte) = (None, one.begin);
        return;
    }
    one.is_broken = outcome != "completed";
    one.tint = if one.is_broken { "bad" } else { "" };
    let word = if one.is_broken { outcome.replace('-', " ") } else { "complete".to_owned() };
    let rate = step.rate.filter(|_| step.bytes.unwrap_or_default() > WORTH_A_RATE).map(words::rate);
    let resends = step.resends.map(|resends| match resends {
        0 => "no resend".to_owned(),
        many => words::count(many, "resend"),
    });
    let negotiated = (!negotiated.is_empty() && !negotiated.starts_with("status=200"))
        .then(|| negotiated.replace('=', " ").replace("windowsize", "· window"));
    let words = [Some(word), rate, negotiated, resends, step.detail.clone()];
    one.sub = words.into_iter().flatten().collect::<Vec<_>>().join(" · ");
}

/// DHCP, the boot server, and a machine's own reports.
fn words_of(step: &Step, at: f64, group: Group) -> Exchange {
    let (asked, answered, kind) = match step.what.as_str() {
        "offer" => ("discover", "offer", Kind::Offered),
        "ack" => ("request", "ack", Kind::Named),
        "nak" => ("request", "nak", Kind::Silent),
        "wait" => ("discover", "waits for an operator", Kind::Silent),
        "local-boot" => ("discover", "to its own disk", Kind::Silent),
        "ignore" => ("discover", "no answer", Kind::Silent),
        "send-failed" => ("discover", "the answer could not be sent", Kind::Silent),
        "other-offer" => ("offer of another server", "", Kind::Offered),
        "other-ack" => ("ack of another server", "", Kind::Offered),
        other => (other, "", Kind::Words),
    };
    let (look, name) = match step.proto.as_str() {
        "pxe" => (Look::Pxe, "Boot server request".to_owned()),
        "report" => (Look::Other, format!("Report: {}", step.what)),
        "syslog" => (Look::Other, "Syslog".to_owned()),
        "bsdp" => (Look::Dhcp, format!("BSDP {asked}")),
        "dhcp6" => (Look::Dhcp, format!("DHCPv6 {asked}")),
        _ => (Look::Dhcp, format!("DHCP {asked}")),
    };
    let answered = if look == Look::Other { String::new() } else { answered.to_owned() };
    let reason =
        step.reason.as_deref().filter(|reason| !matches!(*reason, "rule" | "lease")).map(str::to_owned);
    let by = step.by.as_ref().map(|by| format!("by {by}"));
    let words =
        [Some(answered).filter(|word| !word.is_empty()), reason, by, step.file.clone(), step.detail.clone()];
    let is_bad = matches!(step.what.as_str(), "nak" | "send-failed" | "failed" | "error");
    Exchange {
        begin: at,
        first_byte: at,
        end: at,
        look,
        group,
        name,
        sub: words.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        tint: if is_bad { "bad" } else { "" },
        many: Vec::new(),
        bytes: None,
        resends: 0,
        is_broken: false,
        runs: false,
        kind: if look == Look::Other { Kind::Words } else { kind },
        file: String::new(),
    }
}

impl Exchange {
    /// Whether a packet belongs to the same exchange.
    fn joins(&self, other: &Exchange) -> bool {
        let dhcp = self.look == Look::Dhcp && other.look == Look::Dhcp && self.group == other.group;
        let plain = |one: &Exchange| one.tint.is_empty() && !one.name.contains("another server");
        dhcp && plain(self) && plain(other) && other.begin - self.end <= ONE_EXCHANGE
    }

    fn join(&mut self, other: &Exchange) {
        let word = other.name.rsplit(' ').next().unwrap_or_default();
        if !self.name.split([' ', ',']).any(|known| known == word) {
            self.name = format!("{}, {word}", self.name);
        }
        let (first, rest) = other.sub.split_once(" · ").unwrap_or((&other.sub, ""));
        let told: Vec<&str> = self.sub.split(" · ").flat_map(|part| part.split(", ")).collect();
        if !told.contains(&first) {
            let (head, tail) = self.sub.split_once(" · ").unwrap_or((&self.sub, ""));
            let tail = if rest.len() >= tail.len() { rest } else { tail };
            self.sub = format!("{head}, {first}{}{tail}", if tail.is_empty() { "" } else { " · " });
        }
        (self.end, self.kind) = (other.end, other.kind);
    }
}

/// Packets of one exchange follow one another within this time, in seconds.
const ONE_EXCHANGE: f64 = 3.0;
/// Bytes from which on a rate says something.
const WORTH_A_RATE: u64 = 1_000_000;
