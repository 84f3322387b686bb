//! `explain` agrees with the answers to the machine's packets.

mod wire;

use netbootd_state::assignments::DeviceUpdate;
use netbootd_state::ledger::now;
use netbootd_telemetry::event::{Answered, Decided, Event};
use proptest::prelude::*;
use pxe_policy::{ArchType, Class, MacAddr, SystemUuid};

use super::*;
use crate::devices;
use wire::{Ask, IMAGES, Kind, Site, id};

/// `explain`, `status`, the API and the page say the same of a decision.
#[test]
fn a_reason_has_the_words_of_its_finding() {
    for reason in Reason::ALL {
        let cause = Cause::Decision(reason);
        let wanted = cause.is_loud().then(|| cause.headline());
        assert_eq!(headline(&Verdict::silence(reason)), wanted, "{reason}");
        assert_eq!(reason.cure().unwrap_or_default(), cause.cure(), "{reason}");
    }
}

/// Machines that the device file knows in different ways, one that it does not, and one that is
/// banned.
const MACS: [MacAddr; 7] = [mac(1), mac(2), mac(3), mac(4), mac(5), mac(6), BANNED];
const BANNED: MacAddr = mac(9);
const BANNED_GUID: &str = "03000200-0400-0500-0006-000700080009";
const DEVICES: &str = "name,mac,uuid,image,file,deployment,purpose,images,default-image\n\
    image,52:54:00:00:00:01,,win,,,,,\n\
    bare,52:54:00:00:00:02,,,,,,,\n\
    required,52:54:00:00:00:03,,win,,again,required,none,\n\
    available,52:54:00:00:00:04,,win,,now,available,Sierra;81000003;01000003,Rescue\n\
    file,52:54:00:00:00:05,,,a.efi,,,,Mojave\n";

const fn mac(n: u8) -> MacAddr {
    MacAddr([0x52, 0x54, 0, 0, 0, n])
}

const MATCHES: [&str; 19] = [
    "",
    "mac = \"52:54:*\"",
    "tags = \"lab\"",
    "class = \"bsdp\"",
    "class = [\"pxe\", \"bsdp\"]",
    "class = \"http\"",
    "class = \"ipxe\"",
    "class = \"pc\"",
    "class = [\"uboot\", \"bsdp\"]",
    "arch = \"x64-uefi\"",
    "arch = \"x86-bios\"",
    "mac = \"52:54:00:00:00:02\"",
    "mac = [\"52:54:00:00:00:06\", \"52:54:00:00:00:09\"]",
    "subnet = \"10.79.0.0/24\"",
    "subnet = \"2001:db8:1::/64\"",
    "relay = \"10.79.0.1\"",
    "iface = \"lan9\"",
    "known = true",
    "boundary = \"10.77.0.40-10.77.0.60\"",
];
const ACTIONS: [&str; 15] = [
    ".boot = { kernel = \"a.efi\", cmdline = \"quiet\" }",
    ".boot = { menu = \"all\" }",
    ".boot = { file = { bios = \"missing.0\", x64-uefi = \"a.efi\" } }",
    "= \"ignore\"",
    "= \"local-boot\"",
    "= \"directories\"",
    ".boot = { file = \"a.efi\" }",
    ".boot = { file = \"missing.efi\" }",
    ".boot = { file = \"ipxe.efi\", via = \"http\" }",
    ".boot = { file = \"a.efi\", next-server = \"10.77.0.9\" }",
    ".boot = { file = [\"missing.efi\", \"http://10.77.0.9/x.efi\"] }",
    ".boot = { images = \"none\" }",
    ".boot = { images = [\"mojave\", \"gone\"], file = \"a.efi\" }",
    ".boot = { images = [\"Sierra.nbi\", \"Rescue\"], default-image = \"Rescue\" }",
    ".boot = { default-image = \"01000002\" }",
];

fn configurations() -> impl Strategy<Value = String> {
    let rule = (0..MATCHES.len(), 0..ACTIONS.len());
    let modes = prop_oneof![
        4 => Just("mode = \"proxy\""),
        1 => Just("mode = \"off\""),
        1 => Just("mode = \"proxy\"\noffer-style = \"bypass\""),
        2 => Just("mode = \"server\"\nconflict-probe = false\n[[dhcp.subnet]]\nsubnet = \"10.77.0.0/24\"\n\
                   pool = \"10.77.0.100-10.77.0.199\"\n[[dhcp.subnet]]\nsubnet = \"10.79.0.0/24\"\n\
                   pool = \"10.79.0.100-10.79.0.199\""),
    ];
    let policy = (
        prop_oneof![Just("rules"), Just("refuse"), Just("approve")],
        prop_oneof![3 => Just(0), 1 => Just(4)],
        prop_oneof![Just("silence"), Just("menu")],
        prop_oneof![Just("bios"), Just("all"), Just("none")],
    );
    let six = prop_oneof![Just("proxy"), Just("off")];
    (modes, six, policy, any::<bool>(), proptest::collection::vec(rule, 0..5)).prop_map(
        |(mode, six, (unknown, delay, local, prompt), devices, rules)| {
            let mut text = format!(
                "[dhcp]\n{mode}\n[dhcp6]\nmode = {six:?}\n[policy]\nbanned-macs = \"{BANNED}\"\n\
                 banned-guids = [\"{BANNED_GUID}\"]\nunknown-machines = {unknown:?}\nresponse-delay = {delay}\n\
                 local-boot = {local:?}\nprompt = {prompt:?}\n"
            );
            if devices {
                text.push_str("[devices]\nfile = \"devices.csv\"\n");
            }
            for (number, (matches, action)) in rules.iter().enumerate() {
                let (matches, action) = (MATCHES[*matches], ACTIONS[*action]);
                text.push_str(&format!(
                    "[[rule]]\nname = \"r{number}\"\nmatch = {{ {matches} }}\naction{action}\n"
                ));
            }
            text
        },
    )
}

fn asks() -> impl Strategy<Value = Ask> {
    let class = prop_oneof![Just(Class::Pxe), Just(Class::Http), Just(Class::Ipxe), Just(Class::Uboot)];
    let arch = prop_oneof![Just(ArchType::X64_UEFI), Just(ArchType::X86_BIOS), Just(ArchType::ARM64_UEFI)];
    let kind = prop_oneof![
        3 => (class.clone(), arch.clone()).prop_map(|(class, arch)| Kind::Pc(class, arch)),
        1 => arch.prop_map(|arch| Kind::BootServer(Class::Pxe, arch)),
        2 => prop_oneof![Just(7_u8), Just(16)].prop_map(Kind::Six),
        1 => Just(Kind::Discover),
        2 => Just(Kind::List),
        3 => (1..5_u16, any::<bool>()).prop_map(|(index, here)| Kind::Select(index, here)),
    ];
    let uuids = [None, BANNED_GUID.parse().ok(), "4C4C4544-0057-5810-804A-C3C04F463732".parse().ok()];
    let uuid = proptest::sample::select(uuids.to_vec());
    let mac = proptest::sample::select(MACS.to_vec());
    (mac, kind, any::<bool>(), prop_oneof![Just(0), Just(9)], uuid)
        .prop_map(|(mac, kind, relayed, secs, uuid)| Ask { mac, kind, relayed, secs, uuid })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn explain_says_what_the_packet_meets(
        configuration in configurations(),
        approved in proptest::collection::vec((0..MACS.len(), any::<bool>()), 0..3),
        assigned in proptest::collection::vec((0..MACS.len(), 0..TARGETS.len(), 0_u8..3), 0..4),
        asks in proptest::collection::vec(asks(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let site = Site::new(&configuration, DEVICES);
            for (machine, approved) in approved {
                site.services.approvals.say(MACS[machine], Some(approved), now()).await;
            }
            for (machine, target, how) in assigned {
                assign(&site, MACS[machine], TARGETS[target], how).await;
            }
            for ask in &asks {
                agrees(&site, ask).await;
            }
        });
    }
}

/// Targets that operators assign to machines.
const TARGETS: [&str; 7] =
    ["disk", "a.efi", "gone.efi", "boot.ipxe", "image:win", "image:Mojave", "image:gone"];

/// Once, for a while, or from now on.
async fn assign(site: &Site, mac: MacAddr, target: &str, how: u8) {
    let target = devices::target(&site.services, target);
    let changed = match how {
        0 => devices::boot_next(&site.services, mac, target, devices::lasts(true, None)).await,
        1 => {
            let lasts = devices::lasts(false, Some(now() + 3600));
            devices::boot_next(&site.services, mac, target, lasts).await
        }
        _ => {
            let tags = Some(vec!["lab".to_owned()]);
            let update = DeviceUpdate { boot: Some(Some(target)), tags, ..DeviceUpdate::default() };
            devices::update(&site.services, mac, update).await
        }
    };
    assert!(changed.unwrap().device.is_some());
}

async fn agrees(site: &Site, ask: &Ask) {
    let bound = site.services.netboot.as_ref().unwrap().bindings().is_bound(ask.mac);
    let outcome = site.ask(ask).await;
    // As the machine asked last: nothing is said of it.
    let explained = explained_as(&site.services, &Source::default(), ask.mac, &AskedAs::default()).await;
    let context = || format!("{ask:?}\nwire: {:?}\nexplained: {explained:#?}", outcome.event);
    match ask.kind {
        Kind::Pc(..) | Kind::BootServer(..) | Kind::Six(_) => {
            let Event::Decided(event) = &outcome.event else { panic!("{}", context()) };
            let off = event.reason == Reason::Disabled;
            assert!(explained.remembered || off, "{}", context());
            if !off {
                of_pc(event, outcome.replied, &explained, &context);
            }
            let Kind::Pc(class, arch) = ask.kind else { return };
            if ask.relayed && ask.secs > 0 {
                // As an operator says that it asks.
                let (uuid, iface, relay) = (ask.uuid, Some("lan0".to_owned()), ask.relay());
                let asked_as = AskedAs { uuid, arch: Some(arch), class: Some(class), iface, relay };
                let said = explained_as(&site.services, &Source::default(), ask.mac, &asked_as).await;
                let words = |one: &Explained| (one.decision.clone(), one.reason.clone(), one.rule.clone());
                if off {
                    assert_eq!((said.decision.as_str(), said.reason.as_str()), ("ignore", "disabled"));
                } else {
                    assert_eq!(words(&said), words(&explained), "{}", context());
                }
            }
        }
        Kind::List | Kind::Discover | Kind::Select(..) => of_mac(ask, bound, &outcome, &explained, &context),
    }
}

fn of_pc(event: &Decided, replied: bool, explained: &Explained, context: &dyn Fn() -> String) {
    let told = event.boot_file.as_deref();
    let decision = match event.decision {
        Answered::Offer | Answered::Ack if told.is_some() => "boot",
        // A lease, and no more.
        Answered::Offer | Answered::Ack => "lease",
        other => other.name(),
    };
    if explained.decision == "boot" {
        assert_eq!(decision, "boot", "{}", context());
        let file = explained.boot_file.as_deref().unwrap();
        assert!(replied && told.unwrap().ends_with(file), "{}", context());
        assert_eq!(event.reason.as_str(), explained.reason, "{}", context());
    } else if decision == "lease" {
        assert!(["local-boot", "wait", "ignore"].contains(&explained.decision.as_str()), "{}", context());
    } else {
        assert_eq!(decision, explained.decision, "{}", context());
        assert_eq!(event.reason.as_str(), explained.reason, "{}", context());
    }
}

fn of_mac(
    ask: &Ask,
    bound: bool,
    outcome: &wire::Outcome,
    explained: &Explained,
    context: &dyn Fn() -> String,
) {
    assert!(explained.remembered && explained.class == "bsdp", "{}", context());
    let may = |index: u16| {
        let name = IMAGES.get(usize::from(index) - 1);
        name.is_some_and(|name| explained.images.iter().any(|image| image.ends_with(name)))
    };
    let failed = |event: &Event| match event {
        Event::Decided(decided) => decided.decision == Answered::Failed,
        Event::MacAnswered(answered) => answered.decision == Answered::Failed,
        _ => false,
    };
    match (&outcome.event, explained.decision.as_str()) {
        (Event::MacAnswered(answered), "images") => {
            assert_eq!(answered.rule, explained.rule, "{}", context());
        }
        (Event::Decided(decided), "ignore" | "wait" | "local-boot") => {
            assert_eq!(decided.reason.as_str(), explained.reason, "{}", context());
            let refused = decided.decision == Answered::Failed;
            assert!(refused || decided.decision.name() == explained.decision, "{}", context());
        }
        _ => panic!("{}", context()),
    }
    match ask.kind {
        Kind::List => {
            let listed: Vec<String> = outcome.listed.iter().map(ToString::to_string).collect();
            let images: Vec<&str> =
                explained.images.iter().map(|image| image.split(' ').next().unwrap()).collect();
            assert_eq!(listed, images, "{}", context());
            assert_eq!(outcome.replied, !images.is_empty(), "{}", context());
        }
        Kind::Select(_, false) => assert!(!outcome.replied, "{}", context()),
        Kind::Select(index, true) => {
            assert_eq!(outcome.replied, explained.decision != "ignore", "{}", context());
            assert_eq!(failed(&outcome.event), outcome.replied && !may(index), "{}", context());
        }
        // An earlier selection may not be for it any more.
        Kind::Discover => assert!(!outcome.replied || bound && !explained.images.is_empty(), "{}", context()),
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn the_pilot_configuration_leaves_macs_alone_as_it_does_pcs() {
    // docs/beside.md, with the device file in the place of the site.
    let pilot = "[devices]\nfile = \"devices.csv\"\n\
        [[rule]]\nname = \"pilot\"\nmatch = { mac = [\"52:54:00:00:00:04\"] }\naction = \"directories\"\n\
        [[rule]]\nname = \"rest\"\naction = \"ignore\"\n";
    let site = Site::new(pilot, DEVICES);
    let ask = |mac, kind| Ask { mac, kind, relayed: false, secs: 0, uuid: None };
    for kind in [Kind::List, Kind::Select(1, true), Kind::Discover] {
        let outcome = site.ask(&ask(mac(6), kind)).await;
        let Event::Decided(decided) = outcome.event else { panic!("{kind:?}") };
        assert!(!outcome.replied, "{kind:?}");
        assert_eq!((decided.reason.as_str(), decided.rule.as_deref()), ("rule", Some("rest")));
    }
    let listed = site.ask(&ask(mac(4), Kind::List)).await.listed;
    assert_eq!(listed, [id(3), id(1)], "the images of its row, the default first");
    let Event::MacAnswered(refused) = site.ask(&ask(mac(4), Kind::Select(2, true))).await.event else {
        panic!("it is offered images");
    };
    assert_eq!((refused.decision, refused.reason), (Answered::Failed, bsdp::Reason::ImageNotAllowed));
    assert_eq!(refused.machine.as_deref(), Some("available"));
}

#[tokio::test]
async fn a_banned_mac_gets_silence_and_one_that_waits_gets_its_images_once_it_is_approved() {
    let policy = format!(
        "[devices]\nfile = \"devices.csv\"\n[policy]\nbanned-macs = \"{BANNED}\"\nunknown-machines = \"approve\"\n"
    );
    let site = Site::new(&policy, DEVICES);
    let ask = |mac, kind| Ask { mac, kind, relayed: false, secs: 0, uuid: None };
    for kind in [Kind::List, Kind::Select(1, true)] {
        let outcome = site.ask(&ask(BANNED, kind)).await;
        let Event::Decided(decided) = outcome.event else { panic!("{kind:?}") };
        assert_eq!((outcome.replied, decided.reason.as_str()), (false, "mac-ignored"));
    }
    let waits = site.ask(&ask(mac(6), Kind::List)).await;
    let Event::Decided(decided) = waits.event else { panic!("it waits") };
    assert_eq!((waits.replied, decided.decision), (false, Answered::Wait));
    let pending = site.services.approvals.list();
    assert_eq!(pending.iter().map(|one| one.mac.clone()).collect::<Vec<_>>(), [mac(6).to_string()]);
    let refused = site.ask(&ask(mac(6), Kind::Select(1, true))).await;
    assert!(refused.replied, "a choice is refused aloud, so that it goes on to its disk");
    site.services.approvals.say(mac(6), Some(true), now()).await;
    assert_eq!(site.ask(&ask(mac(6), Kind::List)).await.listed.len(), IMAGES.len());
}

#[tokio::test]
async fn a_mac_boots_what_an_operator_wants_once_and_then_chooses_again() {
    let site = Site::new("[policy]\nsame-boot = \"0s\"\n", DEVICES);
    let ask = |kind| Ask { mac: mac(6), kind, relayed: false, secs: 0, uuid: None };
    assign(&site, mac(6), "image:Mojave", 0).await;
    // The list alone uses nothing up.
    for _ in 0..2 {
        assert_eq!(site.ask(&ask(Kind::List)).await.listed, [id(2)]);
    }
    let Event::MacAnswered(refused) = site.ask(&ask(Kind::Select(1, true))).await.event else { panic!() };
    assert_eq!(refused.decision, Answered::Failed);
    let used = || devices::view(&site.services, mac(6)).unwrap().next.unwrap().used;
    assert_eq!(used(), None);
    assert!(site.ask(&ask(Kind::Select(2, true))).await.replied);
    assert!(used().is_some());
}

#[tokio::test]
async fn a_mac_that_chose_this_server_waits_for_no_other() {
    let site = Site::new("[policy]\nresponse-delay = 4\n", DEVICES);
    let ask = |kind, secs| Ask { mac: mac(1), kind, relayed: false, secs, uuid: None };
    assert!(!site.ask(&ask(Kind::List, 0)).await.replied);
    assert!(site.ask(&ask(Kind::List, 4)).await.replied);
    assert!(site.ask(&ask(Kind::Select(1, true), 0)).await.replied);
    assert!(!site.ask(&ask(Kind::Discover, 0)).await.replied);
    assert!(site.ask(&ask(Kind::Discover, 5)).await.replied);
}

#[tokio::test]
async fn a_machine_of_a_network_that_is_not_named_is_explained_as_its_packets_meet_it() {
    let site = Site::new("[limits]\nsubnets = [\"10.77.0.0/24\"]\nrelays = [\"10.77.0.254\"]\n", DEVICES);
    for (relayed, reason) in [(false, "no-rule"), (true, "not-allowed")] {
        let ask = Ask { mac: mac(1), kind: Kind::List, relayed, secs: 0, uuid: None };
        assert_eq!(site.lets_in(&ask), !relayed);
        site.ask(&ask).await;
        let explained = explained_as(&site.services, &Source::default(), mac(1), &AskedAs::default()).await;
        assert_eq!(explained.reason, reason);
    }
}

#[tokio::test]
async fn an_operator_overrides_what_the_machine_asked_last() {
    let site = Site::new("", DEVICES);
    let asked = |as_: AskedAs| {
        let services = Arc::clone(&site.services);
        async move { explained_as(&services, &Source::default(), mac(1), &as_).await }
    };
    let never = asked(AskedAs::default()).await;
    assert_eq!((never.class.as_str(), never.remembered), ("pxe", false));
    let relayed = Ask { mac: mac(1), kind: Kind::List, relayed: true, secs: 0, uuid: None };
    site.ask(&relayed).await;
    let last = asked(AskedAs::default()).await;
    let seen = (last.class.as_str(), last.iface.as_str(), last.relay.as_deref(), last.remembered);
    assert_eq!(seen, ("bsdp", "lan0", Some("10.79.0.1"), true));
    let as_pc = asked(AskedAs { class: Some(Class::Http), ..AskedAs::default() }).await;
    let seen = (as_pc.class.as_str(), as_pc.arch.as_deref(), as_pc.relay.as_deref());
    assert_eq!(seen, ("http", Some("x64-uefi"), Some("10.79.0.1")));
    let guid: SystemUuid = BANNED_GUID.parse().unwrap();
    let pc = Kind::Pc(Class::Pxe, ArchType::X86_BIOS);
    site.ask(&Ask { kind: pc, relayed: false, uuid: Some(guid), ..relayed }).await;
    let last = asked(AskedAs::default()).await;
    assert_eq!((last.arch.as_deref(), last.uuid), (Some("x86-bios"), Some(guid.to_string())));
}
