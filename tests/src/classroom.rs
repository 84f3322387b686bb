//! A classroom for the operator's page: machines that boot, that fail alike, that wait for a word,
//! and one whose file comes slowly.

use std::fs;
use std::path::PathBuf;

use crate::boot_case::Script;
use crate::certificate::Authority;
use crate::netbootd::{ADDRESSES, write_secret};
use crate::{Lab, Netbootd};

/// The laboratory with netbootd in it. Nobody has asked yet.
#[derive(Debug)]
pub struct Classroom {
    /// The private network of the test.
    pub lab: Lab,
    /// The boot folder of the server.
    pub root: PathBuf,
    /// Lines behind `[server]` and `[boot]`.
    pub configuration: String,
    script: Script,
}

/// The page, from the server's own host.
pub const PAGE: &str = "http://127.0.0.1:9167/";
/// The token of the test's operator.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// A machine that is loaded, after a silence.
pub const LOADED: &str = "52:54:00:4c:01:01";
/// A machine that waits for an operator.
pub const WAITS: &str = "d4:ae:52:0c:01:09";
/// One of those whose script is not there.
pub const FAILED: &str = "d4:ae:52:0c:02:01";

impl Classroom {
    /// Prepares everything.
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn new() -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        write_secret(&lab.folder().join("token"), &format!("{TOKEN}\n"));
        let devices = KNOWN.iter().map(|(name, mac)| format!("{name},{mac}\n")).collect::<String>();
        fs::write(lab.folder().join("devices.csv"), format!("name,mac\n{devices}"))
            .unwrap_or_else(|error| panic!("devices.csv: {error}"));
        let authority = lab.folder().join("tls");
        fs::create_dir_all(&authority).unwrap_or_else(|error| panic!("{}: {error}", authority.display()));
        let authority = Authority::new(&authority);
        for (file, days) in [("boot", 300), ("kiosk", 20)] {
            authority.sign(file, "DNS:boot.corp.example", days);
        }
        let script = Script::set_up(&mut lab, &root, SCRIPT);
        let menu = "#!ipxe\nkernel vmlinuz quiet\ninitrd initrd.img\nboot || chain menu.ipxe\n";
        fs::write(root.join("boot.ipxe"), menu).unwrap_or_else(|error| panic!("boot.ipxe: {error}"));
        Classroom {
            lab,
            root,
            configuration: format!("{}{RULES}", ADDRESSES.replace("\"server\"", PROMPT)),
            script,
        }
    }

    /// Starts netbootd, and again after it was stopped.
    pub fn serve(&self) -> Netbootd {
        Netbootd::start(&self.lab, &self.root, &self.configuration)
    }

    /// Starts it where a package puts its files, for pictures.
    pub fn serve_at_usual_paths(&self) -> Netbootd {
        Netbootd::start_at_usual_paths(&self.lab, &self.root, &self.configuration)
    }

    /// Switches the machines on, one after another.
    pub fn boot(&self, netbootd: &Netbootd) {
        self.script.play(&self.lab, netbootd);
    }
}

impl Default for Classroom {
    fn default() -> Self {
        Classroom::new()
    }
}

/// Addresses are offered at once: an offer that comes late is taken for another machine's.
const PROMPT: &str = "\"server\"\nconflict-probe = false";
const RULES: &str = r#"
[policy]
unknown-machines = "approve"
[devices]
file = "devices.csv"
[status]
token-file = "token"
[diagnosis]
patience = 0.3

[https]
name = "boot.corp.example"
[[https.certificate]]
chain = "tls/boot.pem"
key = "tls/boot.key"
[[https.certificate]]
chain = "tls/kiosk.pem"
key = "tls/kiosk.key"

[[rule]]
name = "ipxe"
match = { class = "ipxe" }
action.boot = { file = "boot.ipxe", image = "ubuntu-24.04" }

[[rule]]
name = "x64-uefi"
match = { class = "pxe" }
action.boot = { file = "ipxe.efi", image = "ubuntu-24.04" }
"#;

const KNOWN: [(&str, &str); 9] = [
    ("lab-01", LOADED),
    ("lab-02", "52:54:00:4c:01:02"),
    ("lab-03", "52:54:00:4c:01:03"),
    ("desk-1", FAILED),
    ("desk-2", "d4:ae:52:0c:02:02"),
    ("desk-3", "d4:ae:52:0c:02:03"),
    ("kiosk-1", "a0:36:9f:00:07:01"),
    ("kiosk-2", "a0:36:9f:00:07:02"),
    ("printer", "52:54:00:4c:01:99"),
];

const SCRIPT: &str = "
host lab1 10.77.0.11 52:54:00:4c:01:01
host lab2 10.77.0.12 52:54:00:4c:01:02
host lab3 10.77.0.13 52:54:00:4c:01:03
host desk1 10.77.0.21 d4:ae:52:0c:02:01
host desk2 10.77.0.22 d4:ae:52:0c:02:02
host desk3 10.77.0.23 d4:ae:52:0c:02:03
host kiosk1 10.77.0.31 a0:36:9f:00:07:01
host kiosk2 10.77.0.32 a0:36:9f:00:07:02
host new1 10.77.0.41 d4:ae:52:0c:01:09
host new2 10.77.0.42 8c:16:45:00:12:56
file ipxe.efi pe x64 unsigned
file boot.ipxe 145
file vmlinuz 8600000
file initrd.img 19100000
file menu-old.ipxe 200
lab1 discover class=PXEClient arch=7
new1 discover class=PXEClient arch=7
kiosk1 discover class=PXEClient arch=7
desk1 lease class=PXEClient arch=7
desk1 get ipxe.efi
desk1 lease class=PXEClient arch=7 ipxe=1
desk1 get-http /boot.ipxe
desk1 miss-http /menu.ipxe
desk2 lease class=PXEClient arch=7
desk2 get ipxe.efi
desk2 lease class=PXEClient arch=7 ipxe=1
desk2 get-http /boot.ipxe
desk2 miss-http /menu.ipxe
new2 discover class=PXEClient arch=7
kiosk2 discover class=PXEClient arch=7
desk3 lease class=PXEClient arch=7
desk3 get ipxe.efi
desk3 lease class=PXEClient arch=7 ipxe=1
desk3 get-http /boot.ipxe
desk3 miss-http /menu.ipxe
wait 3.5
lab1 lease class=PXEClient arch=7
lab1 probe ipxe.efi
lab1 get ipxe.efi
lab1 lease class=PXEClient arch=7 ipxe=1
lab1 get-http /boot.ipxe
lab1 get-http /vmlinuz
lab1 get-http /initrd.img
lab2 lease class=PXEClient arch=7
lab2 get ipxe.efi
lab2 lease class=PXEClient arch=7 ipxe=1
lab2 get-http /boot.ipxe
lab2 get-http /vmlinuz
lab3 lease class=PXEClient arch=7
lab3 slow initrd.img
new1 discover class=PXEClient arch=7
new2 discover class=PXEClient arch=7
";
