//! Transfers in which nothing was acknowledged yet: a request, the machine of the `tftp` crate, and
//! what the first answer says of the file. They have no socket, no open file and no task.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netbootd_config::Bounds;
use tftp::{Input, Negotiated, Outcome, Packet, Send, Sender, Step};
use tokio::sync::mpsc;

use super::{Entry, INBOX, Mail, Reach, Table, Transfers};
use crate::limits::budget::Share;
use crate::limits::session_limits::Full;
use crate::listen::tftp::facts::Facts;
use crate::listen::tftp::ports::SharedPort;
use crate::listen::tftp::record::Record;

/// A transfer that waits for its first acknowledgement.
#[derive(Debug)]
pub(in crate::listen::tftp) struct Waiting {
    pub(in crate::listen::tftp) port: SharedPort,
    /// The address that the request came to.
    pub(in crate::listen::tftp) server: IpAddr,
    pub(in crate::listen::tftp) sender: Sender,
    pub(in crate::listen::tftp) facts: Arc<Facts>,
    pub(in crate::listen::tftp) in_flight: Share,
    /// Made when there is something to tell before the first acknowledgement.
    pub(in crate::listen::tftp) record: Option<Record>,
    /// Since when its client is on to something else.
    pub(in crate::listen::tftp) superseded: Option<Instant>,
    /// Acknowledgements in the client's name that came to a port that it does not know.
    pub(in crate::listen::tftp) strays: u32,
}

/// The facts by which an evicted transfer can go on: newer requests took its place before its first
/// acknowledgement was read.
#[derive(Debug)]
pub(in crate::listen::tftp) struct Evicted {
    pub(in crate::listen::tftp) port: SharedPort,
    pub(in crate::listen::tftp) server: IpAddr,
    pub(in crate::listen::tftp) request: Box<[u8]>,
    pub(in crate::listen::tftp) negotiated: Negotiated,
    pub(in crate::listen::tftp) facts: Arc<Facts>,
}

/// The effect of a datagram that came to a shared port.
pub(in crate::listen::tftp) enum Heard {
    /// It is a transfer's, or of no use.
    Taken,
    /// It is the first acknowledgement: the transfer goes on with a task.
    Promoted(Box<Promoted>),
    /// It ended a transfer that had no task.
    Over(Box<Over>),
    /// The same, as all places of clients that have acknowledged something are taken.
    Full(Box<Waiting>, Box<[u8]>, Full),
    /// All places of the server are taken: the transfer waits until one is free.
    Deferred,
    /// It acknowledges the first answer of a transfer that was evicted.
    Evicted(Box<Evicted>),
    /// Nobody who speaks to this port sent it.
    Unknown,
}

/// A transfer that goes on with a task.
pub(in crate::listen::tftp) struct Promoted {
    pub(in crate::listen::tftp) number: u64,
    pub(in crate::listen::tftp) request: Box<[u8]>,
    pub(in crate::listen::tftp) waiting: Waiting,
    pub(in crate::listen::tftp) inbox: mpsc::Receiver<Mail>,
    /// The transfer's step after the acknowledgement.
    pub(in crate::listen::tftp) step: Step,
}

/// A transfer that ended without a task.
pub(in crate::listen::tftp) struct Over {
    pub(in crate::listen::tftp) from: SocketAddr,
    pub(in crate::listen::tftp) request: Box<[u8]>,
    pub(in crate::listen::tftp) waiting: Waiting,
    pub(in crate::listen::tftp) outcome: Outcome,
}

/// The action for a waiting transfer whose time has come.
pub(in crate::listen::tftp) enum Due {
    /// Its first answer is sent once more.
    Resend { port: SharedPort, from: SocketAddr, server: IpAddr, packet: Vec<u8> },
    /// The transfer ended without a task.
    Over(Box<Over>),
}

impl Waiting {
    pub(in crate::listen::tftp) fn new(
        port: SharedPort,
        server: IpAddr,
        sender: Sender,
        facts: Arc<Facts>,
        in_flight: Share,
    ) -> Self {
        Waiting { port, server, sender, facts, in_flight, record: None, superseded: None, strays: 0 }
    }

    /// The first answer: the option acknowledgement, or the first block of a client that asked for
    /// no option.
    pub(in crate::listen::tftp) fn first_answer(&self) -> Vec<u8> {
        self.sender
            .negotiated()
            .option_ack()
            .unwrap_or_else(|| [&Packet::data_header(1)[..], &self.facts.first].concat())
    }

    pub(super) fn evicted(self, request: Box<[u8]>) -> Evicted {
        let negotiated = self.sender.negotiated().clone();
        Evicted { port: self.port, server: self.server, request, negotiated, facts: self.facts }
    }
}

impl Transfers {
    /// Waits until one waits for its first acknowledgement.
    pub(in crate::listen::tftp) async fn one_waits(&self) {
        self.waits.notified().await;
    }

    /// Whether a transfer waits for its first acknowledgement.
    pub(in crate::listen::tftp) fn some_wait(&self) -> bool {
        let table = self.lock();
        table.unproved.len() > table.unproved_tasks.len()
    }

    /// A datagram came to a shared port.
    pub(in crate::listen::tftp) fn hear(
        &self,
        now: Instant,
        (from, port): (SocketAddr, u16),
        (packet, bytes): (&Packet<'_>, &[u8]),
        bounds: impl Fn() -> Bounds,
    ) -> Heard {
        let mut table = self.lock();
        let Some(entry) = table.at_port(from, port) else {
            let acknowledges = matches!(packet, Packet::Ack { .. });
            if table.strays(from, acknowledges) {
                return Heard::Taken;
            }
            // Whether it fits or guesses at the port, it is the only one that counts.
            let evicted =
                table.evicted.pop(&from).filter(|evicted| acknowledges && evicted.port.number == port);
            return evicted.map_or(Heard::Unknown, |evicted| Heard::Evicted(Box::new(evicted)));
        };
        let waiting = match &mut entry.reach {
            Reach::Waiting(waiting) => waiting,
            Reach::Task(inbox) => {
                // A full inbox drops the datagram, as a full socket does.
                let _ = inbox.try_send(Mail::Datagram(bytes.to_vec()));
                return Heard::Taken;
            }
        };
        let unacknowledged = waiting.sender.clone();
        let step = waiting.sender.handle(now, Input::Packet(packet));
        let superseded = waiting.superseded.is_some();
        if !waiting.sender.is_proved() && step.finish.is_none() {
            return Heard::Taken;
        }
        let number = entry.number;
        if step.finish.is_some() || superseded {
            let outcome = step.finish.unwrap_or(Outcome::ClientGone);
            return table.over(from, number, outcome).map_or(Heard::Taken, Heard::Over);
        }
        let place = entry.place.as_mut().map_or(Err(Full::Unproved), |place| place.prove(&bounds()));
        if place == Err(Full::All) {
            // The first answer is sent again, and the client acknowledges it again.
            waiting.sender = unacknowledged;
            return Heard::Deferred;
        }
        if let Err(full) = place {
            let removed = table.remove(from, number).and_then(Entry::into_waiting);
            return removed.map_or(Heard::Taken, |(request, waiting)| Heard::Full(waiting, request, full));
        }
        let (sender, inbox) = mpsc::channel(INBOX);
        entry.proved = true;
        let request = entry.request.clone();
        let Reach::Waiting(waiting) = std::mem::replace(&mut entry.reach, Reach::Task(sender)) else {
            return Heard::Taken;
        };
        table.proved(number);
        Heard::Promoted(Box::new(Promoted { number, request, waiting: *waiting, inbox, step }))
    }

    /// A client's port is closed: what was sent from a shared port did not arrive.
    pub(in crate::listen::tftp) fn unreachable(&self, from: SocketAddr, port: u16) -> Option<Box<Over>> {
        let mut table = self.lock();
        let entry = table.at_port(from, port)?;
        if let Reach::Task(inbox) = &entry.reach {
            let _ = inbox.try_send(Mail::Unreachable);
            return None;
        }
        let number = entry.number;
        table.over(from, number, Outcome::ClientGone)
    }

    /// The actions whose time has come; `stalls` is called for each first answer that is sent
    /// again.
    pub(in crate::listen::tftp) fn due(
        &self,
        now: Instant,
        mut stalls: impl FnMut(&mut Waiting, SocketAddr, &[u8]),
    ) -> Vec<Due> {
        let mut table = self.lock();
        let numbers: Vec<_> = table.unproved.iter().map(|(number, from)| (*number, *from)).collect();
        let mut due = Vec::new();
        for (number, from) in numbers {
            let Some(Entry { request, reach: Reach::Waiting(waiting), .. }) = table.numbered(from, number)
            else {
                continue;
            };
            let ended = match waiting.superseded {
                Some(since) if now.duration_since(since) >= LAST_ACKNOWLEDGEMENT => Some(Outcome::ClientGone),
                Some(_) => None,
                None if waiting.sender.deadline().is_none_or(|deadline| now < deadline) => None,
                None => {
                    let step = waiting.sender.handle(now, Input::Tick);
                    if let Some(Send::OptionAck | Send::Blocks { .. }) = step.send {
                        stalls(waiting, from, request);
                        let (port, server) = (waiting.port.clone(), waiting.server);
                        due.push(Due::Resend { port, from, server, packet: waiting.first_answer() });
                    }
                    step.finish
                }
            };
            due.extend(ended.and_then(|outcome| table.over(from, number, outcome)).map(Due::Over));
        }
        due
    }
}

impl Table {
    /// The transfer of a client by a shared port.
    pub(super) fn at_port(&mut self, from: SocketAddr, port: u16) -> Option<&mut Entry> {
        let fits = |entry: &&mut Entry| entry.port == Some(port);
        let current = self.entries.get_mut(&from).filter(fits);
        current.or_else(|| {
            let older = self.older.range_mut((from, 0)..=(from, u64::MAX));
            older.map(|(_, entry)| entry).find(fits)
        })
    }

    /// A datagram of a client came to a port that no transfer of it has. Gives whether the client
    /// is known here. Acknowledgements that guess at the port end what they were to prove: a client
    /// that is there asks again.
    fn strays(&mut self, from: SocketAddr, acknowledges: bool) -> bool {
        let current = self.entries.get_mut(&from);
        let older = self.older.range_mut((from, 0)..=(from, u64::MAX)).map(|(_, entry)| entry);
        let (mut known, mut guessed) = (self.ended.contains(&from), Vec::new());
        for entry in current.into_iter().chain(older) {
            known = true;
            if let Reach::Waiting(waiting) = &mut entry.reach
                && acknowledges
            {
                waiting.strays += 1;
                if waiting.strays > MAX_STRAYS {
                    guessed.push(entry.number);
                }
            }
        }
        for number in guessed {
            self.remove(from, number);
        }
        known
    }

    fn over(&mut self, from: SocketAddr, number: u64, outcome: Outcome) -> Option<Box<Over>> {
        let (request, waiting) = self.remove(from, number)?.into_waiting()?;
        if waiting.sender.is_proved() {
            self.ended.put(from, waiting.port.number);
        }
        Some(Box::new(Over { from, request, waiting: *waiting, outcome }))
    }
}

impl Entry {
    fn into_waiting(self) -> Option<(Box<[u8]>, Box<Waiting>)> {
        match self.reach {
            Reach::Waiting(waiting) => Some((self.request, waiting)),
            Reach::Task(_) => None,
        }
    }
}

/// How long an acknowledgement counts that a client sent before it went on to something else: it
/// has come by then, unless this host has no time to read it.
const LAST_ACKNOWLEDGEMENT: Duration = Duration::from_millis(250);
/// One is the last acknowledgement of a former transfer, doubled on the way.
const MAX_STRAYS: u32 = 1;
