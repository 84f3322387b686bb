//! Started as root, netbootd becomes its own user and keeps two capabilities: [`account::KEPT`].
//! From then on nothing it starts can gain rights (`no_new_privs`), it leaves no core and cannot be
//! traced by its own user, it reaches the folders that its configuration names and no others
//! (Landlock), and the system calls that no boot server makes are refused (seccomp).
//!
//! Each of these belongs to one thread and to those that it starts. So all of it is done on the
//! main thread, before the runtime makes others. Sockets are bound later: that takes the two
//! capabilities, and an interface that comes back needs them again. A mechanism that the kernel
//! does not know is left out and reported.

pub mod account;
mod files;
mod reach;
pub mod seen;
mod syscalls;

use netbootd_config::{Config, Source};
use netbootd_net::{iface, udp};
use nix::sys::prctl;
use nix::sys::stat::{Mode, umask};

use super::GivenUp;
use crate::failure::Failure;
pub use reach::Reach;

/// Gives up what is not needed. Must run while the process has one thread.
pub(super) fn give_up(config: &Config, source: &Source) -> Result<GivenUp, Failure> {
    // Logs and images are for the own group at most; what is secret is made 0600 besides.
    umask(Mode::S_IWGRP | Mode::S_IRWXO);
    let (chosen, mut notes) = account::choose(config)?;
    if !config.server.sandbox {
        notes.push("server.sandbox is false: no capability is given up, any file and call is open".into());
        return Ok(GivenUp { notes, ..GivenUp::default() });
    }
    // Only root may have buffers beyond the system's limit.
    udp::open_ahead(SOCKETS_AN_INTERFACE * iface::list(true).map_or(0, |ifaces| ifaces.len()));
    let mut reach = Reach::from_config(config, source);
    account::hand_over(&reach, chosen.as_ref())?;
    account::become_it(chosen.as_ref())?;
    reach.add_system(nix::unistd::geteuid().is_root());
    account::check_access(&reach)?;
    let refused = |what: &str, error: nix::Error| Failure::Permission(format!("cannot {what}: {error}"));
    prctl::set_no_new_privs().map_err(|error| refused("set no_new_privs", error))?;
    let (files, held) = files::restrict(&reach);
    if !held {
        notes.push(format!("files are held back by their owners and modes alone: {files}"));
    }
    let refused_calls = match syscalls::refuse() {
        Ok(count) => count,
        Err(error) => {
            notes.push(format!("no system call is refused: {error}"));
            0
        }
    };
    // Last: a change of user sets it anew.
    prctl::set_dumpable(false).map_err(|error| refused("forbid core dumps", error))?;
    Ok(GivenUp { files, reach: held.then_some(reach), refused_calls, notes })
}

/// The restrictions in force after a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The account that the daemon would run as.
    pub user: String,
    /// The effect of Landlock, in words.
    pub files: String,
    /// The paths that could be opened, each with its purpose.
    pub paths: Vec<String>,
    /// Notes for an operator.
    pub notes: Vec<String>,
}

/// Looks what a start would do, and does none of it.
pub fn would_be(config: &Config, source: &Source) -> Result<Plan, Failure> {
    let (chosen, notes) = account::choose(config)?;
    let stays_root = chosen.is_none() && nix::unistd::geteuid().is_root();
    let user = chosen.map_or_else(account::current, |user| format!("{} (uid {})", user.name, user.uid));
    let mut reach = Reach::from_config(config, source);
    let paths = reach.lines();
    reach.add_system(stays_root);
    // On a thread of its own: it ends with it.
    let tried = std::thread::spawn(move || {
        prctl::set_no_new_privs()
            .map(|()| files::restrict(&reach).0)
            .unwrap_or_else(|error| error.to_string())
    });
    let files = tried.join().unwrap_or_else(|_| "cannot be tried".into());
    Ok(Plan { user, files, paths, notes })
}

/// DHCP, the boot server, other servers' offers, and TFTP.
const SOCKETS_AN_INTERFACE: usize = 4;
