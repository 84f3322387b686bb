//! The database's answers, decided from the rows that a transaction has read under the lock. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bsdp::{Bindings, Change};
use pxe_policy::{
    AssignmentChange, Claimed, Deployed, Device, Entry, Key, Ledger, LedgerChange, MacAddr, Seconds,
};

use super::fact::Fact;
use super::values::clean;
use crate::assignments::json;
use crate::durable::{Hold, LeaseKeep, LedgerKeep, OperatorDecision, Refused};
use crate::trust::Sighting;

/// A server's question to the database.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Ledger(LedgerKeep),
    Lease(LeaseKeep),
    Binding(Change),
    OperatorDecision(OperatorDecision),
    Assignment(AssignmentChange),
    Sighting(Sighting),
    Devices(Vec<Device>),
}

/// The rows that the questions are about.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) ledger: Ledger,
    pub(super) leases: Leases,
    pub(super) bindings: Bindings,
}

/// The leases, by address.
#[derive(Debug, Default)]
pub(super) struct Leases {
    by_address: BTreeMap<Ipv4Addr, Row>,
    by_mac: BTreeMap<[u8; 6], Ipv4Addr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    /// None: nobody gets it until then.
    mac: Option<[u8; 6]>,
    until: Seconds,
    leased: bool,
}

/// The answer to one question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) answer: Result<(), Refused>,
    /// The facts to write or, after a refusal, the facts that the server did not know.
    pub(super) facts: Vec<Fact>,
}

impl Ruling {
    fn made(facts: Vec<Fact>) -> Self {
        Ruling { answer: Ok(()), facts }
    }

    fn refused(why: Refused) -> Self {
        Ruling { answer: Err(why), facts: Vec::new() }
    }
}

impl Rows {
    /// Answers a question; the next one of the transaction sees what came of it.
    pub(super) fn decide(&mut self, ask: &Ask, now: Seconds) -> Ruling {
        let ruling = match ask {
            Ask::Ledger(ask) => self.decide_ledger(ask, now),
            Ask::Lease(ask) => self.leases.decide(*ask, now),
            Ask::Binding(Change::Bind(binding)) => {
                let taken = self.bindings.iter().find(|known| known.number == binding.number);
                match taken.filter(|known| known.mac != binding.mac) {
                    Some(known) => {
                        Ruling { answer: Err(Refused::Changed), facts: vec![Fact::bound(known.clone())] }
                    }
                    None => Ruling::made(vec![Fact::bound(binding.clone())]),
                }
            }
            Ask::Binding(Change::Unbind(mac)) => Ruling::made(vec![Fact::Unbound { mac: *mac }]),
            Ask::OperatorDecision(OperatorDecision { mac, approved, at }) => {
                Ruling::made(vec![Fact::OperatorDecision { mac: mac.octets(), approved: *approved, at: *at }])
            }
            Ask::Assignment(change) => {
                let device = json(change).map(|text| clean(&text));
                Ruling::made(vec![Fact::Assigned { mac: change.mac().octets(), device }])
            }
            Ask::Sighting(Sighting { machine, generation, observation }) => {
                let file = clean(&observation.file).chars().take(LONGEST_FILE).collect();
                let (machine, generation, starts) = (clean(machine), *generation, observation.starts);
                Ruling::made(vec![Fact::Sighting { machine, generation, starts, file, at: now }])
            }
            Ask::Devices(_) => Ruling::made(vec![Fact::Devices]),
        };
        if ruling.answer.is_ok() {
            ruling.facts.iter().for_each(|fact| self.apply(fact));
        }
        ruling
    }

    /// Applies a row of the database to the copies of its tables.
    pub(super) fn apply(&mut self, fact: &Fact) {
        if let Some(change) = fact.of_ledger() {
            self.ledger.apply(change);
        } else if let Some(change) = fact.of_bindings() {
            self.bindings.apply(change);
        } else {
            self.leases.apply(fact);
        }
    }

    fn decide_ledger(&self, ask: &LedgerKeep, now: Seconds) -> Ruling {
        match ask {
            LedgerKeep::Give { claim, mac, same_boot, brake, .. } => {
                // As it is in the row.
                let claim = Deployed { id: clean(&claim.id), run: clean(&claim.run), ..(**claim).clone() };
                match self.ledger.claim(&claim, *mac, now, *same_boot, *brake) {
                    Ok(Claimed::Made(entry)) => Ruling::made(vec![Fact::given(entry)]),
                    Ok(Claimed::There(_)) => Ruling::made(Vec::new()),
                    Err(reason) => Ruling::refused(Refused::No(reason)),
                }
            }
            LedgerKeep::Change(changes) => {
                let facts = changes.iter().filter_map(|change| match change.clone() {
                    LedgerChange::Give(entry) => Some(Fact::given(entry)),
                    LedgerChange::Amend(entry) => self.amended(entry).map(Fact::given),
                    LedgerChange::Clear(Key { machine, deployment, run }) => {
                        Some(Fact::Cleared { machine, deployment, run })
                    }
                    LedgerChange::Release(_) => Some(Fact::Released { at: now }),
                });
                Ruling::made(facts.collect())
            }
            LedgerKeep::TakeOver(entries) => {
                let new = entries.iter().filter(|entry| !self.ledger.has_one_like(entry));
                Ruling::made(new.cloned().map(Fact::given).collect())
            }
        }
    }
}

impl Rows {
    /// An entry with what a server has learned of it, whose clock may have moved a little since it
    /// read the entry.
    fn amended(&self, entry: Entry) -> Option<Entry> {
        let known = self.ledger.get(&entry.key)?;
        let is_same = known.at.abs_diff(entry.at) <= CLOCK_MOVES;
        known.with(&Entry { at: if is_same { known.at } else { entry.at }, ..entry })
    }
}

impl Leases {
    fn decide(&self, ask: LeaseKeep, now: Seconds) -> Ruling {
        match ask {
            LeaseKeep::Offer(hold) => self.hold(hold, false, now),
            LeaseKeep::Lease(hold) => self.hold(hold, true, now),
            LeaseKeep::InUse { by, address, lasts } => {
                let row = self.by_address.get(&address).filter(|row| row.until > now);
                if row
                    .is_some_and(|row| row.mac.is_some() && row.mac != by.map(MacAddr::octets) && row.leased)
                {
                    return self.teach(address, None);
                }
                let until = row.map_or(0, |row| row.until).max(now + lasts);
                Ruling::made(vec![Fact::Held { address, mac: None, until, leased: false }])
            }
            // Until its end a server without the database may confirm it: nobody else has it
            // before.
            LeaseKeep::Released(_) => Ruling::made(Vec::new()),
        }
    }

    fn hold(&self, hold: Hold, leased: bool, now: Seconds) -> Ruling {
        let Hold { client, address, former, lasts, .. } = hold;
        let octets = client.octets();
        let row = self.by_address.get(&address);
        if row.is_some_and(|row| row.mac != Some(octets) && row.until > now) {
            return self.teach(address, Some(octets));
        }
        let other = self.by_mac.get(&octets).copied().filter(|other| *other != address);
        let other = other.and_then(|other| self.by_address.get(&other).map(|row| (other, *row)));
        let mut facts = Vec::new();
        if let Some((other, row)) = other {
            if row.until > now && former != Some(other) {
                return self.teach(address, Some(octets));
            }
            // The former address goes to nobody before its end: a server without the database may
            // confirm it until then.
            facts.push(match row.leased && row.until > now {
                true => Fact::Held { address: other, mac: None, until: row.until, leased: false },
                false => Fact::Free { address: other },
            });
        }
        let own = row.filter(|row| row.mac == Some(octets) && row.until > now);
        let until = own.map_or(0, |row| row.until).max(now + lasts);
        let leased = leased || own.is_some_and(|row| row.leased);
        facts.push(Fact::Held { address, mac: Some(octets), until, leased });
        Ruling::made(facts)
    }

    /// Refuses, and says how things are.
    fn teach(&self, address: Ipv4Addr, mac: Option<[u8; 6]>) -> Ruling {
        let others = mac.and_then(|mac| self.by_mac.get(&mac).copied()).filter(|other| *other != address);
        let fact = |address: Ipv4Addr| match self.by_address.get(&address) {
            Some(row) => Fact::Held { address, mac: row.mac, until: row.until, leased: row.leased },
            None => Fact::Free { address },
        };
        let facts = [Some(address), others].into_iter().flatten().map(fact).collect();
        Ruling { answer: Err(Refused::Changed), facts }
    }

    fn apply(&mut self, fact: &Fact) {
        let (address, row) = match *fact {
            Fact::Held { address, mac, until, leased } => (address, Some(Row { mac, until, leased })),
            Fact::Free { address } => (address, None),
            _ => return,
        };
        let before = match row {
            Some(row) => self.by_address.insert(address, row),
            None => self.by_address.remove(&address),
        };
        if let Some(mac) = before.and_then(|row| row.mac)
            && self.by_mac.get(&mac) == Some(&address)
        {
            self.by_mac.remove(&mac);
        }
        if let Some(mac) = row.and_then(|row| row.mac) {
            self.by_mac.insert(mac, address);
        }
    }
}

/// Characters of a boot program's path that are kept.
const LONGEST_FILE: usize = 300;
/// How far the database's clock may jump, in seconds.
const CLOCK_MOVES: Seconds = 5;

#[cfg(test)]
mod tests;
