//! The effects of forged packets: on the machine in whose name they come, and on no other one.

use proptest::prelude::*;

use super::*;

/// Forged packets, in a machine's name or in the stranger's own.
#[derive(Debug, Clone, Copy)]
enum Forged {
    Offered(Class),
    Takes,
    Named,
    SystemSpeaks,
    OtherServer,
    Misses,
    Fetches,
    Aborts,
    Stalls,
    Waits,
}

fn forged() -> impl Strategy<Value = (u8, Forged)> {
    use Forged::*;
    let kind = prop_oneof![
        Just(Offered(Class::Pxe)),
        Just(Offered(Class::Ipxe)),
        Just(Offered(Class::Http)),
        Just(Takes),
        Just(Named),
        Just(SystemSpeaks),
        Just(OtherServer),
        Just(Misses),
        Just(Fetches),
        Just(Aborts),
        Just(Stalls),
        Just(Waits),
    ];
    (2..8_u8, kind)
}

fn play(site: &mut Site, kind: Forged) {
    match kind {
        Forged::Offered(class) => site.offered(class, "boot.efi"),
        Forged::Takes => site.takes_from(Ipv4Addr::new(10, 77, 0, 66)),
        Forged::Named => site.named("boot.efi"),
        Forged::SystemSpeaks => site.system_speaks(),
        Forged::OtherServer => site.other(Some("evil.efi"), Some("10.77.0.66"), true),
        Forged::Misses => site.misses("initrd.img"),
        Forged::Fetches => site.fetches("ipxe.efi", UNSIGNED),
        Forged::Aborts => site.starts("ipxe.efi", None).ends("x", TransferOutcome::Aborted, 5, true),
        Forged::Stalls => site.starts("ipxe.efi", None),
        Forged::Waits => site.wait(3.0),
    };
}

/// The steps of a healthy boot, one by one.
fn healthy(site: &mut Site, step: usize) {
    match step {
        0 => site.offered(Class::Pxe, "ipxe.efi"),
        1 => site.takes_from(ROUTER),
        2 => site.named("ipxe.efi"),
        3 => site.fetches("ipxe.efi", UNSIGNED),
        4 => site.offered(Class::Ipxe, "boot.ipxe"),
        5 => site.takes_from(ROUTER),
        6 => site.fetches("boot.ipxe", None),
        7 => site.fetches("vmlinuz", SIGNED),
        8 => site.fetches("initrd.img", None),
        _ => site.system_speaks(),
    };
}

const STEPS: usize = 10;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is forged in the names of others, a boot that goes on has no finding.
    #[test]
    fn forged_packets_frame_no_third_machine(
        noise in prop::collection::vec(prop::collection::vec(forged(), 0..6), STEPS),
    ) {
        let mut site = Site::new();
        for (step, forged) in noise.into_iter().enumerate() {
            for (n, kind) in forged.into_iter().take(2) {
                play(site.on(n), kind);
            }
            healthy(site.on(1), step);
            let found = site.diagnosis().finding;
            prop_assert!(found.is_none(), "step {step}: {found:?}");
        }
        prop_assert!(site.past().is_empty());
    }

    /// Two boots under one address, in any order: bounded, and nobody else is concerned.
    #[test]
    fn two_boots_interleaved_under_one_address_stay_bounded(
        order in prop::collection::vec((any::<bool>(), forged()), 0..200),
    ) {
        let mut site = Site::new();
        let (mut steps, mut own) = ([0, 0], 0);
        for (second, (_, kind)) in order {
            let at = &mut steps[usize::from(second)];
            healthy(site.on(2), *at % STEPS);
            *at += 1;
            play(site.on(2), kind);
            site.diagnosis();
            if own < STEPS {
                healthy(site.on(1), own);
                own += 1;
                let found = site.diagnosis().finding;
                prop_assert!(found.is_none() , "{found:?}");
            }
        }
        let machine = site.machines.get(&MacAddr([0x52, 0x54, 0, 0, 0, 2]));
        if let Some(boot) = machine.and_then(Machine::boot) {
            prop_assert!(boot.fetched.len() <= 32 && boot.missed.len() <= 16 && boot.running.len() <= 8);
            prop_assert!(boot.others.len() <= 6);
        }
        prop_assert!(machine.is_none_or(|machine| machine.past().count() <= 16));
    }
}

/// Leases that nobody fetched a file with say nothing of what is usual.
#[test]
fn requests_in_the_names_of_many_machines_make_no_server_the_usual_one() {
    let mut site = Site::new();
    for n in 10..200 {
        site.on(n).offered(Class::Pxe, "boot.efi").takes_from(Ipv4Addr::new(10, 77, 0, 66));
    }
    site.on(1).offered(Class::Pxe, "boot.efi").takes_from(ROUTER).wait(9.0);
    site.finds(Cause::NoBootServerRequest);
}

/// One machine with many transfers sets no rate for the others.
#[test]
fn one_fast_machine_makes_no_other_one_slow() {
    let mut site = Site::new();
    for _ in 0..10 {
        site.on(2).starts("big.wim", None).ends("big.wim", TransferOutcome::Completed, 900_000_000, true);
    }
    site.on(1).starts("big.wim", None).wait(20.0);
    let id = TransferId(site.transfers);
    site.step(Step::TransferProgress { id, bytes: 20_000_000 }).finds_nothing();
}

#[test]
fn a_hundred_thousand_machines_are_bounded() {
    let mut site = Site::new();
    for n in 0..100_000_u32 {
        let [a, b, c, d] = n.to_be_bytes();
        let (mac, machine) = (MacAddr([2, 0, a, b, c, d]), Machine::default());
        let decided = site.decided(Proto::Proxy, Some(Class::Pxe), Answered::Offer, Reason::Rule);
        let uuid = format!("4C4C4544-0042-3510-8053-5254{n:08x}").parse().ok();
        let relay = Some(IpAddr::from(Ipv4Addr::from(0x0a4d_0000 + n)));
        let decided = Decided { uuid, relay, proto: Proto::Pxe, ..decided };
        site.fleet.observe(mac, site.now, Step::Decided(&decided), &machine);
    }
    assert!(site.fleet.sizes().iter().all(|size| *size <= 16_384), "{:?}", site.fleet.sizes());
}
