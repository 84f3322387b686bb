//! Whatever happens between two boots, what an operator wants a machine to boot once is given once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    ArchType, AssignmentChange, Assignments, BootAction, BootNext, Claimed, LOADER_SCRIPT, LedgerChange,
    MacAddr, Match, Rule, Target,
};

const PC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

#[derive(Debug, Clone, Copy)]
enum Step {
    /// An operator wants something else next: once, or until a time.
    Next { once: bool, lasts: Option<Seconds> },
    /// An operator assigns something, or takes that back.
    Assign { image: bool },
    /// An operator takes the next boot back.
    Cancel,
    /// The machine boots: its firmware asks, asks again, and then the program that it started asks.
    Boot { retries: u8, program_after: Option<Seconds>, guid: bool },
    /// The daemon is killed, and starts from what is on the disk.
    Restart,
    /// The daemon is killed between its offer and its ACK: the ledger knows nothing of the boot.
    KilledBeforeAck,
    /// Time passes between two requests.
    Wait(Seconds),
}

#[derive(Default)]
struct World {
    now: Seconds,
    assignments: Assignments,
    ledger: Ledger,
    numbers: u64,
    /// In how many boots each next boot was given.
    given: BTreeMap<u64, usize>,
}

impl World {
    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        // Longer than `same_boot`: boots are told apart.
        self.now += 200;
        match step {
            Step::Next { once, lasts } => {
                self.numbers += 1;
                let until = lasts.map(|lasts| self.now + lasts);
                let (at, number) = (self.now, self.numbers);
                let next = BootNext { target: Target::Disk, once, until, at, number };
                self.change(|device| device.next = Some(next));
            }
            Step::Assign { image } => {
                let target = image.then(|| Target::File("assigned.efi".into()));
                self.change(|device| device.boot = target);
            }
            Step::Cancel => self.change(|device| device.next = None),
            Step::Boot { retries, program_after, guid } => self.boot(retries, program_after, guid)?,
            Step::Restart => {
                let mut again = Ledger::default();
                for entry in self.ledger.entries().cloned() {
                    again.apply(LedgerChange::Give(entry));
                }
                prop_assert_eq!(&again, &self.ledger);
            }
            Step::KilledBeforeAck => {
                self.verdict(Class::Pxe, true);
            }
            Step::Wait(seconds) => self.now += seconds,
        }
        Ok(())
    }

    fn change(&mut self, change: impl FnOnce(&mut Assignment)) {
        let mut device = self.assignments.get(PC).cloned().unwrap_or_else(|| Assignment::new(PC));
        change(&mut device);
        self.assignments.apply(AssignmentChange::Put(Box::new(device)));
    }

    fn boot(&mut self, retries: u8, program_after: Option<Seconds>, guid: bool) -> Result<(), TestCaseError> {
        let next = self.assignments.get(PC).and_then(|device| device.next.clone());
        let first = self.ask(Class::Pxe, guid);
        let is_due = next.as_ref().is_some_and(|next| {
            let used = next.once && self.given.contains_key(&next.number);
            !used && !next.has_expired(self.now)
        });
        prop_assert_eq!(first.reason == Reason::BootNext, is_due, "{:?} at {}", next, self.now);
        for _ in 0..retries {
            self.now += 4;
            let again = self.ask(Class::Pxe, !guid);
            let ended = next.as_ref().is_some_and(|next| !next.once && next.has_expired(self.now));
            prop_assert!(again.decision == first.decision || ended, "a retry gets another answer");
        }
        if let Some(after) = program_after {
            self.now += after;
            let program = self.ask(Class::Ipxe, guid);
            prop_assert!(
                program.reason == first.reason || !next.as_ref().is_some_and(|next| next.once),
                "one boot has two answers: {:?} {:?}",
                first.reason,
                program.reason
            );
        }
        if first.reason == Reason::BootNext {
            let next = next.expect("something is due");
            let count = self.given.entry(next.number).or_default();
            *count += 1;
            prop_assert!(!next.once || *count == 1, "given twice");
        }
        Ok(())
    }

    /// The machine's answer, noted as the daemon notes it before the reply leaves.
    fn ask(&mut self, class: Class, guid: bool) -> Verdict {
        let verdict = self.verdict(class, guid);
        for entry in &verdict.learned {
            self.ledger.apply(LedgerChange::Amend(entry.clone()));
        }
        if let Some(claim) = &verdict.deployment {
            let same_boot = Settings::default().same_boot;
            match self.ledger.claim(claim, PC, self.now, same_boot, None) {
                Ok(Claimed::Made(entry)) => self.ledger.apply(LedgerChange::Give(entry)),
                Ok(Claimed::There(_)) => {}
                Err(reason) => panic!("decided, and refused for {reason}"),
            }
        }
        verdict
    }

    fn verdict(&self, class: Class, guid: bool) -> Verdict {
        let guid = guid.then(|| "4c4c4544-0057-5810-804a-c3c04f463732".parse().unwrap());
        let request = BootRequest::asking(PC, guid, ArchType::X64_UEFI, class);
        let boot = BootAction { file: vec!["usual.efi".into()], ..BootAction::default() };
        let rule = Rule { name: "rest".into(), matches: Match::default(), action: Action::Boot(boot) };
        let (rules, settings) = (Rules(vec![rule]), Settings::default());
        let site = Site {
            assigned: self.assignments.find(&request),
            now: self.now,
            ..Site::new(&rules, &settings, &self.ledger)
        };
        decide(&request, &site)
    }
}

fn step() -> impl Strategy<Value = Step> {
    let boot = (0_u8..3, prop::option::of(1_u64..600), any::<bool>());
    prop_oneof![
        3 => (any::<bool>(), prop::option::of(1_u64..5000))
            .prop_map(|(once, lasts)| Step::Next { once, lasts }),
        1 => any::<bool>().prop_map(|image| Step::Assign { image }),
        1 => Just(Step::Cancel),
        5 => boot.prop_map(|(retries, program_after, guid)| Step::Boot { retries, program_after, guid }),
        1 => Just(Step::Restart),
        1 => Just(Step::KilledBeforeAck),
        1 => (1_u64..10_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_order_of_events_gives_the_next_boot_at_most_once(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut world = World { now: 1_000_000, ..World::default() };
        for step in steps {
            world.step(step)?;
        }
    }
}

fn assigned(boot: Option<Target>, next: Option<Target>) -> Assignment {
    let next = next.map(|target| BootNext { target, once: true, until: None, at: 0, number: 1 });
    Assignment { name: "kiosk-7".into(), boot, next, ..Assignment::new(PC) }
}

fn verdict_for(request: &BootRequest, device: &Assignment, change: impl FnOnce(&mut Site<'_>)) -> Verdict {
    let boot = BootAction { file: vec!["usual.efi".into()], ..BootAction::default() };
    let rule = Rule { name: "rest".into(), matches: Match::default(), action: Action::Boot(boot) };
    let (rules, settings, ledger) = (Rules(vec![rule]), Settings::default(), Ledger::default());
    let mut site = Site { assigned: Some(device), ..Site::new(&rules, &settings, &ledger) };
    change(&mut site);
    decide(request, &site)
}

fn pc(class: Class) -> BootRequest {
    BootRequest::asking(PC, None, ArchType::X64_UEFI, class)
}

#[test]
fn the_winner_names_what_it_hides() {
    let both = assigned(Some(Target::Image("debian".into())), Some(Target::File("memtest.efi".into())));
    let verdict = verdict_for(&pc(Class::Pxe), &both, |_| {});
    assert!(matches!(&verdict.decision, Decision::Boot(boot) if boot.file == "memtest.efi"));
    let words: Vec<String> = verdict.evidence.iter().map(ToString::to_string).collect();
    let expected = [
        "an operator wants it to boot file memtest.efi next, once",
        "without that it would get debian/boot/x64/bootmgfw.efi (assigned)",
    ];
    assert_eq!(words, expected);
    let lasting = Assignment { next: None, ..both };
    let verdict = verdict_for(&pc(Class::Pxe), &lasting, |_| {});
    let words: Vec<String> = verdict.evidence.iter().map(ToString::to_string).collect();
    let expected = [
        "image debian is assigned to kiosk-7",
        "without that it would get usual.efi (rule rest)",
        "debian/boot/x64/bootmgfw.efi is of generation 2011, signed by Microsoft Windows Production PCA 2011; \
         nothing is known of the machine; it gets the other generation if it asks again",
    ];
    assert_eq!(words, expected);
    assert_eq!(verdict.machine.map(|known| known.name), Some("kiosk-7".into()));
}

#[test]
fn a_kernel_or_a_script_comes_by_a_boot_loader_and_a_mac_gets_the_image_alone() {
    let kernel = KernelBoot { kernel: "debian/vmlinuz".into(), ..KernelBoot::default() };
    let here = |path: &str| ["ipxe.efi", "usual.efi", "menu.ipxe"].contains(&path);
    let with = |site: &mut Site<'_>| {
        site.available = &|path| ["ipxe.efi", "usual.efi", "menu.ipxe"].contains(&path);
        site.kernel_of = &|folder| {
            let kernel = "debian/vmlinuz".to_owned();
            (folder == "debian").then(|| KernelBoot { kernel, ..KernelBoot::default() })
        };
    };
    assert!(here("ipxe.efi"));
    let image = assigned(Some(Target::Image("debian".into())), None);
    for (class, file) in [(Class::Pxe, "ipxe.efi"), (Class::Http, "ipxe.efi"), (Class::Ipxe, LOADER_SCRIPT)] {
        let verdict = verdict_for(&pc(class), &image, with);
        let Decision::Boot(boot) = verdict.decision else { panic!("{class}") };
        assert_eq!((boot.file.as_str(), boot.image.as_deref()), (file, Some("debian")), "{class}");
        assert_eq!(boot.config, Some(LoaderConfig::Kernel(kernel.clone())));
    }
    let script = assigned(None, Some(Target::File("menu.ipxe".into())));
    for (class, file) in [(Class::Pxe, "ipxe.efi"), (Class::Ipxe, "menu.ipxe")] {
        let verdict = verdict_for(&pc(class), &script, with);
        assert!(matches!(&verdict.decision, Decision::Boot(boot) if boot.file == file), "{verdict:?}");
    }
    let mac = BootRequest { archs: Vec::new(), ..pc(Class::Bsdp) };
    let Decision::Images(offer) = verdict_for(&mac, &image, with).decision else { panic!() };
    assert_eq!(offer.to_string(), "debian, by default debian");
    // A file is nothing to a Mac, which then goes on to what it gets usually.
    assert!(matches!(verdict_for(&mac, &script, with).decision, Decision::Images(_)));
}

#[test]
fn what_is_not_here_is_passed_over_once_and_leaves_the_disk_for_what_is_assigned() {
    let nothing = |site: &mut Site<'_>| site.available = &|path| path == "usual.efi";
    let next = verdict_for(&pc(Class::Pxe), &assigned(None, Some(Target::File("gone.efi".into()))), nothing);
    assert_eq!((next.reason, next.deployment), (Reason::Rule, None));
    assert!(matches!(&next.evidence[0], Evidence::TargetMissing { .. }), "{:?}", next.evidence);
    let lasting = verdict_for(&pc(Class::Pxe), &assigned(Some(Target::Image("gone".into())), None), nothing);
    assert_eq!((lasting.decision, lasting.reason), (Decision::LocalBoot, Reason::NoBootFile));
}
