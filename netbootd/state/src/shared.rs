//! State that several servers share, in PostgreSQL: the ledger, leases, what Macs chose, what
//! operators said, the devices, what machines did with boot programs.
//!
//! One task owns one connection. Whatever waits at a time shares one transaction, in which the
//! database decides (`decide`) under a lock that all servers take in turn; what came of it is told
//! to every server, which keeps a copy to decide by (`copies`). While the database is away, nothing
//! is written, and every caller learns so at once.
//!
//! Dropping the last handle ends the task; what waits then is refused.

mod copies;
mod decide;
mod devices;
mod fact;
mod handover;
mod schema;
mod session;
mod settings;
mod sql;
mod values;
mod write;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bsdp::Change;
use netbootd_dhcp::Subnet;
use netbootd_net::with_causes;
use pxe_policy::{AssignmentChange, Device};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};

use crate::approvals::Approvals;
use crate::assignments::AssignmentStore;
use crate::durable::{Commit, Durable, LeaseKeep, LedgerKeep, OperatorDecision, Refused};
use crate::ledger::LedgerStore;
use crate::trust::{Sighting, TrustStore};
pub use copies::Copies;
use decide::Ask;
pub use devices::SharedDevices;
pub use handover::hand_over;
pub use session::{ConnectorError, Trouble};
use session::{Outcome, Session};
pub use settings::{Database, OnLoss, UrlProblem};

/// A handle of the database.
#[derive(Debug)]
pub struct Shared {
    copies: Arc<Copies>,
    queue: mpsc::Sender<Waiting>,
    /// Why the database is away; None while it is here, and the copies are true.
    trouble: watch::Receiver<Option<Arc<Trouble>>>,
    on_loss: OnLoss,
    /// Whether what this host gave before is in the database.
    handed_over: AtomicBool,
}

#[derive(Debug)]
struct Waiting {
    ask: Ask,
    done: oneshot::Sender<Result<(), Refused>>,
}

impl Shared {
    /// Begins to connect. `own` are the host's addresses, which are never given to machines; `name`
    /// tells servers apart.
    pub fn start(
        database: &Database,
        subnets: Vec<Subnet>,
        own: Vec<Ipv4Addr>,
        name: &str,
    ) -> Result<Arc<Self>, ConnectorError> {
        let connector = session::Connector::new(database, name)?;
        let copies = Arc::new(Copies::new(subnets, own, place_of(name)));
        let (queue, inbox) = mpsc::channel(MOST);
        let (tell, trouble) = watch::channel(Some(Arc::new(Trouble::Unanswered)));
        let driver = Driver {
            copies: Arc::clone(&copies),
            connector,
            inbox,
            trouble: tell,
            deadline: database.deadline,
        };
        tokio::spawn(driver.run());
        Ok(Arc::new(Shared {
            copies,
            queue,
            trouble,
            on_loss: database.on_loss,
            handed_over: AtomicBool::new(false),
        }))
    }

    /// Waits until the database has answered or a while has passed. An error when it will never let
    /// this server in.
    pub async fn first_answer(&self, patience: Duration) -> Result<(), Arc<Trouble>> {
        let mut trouble = self.trouble.clone();
        let has_answered = |trouble: &Option<Arc<Trouble>>| {
            !trouble.as_ref().is_some_and(|trouble| matches!(**trouble, Trouble::Unanswered))
        };
        let answered = timeout(patience, trouble.wait_for(has_answered)).await;
        match answered.map(|answered| answered.map(|trouble| trouble.clone())) {
            Ok(Ok(Some(trouble))) if trouble.is_final() => Err(trouble),
            _ => Ok(()),
        }
    }

    /// The ledger of the database.
    pub fn ledger(self: &Arc<Self>) -> LedgerStore {
        let keeper = Arc::<Shared>::clone(self);
        LedgerStore::kept_by(keeper, Arc::clone(&self.copies.ledger))
    }

    /// Operators' decisions in the database.
    pub fn approvals(self: &Arc<Self>) -> Approvals {
        let keeper = Arc::<Shared>::clone(self);
        Approvals::kept_by(keeper, Arc::clone(&self.copies.said))
    }

    /// Devices in the database.
    pub fn assignments(self: &Arc<Self>) -> AssignmentStore {
        let keeper = Arc::<Shared>::clone(self);
        AssignmentStore::kept_by(keeper, Arc::clone(&self.copies.assignments))
    }

    /// Sightings of machines and boot programs, in the database.
    pub fn trust(self: &Arc<Self>) -> TrustStore {
        let keeper = Arc::<Shared>::clone(self);
        TrustStore::kept_by(keeper, Arc::clone(&self.copies.seen))
    }

    /// This server's copies of the shared state.
    pub fn copies(&self) -> &Copies {
        &self.copies
    }

    /// Why it is away, if it is.
    pub fn trouble(&self) -> Option<Arc<Trouble>> {
        self.trouble.borrow().clone()
    }

    /// Whether a lease that runs is confirmed for the rest of its time while the database is away.
    pub fn confirms_known(&self) -> bool {
        self.on_loss == OnLoss::KnownLeases
    }

    /// The devices, as a directory.
    pub fn devices(self: &Arc<Self>) -> SharedDevices {
        SharedDevices::new(Arc::clone(self))
    }

    /// Puts these devices in the place of all that are there.
    pub async fn publish(&self, devices: Vec<Device>) -> Result<(), Refused> {
        self.ask(Ask::Devices(devices)).await
    }

    /// Required deployments may be given from now on: what this host gave before is known to all.
    fn set_handed_over(&self) {
        self.handed_over.store(true, Ordering::Relaxed);
    }

    async fn ask(&self, ask: Ask) -> Result<(), Refused> {
        if matches!(ask, Ask::Ledger(LedgerKeep::Give { .. })) && !self.handed_over.load(Ordering::Relaxed) {
            return Err(Refused::Away);
        }
        let (done, answer) = oneshot::channel();
        let ask = self.copies.by_database(ask);
        if self.queue.send(Waiting { ask, done }).await.is_err() {
            return Err(Refused::Away);
        }
        answer.await.unwrap_or(Err(Refused::Away))
    }
}

macro_rules! keeps {
    ($($kind:ty => $ask:path),+) => {$(
        impl Durable<$kind> for Shared {
            fn keep(&self, change: $kind) -> Commit<'_> {
                Box::pin(self.ask($ask(change)))
            }

            fn is_away(&self) -> bool {
                self.trouble.borrow().is_some()
            }
        }
    )+};
}

keeps!(LedgerKeep => Ask::Ledger, LeaseKeep => Ask::Lease, Change => Ask::Binding, OperatorDecision => Ask::OperatorDecision,
    AssignmentChange => Ask::Assignment, Sighting => Ask::Sighting);

/// Owned by the task.
struct Driver {
    copies: Arc<Copies>,
    connector: session::Connector,
    inbox: mpsc::Receiver<Waiting>,
    trouble: watch::Sender<Option<Arc<Trouble>>>,
    deadline: Duration,
}

/// Why the work with the database ended.
enum Ended {
    /// Nobody holds a handle any more.
    Unused,
    Trouble(Trouble),
}

impl Driver {
    async fn run(mut self) {
        loop {
            let trouble = match self.connect().await {
                None => return,
                Some(Err(trouble)) => trouble,
                Some(Ok(session)) => {
                    info!("the shared database is here");
                    self.trouble.send_replace(None);
                    match self.work(session).await {
                        Ended::Unused => return,
                        Ended::Trouble(trouble) => trouble,
                    }
                }
            };
            self.tell(trouble);
            let again = Instant::now() + AGAIN;
            loop {
                tokio::select! {
                    waiting = self.inbox.recv() => match waiting {
                        Some(waiting) => refuse(waiting),
                        None => return,
                    },
                    () = tokio::time::sleep_until(again) => break,
                }
            }
        }
    }

    /// A session with true copies; requests are refused meanwhile. None when no handle is left.
    async fn connect(&mut self) -> Option<Result<Session, Trouble>> {
        let opening = timeout(PATIENCE, self.connector.open(&self.copies));
        tokio::pin!(opening);
        loop {
            tokio::select! {
                opened = &mut opening => {
                    return Some(opened.unwrap_or(Err(Trouble::Late(PATIENCE))));
                }
                waiting = self.inbox.recv() => refuse(waiting?),
            }
        }
    }

    async fn work(&mut self, mut session: Session) -> Ended {
        let mut ping = tokio::time::interval(PING);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = self.inbox.recv_many(&mut batch, MOST) => {
                    if count == 0 {
                        return Ended::Unused;
                    }
                    if let Err(trouble) = self.transact(&mut session, &mut batch).await {
                        return Ended::Trouble(trouble);
                    }
                }
                notice = session.notices.recv() => {
                    let Some(notice) = notice else {
                        return Ended::Trouble(Trouble::Closed);
                    };
                    if let Err(trouble) = self.within(session.apply(&self.copies, &notice)).await {
                        return Ended::Trouble(trouble);
                    }
                }
                _ = ping.tick() => {
                    if let Err(trouble) = self.within(session.ping()).await {
                        return Ended::Trouble(trouble);
                    }
                }
            }
        }
    }

    /// Decides everything that waits in one transaction or, when the database does not take that,
    /// each alone: one question that it does not take must not stand in the way of the others.
    async fn transact(&self, session: &mut Session, batch: &mut Vec<Waiting>) -> Result<(), Trouble> {
        let (asks, waiting): (Vec<Ask>, Vec<_>) =
            batch.drain(..).map(|Waiting { ask, done }| (ask, done)).unzip();
        let mut waiting = waiting.into_iter();
        let mut parts = vec![asks];
        while let Some(asks) = parts.pop() {
            let done = waiting.by_ref().take(asks.len());
            match self.within(session.transact(&self.copies, &asks)).await {
                Ok(Outcome::Decided(rulings)) => {
                    // A caller that no longer waits has got no answer, which is safe.
                    for (done, ruling) in done.zip(rulings) {
                        let _ = done.send(ruling);
                    }
                }
                Ok(Outcome::NotTaken(error)) if asks.len() == 1 => {
                    error!("the shared database does not take a change: {}", with_causes(&error));
                    done.for_each(|done| answer(done, Refused::NotSaved));
                }
                Ok(Outcome::NotTaken(_)) => {
                    let rest: Vec<_> = { done }.collect();
                    waiting = rest.into_iter();
                    parts.extend(asks.into_iter().rev().map(|ask| vec![ask]));
                }
                Err(trouble) => {
                    done.for_each(|done| answer(done, Refused::Away));
                    waiting.for_each(|done| answer(done, Refused::Away));
                    return Err(trouble);
                }
            }
        }
        Ok(())
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        timeout(self.deadline, work).await.unwrap_or(Err(Trouble::Late(self.deadline)))
    }

    /// Says once what is wrong.
    fn tell(&self, trouble: Trouble) {
        let words = with_causes(&trouble);
        self.trouble.send_if_modified(|known| {
            if known.as_ref().is_some_and(|known| with_causes(&**known) == words) {
                return false;
            }
            if trouble.is_final() {
                error!("the shared database cannot be used: {words}");
            } else {
                warn!("the shared database is away: {words}");
            }
            *known = Some(Arc::new(trouble));
            true
        });
    }
}

fn refuse(waiting: Waiting) {
    answer(waiting.done, Refused::Away);
}

fn answer(done: oneshot::Sender<Result<(), Refused>>, refused: Refused) {
    let _ = done.send(Err(refused)); // nobody may wait any more
}

/// Where in its pools a server begins to look for addresses: FNV-1a of its name.
fn place_of(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Questions that wait at a time and share one transaction; more wait in their tasks.
const MOST: usize = 256;
/// How long connecting and reading everything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// After how long a database that is away is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a silent connection is tried: firmware waits four seconds for an offer.
const PING: Duration = Duration::from_secs(1);
