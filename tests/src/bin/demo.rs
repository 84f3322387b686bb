//! `make demo`: a private network with a DHCP server that knows nothing of booting, netbootd on its
//! built-in default beside it, two PCs that boot a Linux payload, one by TFTP, one by HTTP, and a
//! Mac that finds, chooses and reads its image; then a PC that fails, and what netbootd says of it.
//!
//! `DEMO_KEEP=1` keeps the network and netbootd running afterwards.
#![allow(clippy::print_stdout, clippy::print_stderr)] // it is a show

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use netbootd_tests::loaders::{self, IPXE_EFI, SYSLINUX_EFI};
use netbootd_tests::mac::{self, Nbi};
use netbootd_tests::{DhcpServer, Firmware, Lab, Machine, Netbootd, netbootd, payload};

fn main() -> ExitCode {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("root is needed: the demo makes network namespaces and switches emulated machines on");
        return ExitCode::from(77);
    }
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let state = lab.folder().join("state");
    fill_store(&lab, &state);
    println!(
        "network: a DHCP server at 10.77.0.2, netbootd at 10.77.0.1, everything in namespaces of its own"
    );
    let _dhcp = DhcpServer::start(&mut lab);

    // Its steps and bars go straight to this terminal.
    let mut command = lab.command("server", &netbootd::program());
    command.args(["serve", "--progress", "--root"]).arg(&root);
    command.arg("--state-dir").arg(&state).stdin(Stdio::null());
    let mut server = match command.spawn() {
        Ok(server) => server,
        Err(error) => {
            eprintln!("cannot start netbootd: {error}");
            return ExitCode::FAILURE;
        }
    };
    wait_until_it_serves(&lab);
    let booted = boot(&lab, "a PC with UEFI, by PXE and TFTP", Firmware::UefiPxe)
        && boot(&lab, "a PC with UEFI, by HTTP boot", Firmware::UefiHttp)
        && boot_mac(&mut lab)
        && fails(&lab, &state);
    if booted && std::env::var_os("DEMO_KEEP").is_some() {
        keep(&mut server, &root);
    }
    // It may have ended by itself; then there is nothing to end.
    let _ = server.kill();
    let _ = server.wait();
    if booted {
        println!("\nall three booted; that was netbootd on its built-in default");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Everything that is booted comes from the image store; the boot folder stays empty.
fn fill_store(lab: &Lab, state: &Path) {
    let linux = lab.folder().join("linux");
    fs::create_dir_all(&linux).expect("the folder can be written");
    loaders::put_payload(&linux, &payload::arguments("demo"));
    loaders::put(&linux, SYSLINUX_EFI);
    fs::copy(IPXE_EFI[0].0, linux.join("httpx64.efi")).expect("the package ipxe is installed");
    let nbi = Nbi { name: "Sierra Install", index: 1113, root_size: 256 << 20, more: "" }.put(&lab.folder());
    println!("image store: a Linux for PCs (served at the root as well), a NetBoot set for Macs");
    for (source, more) in [(linux, &["--label", "at=."][..]), (nbi, &[])] {
        let mut command = lab.command("server", &netbootd::program());
        command.args(["image", "import"]).arg(source).args(more).arg("--state-dir").arg(state);
        assert!(command.status().is_ok_and(|status| status.success()), "the image is taken in");
    }
}

fn wait_until_it_serves(lab: &Lab) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        let mut probe = lab.command("server", "curl");
        let url = format!("http://{}/cmdline.txt", netbootd::SERVER);
        let answered =
            probe.args(["-sf", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", &url]).output();
        if answered.is_ok_and(|output| output.status.success()) {
            return;
        }
    }
}

fn boot(lab: &Lab, what: &str, firmware: Firmware) -> bool {
    println!("\nswitched on: {what}");
    let started = Instant::now();
    let machine = Machine::start(lab, firmware, "br0");
    // The machine's console shows an error, and so does the panic.
    let booted =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| machine.wait_for_payload("demo"))).is_ok();
    if booted {
        println!("booted: {what}, {:.0} s from power-on to Linux (no KVM)", started.elapsed().as_secs_f64());
    }
    booted
}

/// No Mac can be emulated here: its part is played by a BSDP client of others, up to the last byte
/// of its root.
fn boot_mac(lab: &mut Lab) -> bool {
    println!("\nswitched on: a Mac with N held (its BSDP by a Go library; no Mac hardware is emulated)");
    lab.add_host("mac");
    lab.plug("mac", "en0", "br0", "10.77.0.50/24");
    let mut command = lab.command("mac", &mac::client());
    let booted = command.args(["en0", "boot"]).stdin(Stdio::null()).status();
    booted.is_ok_and(|status| status.success())
}

/// A PC with BIOS, for which the image has no boot program: what netbootd says of it.
fn fails(lab: &Lab, state: &Path) -> bool {
    println!("\nswitched on: a PC with BIOS, for which nothing was put into the image");
    let netbootd = netbootd::program();
    let mut probe = lab.command("mac", &netbootd);
    probe.args(["probe", "pxe", "--iface", "en0", "--mac", FAILING, "--arch", "x86-bios", "--timeout", "2"]);
    // The address server answers it as well; netbootd does not.
    let _ = probe.output();
    println!("netbootd status {FAILING} says:");
    let mut status = lab.command("server", &netbootd);
    let told = status.args(["status", FAILING, "--state-dir"]).arg(state).output();
    let text = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default();
    print!("{text}");
    println!("the same on the status page: http://127.0.0.1:9167/machines/{FAILING}, on netbootd's host");
    text.contains("no-boot-file: ") && text.contains("  -> ")
}

/// A machine that is made to fail.
const FAILING: &str = "02:00:00:00:00:07";

fn keep(server: &mut std::process::Child, root: &Path) {
    println!("\nnetbootd keeps serving {}; end it with Ctrl-C", root.display());
    println!("reach it from its network: ip netns list; nsenter or ip netns exec ...-server");
    let _ = Command::new("ip").args(["netns", "list"]).status();
    let _ = server.wait();
}
