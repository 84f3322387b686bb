//! The leases of one family, whatever that is: the pool, the journal, the clock, and the other
//! servers that give the same addresses. A change is durable before a client learns of it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use netbootd_dhcp::{Subnet, Subnet6};
use parking_lot::Mutex;
use pxe_policy::{Reason, Seconds};

use crate::durable::{Durable, Hold, LeaseKeep, Refused};
use crate::file::State;
use crate::leases::{self, Clock};
use crate::leases6;
use crate::pool::{Ask, Denied, Held, OFFER_HOLD, Offer, Pool, QUARANTINE};
use crate::shared::Shared;

/// A pool and its leases.
#[derive(Debug)]
pub struct LeaseServer<P: Pool> {
    pool: Arc<Mutex<P>>,
    journal: Arc<dyn Durable<LeaseKeep<P::Key, P::Address>>>,
    clock: Clock,
    sharing: Option<Sharing>,
}

/// Other servers give the same addresses: the database decides.
#[derive(Debug, Clone, Copy)]
struct Sharing {
    /// Whether a lease that runs is confirmed for the rest of its time while the database is away.
    confirms_known: bool,
}

/// An address for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted<A> {
    /// The address that the client gets.
    pub address: A,
    /// Whether this client never had it: somebody else may be using it without a lease.
    pub fresh: bool,
    /// The rest of a lease that goes on without the database; None for a whole one.
    pub left: Option<Duration>,
}

impl LeaseServer<leases::LeaseTable> {
    /// With the leases of this host's file; `own` are the host's addresses, which are never given.
    pub fn open(
        subnets: Vec<Subnet>,
        own: Vec<Ipv4Addr>,
        state: Arc<State>,
        clock: Clock,
    ) -> Result<Self, redb::Error> {
        let (journal, remembered) = leases::LeaseStore::open(state)?;
        let pool = leases::LeaseTable::new(subnets, own, remembered, clock.now());
        Ok(LeaseServer::alone(pool, Arc::new(journal), clock))
    }

    /// With the leases of a database that several servers share.
    pub fn shared(shared: &Arc<Shared>) -> Self {
        let clock = Arc::clone(shared);
        LeaseServer {
            pool: Arc::clone(&shared.copies().leases),
            journal: Arc::<Shared>::clone(shared),
            clock: Clock::new(move || clock.copies().now()),
            sharing: Some(Sharing { confirms_known: shared.confirms_known() }),
        }
    }
}

impl LeaseServer<leases6::LeaseTable> {
    /// With the leases of this host's file; `own` are the host's addresses, which are never given.
    pub fn open(
        subnets: Vec<Subnet6>,
        own: Vec<Ipv6Addr>,
        state: Arc<State>,
        clock: Clock,
    ) -> Result<Self, redb::Error> {
        let (journal, remembered) = leases6::store::LeaseStore::open(state)?;
        let pool = leases6::LeaseTable::new(subnets, own, remembered, clock.now());
        Ok(LeaseServer::alone(pool, Arc::new(journal), clock))
    }
}

impl<P: Pool> LeaseServer<P> {
    fn alone(pool: P, journal: Arc<dyn Durable<LeaseKeep<P::Key, P::Address>>>, clock: Clock) -> Self {
        LeaseServer { pool: Arc::new(Mutex::new(pool)), journal, clock, sharing: None }
    }

    /// Looks at the pool.
    pub fn with<T>(&self, action: impl FnOnce(&mut P) -> T) -> T {
        action(&mut self.pool.lock())
    }

    /// The subnet that an address lies in.
    pub fn subnet_of(&self, address: P::Address) -> Option<P::Subnet> {
        self.with(|pool| pool.subnet_of(address).cloned())
    }

    /// Whether a client holds a lease that runs.
    pub fn holds_lease(&self, key: &P::Key) -> bool {
        self.with(|pool| pool.holds_lease(key, self.clock.now()))
    }

    /// The result of `look` in the pool, with the time on the clock of its leases.
    pub fn with_now<T>(&self, look: impl FnOnce(&P, Seconds) -> T) -> T {
        look(&self.pool.lock(), self.clock.now())
    }

    /// Chooses an address for a client and holds it. `owns` are addresses of this host that came
    /// after the start. `is_known` is awaited only when nothing is free but what is kept for known
    /// machines.
    pub async fn offer(
        &self,
        ask: Ask<'_, P>,
        owns: impl Fn(P::Address) -> bool,
        is_known: impl Future<Output = bool>,
    ) -> Result<Granted<P::Address>, Reason> {
        let key = P::key(ask.client);
        let mut is_known = Some(is_known);
        for _ in 0..MAX_TRIES {
            let now = self.clock.now();
            let (known, former, mut offered) = self.with(|pool| {
                let known = pool.running(&key, ask.segment, now);
                let former = pool.address_of(&key);
                let offered = pool.offer(&ask, false, now);
                if let Some(held) = known.filter(|_| self.sharing.is_some()) {
                    // Until the database has the offer, the lease is what every server knows of.
                    pool.restore(&key, held);
                }
                (known, former, offered)
            });
            if offered == Err(Reason::PoolKept)
                && let Some(is_known) = is_known.take()
                && is_known.await
            {
                offered = self.with(|pool| pool.offer(&ask, true, now));
            }
            let Offer { address, fresh } = offered?;
            if owns(address) {
                self.in_use(address).await;
                continue;
            }
            let hold = self.hold(&key, address, former, OFFER_HOLD);
            match self.journal.keep(LeaseKeep::Offer(hold)).await {
                Ok(()) => return Ok(Granted { address, fresh, left: None }),
                Err(Refused::Changed) => {}
                Err(refused) => {
                    return self.still(known, refused).ok_or(refused.reason(Reason::LeaseNotSaved));
                }
            }
        }
        Err(Reason::AddressInUse)
    }

    /// Leases the address that the client requests.
    pub async fn request(
        &self,
        client: &P::Client,
        want: P::Want,
        segment: P::Address,
    ) -> Result<Granted<P::Address>, Denied> {
        let key = P::key(client);
        for _ in 0..MAX_TRIES {
            let now = self.clock.now();
            let (known, former, asked) = self.with(|pool| {
                let known = pool.running(&key, segment, now);
                let asked = match self.sharing {
                    // The lease comes into the pool once the database confirms it.
                    Some(_) => pool.check(client, want, segment, now),
                    None => pool.request(client, want, segment, now),
                };
                (known, pool.address_of(&key), asked)
            });
            let Held { address, until } = asked?;
            let hold = self.hold(&key, address, former, until.saturating_sub(now));
            match self.journal.keep(LeaseKeep::Lease(Hold { until, ..hold })).await {
                Ok(()) => return Ok(Granted { address, fresh: false, left: None }),
                Err(Refused::Changed) => {}
                Err(refused) => {
                    let still = self.still(known, refused).filter(|still| still.address == address);
                    return still.ok_or(Denied::Silence(refused.reason(Reason::LeaseNotSaved)));
                }
            }
        }
        Err(Denied::Silence(Reason::LeaseNotSaved))
    }

    /// The client takes another server's offer.
    pub fn withdraw(&self, key: &P::Key) {
        self.with(|pool| pool.withdraw(key, self.clock.now()));
    }

    /// The client gives its address back; true when it was its own.
    pub async fn release(&self, key: P::Key, address: P::Address) -> bool {
        let theirs = self.with(|pool| match self.sharing {
            // Until its end a server without the database may confirm it: nobody else has it
            // before.
            Some(_) => pool.holds(&key, address),
            None => pool.release(&key, address, self.clock.now()),
        });
        if theirs {
            let _ = self.journal.keep(LeaseKeep::Released(key)).await; // what is not forgotten ends by itself
        }
        theirs
    }

    /// The client found its address in use; true when it was its own.
    pub async fn decline(&self, key: P::Key, address: P::Address) -> bool {
        let theirs = self.with(|pool| pool.decline(&key, address, self.clock.now()));
        if theirs {
            self.note_use(Some(key), address).await;
        }
        theirs
    }

    /// Somebody who holds no lease uses an address.
    pub async fn in_use(&self, address: P::Address) {
        self.with(|pool| pool.quarantine(address, self.clock.now()));
        self.note_use(None, address).await;
    }

    async fn note_use(&self, by: Option<P::Key>, address: P::Address) {
        // When that cannot be written down, it is known here only, and found out anew elsewhere.
        let _ = self.journal.keep(LeaseKeep::InUse { by, address, lasts: QUARANTINE }).await;
    }

    /// A lease that goes on without the database, no longer than every other server knows of it.
    fn still(&self, known: Option<Held<P::Address>>, refused: Refused) -> Option<Granted<P::Address>> {
        let confirms_known = self.sharing.is_some_and(|sharing| sharing.confirms_known);
        let Held { address, until } = known.filter(|_| refused == Refused::Away && confirms_known)?;
        let left = until.checked_sub(self.clock.now() + MARGIN).filter(|left| *left > 0)?;
        Some(Granted { address, fresh: false, left: Some(Duration::from_secs(left)) })
    }

    fn hold(
        &self,
        key: &P::Key,
        address: P::Address,
        former: Option<P::Address>,
        lasts: Seconds,
    ) -> Hold<P::Key, P::Address> {
        let former = former.filter(|former| *former != address);
        Hold { client: key.clone(), address, former, lasts, until: self.clock.now() + lasts }
    }
}

/// An address is chosen anew this often because another server was faster.
const MAX_TRIES: usize = 16;
/// This many seconds before its end a lease is no longer confirmed without the database: clocks do
/// not agree better.
const MARGIN: Seconds = 10;
