//! Which of Microsoft's two generations of Secure Boot authorities a machine trusts, and what is
//! known about that.
//!
//! Firmware tells no server what is in its `db`. The knowledge comes from the operator (the column
//! `trusts` of the device file), from what the machine did with programs of each generation, and from
//! a site's inventory.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::rules::file_name;
use crate::{Seconds, Timestamp};

/// A generation of Microsoft's authorities: those of 2011 expire in 2026.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Generation {
    /// `Microsoft Windows Production PCA 2011`, `Microsoft Corporation UEFI CA 2011`.
    #[serde(rename = "2011")]
    Of2011,
    /// `Windows UEFI CA 2023`, `Microsoft UEFI CA 2023`.
    #[serde(rename = "2023")]
    Of2023,
}

/// Text that names no generation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no generation of authorities: 2011 or 2023 was expected")]
pub struct InvalidGeneration(pub String);

impl Generation {
    /// Both, the older one first.
    pub const ALL: [Generation; 2] = [Generation::Of2011, Generation::Of2023];

    /// The other generation of the two.
    pub fn other(self) -> Self {
        match self {
            Generation::Of2011 => Generation::Of2023,
            Generation::Of2023 => Generation::Of2011,
        }
    }

    /// The year: `2011` or `2023`.
    pub fn as_str(self) -> &'static str {
        match self {
            Generation::Of2011 => "2011",
            Generation::Of2023 => "2023",
        }
    }

    /// The generation that the name of a Windows boot program stands for; None for other programs.
    pub fn of_name(path: &str) -> Option<Self> {
        let name = file_name(path);
        let is = |at: usize| PROGRAMS.iter().any(|names| names[at].eq_ignore_ascii_case(&name));
        if is(0) {
            Some(Generation::Of2011)
        } else if is(1) {
            Some(Generation::Of2023)
        } else {
            None
        }
    }

    /// The path of the same Windows boot program of this generation, in the same folder; None for
    /// other programs.
    pub fn sibling(self, path: &str) -> Option<String> {
        let name = file_name(path);
        let names =
            PROGRAMS.iter().find(|names| names.iter().any(|known| known.eq_ignore_ascii_case(&name)))?;
        let folder = &path[..path.len() - name.len()];
        Some(format!("{folder}{}", names[self as usize]))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Generation {
    type Err = InvalidGeneration;

    fn from_str(text: &str) -> Result<Self, InvalidGeneration> {
        Generation::ALL
            .into_iter()
            .find(|known| known.as_str() == text.trim())
            .ok_or_else(|| InvalidGeneration(text.chars().take(40).collect()))
    }
}

/// The authorities behind the signatures of a boot program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signers {
    /// The nearest authority of each signature, by the common name of its certificate.
    pub authorities: Vec<String>,
    /// The generations among them; empty for a program of other authorities alone.
    pub generations: Vec<Generation>,
}

impl Signers {
    /// Of a Windows boot program that cannot be read, by its name.
    pub fn of_name(path: &str) -> Option<Self> {
        let generation = Generation::of_name(path)?;
        let authority = match generation {
            Generation::Of2011 => "Microsoft Windows Production PCA 2011",
            Generation::Of2023 => "Windows UEFI CA 2023",
        };
        Some(Signers { authorities: vec![authority.to_owned()], generations: vec![generation] })
    }
}

/// `Windows UEFI CA 2023 and Microsoft UEFI CA 2023`; `no authority` for an unsigned program.
impl fmt::Display for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.authorities.as_slice() {
            [] => f.write_str("no authority"),
            names => f.write_str(&names.join(" and ")),
        }
    }
}

/// The generations that a directory says a machine trusts; None where it says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trusts {
    /// Whether it trusts the authorities of 2011.
    pub of_2011: Option<bool>,
    /// Whether it trusts the authorities of 2023.
    pub of_2023: Option<bool>,
    /// Where that is from.
    pub by: SaidBy,
}

/// Where it is said what a machine trusts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SaidBy {
    /// The operator's word, in the device file.
    #[default]
    DeviceFile,
    /// The hardware inventory of a ConfigMgr site, as old as its last run.
    Inventory,
}

impl fmt::Display for SaidBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SaidBy::DeviceFile => "the device file",
            SaidBy::Inventory => "ConfigMgr's inventory",
        })
    }
}

impl Trusts {
    /// Of two directories' words: the operator's goes first, then the one that was said first.
    pub fn first_of(first: Option<Self>, second: Option<Self>) -> Option<Self> {
        match (first, second) {
            (Some(Trusts { by: SaidBy::Inventory, .. }), Some(said)) if said.by == SaidBy::DeviceFile => {
                Some(said)
            }
            (first, second) => first.or(second),
        }
    }

    /// Whether a generation is trusted, where that is said.
    pub fn includes(self, generation: Generation) -> Option<bool> {
        match generation {
            Generation::Of2011 => self.of_2011,
            Generation::Of2023 => self.of_2023,
        }
    }
}

impl FromStr for Trusts {
    type Err = InvalidGeneration;

    /// `2011`, `2023`, both with a blank or `;` between, or `none`.
    fn from_str(text: &str) -> Result<Self, InvalidGeneration> {
        let mut trusts = Trusts { of_2011: Some(false), of_2023: Some(false), by: SaidBy::DeviceFile };
        if text.trim().eq_ignore_ascii_case("none") {
            return Ok(trusts);
        }
        for word in text.split([' ', ';', ',', '|']).filter(|word| !word.is_empty()) {
            match word.parse()? {
                Generation::Of2011 => trusts.of_2011 = Some(true),
                Generation::Of2023 => trusts.of_2023 = Some(true),
            }
        }
        Ok(trusts)
    }
}

/// A machine's reaction to a program of one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Whether it went on after it had fetched the program whole; otherwise its firmware asked
    /// again.
    pub starts: bool,
    /// When, in seconds since 1970.
    pub at: Seconds,
    /// The program, as it was served.
    pub file: String,
}

/// A machine's last reaction to programs of each generation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// With programs of 2011.
    #[serde(rename = "2011", default, skip_serializing_if = "Option::is_none")]
    pub of_2011: Option<Observation>,
    /// With programs of 2023.
    #[serde(rename = "2023", default, skip_serializing_if = "Option::is_none")]
    pub of_2023: Option<Observation>,
}

impl Observed {
    /// The reaction to programs of one generation.
    pub fn reaction(&self, generation: Generation) -> Option<&Observation> {
        match generation {
            Generation::Of2011 => self.of_2011.as_ref(),
            Generation::Of2023 => self.of_2023.as_ref(),
        }
    }

    /// Takes the place of what was seen before.
    pub fn put(&mut self, generation: Generation, observation: Observation) {
        match generation {
            Generation::Of2011 => self.of_2011 = Some(observation),
            Generation::Of2023 => self.of_2023 = Some(observation),
        }
    }
}

/// The knowledge about the authorities that a requesting machine trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineTrust {
    /// Its reactions in this boot and in earlier ones.
    pub observed: Observed,
    /// The generations that its firmware refused in this boot, in order.
    pub refused_now: Vec<Generation>,
}

impl MachineTrust {
    /// Whether its firmware refused a program in this boot and asks again: it may be given a
    /// program of the other generation as part of the same boot.
    pub fn is_retry(&self) -> bool {
        self.refused_now.len() == 1
    }

    /// Whether the machine trusts a generation, and how that is known; `said` is a directory's word.
    /// A refusal in this very boot goes before all else, then the operator's word, then what the
    /// machine did, then what an inventory says.
    pub fn trusts(&self, generation: Generation, said: Option<Trusts>) -> Option<(bool, TrustSource)> {
        let observed = self.observed.reaction(generation);
        let seen = |observation: &Observation| {
            let (file, at) = (observation.file.clone(), Timestamp(observation.at));
            let source = match observation.starts {
                true => TrustSource::Started { file, at },
                false => TrustSource::Refused { file, at },
            };
            (observation.starts, source)
        };
        if self.refused_now.contains(&generation)
            && let Some(refused) = observed.filter(|observation| !observation.starts)
        {
            return Some(seen(refused));
        }
        let said = said.and_then(|said| Some((said.includes(generation)?, TrustSource::Said(said.by))));
        match said {
            Some((_, TrustSource::Said(SaidBy::DeviceFile))) => said,
            said => observed.map(seen).or(said),
        }
    }
}

/// How it is known what a machine trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustSource {
    /// A directory says so.
    Said(SaidBy),
    /// It fetched a program whole and went on.
    Started {
        /// The program that it started.
        file: String,
        /// When it fetched the program.
        at: Timestamp,
    },
    /// It fetched a program whole, and its firmware asked again.
    Refused {
        /// The program that it refused.
        file: String,
        /// When its firmware asked again.
        at: Timestamp,
    },
}

impl fmt::Display for TrustSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustSource::Said(by) => write!(f, "{by} says so"),
            TrustSource::Started { file, at } => write!(f, "it went on from {file} at {at}"),
            TrustSource::Refused { file, at } => {
                write!(f, "it fetched {file} whole at {at} and did not start it")
            }
        }
    }
}

/// Windows' boot programs of both generations.
const PROGRAMS: [[&str; 2]; 2] = [["bootmgfw.efi", "bootmgfw_EX.efi"], ["wdsmgfw.efi", "wdsmgfw_EX.efi"]];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_windows_boot_program_has_a_sibling_in_its_own_folder() {
        let table = [
            ("winpe/boot/x64/bootmgfw.efi", Some("winpe/boot/x64/bootmgfw_EX.efi")),
            ("Boot\\x64\\WDSMGFW.EFI", Some("Boot\\x64\\wdsmgfw_EX.efi")),
            ("bootmgfw_ex.efi", Some("bootmgfw_EX.efi")),
            ("shimx64.efi", None),
            ("bootmgfw.efi/x", None),
        ];
        for (path, sibling) in table {
            assert_eq!(Generation::Of2023.sibling(path).as_deref(), sibling, "{path}");
        }
        assert_eq!(Generation::Of2011.sibling("a/bootmgfw_EX.efi").as_deref(), Some("a/bootmgfw.efi"));
        assert_eq!(Generation::of_name("x/bootmgfw_EX.efi"), Some(Generation::Of2023));
    }

    #[test]
    fn a_column_names_what_a_machine_trusts_and_leaves_out_what_it_does_not() {
        let table = [
            ("2011", (true, false)),
            ("2011 2023", (true, true)),
            ("2023;", (false, true)),
            ("None", (false, false)),
        ];
        for (text, (of_2011, of_2023)) in table {
            let (of_2011, of_2023, by) = (Some(of_2011), Some(of_2023), SaidBy::DeviceFile);
            assert_eq!(text.parse(), Ok(Trusts { of_2011, of_2023, by }), "{text}");
        }
        assert!("2012".parse::<Trusts>().is_err() && "yes".parse::<Trusts>().is_err());
    }

    #[test]
    fn a_refusal_in_this_boot_goes_before_the_operators_word_and_that_before_what_was_seen() {
        let refused = Observation { starts: false, at: 9, file: "bootmgfw.efi".into() };
        let mut trust = MachineTrust::default();
        let by = SaidBy::DeviceFile;
        let said = Some(Trusts { of_2011: Some(true), of_2023: Some(false), by });
        assert_eq!(trust.trusts(Generation::Of2011, None), None);
        trust.observed.put(Generation::Of2011, refused);
        assert_eq!(trust.trusts(Generation::Of2011, said), Some((true, TrustSource::Said(by))));
        trust.refused_now.push(Generation::Of2011);
        assert!(matches!(trust.trusts(Generation::Of2011, said), Some((false, TrustSource::Refused { .. }))));
        assert!(trust.is_retry());
        trust.refused_now.push(Generation::Of2023);
        assert!(!trust.is_retry(), "both were tried");
    }

    #[test]
    fn an_inventory_counts_where_nothing_was_seen_and_behind_the_operators_word() {
        let by_inventory = Trusts { of_2011: None, of_2023: Some(true), by: SaidBy::Inventory };
        let mut trust = MachineTrust::default();
        assert_eq!(trust.trusts(Generation::Of2011, Some(by_inventory)), None);
        let said = trust.trusts(Generation::Of2023, Some(by_inventory)).unwrap();
        assert_eq!((said.0, said.1.to_string()), (true, "ConfigMgr's inventory says so".to_owned()));
        let refused = Observation { starts: false, at: 9, file: "bootmgfw_EX.efi".into() };
        trust.observed.put(Generation::Of2023, refused);
        assert!(matches!(trust.trusts(Generation::Of2023, Some(by_inventory)), Some((false, _))));
        let by_operator = "2011".parse::<Trusts>().unwrap();
        for (first, second) in [(by_operator, by_inventory), (by_inventory, by_operator)] {
            assert_eq!(Trusts::first_of(Some(first), Some(second)), Some(by_operator));
        }
        assert_eq!(Trusts::first_of(None, Some(by_inventory)), Some(by_inventory));
    }
}
