//! Each machine's reaction to the boot program that it was given: whether it goes on from it, or
//! its firmware asks again.
//!
//! Firmware that refuses a program says so on its screen alone; on the network it only asks again.
//! The generation of the program's signers is then known not to be trusted, and the next answer of
//! the same boot names the program of the other generation.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use netbootd_state::file::{DatabaseError, State};
use netbootd_state::ledger::now;
use netbootd_state::trust::{TrustCounts, TrustStore, key};
use netbootd_telemetry::event::{
    Event, Proto, TransferFinished, TransferId, TransferOutcome, TransferStarted,
};
use parking_lot::Mutex;
use pxe_policy::{
    ArchType, BootRequest, Class, Generation, MacAddr, MachineTrust, Observation, Signers, Stage,
};

/// The boots under way, and what was learned from earlier ones.
#[derive(Debug)]
pub struct BootTrust {
    store: TrustStore,
    boots: Mutex<LruCache<MacAddr, Attempt>>,
}

/// One machine's boot, as far as its firmware's own program goes.
#[derive(Debug)]
struct Attempt {
    /// The key of the machine.
    key: String,
    /// Whether the firmware has asked since the last program that it fetched.
    asked: bool,
    /// The program that the firmware is fetching.
    coming: Option<(TransferId, Given)>,
    /// The program that it has whole.
    has: Option<Given>,
    /// The generations that were refused, in order.
    refused: Vec<Generation>,
    /// When anything of the boot was last seen.
    seen: Instant,
}

/// A program that firmware was given.
#[derive(Debug, Clone)]
struct Given {
    path: Arc<str>,
    signers: Arc<Signers>,
}

impl BootTrust {
    /// With what the state file remembers.
    pub fn open(state: Arc<State>) -> Result<Self, DatabaseError> {
        Ok(BootTrust::kept_in(TrustStore::open(state)?))
    }

    /// With a store of several servers.
    pub fn kept_in(store: TrustStore) -> Self {
        BootTrust { store, boots: Mutex::new(LruCache::new(MAX_BOOTS)) }
    }

    /// The knowledge about the machine behind a request.
    pub fn known(&self, request: &BootRequest) -> MachineTrust {
        let boots = self.boots.lock();
        let boot = boots.peek(&request.mac).filter(|boot| boot.is_recent(Instant::now()));
        let refused_now = boot.map(|boot| boot.refused.clone()).unwrap_or_default();
        drop(boots);
        MachineTrust { observed: self.store.get(&key(request)), refused_now }
    }

    /// How many machines start programs of each generation.
    pub fn counts(&self) -> TrustCounts {
        self.store.counts()
    }

    /// A machine asks what to boot. Its firmware asks again after a program that it refused; a
    /// program that runs asks by itself.
    pub fn asked(&self, request: &BootRequest, at: Instant) {
        let is_uefi = request.arch().is_some_and(|arch| !arch.same_family(ArchType::X86_BIOS));
        if !is_uefi {
            return;
        }
        if Stage::from_request(request) == Stage::Program {
            return self.with(request.mac, |boot, store| boot.went_on(store));
        }
        if !matches!(request.class, Class::Pxe | Class::Http) {
            return;
        }
        let mut boots = self.boots.lock();
        let boot = boots.get_or_insert_mut(request.mac, || Attempt::new(key(request), at));
        if !boot.is_recent(at) {
            *boot = Attempt::new(key(request), at);
        }
        boot.seen = at;
        boot.asked = true;
        boot.key = key(request);
        if let Some(program) = boot.has.take() {
            boot.learn(&self.store, &program, false);
            let refused = program.signers.generations.iter().filter(|one| !boot.refused.contains(one));
            boot.refused = boot.refused.iter().chain(refused).copied().collect();
        }
    }

    /// Takes a step of a machine's transfers.
    pub fn observe(&self, event: &Event) {
        match event {
            Event::TransferStarted(started) if started.proved || started.proto != Proto::Tftp => {
                if let Some(mac) = started.mac {
                    self.with(mac, |boot, store| boot.started(store, started));
                }
            }
            Event::TransferFinished(finished) if finished.proved && !finished.partial => {
                if let Some(mac) = finished.mac {
                    let is_whole = finished.outcome == TransferOutcome::Completed;
                    self.with(mac, |boot, _| boot.finished(finished, is_whole));
                }
            }
            // Anybody can send a read request in the machine's name; TCP has a handshake.
            Event::FileRefused(refused) if refused.proto != Proto::Tftp => {
                if let Some(mac) = refused.mac {
                    self.with(mac, |boot, store| boot.went_on(store));
                }
            }
            _ => {}
        }
    }

    fn with(&self, mac: MacAddr, act: impl FnOnce(&mut Attempt, &TrustStore)) {
        if let Some(boot) = self.boots.lock().peek_mut(&mac) {
            act(boot, &self.store);
            boot.seen = Instant::now();
        }
    }
}

impl Attempt {
    fn new(key: String, at: Instant) -> Self {
        Attempt { key, asked: false, coming: None, has: None, refused: Vec::new(), seen: at }
    }

    fn is_recent(&self, at: Instant) -> bool {
        at.saturating_duration_since(self.seen) < ONE_BOOT
    }

    fn started(&mut self, store: &TrustStore, started: &TransferStarted) {
        if let Some(program) = &self.has {
            if program.path != started.path {
                self.went_on(store);
            }
            return;
        }
        let program = started.program.as_ref().filter(|program| program.is_pe && self.asked);
        if let Some(signers) = program.and_then(|program| program.signers.clone()) {
            self.coming = Some((started.id, Given { path: Arc::clone(&started.path), signers }));
        }
    }

    fn finished(&mut self, finished: &TransferFinished, is_whole: bool) {
        let coming = self.coming.take_if(|(coming, _)| *coming == finished.id);
        // A program of another server is known once it is whole.
        let late = || {
            let program = finished.program.as_ref().filter(|program| program.is_pe && self.asked)?;
            Some(Given { path: Arc::clone(&finished.path), signers: program.signers.clone()? })
        };
        let program = coming.map(|(_, program)| program).or_else(late);
        if let Some(program) = program.filter(|_| is_whole) {
            self.asked = false;
            self.has = Some(program);
        }
    }

    fn went_on(&mut self, store: &TrustStore) {
        if let Some(program) = self.has.take() {
            self.refused.clear();
            self.learn(store, &program, true);
        }
    }

    /// A program with signers of both generations that goes on shows neither; one that is refused,
    /// both.
    fn learn(&self, store: &TrustStore, program: &Given, starts: bool) {
        let generations = &program.signers.generations;
        if starts && generations.len() > 1 {
            return;
        }
        for generation in generations {
            let file = program.path.to_string();
            store.put(&self.key, *generation, Observation { starts, at: now(), file });
        }
    }
}

/// Time within which firmware asks again after it refused a program, however long somebody looks at
/// its message. Later the machine was switched off in between.
const ONE_BOOT: Duration = Duration::from_secs(15 * 60);
const MAX_BOOTS: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

#[cfg(test)]
mod tests {
    use netbootd_telemetry::event::Program;
    use netbootd_telemetry::event::testing::{finished, started};

    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    fn trust() -> BootTrust {
        let folder = tempfile::tempdir().unwrap();
        BootTrust::open(Arc::new(State::open(folder.path()).unwrap())).unwrap()
    }

    fn request(class: Class) -> BootRequest {
        BootRequest::asking(MAC, None, ArchType::X64_UEFI, class)
    }

    fn fetches(trust: &BootTrust, id: u64, path: &str, generations: &[Generation]) {
        let signers = Signers { authorities: Vec::new(), generations: generations.to_vec() };
        let signers = (!generations.is_empty()).then(|| Arc::new(signers));
        let program =
            Program { arch: Some(ArchType::X64_UEFI), signed: signers.is_some(), is_pe: true, signers };
        let Event::TransferStarted(begun) = started(id, MAC, path) else { panic!("another event") };
        trust.observe(&Event::TransferStarted(TransferStarted { program: Some(program), ..begun }));
        trust.observe(&Event::TransferFinished(finished(id, MAC, path)));
    }

    fn starts(trust: &BootTrust, generation: Generation) -> Option<bool> {
        trust.known(&request(Class::Pxe)).observed.reaction(generation).map(|one| one.starts)
    }

    #[test]
    fn firmware_that_asks_again_refused_the_program_and_one_that_fetches_more_started_it() {
        let (trust, now) = (trust(), Instant::now());
        let ask = |after: u64| trust.asked(&request(Class::Pxe), now + Duration::from_secs(after));
        ask(0);
        ask(1);
        fetches(&trust, 1, "pe/bootmgfw.efi", &[Generation::Of2011]);
        assert_eq!(starts(&trust, Generation::Of2011), None);
        ask(20);
        assert_eq!(starts(&trust, Generation::Of2011), Some(false));
        let known = trust.known(&request(Class::Pxe));
        assert!(known.is_retry(), "{known:?}");
        ask(21);
        assert!(
            trust.known(&request(Class::Pxe)).is_retry(),
            "each packet of the question is the same question"
        );
        fetches(&trust, 2, "pe/bootmgfw_EX.efi", &[Generation::Of2023]);
        fetches(&trust, 3, "boot/BCD", &[]);
        assert_eq!(starts(&trust, Generation::Of2023), Some(true));
        assert!(trust.known(&request(Class::Pxe)).refused_now.is_empty());
        let counts = trust.counts();
        assert_eq!((counts.machines, counts.ready_for_2023, counts.refuse_2011), (1, 1, 1));
    }

    #[test]
    fn a_second_stage_that_asks_by_itself_runs_and_its_own_programs_show_nothing_of_the_firmware() {
        let (trust, now) = (trust(), Instant::now());
        trust.asked(&request(Class::Pxe), now);
        fetches(&trust, 1, "ipxe.efi", &[Generation::Of2023]);
        trust.asked(&request(Class::Ipxe), now);
        assert_eq!(starts(&trust, Generation::Of2023), Some(true));
        fetches(&trust, 2, "shim.efi", &[Generation::Of2011]);
        fetches(&trust, 3, "grub.efi", &[Generation::Of2011]);
        trust.asked(&request(Class::Pxe), now);
        assert_eq!(starts(&trust, Generation::Of2011), None);
    }

    #[test]
    fn a_program_of_both_generations_shows_nothing_when_it_runs_and_both_when_it_does_not() {
        let (trust, now) = (trust(), Instant::now());
        trust.asked(&request(Class::Pxe), now);
        fetches(&trust, 1, "shim.efi", &Generation::ALL);
        fetches(&trust, 2, "grub.efi", &[]);
        assert_eq!(trust.counts().machines, 0);
        trust.asked(&request(Class::Pxe), now);
        fetches(&trust, 3, "shim.efi", &Generation::ALL);
        trust.asked(&request(Class::Http), now);
        let seen = [Generation::Of2011, Generation::Of2023].map(|one| starts(&trust, one));
        assert_eq!(seen, [Some(false), Some(false)]);
        assert!(!trust.known(&request(Class::Pxe)).is_retry());
    }

    #[test]
    fn a_machine_that_was_switched_off_for_long_refused_nothing() {
        let (trust, now) = (trust(), Instant::now());
        trust.asked(&request(Class::Pxe), now);
        fetches(&trust, 1, "pe/bootmgfw.efi", &[Generation::Of2011]);
        trust.asked(&request(Class::Pxe), now + ONE_BOOT * 2);
        assert_eq!(starts(&trust, Generation::Of2011), None);
    }
}
