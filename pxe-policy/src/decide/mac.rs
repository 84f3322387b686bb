//! Whether a Mac may boot from the network, where the site decides that.

use super::{Decision, Known, Verdict};
use crate::{Answer, Evidence, Reason, Record};

/// A Mac that the site knows needs a deployment, whatever it is: its user chooses in the started system, after a log-in. One that is not
/// known may boot when something is deployed to the collection that stands for such Macs. Answers of directories that do not decide are
/// left alone.
pub fn decide_mac(answers: &[Answer]) -> Verdict {
    let mut evidence = Vec::new();
    let mut verdict = Verdict::of(Decision::Images, Reason::Rule);
    for answer in answers {
        let directory = answer.directory.clone();
        let said = match &answer.said {
            Ok(said) if said.decides => said,
            Ok(_) => continue,
            Err(trouble) => {
                evidence.push(Evidence::NoAnswer { directory, trouble: trouble.clone() });
                verdict = Verdict::of(Decision::Ignore, Reason::DirectoryDown);
                break;
            }
        };
        let records: Vec<&Record> = said.by_mac.iter().filter(|record| !record.retired).collect();
        evidence.push(Evidence::LookedUp {
            directory: directory.clone(),
            mac_count: records.len(),
            guid_count: 0,
            age: answer.age,
        });
        let record = match (records.first(), &said.unknown) {
            (Some(record), _) => {
                let known = Known {
                    directory: directory.clone(),
                    key: record.key.clone(),
                    name: record.name.clone(),
                };
                evidence.push(Evidence::Matched {
                    directory,
                    name: record.name.clone(),
                    key: record.key.clone(),
                    by: "hardware address",
                });
                verdict.machine = Some(known);
                *record
            }
            (None, Some(unknown)) => {
                evidence.push(Evidence::UnknownObject { directory, name: unknown.name.clone() });
                unknown
            }
            (None, None) => {
                verdict = Verdict::of(Decision::Ignore, Reason::UnknownMachine);
                break;
            }
        };
        let Some(deployment) = record.deployments.first() else {
            let machine = verdict.machine.take();
            verdict = Verdict { machine, ..Verdict::of(Decision::Ignore, Reason::NoDeployment) };
            break;
        };
        evidence.push(Evidence::Deployed {
            deployment: deployment.label(),
            purpose: deployment.purpose.as_str(),
            collection: deployment.collection.clone(),
        });
        verdict.reason = Reason::Available;
    }
    Verdict { evidence, ..verdict }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Deployment, Said, Trouble, TroubleKind};

    fn answer(said: Result<Said, Trouble>) -> Vec<Answer> {
        vec![Answer { directory: "configmgr".into(), age: 0, stale: false, said }]
    }

    #[test]
    fn a_mac_needs_a_deployment_of_its_own_or_one_for_unknown_macs() {
        let record = |deployments| Record { name: "MAC-LAB-07".into(), deployments, ..Record::default() };
        let with = || vec![Deployment { id: "PS120090".into(), ..Deployment::default() }];
        let said = |by_mac: Option<Record>, unknown: Option<Record>| {
            Ok(Said { by_mac: by_mac.into_iter().collect(), unknown, decides: true, ..Said::default() })
        };
        let table = [
            (said(Some(record(with())), None), Decision::Images, Reason::Available),
            (said(Some(record(vec![])), Some(record(with()))), Decision::Ignore, Reason::NoDeployment),
            (said(None, Some(record(with()))), Decision::Images, Reason::Available),
            (said(None, Some(record(vec![]))), Decision::Ignore, Reason::NoDeployment),
            (said(None, None), Decision::Ignore, Reason::UnknownMachine),
            (Ok(Said::default()), Decision::Images, Reason::Rule),
            (Err(Trouble::new(TroubleKind::Timeout, "late")), Decision::Ignore, Reason::DirectoryDown),
        ];
        for (said, decision, reason) in table {
            let verdict = decide_mac(&answer(said.clone()));
            assert_eq!((verdict.decision, verdict.reason), (decision, reason), "{said:?}");
        }
    }
}
