//! A server's processor time, with children that it forked and never waited for: by a control group
//! of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::processes;

/// The processor's time of a process, of its children and of all that they start from now on.
#[derive(Debug)]
pub struct Account {
    process: u32,
    group: Option<PathBuf>,
}

impl Account {
    /// Moves the process and its children into a group of its own (cgroups(7)). Where there are
    /// none, what its family says is believed.
    pub fn open(process: u32) -> Self {
        let group = hierarchy().and_then(|root| {
            let group = root.join(format!("netbootd-bench-{process}"));
            fs::create_dir_all(&group).ok()?;
            let moved = |member: &u32| fs::write(group.join("cgroup.procs"), member.to_string());
            processes::family(process).iter().try_for_each(moved).ok()?;
            Some(group)
        });
        Account { process, group }
    }

    /// The processor's time so far.
    pub fn cpu(&self) -> Duration {
        let of_group = |group: &PathBuf| {
            let text = fs::read_to_string(group.join("cpu.stat")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
            line.trim().parse().ok().map(Duration::from_micros)
        };
        self.group.as_ref().and_then(of_group).unwrap_or_else(|| processes::cpu(self.process))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            // Processes that still run go back to where they came from, or the group could not be
            // removed.
            let rest = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            if let Some(root) = group.parent() {
                for process in rest.lines() {
                    let _ = fs::write(root.join("cgroup.procs"), process);
                }
            }
            let _ = fs::remove_dir(group);
        }
    }
}

/// Where control groups of version 2 are mounted.
fn hierarchy() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let of_kind = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let (at, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| Path::new(at).to_owned())
    };
    mounts.lines().find_map(of_kind)
}
