//! Senders of what no boot client sends here: read requests to everybody, rubbish, and floods.
//! Named by their address.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use lru::LruCache;
use parking_lot::Mutex;
use pxe_policy::MacAddr;
use serde::Serialize;
use tracing::warn;

/// The senders. At most [`MAX_SENDERS`]; the one not heard from longest leaves first, so made-up
/// addresses push each other out.
#[derive(Debug)]
pub struct Strangers {
    senders: Mutex<LruCache<Origin, Sender>>,
}

/// Where a sender is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The address of the stranger.
    Addr(IpAddr),
    /// Its hardware address: it has no other, or made one up.
    Hardware(MacAddr),
}

/// The kinds of conduct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conduct {
    /// It asks every host of the segment for a file.
    BroadcastRequest,
    /// It sends what cannot be parsed.
    Malformed,
    /// It asks more often than the limits allow.
    TooOften,
    /// It asks for addresses in the names of more machines than the limits allow.
    DhcpFlood,
    /// It leases addresses on a network where this server does.
    SecondDhcpServer,
}

/// One sender, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StrangerView {
    /// Its address, or its hardware address.
    pub address: Origin,
    /// The most frequent conduct.
    pub conduct: Conduct,
    /// How often it was seen.
    pub count: u64,
    /// Since when (RFC 3339).
    pub since: String,
    /// When it did so last (RFC 3339).
    pub last: String,
    /// The last name that it asked for, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

#[derive(Debug)]
struct Sender {
    counts: [u64; CONDUCTS],
    since: SystemTime,
    last: SystemTime,
    warned: Option<SystemTime>,
    example: Option<String>,
}

impl Default for Strangers {
    fn default() -> Self {
        Strangers { senders: Mutex::new(LruCache::new(MAX_SENDERS)) }
    }
}

impl Strangers {
    /// Counts what a sender did. The log names it once it is no accident, and then at most every
    /// ten minutes.
    pub fn note(&self, from: IpAddr, conduct: Conduct, example: Option<&str>, now: SystemTime) {
        if !from.is_unspecified() {
            self.note_many(Origin::Addr(from), conduct, 1, example, now);
        }
    }

    /// The same of several packets at once.
    pub fn note_many(
        &self,
        from: Origin,
        conduct: Conduct,
        times: u64,
        example: Option<&str>,
        now: SystemTime,
    ) {
        let mut senders = self.senders.lock();
        let sender = senders.get_or_insert_mut(from, || Sender::new(now));
        if since(sender.last, now) > FORGOTTEN {
            *sender = Sender::new(now);
        }
        sender.last = now;
        let count = &mut sender.counts[conduct as usize];
        *count += times;
        let count = *count;
        // A flood does not copy a name for each of its packets.
        if sender.example.is_none() || count.is_power_of_two() {
            sender.example = example.map(str::to_owned).or(sender.example.take());
        }
        let is_due = sender.warned.is_none_or(|warned| since(warned, now) >= WARN_EVERY);
        if count >= conduct.threshold() && is_due {
            sender.warned = Some(now);
            let example = sender.example.clone();
            drop(senders);
            warn!(peer = %from, count, example, "{}", conduct.words());
        }
    }

    /// The senders that are no accident, the most frequent first.
    pub fn seen(&self, now: SystemTime) -> Vec<StrangerView> {
        let senders = self.senders.lock();
        let mut seen: Vec<StrangerView> = senders
            .iter()
            .filter(|(_, sender)| since(sender.last, now) <= FORGOTTEN)
            .filter_map(|(address, sender)| sender.view(*address))
            .collect();
        drop(senders);
        seen.sort_by_key(|sender| (std::cmp::Reverse(sender.count), sender.address));
        seen.truncate(MAX_SHOWN);
        seen
    }
}

impl Sender {
    fn new(now: SystemTime) -> Self {
        Sender { counts: [0; CONDUCTS], since: now, last: now, warned: None, example: None }
    }

    fn view(&self, address: Origin) -> Option<StrangerView> {
        let most = CONDUCT.into_iter().max_by_key(|conduct| self.counts[*conduct as usize])?;
        let count = self.counts[most as usize];
        let rfc3339 = |at| humantime::format_rfc3339_seconds(at).to_string();
        (count >= most.threshold()).then(|| StrangerView {
            address,
            conduct: most,
            count,
            since: rfc3339(self.since),
            last: rfc3339(self.last),
            example: self.example.clone(),
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Addr(addr) => addr.fmt(f),
            Origin::Hardware(mac) => mac.fmt(f),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Conduct {
    /// The conduct in words that follow the sender's address.
    pub fn words(self) -> &'static str {
        match self {
            Conduct::BroadcastRequest => "asks the whole segment for files by broadcast",
            Conduct::Malformed => "sends packets that cannot be parsed",
            Conduct::TooOften => "asks more often than the limits allow",
            Conduct::DhcpFlood => "asks for addresses in the names of too many machines",
            Conduct::SecondDhcpServer => {
                "leases addresses on this network too: switch one of the two DHCP servers off"
            }
        }
    }

    /// How often it is no accident.
    fn threshold(self) -> u64 {
        if self == Conduct::SecondDhcpServer { 1 } else { NO_ACCIDENT }
    }
}

fn since(earlier: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(earlier).unwrap_or_default()
}

/// Every kind of conduct, in order.
pub const CONDUCT: [Conduct; CONDUCTS] = [
    Conduct::BroadcastRequest,
    Conduct::Malformed,
    Conduct::TooOften,
    Conduct::DhcpFlood,
    Conduct::SecondDhcpServer,
];
const CONDUCTS: usize = 5;
const MAX_SENDERS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
const MAX_SHOWN: usize = 16;
/// A client that is restarted may send a few.
const NO_ACCIDENT: u64 = 10;
const WARN_EVERY: Duration = Duration::from_secs(600);
/// A sender that stopped so long ago is of no interest any more.
const FORGOTTEN: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_sender_is_named_once_it_is_no_accident_and_forgotten_after_an_hour() {
        let (strangers, start) = (Strangers::default(), SystemTime::UNIX_EPOCH);
        let from = |n: u32| IpAddr::from(Ipv4Addr::from(0x0a4d_0000 + n));
        for n in 0..NO_ACCIDENT - 1 {
            strangers.note(from(1), Conduct::BroadcastRequest, Some("x.cfg"), start + Duration::from_secs(n));
        }
        let now = start + Duration::from_secs(60);
        assert!(strangers.seen(now).is_empty());
        strangers.note(from(1), Conduct::BroadcastRequest, Some("y.cfg"), now);
        strangers.note(from(1), Conduct::Malformed, None, now);
        let seen = strangers.seen(now);
        assert_eq!((seen.len(), seen[0].address, seen[0].count), (1, Origin::Addr(from(1)), NO_ACCIDENT));
        assert_eq!(
            (seen[0].conduct, seen[0].since.as_str()),
            (Conduct::BroadcastRequest, "1970-01-01T00:00:00Z")
        );
        assert!(seen[0].example.is_some());
        assert!(strangers.seen(now + FORGOTTEN + Duration::from_secs(1)).is_empty());
        let flooder = Origin::Hardware(MacAddr([2, 0, 0, 0, 0, 9]));
        strangers.note_many(flooder, Conduct::DhcpFlood, 64, None, now);
        assert_eq!(strangers.seen(now)[0].address.to_string(), "02:00:00:00:00:09");
        strangers.note(from(7), Conduct::SecondDhcpServer, None, now);
        let rival =
            strangers.seen(now).into_iter().find(|sender| sender.conduct == Conduct::SecondDhcpServer);
        assert_eq!(rival.map(|rival| rival.count), Some(1), "one offer is no accident");
        // Made-up addresses fill no memory, and none of them is shown.
        for n in 0..100_000 {
            strangers.note(from(n), Conduct::Malformed, None, now);
        }
        assert!(strangers.senders.lock().len() <= MAX_SENDERS.get());
        assert!(strangers.seen(now).len() <= 2);
        strangers.note(Ipv4Addr::UNSPECIFIED.into(), Conduct::Malformed, None, now);
    }
}
