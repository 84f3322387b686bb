//! Programs of Windows in a host of the laboratory, run by Wine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Lab;

/// A drive of Wine's own, in the network of a host. Dropping it ends what runs on it.
#[derive(Debug)]
pub struct Wine<'a> {
    lab: &'a Lab,
    host: &'a str,
    prefix: PathBuf,
}

impl<'a> Wine<'a> {
    /// Makes the drive.
    ///
    /// # Panics
    /// When Wine is not installed.
    pub fn start(lab: &'a Lab, host: &'a str) -> Self {
        let wine = Wine { lab, host, prefix: lab.folder().join("wine") };
        wine.run(&["wineboot", "-i"]);
        assert!(wine.system().is_dir(), "wineboot makes no drive");
        wine
    }

    /// Runs a command to its end; gives what it prints.
    ///
    /// # Panics
    /// When Wine is not installed.
    pub fn run(&self, words: &[&str]) -> String {
        let output = self.command(WINE).args(words).output();
        let output = output.unwrap_or_else(|error| panic!("cannot run {words:?}: {error}"));
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// The folder that programs see as `C:`.
    pub fn drive(&self) -> PathBuf {
        self.prefix.join("drive_c")
    }

    /// The folder of the system, `%SYSTEMROOT%\System32`.
    pub fn system(&self) -> PathBuf {
        self.drive().join("windows/system32")
    }

    /// Makes a program of this host a program of Windows: Wine starts both.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn lend(&self, program: &Path, name: &str) {
        let copied = fs::copy(program, self.system().join(name));
        copied.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    }

    /// Wine's server holds the sockets of its programs, so that it runs in the host's network too.
    fn command(&self, program: &str) -> Command {
        let mut command = self.lab.command(self.host, program);
        command.env("WINEPREFIX", &self.prefix).env("WINEDEBUG", "-all").current_dir(self.lab.folder());
        // Without browser and .NET, which Wine would ask for.
        command.env("WINEDLLOVERRIDES", "mscoree=;mshtml=");
        command
    }
}

impl Drop for Wine<'_> {
    fn drop(&mut self) {
        for word in ["-k", "-w"] {
            let _ = self.command(SERVER).arg(word).status();
        }
    }
}

const WINE: &str = "/usr/lib/wine/wine64";
const SERVER: &str = "/usr/lib/wine/wineserver64";
