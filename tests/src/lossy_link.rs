//! A machine on a wire that loses frames: its own firmware and boot loader send them again, or not.

use std::fs;
use std::time::Duration;

use crate::payload::MARKER;
use crate::{Lab, Process};

/// x64 UEFI that tries HTTP boot, behind a link that loses large frames. Dropping it switches it
/// off.
#[derive(Debug)]
pub struct LossyMachine {
    machine: Process,
    link: Process,
}

impl LossyMachine {
    /// Switches it on. Of a thousand frames that carry a file, `per_thousand` are lost in either
    /// direction, in the order that the seed gives.
    ///
    /// # Panics
    /// When QEMU, the firmware or Python is not installed.
    pub fn start(lab: &Lab, bridge: &str, per_thousand: u32, seed: u32) -> Self {
        let tap = lab.add_tap(bridge);
        let (script, variables) = (lab.folder().join("lossy_link.py"), lab.folder().join("lossy.fd"));
        let written = fs::write(&script, include_str!("lossy_link.py"))
            .and_then(|()| fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &variables).map(drop));
        written.unwrap_or_else(|error| panic!("cannot prepare the machine: {error}"));
        let mut link = lab.command_at_switch("python3");
        link.arg(&script).args([&tap, OWN, PEER, &per_thousand.to_string(), &seed.to_string()]);
        let link = Process::start("lossy_link", &mut link);
        link.wait_for("joined", Duration::from_secs(10));
        let mut machine = lab.command_at_switch("qemu-system-x86_64");
        machine
            .args(["-accel", "tcg", "-m", "512", "-display", "none", "-serial", "stdio", "-machine", "q35"]);
        machine.args([
            "-no-reboot",
            "-nodefaults",
            "-fw_cfg",
            "name=opt/org.tianocore/IPv4PXESupport,string=n",
        ]);
        machine.args(["-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n", "-netdev"]);
        machine.arg(format!(
            "dgram,id=n0,local.type=inet,local.host=127.0.0.1,local.port={PEER},remote.type=inet,\
             remote.host=127.0.0.1,remote.port={OWN}"
        ));
        machine.args([
            "-device",
            "virtio-net-pci,netdev=n0,mac=52:54:00:4c:01:70,romfile=,bootindex=0",
            "-drive",
        ]);
        machine.arg("if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd");
        machine.args(["-drive", &format!("if=pflash,unit=1,format=raw,file={}", variables.display())]);
        LossyMachine { machine: Process::start("qemu", &mut machine), link }
    }

    /// Waits for the payload's words.
    ///
    /// # Panics
    /// When they do not come.
    pub fn wait_for_payload(&self, word: &str) {
        self.machine.wait_for(&format!("{MARKER} {word}"), Duration::from_secs(280));
    }

    /// Frames that were lost so far, at least.
    pub fn lost(&self) -> usize {
        let printed = self.link.printed();
        let last = printed.lines().filter_map(|line| line.split("dropped ").nth(1)).next_back();
        last.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
    }
}

/// Ports of the namespace in which no other machine is.
const OWN: &str = "40001";
const PEER: &str = "40002";
