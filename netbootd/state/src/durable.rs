//! The durable store of the state: this host's own file, or a database that several servers share.
//! One trait serves both.
//!
//! A decision is made from memory. With a file, memory is the truth: no other process has the file
//! open. With a database, memory is a copy, so the database checks the change again and confirms it
//! before any client gets an answer.

use std::fmt;
use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::time::Duration;

use pxe_policy::{Brake, Deployed, Entry, LedgerChange, MacAddr, Reason, Seconds};

/// Writes changes of one kind down.
pub trait Durable<C>: fmt::Debug + Send + Sync {
    /// Writes a change down, unless it may no longer be made. Ok once it survives.
    fn keep(&self, change: C) -> Commit<'_>;

    /// Whether nothing can be written at present.
    fn is_away(&self) -> bool;
}

/// A change on its way.
pub type Commit<'a> = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>>;

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It could not be written down.
    NotSaved,
    /// The database cannot be reached.
    Away,
    /// It must not be made, for this reason.
    No(Reason),
    /// Another server was faster. Its change is in the copies here by now: decide again.
    Changed,
}

/// A change of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerKeep {
    /// A machine is given a Required deployment, if it was not before and the brake allows it.
    Give {
        /// The machine and its deployment.
        claim: Box<Deployed>,
        /// The hardware address that it asks with.
        mac: MacAddr,
        /// The time of this host.
        now: Seconds,
        /// How long asking again belongs to the same boot.
        same_boot: Duration,
        /// The brake, if there is one.
        brake: Option<Brake>,
    },
    /// Changes of operators to the ledger.
    Change(Vec<LedgerChange>),
    /// Entries that another ledger held; those that are there already stay.
    TakeOver(Vec<Entry>),
}

/// A change of who has which address. Times are this host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseKeep<K = MacAddr, A = Ipv4Addr> {
    /// An address is offered.
    Offer(Hold<K, A>),
    /// An address is leased.
    Lease(Hold<K, A>),
    /// Somebody who holds no lease uses the address: the machine itself has told so, or a probe.
    InUse {
        /// The client that declined it.
        by: Option<K>,
        /// The address that is in use.
        address: A,
        /// The time for which it is not offered.
        lasts: Seconds,
    },
    /// The client gave its address back.
    Released(K),
}

/// An address for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold<K = MacAddr, A = Ipv4Addr> {
    /// The client that holds the address.
    pub client: K,
    /// The address that is held.
    pub address: A,
    /// The address that it was known to have, when that is another one.
    pub former: Option<A>,
    /// How long it is held.
    pub lasts: Seconds,
    /// When the hold ends.
    pub until: Seconds,
}

/// An operator's decision about a machine; None forgets the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorDecision {
    /// The machine that the decision is about.
    pub mac: MacAddr,
    /// Whether it is approved.
    pub approved: Option<bool>,
    /// When it was said.
    pub at: Seconds,
}

impl Refused {
    /// The reason for the caller: the database's absence, or that this could not be saved.
    pub fn reason(self, not_saved: Reason) -> Reason {
        match self {
            Refused::Away => Reason::SharedStateAway,
            Refused::No(reason) => reason,
            Refused::NotSaved | Refused::Changed => not_saved,
        }
    }
}

/// Ok for what is on the disk.
pub(crate) fn saved(saved: bool) -> Result<(), Refused> {
    if saved { Ok(()) } else { Err(Refused::NotSaved) }
}
