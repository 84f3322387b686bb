//! The host that netbootd runs on: its certificate and its disks.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::super::script::Line;
use crate::process::run;
use crate::{Authority, Lab};

/// A certificate for the server's address, by an authority of the laboratory's own.
pub(super) fn certificate(lab: &Lab) -> String {
    let signed = Authority::new(&lab.folder()).sign_rsa("boot", "IP:10.77.0.1", 90);
    let (chain, key) = (signed.certificate.display(), signed.key.display());
    format!("\n[[https.certificate]]\nchain = \"{chain}\"\nkey = \"{key}\"\n")
}

/// The disks of a script, mounted until they are dropped.
pub(super) fn disks(lab: &Lab, script: &[Line]) -> Vec<Mounted> {
    let disks = script.iter().filter_map(|line| match line {
        Line::Disk { folder, megabytes } => Some(Mounted::new(lab.folder().join(folder), *megabytes)),
        _ => None,
    });
    disks.collect()
}

/// A file system in memory.
pub(super) struct Mounted(PathBuf);

impl Mounted {
    fn new(folder: PathBuf, megabytes: u32) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let size = format!("size={megabytes}m");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder));
        Mounted(folder)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // netbootd may still have files open there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
