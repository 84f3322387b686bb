//! A list of machines that are to be deployed today, for the page that follows them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use netbootd_state::ledger::now;
use parking_lot::Mutex;
use pxe_policy::Seconds;
use serde::{Deserialize, Serialize};

/// The list, in memory and in the state folder.
#[derive(Debug)]
pub struct DeploymentDay {
    file: PathBuf,
    list: Mutex<List>,
}

/// The machines, and when the day began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Hardware addresses or names, as an operator wrote them.
    pub machines: Vec<String>,
    /// When the list was made, in seconds since 1970.
    pub since: Seconds,
}

impl DeploymentDay {
    /// With the list that an earlier run kept in the state folder.
    pub fn open(folder: &Path) -> Self {
        let file = folder.join("deployment-day.json");
        let known = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        DeploymentDay { file, list: Mutex::new(known.unwrap_or_default()) }
    }

    /// A copy of the list.
    pub fn list(&self) -> List {
        self.list.lock().clone()
    }

    /// Replaces the list: a word, or what stands before the first comma of a line, is a machine. An
    /// empty text ends the day. Writes the disk.
    pub fn set(&self, text: &str) -> io::Result<List> {
        let mut machines: Vec<String> = Vec::new();
        for line in text.lines() {
            let words = line.split([',', ';', '\t', ' ']).map(str::trim);
            let machine = words.map(|word| word.trim_matches('"')).find(|word| !word.is_empty());
            let Some(machine) = machine.filter(|word| word.len() <= LONGEST) else { continue };
            if !machines.iter().any(|known| known.eq_ignore_ascii_case(machine)) {
                machines.push(machine.to_owned());
            }
            if machines.len() >= MOST {
                break;
            }
        }
        let list = List { machines, since: now() };
        let fresh = self.file.with_extension("part");
        fs::write(&fresh, serde_json::to_vec(&list)?)?;
        fs::rename(&fresh, &self.file)?;
        *self.list.lock() = list.clone();
        Ok(list)
    }
}

/// Machines of a list.
const MOST: usize = 2000;
/// Bytes of a name.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_a_spreadsheet_is_read_once_each_bounded_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let day = DeploymentDay::open(folder.path());
        let list = day.set("lab-01, room 3\r\n\n \"d4:ae:52:0c:01:09\";x\nLAB-01\n").unwrap();
        assert_eq!(list.machines, ["lab-01", "d4:ae:52:0c:01:09"]);
        assert_eq!(DeploymentDay::open(folder.path()).list(), list);
        let many: String = (0..5000).map(|n| format!("m{n}\n")).collect();
        assert_eq!(day.set(&many).unwrap().machines.len(), MOST);
        assert!(day.set("").unwrap().machines.is_empty());
    }
}
