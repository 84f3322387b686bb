//! A server beside directories: what it is asked on the command line, and the machines that they
//! know.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // shown when a test fails

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::domain::PASSWORD;
use crate::netbootd::{program, write_secret};
use crate::slapd::READER;
use crate::{Authority, Lab, Netbootd};

/// A machine of the directories.
pub const GUID: &str = "4C4C4544-0057-5810-804A-C3C04F463732";
/// [`GUID`] as a directory holds it: wire order, in base64.
pub const BY_GUID: &str = "REVMTFcAEFiASsPAT0Y3Mg==";
/// A machine of the directories.
pub const MAC: &str = "52:54:00:12:34:56";
/// [`MAC`] as a directory holds it: behind ten zero bytes.
pub const BY_MAC: &str = "AAAAAAAAAAAAAFJUABI0Vg==";
/// A rule that every machine of a directory fits.
pub const FOR_KNOWN: &str =
    "[[rule]]\nname = \"for-known\"\nmatch = { known = true }\naction.boot = { file = \"known.efi\" }\n";

/// A server beside directories, and the authority that their certificates are from.
#[derive(Debug)]
pub struct DirectorySite {
    /// The private network of the site.
    pub lab: Lab,
    /// Signs the directories' certificates.
    pub authority: Authority,
    /// The boot folder of the server.
    pub root: PathBuf,
}

impl DirectorySite {
    /// In a laboratory of its own.
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn new() -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        lab.name_hosts("server", &["10.77.0.8 dc1.nb.test dc1", "10.77.0.7 cm01.nb.test cm01 sccm.nb.test"]);
        let authority = Authority::new(&lab.folder());
        for file in ["menu.efi", "boot.efi", "known.efi"] {
            fs::write(root.join(file), file).unwrap();
        }
        write_secret(&lab.folder().join("password"), &format!("{}\n", READER.1));
        write_secret(&lab.folder().join("domain-password"), PASSWORD);
        DirectorySite { lab, authority, root }
    }

    /// Runs netbootd with a configuration beside `[boot]`, and no daemon.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, configuration: &str, words: &[&str], environment: &[(&str, PathBuf)]) -> Output {
        let folder = self.lab.folder();
        let file = folder.join("netbootd.toml");
        let head =
            format!("[server]\nstate-dir = {:?}\n[boot]\nroot = {:?}\n", folder.join("state"), self.root);
        fs::write(&file, head + configuration).unwrap();
        let mut command: Command = self.lab.command("server", &program());
        command.args(words).arg("--config").arg(&file).envs(environment.iter().cloned());
        let output = command.output().unwrap();
        eprintln!(
            "{words:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// The output of `explain`.
    ///
    /// # Panics
    /// When it fails.
    pub fn explain(&self, configuration: &str, words: &[&str], environment: &[(&str, PathBuf)]) -> String {
        let output = self.run(configuration, &[&["explain"], words].concat(), environment);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Default for DirectorySite {
    fn default() -> Self {
        Self::new()
    }
}

/// Every one of these words is in what was said.
///
/// # Panics
/// When one is not.
pub fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}
