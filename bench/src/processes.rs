//! A server's cost: the processor's time and the memory of its process and of all below it
//! (proc(5)).

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The processor's time so far, in user and kernel mode. A process that has ended counts once its
/// parent has waited for it.
pub fn cpu(process: u32) -> Duration {
    let ticks: u64 =
        family(process).iter().map(|member| stat(*member).iter().skip(11).take(4).sum::<u64>()).sum();
    Duration::from_millis(ticks * 1000 / TICKS_A_SECOND)
}

/// Resident memory in kilobytes.
pub fn resident(process: u32) -> u64 {
    memory(process, "VmRSS:")
}

/// Resident memory in kilobytes that is no file's in the page cache.
pub fn anonymous(process: u32) -> u64 {
    memory(process, "RssAnon:")
}

fn memory(process: u32, kind: &str) -> u64 {
    let of = |member: &u32| -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{member}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(kind))?;
        line.split_whitespace().next()?.parse().ok()
    };
    family(process).iter().filter_map(of).sum()
}

/// Asks a process to end, and waits for its children: they would outlive one that is killed.
pub fn end(process: u32) {
    let Ok(id) = i32::try_from(process) else { return };
    // It may have ended by itself.
    let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    let deadline = Instant::now() + PATIENCE;
    while family(process).len() > 1 && Instant::now() < deadline {
        thread::sleep(LOOK);
    }
}

/// A process and its children, and theirs.
pub(crate) fn family(process: u32) -> Vec<u32> {
    let parents: Vec<(u32, u64)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, *stat(id).get(1)?)))
        .collect();
    let mut family = vec![process];
    let mut looked_at = 0;
    while let Some(parent) = family.get(looked_at).copied() {
        family.extend(parents.iter().filter(|(_, of)| *of == u64::from(parent)).map(|(id, _)| *id));
        looked_at += 1;
    }
    family
}

/// The numbers behind a process's name; what is no number counts as 0.
fn stat(process: u32) -> Vec<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let (_, numbers) = text.rsplit_once(')').unwrap_or_default();
    numbers.split_whitespace().map(|number| number.parse().unwrap_or_default()).collect()
}

/// USER_HZ: the same on every Linux that this runs on.
const TICKS_A_SECOND: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_its_child_are_seen() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let own = std::process::id();
        assert!(family(own).contains(&child.id()));
        assert!(resident(own) > resident(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
