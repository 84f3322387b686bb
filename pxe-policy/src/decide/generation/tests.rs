use std::time::Duration;

use super::super::{Settings, decide};
use super::*;
use crate::{
    Action, Answer, BootAction, BootImage, Claimed, Deployment, DirectoryAnswer, Ledger, LedgerChange,
    MacAddr, MachineTrust, Match, Observation, Purpose, Reason, Record, Rule, Rules,
};

const PE: &str = "pe/boot/x64/bootmgfw.efi";
const PE_EX: &str = "pe/boot/x64/bootmgfw_EX.efi";

fn request() -> BootRequest {
    BootRequest::asking(MacAddr([2, 0, 0, 0, 0, 1]), None, ArchType::X64_UEFI, Class::Pxe)
}

fn rule(action: BootAction) -> Rules {
    Rules(vec![Rule { name: "pe".into(), matches: Match::default(), action: Action::Boot(action) }])
}

fn image() -> BootAction {
    BootAction { image: Some("pe".into()), ..BootAction::default() }
}

/// Observations of (2011, 2023), each with the time; a refusal of this boot has a time above 100.
fn trust(of_2011: Option<(bool, u64)>, of_2023: Option<(bool, u64)>) -> MachineTrust {
    let mut trust = MachineTrust::default();
    for (generation, seen) in [(Generation::Of2011, of_2011), (Generation::Of2023, of_2023)] {
        if let Some((starts, at)) = seen {
            trust.observed.put(generation, Observation { starts, at, file: "a.efi".into() });
            if !starts && at > 100 {
                trust.refused_now.push(generation);
            }
        }
    }
    trust
}

fn by_rule(
    action: BootAction,
    trust: &MachineTrust,
    signed_by: Option<Generation>,
    there: &[&str],
) -> Verdict {
    let settings = Settings { signed_by, ..Settings::default() };
    let (rules, ledger) = (rule(action), Ledger::default());
    let available = |path: &str| there.contains(&path);
    let signers = |path: &str| match path {
        "shim-2011.efi" => Some(signed(&[Generation::Of2011])),
        "shim-2023.efi" => Some(signed(&[Generation::Of2023])),
        "shim-both.efi" => Some(signed(&Generation::ALL)),
        _ => None,
    };
    let site =
        Site { trust, available: &available, signers: &signers, ..Site::new(&rules, &settings, &ledger) };
    decide(&request(), &site)
}

fn signed(generations: &[Generation]) -> Signers {
    let authorities = generations.iter().map(|generation| format!("CA {generation}")).collect();
    Signers { authorities, generations: generations.to_vec() }
}

fn file(verdict: &Verdict) -> &str {
    match &verdict.decision {
        Decision::Boot(boot) => &boot.file,
        _ => "",
    }
}

#[test]
fn a_machine_gets_the_generation_that_it_trusts_and_the_other_after_a_refusal() {
    let (yes, no, now) = (Some((true, 9)), Some((false, 9)), Some((false, 101)));
    let table = [
        (None, None, PE, "nothing is known"),
        (yes, None, PE, "went on from"),
        (None, yes, PE_EX, "went on from"),
        (yes, yes, PE_EX, "went on from"),
        (no, None, PE_EX, "does not trust the other"),
        (now, None, PE_EX, "does not trust the other"),
        (now, yes, PE_EX, "went on from"),
        (yes, now, PE, "went on from"),
        (now, no, PE_EX, "no boot program here is signed"),
        (no, now, PE, "no boot program here is signed"),
    ];
    for (of_2011, of_2023, expected, words) in table {
        let verdict = by_rule(image(), &trust(of_2011, of_2023), None, &[PE, PE_EX]);
        assert_eq!(file(&verdict), expected, "{of_2011:?} {of_2023:?}");
        let evidence = verdict.evidence.last().unwrap().to_string();
        assert!(evidence.contains(words), "{of_2011:?} {of_2023:?}: {evidence}");
    }
}

#[test]
fn a_rule_and_the_setting_name_the_generation_and_an_image_of_one_generation_leaves_no_choice() {
    let nothing = MachineTrust::default();
    let wants_2023 = BootAction { signed_by: Some(Generation::Of2023), ..image() };
    let refused = trust(None, Some((false, 101)));
    for (action, trust, setting, expected) in [
        (wants_2023.clone(), &nothing, None, PE_EX),
        (wants_2023, &refused, None, PE_EX),
        (image(), &nothing, Some(Generation::Of2023), PE_EX),
        (image(), &refused, Some(Generation::Of2023), PE),
    ] {
        assert_eq!(file(&by_rule(action, trust, setting, &[PE, PE_EX])), expected);
    }
    for only in [PE, PE_EX] {
        let verdict = by_rule(image(), &nothing, None, &[only]);
        assert_eq!(file(&verdict), only);
        assert!(!verdict.evidence.iter().any(|one| matches!(one, Evidence::Generation { .. })));
    }
    let verdict = by_rule(image(), &trust(Some((false, 9)), None), None, &[PE]);
    let evidence = verdict.evidence.last().unwrap().to_string();
    assert!(evidence.contains("Microsoft Windows Production PCA 2011"), "{evidence}");
}

#[test]
fn of_a_rules_files_the_first_that_the_machine_does_not_refuse_is_taken() {
    let files = |names: &[&str]| BootAction {
        file: names.iter().map(|name| (*name).to_owned()).collect(),
        ..BootAction::default()
    };
    let names = ["shim-2011.efi", "shim-2023.efi", "shim-both.efi"];
    let table = [
        (None, None, names[0]),
        (Some((false, 101)), None, names[1]),
        (Some((true, 9)), Some((false, 9)), names[0]),
    ];
    for (of_2011, of_2023, expected) in table {
        assert_eq!(file(&by_rule(files(&names), &trust(of_2011, of_2023), None, &names)), expected);
    }
    let both = trust(Some((false, 9)), Some((true, 9)));
    assert_eq!(file(&by_rule(files(&["shim-both.efi"]), &both, None, &names)), "shim-both.efi");
}

#[test]
fn a_program_that_asks_again_and_has_no_other_generation_leaves_its_place_to_the_boot_manager() {
    let wds = BootAction { file: vec!["pe/boot/x64/wdsmgfw.efi".into()], ..BootAction::default() };
    let there = ["pe/boot/x64/wdsmgfw.efi", PE, PE_EX];
    let refused = trust(Some((false, 101)), None);
    assert_eq!(file(&by_rule(wds, &refused, None, &there)), PE_EX);
}

/// A site with one Required deployment of an image.
fn required(
    trust: &MachineTrust,
    ledger: &Ledger,
    now: u64,
    there: &[&str],
    trusts: Option<Trusts>,
) -> Verdict {
    let deployment = Deployment {
        id: "PS1".into(),
        purpose: Purpose::Required,
        for_pxe: true,
        boot_image: Some(BootImage { id: "pe".into(), arch: None }),
        ..Deployment::default()
    };
    let record = Record { key: "7".into(), deployments: vec![deployment], trusts, ..Record::default() };
    let said = DirectoryAnswer { by_mac: vec![record], decides: true, ..DirectoryAnswer::default() };
    let answers = [Answer { directory: "configmgr".into(), age: 0, stale: false, said: Ok(said) }];
    let (rules, settings) = (Rules::default(), Settings::default());
    let available = |path: &str| there.contains(&path);
    let base = Site::new(&rules, &settings, ledger);
    decide(&request(), &Site { trust, answers: &answers, available: &available, now, ..base })
}

#[test]
fn the_other_generation_spends_no_required_deployment_and_a_third_question_gets_nothing() {
    let (mut ledger, both) = (Ledger::default(), [PE, PE_EX]);
    let first = required(&MachineTrust::default(), &ledger, 1000, &both, None);
    assert_eq!((file(&first), first.reason), (PE, Reason::Required));
    let claim = first.deployment.unwrap();
    match ledger.claim(&claim, request().mac, 1000, Duration::from_secs(120), None) {
        Ok(Claimed::Made(entry)) => ledger.apply(LedgerChange::Give(entry)),
        other => panic!("{other:?}"),
    }
    // The download took longer than questions of one boot are apart.
    let later = 1000 + 600;
    let refused = trust(Some((false, later)), None);
    let second = required(&refused, &ledger, later, &both, None);
    assert_eq!((file(&second), second.reason), (PE_EX, Reason::Required));
    assert_eq!((second.deployment, second.learned), (None, Vec::new()), "the ledger stays as it is");

    let both_refused = trust(Some((false, later)), Some((false, later + 60)));
    let third = required(&both_refused, &ledger, later + 60, &both, None);
    assert_eq!((file(&third), third.reason), ("", Reason::AlreadyRun));
    // Without another program the same one is not given again.
    let alone = required(&refused, &ledger, later, &[PE], None);
    assert_eq!((file(&alone), alone.reason), ("", Reason::AlreadyRun));
}

#[test]
fn the_device_files_word_goes_before_what_was_seen_in_earlier_boots() {
    let said = Some("2023".parse::<Trusts>().unwrap());
    let seen = trust(Some((true, 9)), None);
    let verdict = required(&seen, &Ledger::default(), 1000, &[PE, PE_EX], said);
    assert_eq!(file(&verdict), PE_EX);
    let evidence = verdict.evidence.last().unwrap().to_string();
    assert!(evidence.contains("the device file says so"), "{evidence}");
}

#[test]
fn an_image_is_given_in_the_generation_that_the_settings_name_for_it_unless_a_rule_names_another() {
    let image_signed_by = [("PE".to_owned(), Generation::Of2023)].into();
    let settings = Settings { image_signed_by, ..Settings::default() };
    assert_eq!(settings.generation_of_image(Some("pe"), "x/y.efi"), Some(Generation::Of2023));
    assert_eq!(settings.generation_of_image(Some("other"), "other/boot/x64/bootmgfw.efi"), None);
    let (seen, ledger) = (trust(Some((true, 9)), Some((false, 9))), Ledger::default());
    let given = |action: BootAction| {
        let rules = rule(action);
        decide(&request(), &Site { trust: &seen, ..Site::new(&rules, &settings, &ledger) })
    };
    let verdict = given(image());
    assert_eq!(file(&verdict), PE_EX);
    let evidence = verdict.evidence.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    assert!(evidence.contains("refused") || evidence.contains("did not start it"), "{evidence}");
    let by_rule = BootAction { signed_by: Some(Generation::Of2011), ..image() };
    assert_eq!(file(&given(by_rule)), PE);
}
