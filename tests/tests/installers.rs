//! Installers and whole ISOs: from the import to what runs on the machine.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use netbootd_tests::mac::sha256;
use netbootd_tests::netbootd::{ADDRESSES, SERVER};
use netbootd_tests::store::image;
use netbootd_tests::{DhcpServer, Firmware, Lab, Machine, Netbootd, findings, firmware, loaders};

/// Addresses with a name server and a router: the installer asks for what a lease does not give.
const WITH_NAMES: &str = r#"
[dhcp]
mode = "server"

[[dhcp.subnet]]
subnet = "10.77.0.0/24"
pool = "10.77.0.100-10.77.0.199"
router = "10.77.0.254"
dns = "10.77.0.1"
"#;
/// The files of the package debian-installer-12-netboot-amd64.
const DEBIAN: &str = "/usr/lib/debian-installer/images/12/amd64/text";
/// The installer's first steps, on two shared processors without KVM.
const PATIENCE: Duration = Duration::from_secs(400);

/// The store of the daemon that [`Netbootd`] starts.
fn store(lab: &Lab) -> PathBuf {
    lab.folder().join("state/images")
}

fn imported(lab: &Lab, path: &str, name: &str) {
    assert!(image(&store(lab), &["import", path, "--name", name]).status.success(), "{path}");
}

/// The indented block of the tutorial that begins so, without its indent.
fn of_tutorial(begins: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tutorial-debian.md");
    let page = fs::read_to_string(page).unwrap();
    let indented = |line: &str| line.is_empty() || line.starts_with("    ");
    let mut lines = page.lines().map(str::to_owned).collect::<Vec<_>>().into_iter();
    let first = lines.find(|line| line.trim_start().starts_with(begins) && indented(line));
    let block = first.into_iter().chain(lines.take_while(|line| indented(line)));
    let text: String = block.map(|line| line.strip_prefix("    ").unwrap_or("").to_owned() + "\n").collect();
    assert!(text.len() > begins.len(), "the tutorial has no {begins:?}");
    text
}

/// The tutorial's import, configuration and preseed: Debian's installer runs the preseed that was
/// rendered for its machine.
fn debian_runs_its_preseed(firmware: Firmware, number: u8, put: impl FnOnce(&Path)) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    put(&root);
    let _router = DhcpServer::start_router(&mut lab); // iPXE waits for one
    let import = of_tutorial("netbootd image import /usr/lib/debian-installer");
    let words: Vec<&str> = import.lines().next().unwrap().split_whitespace().skip(2).collect();
    assert_eq!(words[1], DEBIAN);
    assert!(image(&store(&lab), &words).status.success());
    let console = "cmdline=console=ttyS0 {unattended} --- quiet";
    assert!(image(&store(&lab), &["tag", "debian-12", "--label", console]).status.success());
    fs::write(lab.folder().join("preseed.cfg"), of_tutorial("d-i debian-installer/locale")).unwrap();
    let configuration = of_tutorial("[[rule]]");
    let netbootd = Netbootd::start(&lab, &root, &format!("{WITH_NAMES}{configuration}"));
    // With less the installer asks whether to go on in its low memory mode.
    let machine = Machine::start_sized(&lab, firmware, "br0", number, None, "1024");
    let reported = format!("installing-52-54-00-4c-01-{number:02x}");
    let waits = std::panic::AssertUnwindSafe(|| netbootd.wait_for(&reported, PATIENCE));
    let waited = std::panic::catch_unwind(waits);
    assert!(waited.is_ok(), "{}\n{}", machine.console(), netbootd.log());
    findings::none(&lab, &netbootd);
}

#[test]
fn debians_installer_runs_the_preseed_of_its_machine_by_bios() {
    debian_runs_its_preseed(Firmware::Bios { card: "virtio-net-pci" }, 0x71, |_| {});
}

#[test]
#[ignore = "the same by UEFI PXE: make nightly"]
fn debians_installer_runs_the_preseed_of_its_machine_by_uefi_pxe() {
    debian_runs_its_preseed(Firmware::UefiPxe, 0x72, |root| {
        loaders::put(root, loaders::IPXE_EFI);
    });
}

#[test]
#[ignore = "the same by UEFI HTTP boot: make nightly"]
fn debians_installer_runs_the_preseed_of_its_machine_by_uefi_http_boot() {
    debian_runs_its_preseed(Firmware::UefiHttp, 0x73, |root| {
        loaders::put(root, loaders::IPXE_EFI);
    });
}

#[test]
#[ignore = "the same by GRUB: make nightly"]
fn debians_installer_runs_the_preseed_of_its_machine_by_grub() {
    debian_runs_its_preseed(Firmware::UefiPxe, 0x74, |root| {
        loaders::put_grub(root, "bootx64.efi");
    });
}

/// The words by which the machine's kernel finds its answers, and what is there.
#[test]
fn the_answer_file_that_a_machines_kernel_names_is_made_for_it() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    loaders::put(&root, loaders::IPXE_EFI);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    imported(&lab, DEBIAN, "debian-12");
    fs::write(lab.folder().join("preseed.cfg"), of_tutorial("d-i debian-installer/locale")).unwrap();
    let netbootd = Netbootd::start(&lab, &root, &of_tutorial("[[rule]]"));
    let client = Ipv4Addr::new(10, 77, 0, 50);
    firmware::ask_boot_server(&lab, "client", client, SERVER, [0x52, 0x54, 0, 0x4c, 1, 0x75]);
    netbootd.status_when(&lab, "52:54:00:4c:01:75", |status| status["steps"].is_array());
    let get = |path: &str| {
        let url = format!("http://{SERVER}/{path}");
        let output = lab.run("client", &["curl", "-sS", "--max-time", "20", &url]);
        String::from_utf8(output.stdout).unwrap()
    };
    let script = get("netbootd/boot.ipxe");
    let answers = "unattended/image/debian-12/52-54-00-4c-01-75/preseed.cfg";
    let arguments = format!("auto=true priority=critical preseed/url=http://{SERVER}/{answers} --- quiet");
    assert!(script.contains(&arguments), "{script}");
    assert!(script.contains("/debian-12/debian-installer/amd64/linux"), "{script}");
    let preseed = get(answers);
    assert!(preseed.contains("string pc-52-54-00-4c-01-75\n"), "{preseed}");
    assert!(
        preseed.contains(&format!("\"http://{SERVER}/report?state=note&text=installing-52-54-00-4c-01-75\"")),
        "{preseed}"
    );
    assert!(get("unattended/image/other/52-54-00-4c-01-75/preseed.cfg").len() < 100);
}

/// A real ISO of Debian's package, by its name in a rule.
#[test]
#[ignore = "nightly: forty seconds without KVM"]
fn memtest_runs_from_its_iso_by_uefi() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    loaders::put(&root, loaders::IPXE_EFI);
    let _router = DhcpServer::start_router(&mut lab);
    imported(&lab, "/usr/lib/memtest86+/memtest86+x64.iso", "memtest");
    assert!(
        image(&store(&lab), &["tag", "memtest", "--label", "cmdline=console=ttyS0,115200"]).status.success()
    );
    let rule =
        "[[rule]]\nname = \"test\"\nmatch = { class = \"pc\" }\naction.boot = { image = \"memtest\" }\n";
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{rule}"));
    let machine = Machine::start_with_screen(&lab, Firmware::UefiPxe, "br0");
    machine.wait_for("Memtest86+");
    findings::none(&lab, &netbootd);
}

/// Firmware fetches the ISO whole and starts what is on it.
#[test]
fn an_iso_boots_as_a_ram_disk_by_uefi_http_boot() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let folder = lab.folder();
    let run = |program: &str, words: &[&str]| {
        let output = Command::new(program).args(words).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    loaders::put_grub_that_speaks(&folder, "speaks.efi", "ram-disk");
    fs::create_dir(folder.join("disc")).unwrap();
    run("mformat", &["-C", "-f", "2880", "-i", "disc/efi.img", "::"]);
    run("mmd", &["-i", "disc/efi.img", "::/EFI", "::/EFI/BOOT"]);
    run("mcopy", &["-i", "disc/efi.img", "speaks.efi", "::/EFI/BOOT/BOOTX64.EFI"]);
    run(
        "xorriso",
        &["-as", "mkisofs", "-quiet", "-R", "-e", "efi.img", "-no-emul-boot", "-o", "speaks.iso", "disc"],
    );
    imported(&lab, folder.join("speaks.iso").to_str().unwrap(), "speaks");
    let rule = "[[rule]]\nname = \"whole\"\nmatch = { class = \"http\" }\naction.boot = { file = \"speaks/speaks.iso\" }\n";
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{rule}"));
    let machine = Machine::start(&lab, Firmware::UefiHttp, "br0");
    machine.wait_for_payload("ram-disk");
    findings::none(&lab, &netbootd);
}

/// The system of the test's live ISO: it fetches the root that its kernel's arguments name, and
/// says which bytes came.
const LIVE_INIT: &str = r#"#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec >/dev/ttyS0 2>&1
for module in virtio_pci virtio_net; do modprobe $module; done
ip link set eth0 up
udhcpc -i eth0 -n -q -s /lease
for word in $(cat /proc/cmdline); do
  case $word in fetch=*) wget -q -O /root.squashfs "${word#fetch=}";; esac
done
echo "NETBOOTD-PAYLOAD live $(sha256sum </root.squashfs | cut -c1-64)"
poweroff -f
"#;
const LEASE: &str = "#!/bin/sh\n[ \"$1\" = bound ] && ip addr add $ip/24 dev $interface\nexit 0\n";

/// A live ISO as live-build makes them: kernel and RAM disk are Debian's installer's, for their
/// drivers, with another first program.
#[test]
#[ignore = "the installer's kernel and RAM disk boot in CI by their preseed: make nightly"]
fn a_live_iso_fetches_its_root_by_http() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let _router = DhcpServer::start_router(&mut lab);
    let folder = lab.folder();
    let script = |text: &str, name: &str| {
        let path = folder.join("overlay").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    script(LIVE_INIT, "init");
    script(LEASE, "lease");
    let installer = format!("{DEBIAN}/debian-installer/amd64");
    let build = format!(
        "mkdir -p disc/live disc/.disk system && cp {installer}/linux disc/live/vmlinuz &&
         (cd overlay && find . | cpio --quiet -o -H newc | gzip -1) >overlay.gz &&
         cat {installer}/initrd.gz overlay.gz >disc/live/initrd.img &&
         head -c 5000000 /dev/urandom >system/random && mksquashfs system disc/live/filesystem.squashfs -quiet &&
         echo 'Official Debian GNU/Linux Live 12.7.0 test 2024-08-31T10:29' >disc/.disk/info &&
         xorriso -as mkisofs -quiet -R -J -V LIVE -o live.iso disc"
    );
    let built = Command::new("sh").args(["-ec", &build]).current_dir(&folder).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    imported(&lab, folder.join("live.iso").to_str().unwrap(), "live");
    let rule = "[[rule]]\nname = \"live\"\nmatch = { class = \"pc\" }\naction.boot = { image = \"live\" }\n";
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{rule}"));
    let firmware = Firmware::Bios { card: "virtio-net-pci" };
    let machine = Machine::start_sized(&lab, firmware, "br0", 0x76, None, "1024");
    let digest = sha256(&folder.join("disc/live/filesystem.squashfs"));
    machine.wait_for_payload(&format!("live {digest}"));
    netbootd.logged(&["completed", "proto=http", "path=\"/live/live/filesystem.squashfs\""]);
    findings::none(&lab, &netbootd);
}
