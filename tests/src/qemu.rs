//! Emulated machines with real firmware, without KVM.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::payload::MARKER;
use crate::{Lab, Netbootd, Process, wait};

/// The firmware of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS with iPXE as the network card's ROM.
    Bios {
        /// The card, as QEMU calls it: `virtio-net-pci`, `e1000`, `rtl8139`.
        card: &'static str,
    },
    /// x64 UEFI that tries PXE.
    UefiPxe,
    /// x64 UEFI that tries HTTP boot, over IPv4 first.
    UefiHttp,
    /// x64 UEFI that tries PXE over IPv6.
    UefiPxe6,
    /// x64 UEFI that tries PXE with Secure Boot enforced and Microsoft's keys.
    SecureBoot,
    /// The same with keys of its own, which sign nothing that is in use.
    SecureBootOwnKeys,
    /// ia32 UEFI that tries PXE.
    Ia32Pxe,
    /// ARM64 UEFI that tries PXE.
    Arm64Pxe,
    /// An ARM64 board with U-Boot, which looks for boot.scr.uimg and then for a UEFI program.
    Arm64Uboot,
}

/// A machine that is switched on. Dropping it switches it off.
#[derive(Debug)]
pub struct Machine {
    process: Process,
    monitor: PathBuf,
    port: String,
    mac: String,
}

/// The equipment of a machine besides its firmware.
#[derive(Debug, Clone, Copy)]
struct Equipment<'a> {
    /// A disk image, or a folder that stands for one.
    disk: Option<&'a Path>,
    /// The variables that Secure Boot starts with, in the place of the usual ones.
    variables: Option<&'a Path>,
    megabytes: &'a str,
    /// Further words for QEMU.
    extra: &'a [&'a str],
}

impl Default for Equipment<'_> {
    fn default() -> Self {
        Equipment { disk: None, variables: None, megabytes: "512", extra: &[] }
    }
}

/// Emulation takes seconds for what takes hardware a moment, and CI has two cores for two machines.
const PATIENCE: Duration = Duration::from_secs(150);
/// From one try at the keyboard to the next, as an operator types.
const KEYSTROKES: Duration = Duration::from_millis(500);
const OVMF: &str = "/usr/share/OVMF";
const AAVMF: &str = "/usr/share/AAVMF";
const UBOOT: &str = "/usr/lib/u-boot/qemu_arm64/u-boot.bin";
/// Firmware that is built for Secure Boot keeps its variables from everybody else.
const GUARDED_FLASH: [&str; 4] =
    ["-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"];

impl Machine {
    /// Switches a machine on, plugged into a segment.
    ///
    /// # Panics
    /// When QEMU or the firmware is not installed.
    pub fn start(lab: &Lab, firmware: Firmware, bridge: &str) -> Self {
        Self::start_as(lab, firmware, bridge, next_number(), None)
    }

    /// Switches on the machine of a number: 52:54:00:4c:01:NN and
    /// 4c4c4544-0042-3510-8053-5254004c01NN, as often as wanted. A disk image, or a folder that
    /// stands for one, is what it boots from when the network gives it nothing.
    ///
    /// # Panics
    /// When QEMU or the firmware is not installed.
    pub fn start_as(lab: &Lab, firmware: Firmware, bridge: &str, number: u8, disk: Option<&Path>) -> Self {
        Self::start_sized(lab, firmware, bridge, number, disk, "512")
    }

    /// Switches on the machine of a number with Secure Boot and a copy of these variables.
    ///
    /// # Panics
    /// When QEMU or the firmware is not installed.
    pub fn start_secure(lab: &Lab, variables: &Path, bridge: &str, number: u8) -> Self {
        let equipment = Equipment { variables: Some(variables), ..Equipment::default() };
        Self::start_with(lab, Firmware::SecureBoot, bridge, number, equipment)
    }

    /// Switches on a machine with a graphics card, for programs that draw.
    ///
    /// # Panics
    /// When QEMU or the firmware is not installed.
    pub fn start_with_screen(lab: &Lab, firmware: Firmware, bridge: &str) -> Self {
        let equipment = Equipment { extra: &["-device", "VGA"], ..Equipment::default() };
        Self::start_with(lab, firmware, bridge, next_number(), equipment)
    }

    /// The same as [`Machine::start_as`] with so many megabytes of memory.
    ///
    /// # Panics
    /// When QEMU or the firmware is not installed.
    pub fn start_sized(
        lab: &Lab,
        firmware: Firmware,
        bridge: &str,
        number: u8,
        disk: Option<&Path>,
        megabytes: &str,
    ) -> Self {
        let equipment = Equipment { disk, megabytes, ..Equipment::default() };
        Self::start_with(lab, firmware, bridge, number, equipment)
    }

    /// Firmware that tries HTTP boot, with a list of the authorities (DER) that it trusts for TLS.
    /// QEMU hands it the list that the firmware's setup would keep.
    ///
    /// # Panics
    /// When QEMU or the firmware is not installed, or the list cannot be written.
    pub fn start_trusting(lab: &Lab, bridge: &str, authorities: &[Vec<u8>]) -> Self {
        let number = next_number();
        let file = lab.folder().join(format!("cacerts{number}.esl"));
        let list: Vec<u8> = authorities.iter().flat_map(|der| signature_list(der)).collect();
        fs::write(&file, list).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let list = format!("name=etc/edk2/https/cacerts,file={}", file.display());
        let extra =
            ["-fw_cfg", &list, "-object", "rng-builtin,id=rng0", "-device", "virtio-rng-pci,rng=rng0"];
        let equipment = Equipment { extra: &extra, ..Equipment::default() };
        Self::start_with(lab, Firmware::UefiHttp, bridge, number, equipment)
    }

    fn start_with(lab: &Lab, firmware: Firmware, bridge: &str, number: u8, equipment: Equipment<'_>) -> Self {
        let Equipment { disk, variables, megabytes, extra } = equipment;
        let tap = lab.add_tap(bridge);
        let monitor = lab.folder().join(format!("{tap}.monitor"));
        let arm64 = matches!(firmware, Firmware::Arm64Pxe | Firmware::Arm64Uboot);
        let emulator = if arm64 { "qemu-system-aarch64" } else { "qemu-system-x86_64" };
        let mut command = lab.command_at_switch(emulator);
        command.args(["-accel", "tcg", "-m", megabytes, "-display", "none", "-serial", "stdio"]);
        command.arg("-monitor").arg(format!("unix:{},server=on,wait=off", monitor.display()));
        command
            .args(["-no-reboot", "-nodefaults", "-uuid"])
            .arg(format!("4c4c4544-0042-3510-8053-5254004c01{number:02x}"));
        command.arg("-netdev").arg(format!("tap,id=n0,ifname={tap},script=no,downscript=no"));
        let card = match firmware {
            Firmware::Bios { card } => card,
            _ => "virtio-net-pci",
        };
        // UEFI brings its own network stack; without the ROM it is the one that boots.
        let rom = if matches!(firmware, Firmware::Bios { .. }) { "" } else { ",romfile=" };
        command
            .arg("-device")
            .arg(format!("{card},netdev=n0,mac=52:54:00:4c:01:{number:02x}{rom},bootindex=0"));
        if let Some(disk) = disk {
            let kind = if disk.is_dir() { "fat:rw:" } else { "" };
            let drive = format!("if=none,id=d0,format=raw,file={kind}{}", disk.display());
            command.args(["-drive", &drive, "-device", "virtio-blk-pci,drive=d0,bootindex=1"]);
        }
        match firmware {
            Firmware::Bios { .. } => drop(command.args(["-machine", "pc"])),
            Firmware::UefiPxe | Firmware::UefiHttp | Firmware::UefiPxe6 => {
                command.args(["-machine", "q35"]);
                put_firmware(&mut command, lab, number, OVMF, ["OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"]);
            }
            Firmware::Ia32Pxe => {
                command.args(GUARDED_FLASH);
                let files = ["OVMF32_CODE_4M.secboot.fd", "OVMF32_VARS_4M.fd"];
                put_firmware(&mut command, lab, number, OVMF, files);
            }
            Firmware::SecureBoot | Firmware::SecureBootOwnKeys => {
                command.args(GUARDED_FLASH);
                let usual = match firmware {
                    Firmware::SecureBoot => "OVMF_VARS_4M.ms.fd",
                    _ => "OVMF_VARS_4M.snakeoil.fd",
                };
                // A whole path takes the place of the folder's.
                let variables = variables.and_then(Path::to_str).unwrap_or(usual);
                put_firmware(&mut command, lab, number, OVMF, ["OVMF_CODE_4M.secboot.fd", variables]);
            }
            Firmware::Arm64Pxe => {
                command.args(["-machine", "virt", "-cpu", "cortex-a57"]);
                put_firmware(&mut command, lab, number, AAVMF, ["AAVMF_CODE.fd", "AAVMF_VARS.fd"]);
            }
            Firmware::Arm64Uboot => {
                command.args(["-machine", "virt", "-cpu", "cortex-a57", "-bios", UBOOT]);
            }
        }
        let supported = |name: &str, on: bool| {
            format!("name=opt/org.tianocore/{name},string={}", if on { "y" } else { "n" })
        };
        if !arm64 && !matches!(firmware, Firmware::Bios { .. }) {
            command.arg("-fw_cfg").arg(supported("IPv6PXESupport", firmware == Firmware::UefiPxe6));
            let v4 = !matches!(firmware, Firmware::UefiHttp | Firmware::UefiPxe6);
            command.arg("-fw_cfg").arg(supported("IPv4PXESupport", v4));
        }
        command.args(extra);
        let mac = format!("52:54:00:4c:01:{number:02x}");
        Machine { process: Process::start("qemu", &mut command), monitor, port: tap, mac }
    }

    /// Presses keys on its keyboard, by QEMU's names, one after the other.
    ///
    /// # Panics
    /// When QEMU does not listen.
    pub fn press(&self, keys: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut monitor = loop {
            match UnixStream::connect(&self.monitor) {
                Ok(monitor) => break monitor,
                Err(error) => assert!(Instant::now() < deadline, "QEMU's monitor: {error}"),
            }
            thread::yield_now();
        };
        for key in keys {
            writeln!(monitor, "sendkey {key}").unwrap_or_else(|error| panic!("QEMU's monitor: {error}"));
        }
        // Read to its end: a connection that closes too early takes its commands with it.
        let heard = monitor.shutdown(Shutdown::Write).and_then(|()| monitor.read_to_end(&mut Vec::new()));
        heard.unwrap_or_else(|error| panic!("QEMU's monitor: {error}"));
    }

    /// Presses F8 and chooses the second line of the firmware's menu, as fast as an operator types,
    /// until the machine fetches a file.
    ///
    /// # Panics
    /// With the console's text and the log, when it fetches none.
    pub fn choose_second_line(&self, netbootd: &Netbootd) {
        let mut pressed = Instant::now();
        let fetches = || {
            if pressed.elapsed() > KEYSTROKES {
                self.press(&["f8", "down", "ret"]);
                pressed = Instant::now();
            }
            netbootd.log().contains("proto=tftp")
        };
        wait::until(PATIENCE, fetches, || format!("{}\n{}", self.console(), netbootd.log()));
    }

    /// Waits until the payload speaks.
    ///
    /// # Panics
    /// With the console's text, when it does not.
    pub fn wait_for_payload(&self, word: &str) {
        self.process.wait_for(&format!("{MARKER} {word}"), PATIENCE);
    }

    /// Waits for words on the console.
    ///
    /// # Panics
    /// With the console's text, when they do not come.
    pub fn wait_for(&self, words: &str) {
        self.process.wait_for(words, PATIENCE);
    }

    /// The machine's hardware address.
    pub fn mac(&self) -> &str {
        &self.mac
    }

    /// The switch port that it is plugged into.
    pub fn port(&self) -> &str {
        &self.port
    }

    /// The console's text so far.
    pub fn console(&self) -> String {
        self.process.printed()
    }
}

/// Fresh variables each time: the order of boot options sticks.
fn put_firmware(
    command: &mut std::process::Command,
    lab: &Lab,
    number: u8,
    folder: &str,
    [code, variables]: [&str; 2],
) {
    let folder = Path::new(folder);
    let copy = lab.folder().join(format!("vars{number}.fd"));
    fs::copy(folder.join(variables), &copy)
        .unwrap_or_else(|error| panic!("cannot copy {variables}: {error}"));
    let code = folder.join(code).display().to_string();
    command.arg("-drive").arg(format!("if=pflash,unit=0,format=raw,readonly=on,file={code}"));
    command.arg("-drive").arg(format!("if=pflash,unit=1,format=raw,file={}", copy.display()));
}

/// An EFI_SIGNATURE_LIST (UEFI 2.10 §32.4.1) of one X.509 certificate.
fn signature_list(der: &[u8]) -> Vec<u8> {
    const X509: [u8; 16] =
        [0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72];
    const OWNER: [u8; 16] = [1; 16];
    let size = u32::try_from(OWNER.len() + der.len()).unwrap_or(u32::MAX);
    let mut list = X509.to_vec();
    list.extend((28 + size).to_le_bytes());
    list.extend(0_u32.to_le_bytes());
    list.extend(size.to_le_bytes());
    list.extend(OWNER);
    list.extend(der);
    list
}

fn next_number() -> u8 {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}
