//! iPXE under Secure Boot: its shim's pair, its script, and the kernels that it may start.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::store::image;
use netbootd_tests::{Lab, Netbootd, payload};

const IPXE: &str = "/usr/lib/ipxe/snponly.efi";

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// netbootd with the pair in `sb/`, and two hosts beside it.
fn site(put: impl FnOnce(&Path)) -> (Lab, Netbootd) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    for (host, address) in [("pc", "10.77.0.50/24"), ("other", "10.77.0.51/24")] {
        lab.add_host(host);
        lab.plug(host, "eth0", "br0", address);
    }
    fs::create_dir(root.join("sb")).unwrap();
    fs::copy(IPXE, root.join("sb/snponly.efi")).unwrap();
    fs::copy(IPXE, root.join("sb/snponly-shimx64.efi")).unwrap();
    put(&root);
    let netbootd = Netbootd::start(&lab, &root, "");
    (lab, netbootd)
}

fn get(lab: &Lab, host: &str, path: &str) -> String {
    text(&lab.run(host, &["curl", "-sS", "-w", " %{http_code}", &format!("http://{SERVER}/{path}")]))
}

fn fetch_program(lab: &Lab, host: &str) {
    let url = format!("http://{SERVER}/sb/snponly.efi");
    assert!(lab.run(host, &["curl", "-sSf", "-o", "/dev/null", &url]).status.success());
}

#[test]
fn ipxe_finds_a_script_where_it_came_from_by_http_and_tftp() {
    let (lab, _netbootd) = site(|_| ());
    assert!(get(&lab, "other", "sb/autoexec.ipxe").ends_with("404"), "it runs no iPXE");
    fetch_program(&lab, "pc");
    let script = get(&lab, "pc", "sb/autoexec.ipxe");
    assert!(script.starts_with("#!ipxe\n") && script.contains("\nautoboot ||"), "{script}");
    assert!(script.contains(&format!("chain --autofree http://{SERVER}/report?by=ipxe&state=failed")));
    assert!(get(&lab, "pc", "elsewhere/autoexec.ipxe").ends_with("404"));
    let mut tftp = lab.command("pc", "tftp");
    tftp.current_dir(lab.folder()).args(["-m", "octet", SERVER, "-c", "get", "sb/autoexec.ipxe", "got"]);
    assert!(tftp.status().unwrap().success());
    assert!(fs::read_to_string(lab.folder().join("got")).unwrap().starts_with("#!ipxe\n"));
}

#[test]
fn the_operators_own_script_goes_before_the_one_that_is_made() {
    let (lab, _netbootd) =
        site(|root| fs::write(root.join("sb/autoexec.ipxe"), "#!ipxe\necho own\n").unwrap());
    fetch_program(&lab, "pc");
    assert!(get(&lab, "pc", "sb/autoexec.ipxe").contains("echo own"));
}

#[test]
fn check_config_names_a_shim_of_ipxe_without_its_pair() {
    let lab = Lab::new();
    let root = lab.folder().join("root");
    fs::create_dir_all(root.join("sb")).unwrap();
    fs::copy(IPXE, root.join("sb/snponly-shimx64.efi")).unwrap();
    let config = lab.folder().join("netbootd.toml");
    let words = format!(
        "[server]\nstate-dir = \"{}\"\n[boot]\nroot = \"{}\"\n[[rule]]\nname = \"sb\"\n\
         action.boot = {{ file = \"sb/snponly-shimx64.efi\" }}\n",
        lab.folder().join("state").display(),
        root.display()
    );
    fs::write(&config, words).unwrap();
    let check = || text(&Command::new(program()).arg("check-config").arg(&config).output().unwrap());
    let said = check();
    assert!(said.contains("sb/snponly-shimx64.efi starts sb/snponly.efi, which is neither"), "{said}");
    fs::copy(IPXE, root.join("sb/snponly.efi")).unwrap();
    assert!(!check().contains("starts sb/snponly.efi"), "{}", check());
}

#[test]
fn an_import_names_a_shim_of_ipxe_without_its_pair() {
    let lab = Lab::new();
    let (store, source) = (lab.folder().join("store"), lab.folder().join("sb"));
    fs::create_dir(&source).unwrap();
    fs::copy(IPXE, source.join("snponly-shimx64.efi")).unwrap();
    let imported = || text(&image(&store, &["import", &source.display().to_string(), "--name", "sb"]));
    let said = imported();
    assert!(said.contains("snponly-shimx64.efi starts snponly.efi, which is not in the image"), "{said}");
    fs::copy(IPXE, source.join("snponly.efi")).unwrap();
    let said = imported();
    assert!(said.contains("New image distributed: sb") && !said.contains("starts"), "{said}");
}

#[test]
fn a_kernel_and_a_unified_kernel_image_are_shown_as_what_firmware_starts() {
    let lab = Lab::new();
    let (folder, config) = (lab.folder(), lab.folder().join("netbootd.toml"));
    let words = format!("[server]\nstate-dir = \"{0}/state\"\n[boot]\nroot = \"{0}\"\n", folder.display());
    fs::write(&config, words).unwrap();
    let kernel = payload::payload().kernel;
    fs::copy(&kernel, folder.join("vmlinuz")).unwrap();
    fs::write(folder.join("cmdline"), "quiet").unwrap();
    let mut objcopy = Command::new("objcopy");
    objcopy.current_dir(&folder).args([
        "--add-section",
        ".cmdline=cmdline",
        "--add-section",
        ".linux=vmlinuz",
    ]);
    objcopy.args(["--set-section-flags", ".linux=data,readonly", "--change-section-vma", ".linux=0x2000000"]);
    objcopy.args(["--change-section-vma", ".cmdline=0x1000000", IPXE, "uki.efi"]);
    assert!(objcopy.status().unwrap().success());
    let show = |name: &str| {
        text(&Command::new(program()).args(["file", "show", name, "--config"]).arg(&config).output().unwrap())
    };
    let shown = show("vmlinuz");
    assert!(shown.contains("kind              Linux kernel with an EFI stub"), "{shown}");
    assert!(shown.contains("Debian Secure Boot") && shown.contains("MOK list"), "{shown}");
    let shown = show("uki.efi");
    assert!(shown.contains("unified kernel image: ") && shown.contains(".linux"), "{shown}");
    assert!(shown.contains("signed by         nobody"), "{shown}");
}
