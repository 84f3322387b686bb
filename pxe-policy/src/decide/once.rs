//! Whatever happens between two boots, a Required deployment is given once until somebody clears
//! it.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::Purpose;
use crate::{
    ArchType, BootImage, Claimed, Deployment, DirectoryAnswer, LedgerChange, MacAddr, Record, Trouble,
    TroubleKind,
};

const PC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const RECORD: &str = "16777219";
const CACHE: Seconds = 60;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The machine boots: its firmware asks and, so many seconds after that, the program that was
    /// started.
    Boot { program_after: Option<Seconds> },
    /// The site is asked anew for the next question: a cache has expired, or the configuration was
    /// reloaded.
    Expire,
    /// The daemon starts anew, from what is on the disk.
    Restart,
    /// An operator clears it in the site's console.
    ClearAtSite,
    /// An operator clears it here.
    ClearHere,
    /// Another distribution point gives it, and the site notes that.
    GivenElsewhere,
    /// The site goes down, or is there again.
    Site { up: bool },
}

/// A site with one machine, and the server that it asks.
struct World {
    /// Whether the distribution point's responder gives deployments, which the site then notes.
    relay: bool,
    now: Seconds,
    ledger: Ledger,
    noted: bool,
    up: bool,
    /// The site's last answer and its time, by the stage that asked.
    cache: HashMap<Stage, (bool, Seconds)>,
    /// Whether it may be given in the next boot, and whether it must be as soon as the site is
    /// asked anew.
    may: bool,
    must: bool,
}

impl World {
    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        // Longer than `same_boot`: boots are told apart.
        self.now += 200;
        match step {
            Step::Boot { program_after } => self.boot(program_after)?,
            Step::Expire => self.cache.clear(),
            Step::Restart => {
                self.cache.clear();
                let mut again = Ledger::default();
                for entry in self.ledger.entries().cloned() {
                    again.apply(LedgerChange::Give(entry));
                }
                prop_assert_eq!(&again, &self.ledger);
            }
            Step::ClearAtSite => {
                let was_known = self.ledger.entries().all(|entry| entry.noted.is_some());
                self.may |= self.noted;
                self.must |= self.noted && was_known;
                self.noted = false;
            }
            Step::ClearHere => {
                self.ledger.clearing(|_| true).into_iter().for_each(|change| self.ledger.apply(change));
                (self.may, self.must) = (self.may || !self.noted, self.must || !self.noted);
            }
            Step::GivenElsewhere => {
                self.noted = true;
                (self.may, self.must) = (false, false);
            }
            Step::Site { up } => self.up = up,
        }
        Ok(())
    }

    fn boot(&mut self, program_after: Option<Seconds>) -> Result<(), TestCaseError> {
        let (given, fresh) = self.ask(Stage::Firmware);
        prop_assert!(!given || self.may, "given twice at {}", self.now);
        prop_assert!(given || !(fresh && self.must), "not given at {}", self.now);
        if given {
            (self.may, self.must) = (false, false);
        }
        let Some(after) = program_after else { return Ok(()) };
        self.now += after;
        let (given_again, fresh) = self.ask(Stage::Program);
        if given {
            // Of a boot that has begun, the rest is given as well, whatever the site has noted
            // meanwhile.
            let known = fresh || self.up || self.cache.contains_key(&Stage::Program);
            prop_assert!(given_again || !known, "the second stage is refused at {}", self.now);
        } else {
            prop_assert!(!given_again || self.may, "given twice at {}", self.now);
        }
        if given_again {
            (self.may, self.must) = (false, false);
        }
        Ok(())
    }

    /// Whether it is given to the machine, and whether the site was asked for that.
    fn ask(&mut self, stage: Stage) -> (bool, bool) {
        let kept = self.cache.get(&stage).copied();
        let is_fresh = |(_, asked): &(bool, Seconds)| self.now - asked <= CACHE;
        let (answer, asked_now) = match kept.filter(is_fresh) {
            Some((noted, asked)) => (self.answer(noted, asked, false), false),
            None if self.up => {
                self.cache.insert(stage, (self.noted, self.now));
                (self.answer(self.noted, self.now, false), true)
            }
            None => match kept {
                Some((noted, asked)) => (self.answer(noted, asked, true), false),
                None => (self.no_answer(), false),
            },
        };
        let class = if stage == Stage::Program { Class::Ipxe } else { Class::Pxe };
        let request = BootRequest {
            mac: PC,
            uuid: "4C4C4544-0057-5810-804A-C3C04F463732".parse().ok(),
            archs: vec![ArchType::X64_UEFI],
            class,
            relay: None,
            segment: Ipv4Addr::LOCALHOST.into(),
            address: None,
            boot_program: false,
            iface: "lan0".into(),
            secs: 0,
            item: None,
            tags: Vec::new(),
        };
        let settings = Settings { relay: self.relay, ..Settings::default() };
        let site = Site {
            rules: &Rules::default(),
            settings: &settings,
            answers: &[answer],
            ledger: &self.ledger,
            assigned: None,
            menu: false,
            firmware_menu: None,
            approval: Approval::default(),
            now: self.now,
            available: &|_| true,
            image_folder: &str::to_owned,
            kernel_of: &|_| None,
            trust: &MachineTrust::default(),
            signers: &|_| None,
        };
        let verdict = decide(&request, &site);
        let gives = matches!(verdict.decision, Decision::Boot(_) | Decision::Relay);
        for entry in verdict.learned {
            self.ledger.apply(LedgerChange::Amend(entry));
        }
        let Some(claim) = verdict.deployment.filter(|_| gives) else { return (false, asked_now) };
        match self.ledger.claim(&claim, PC, self.now, settings.same_boot, None) {
            Ok(Claimed::Made(entry)) => self.ledger.apply(LedgerChange::Give(entry)),
            Ok(Claimed::There(_)) => {}
            Err(_) => return (false, asked_now),
        }
        self.noted |= self.relay;
        (true, asked_now)
    }

    fn answer(&self, noted: bool, asked: Seconds, stale: bool) -> Answer {
        let deployment = Deployment {
            id: "PS120083".into(),
            purpose: Purpose::Required,
            for_pxe: true,
            boot_image: Some(BootImage { id: "PS100005".into(), arch: None }),
            last_pxe: noted.then(|| "2025-02-03T10:41:07Z".to_owned()),
            ..Deployment::default()
        };
        let record = Record { key: RECORD.into(), deployments: vec![deployment], ..Record::default() };
        let said = DirectoryAnswer { by_uuid: vec![record], decides: true, ..DirectoryAnswer::default() };
        Answer { directory: "configmgr".into(), age: self.now - asked, stale, said: Ok(said) }
    }

    fn no_answer(&self) -> Answer {
        let trouble = Trouble::new(TroubleKind::Timeout, std::io::Error::other("no answer"));
        Answer { directory: "configmgr".into(), age: 0, stale: false, said: Err(trouble) }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::option::of(1_u64..3600).prop_map(|program_after| Step::Boot { program_after }),
        1 => Just(Step::Expire),
        1 => Just(Step::Restart),
        2 => Just(Step::ClearAtSite),
        1 => Just(Step::ClearHere),
        1 => Just(Step::GivenElsewhere),
        1 => any::<bool>().prop_map(|up| Step::Site { up }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_order_of_events_gives_a_required_deployment_once_a_clear(
        relay in any::<bool>(), steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut world = World {
            relay,
            now: 1_000_000,
            ledger: Ledger::default(),
            noted: false,
            up: true,
            cache: HashMap::new(),
            may: true,
            must: true,
        };
        for step in steps {
            world.step(step)?;
        }
    }
}
