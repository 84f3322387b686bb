//! As much of a case's configuration as its replay without a daemon needs.

use netbootd_diagnosis::step::Proto;
use pxe_policy::{ArchType, Class};
use toml::{Table, Value};

#[derive(Debug)]
pub(super) struct Policy {
    /// Whether netbootd gives the addresses.
    pub(super) proto: Proto,
    /// The configuration's key `diagnosis.patience`.
    pub(super) patience: f64,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    class: Option<Class>,
    arch: Option<ArchType>,
    file: String,
}

impl Policy {
    pub(super) fn parse(configuration: &str) -> Self {
        let table: Table = configuration.parse().unwrap();
        let of = |name: &str, key: &str| table.get(name).and_then(|section| section.get(key)).cloned();
        let serves = of("dhcp", "mode").is_some_and(|mode| mode.as_str() == Some("server"));
        let patience = of("diagnosis", "patience").and_then(|patience| patience.as_float());
        let rules = table.get("rule").and_then(Value::as_array);
        Policy {
            proto: if serves { Proto::Dhcp } else { Proto::Proxy },
            patience: patience.unwrap_or(1.0),
            rules: rules.into_iter().flatten().map(Rule::parse).collect(),
        }
    }

    /// The boot file of the first rule that fits.
    pub(super) fn boot_file(&self, class: Class, arch: ArchType) -> Option<String> {
        let fits = |rule: &&Rule| {
            rule.class.is_none_or(|wanted| wanted == class)
                && rule.arch.is_none_or(|wanted| wanted.same_family(arch))
        };
        self.rules.iter().find(fits).map(|rule| rule.file.clone())
    }
}

impl Rule {
    fn parse(rule: &Value) -> Self {
        let matches = |key: &str| rule.get("match").and_then(|matches| matches.get(key)?.as_str());
        let file = rule.get("action").and_then(|action| action.get("boot")?.get("file")?.as_str());
        Rule {
            class: matches("class").map(|class| class.parse().unwrap()),
            arch: matches("arch").map(|arch| arch.parse().unwrap()),
            file: file.unwrap().to_owned(),
        }
    }
}
