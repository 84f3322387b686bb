//! The requests of each kind of client, as real ones send them, with the optional files of boot
//! programs and installers.

use bsdp::BsdpMessageType;
use pxe_policy::{ArchType, Class, MacAddr};

use super::client::Client;
use crate::step::Program;

type Kind = fn(&mut Client<'_>);

pub(super) const ALL: [Kind; 16] = [
    pxelinux,
    bios_ipxe,
    uefi_pxe,
    uefi_http,
    ipxe,
    shim_and_grub,
    windows_pe,
    wimboot,
    arm64,
    uboot,
    raspberry_pi,
    mac,
    uefi_pxe_ipv6,
    uefi_http_ipv6,
    ipxe_ipv6,
    shim_and_grub_ipv6,
];

/// A menu of iPXE: what is chosen is not known beforehand.
const SCRIPT: &str = "#!ipxe\nmenu\nchoose x\nkernel http://10.9.9.9/x initrd=x\nchain ${x}.ipxe";

const SIGNED: Option<Program> =
    Some(Program { arch: Some(ArchType::X64_UEFI), signed: true, is_pe: true, signers: None });
const UNSIGNED: Option<Program> =
    Some(Program { arch: Some(ArchType::X64_UEFI), signed: false, is_pe: true, signers: None });

pub(super) fn pxelinux(client: &mut Client<'_>) {
    client.site.arch = ArchType::X86_BIOS;
    client.negotiates(&[("blksize", 1408)]);
    client.firmware("pxelinux.0");
    client.fetch("pxelinux.0", None);
    client.pause(0.1, 6.0);
    client.misses(&["ldlinux.bss"]);
    client.fetch("ldlinux.c32", None);
    client.misses(&[
        "pxelinux.cfg/44454c4c-4200-1035-8053-5254004c0101",
        "pxelinux.cfg/01-52-54-00-4c-01-01",
        "pxelinux.cfg/0A4D0172",
        "pxelinux.cfg/0A4D017",
        "pxelinux.cfg/0A4D",
        "pxelinux.cfg/0",
    ]);
    client.fetch("pxelinux.cfg/default", None);
    client.misses(&["boot.msg", "splash.png"]);
    if client.happens(0.5) {
        client.fetch("menu.c32", None);
        client.misses(&["background.tga"]);
        client.pause(1.0, 90.0); // its menu
    }
    kernel_and_initrd(client, "linux", "initrd.gz");
}

/// A PC's BIOS loads iPXE, which leaves the card to the BIOS.
pub(super) fn bios_ipxe(client: &mut Client<'_>) {
    client.site.arch = ArchType::X86_BIOS;
    client.negotiates(&[("blksize", 1456)]);
    client.firmware("undionly.kpxe");
    client.fetch("undionly.kpxe", None);
    client.pause(0.5, 6.0);
    client.misses(&["autoexec.ipxe"]);
    script(client);
    client.fetch_http("/vmlinuz", None, 9_000_000);
    client.fetch_http("/initrd.gz", None, 40_000_000);
    installer(client);
}

pub(super) fn uefi_pxe(client: &mut Client<'_>) {
    let files = [("syslinux.efi", UNSIGNED), ("bootx64.efi", SIGNED), ("memtest.efi", UNSIGNED)];
    let (file, program) = files[client.between(0.0, 3.0) as usize].clone();
    client.firmware(file);
    client.fetch(file, program);
    if file == "syslinux.efi" {
        client.pause(0.1, 6.0);
        client.fetch("ldlinux.e64", None);
        // Its own question for an address has no class.
        client.system();
        client.misses(&["syslinux.cfg/01-52-54-00-4c-01-01", "pxelinux.cfg/0A4D"]);
        client.fetch("syslinux.cfg", None);
        kernel_and_initrd(client, "vmlinuz", "initrd.img");
    }
}

pub(super) fn uefi_http(client: &mut Client<'_>) {
    client.site.arch = ArchType::X64_UEFI_HTTP;
    let url = "http://10.77.0.1/grubx64.efi";
    client.discover(Class::Http, Some(url));
    client.request(Class::Http, Some(url));
    client.pause(0.2, 2.0);
    client.asks_for_the_size("/grubx64.efi", SIGNED);
    client.fetch_http("/grubx64.efi", SIGNED, 2_000_000);
    grub(client, true);
}

pub(super) fn ipxe(client: &mut Client<'_>) {
    // From the card's ROM, or loaded by firmware.
    if client.happens(0.5) {
        load_ipxe(client);
    }
    script(client);
    client.misses(&["/52:54:00:4c:01:01.ipxe"]);
    if client.happens(0.7) {
        client.fetch_http("/menu.ipxe", None, 900);
        client.misses(&["/background.png"]);
        client.pause(0.5, 60.0);
        client.fetch_http("/vmlinuz", SIGNED, 14_000_000);
        client.fetch_http("/initrd.img", None, 60_000_000);
        installer(client);
    } else {
        windows_by_wimboot(client);
    }
}

/// iPXE by firmware, up to its first words.
fn load_ipxe(client: &mut Client<'_>) {
    client.firmware("ipxe.efi");
    client.fetch("ipxe.efi", UNSIGNED);
    client.pause(0.5, 14.0); // its card and link
    client.misses(&["autoexec.ipxe"]);
}

/// iPXE's own address, and its script.
fn script(client: &mut Client<'_>) {
    client.negotiates(&[("blksize", 1432)]);
    let script = "http://10.77.0.1/boot.ipxe";
    client.discover(Class::Ipxe, Some(script));
    client.request(Class::Ipxe, Some(script));
    if client.happens(0.5) {
        client.pause(11.0, 15.0); // for a router that advertises IPv6
    }
    client.reads("/boot.ipxe", SCRIPT);
}

fn windows_by_wimboot(client: &mut Client<'_>) {
    client.fetch_http("/wimboot", None, 60_000);
    client.fetch_http("/Boot/BCD", None, 20_000);
    client.fetch_http("/boot.sdi", None, 3_000_000);
    client.fetch_http("/boot.wim", None, 400_000_000);
    client.pause(15.0, 70.0);
    client.system();
}

pub(super) fn wimboot(client: &mut Client<'_>) {
    load_ipxe(client);
    script(client);
    client.misses(&["/Boot/Fonts/segmono_boot.ttf"]);
    windows_by_wimboot(client);
}

/// ARM64 UEFI firmware with shim and GRUB.
pub(super) fn arm64(client: &mut Client<'_>) {
    const ARM64: Option<Program> =
        Some(Program { arch: Some(ArchType::ARM64_UEFI), signed: true, is_pe: true, signers: None });
    client.site.arch = ArchType::ARM64_UEFI;
    client.firmware("shimaa64.efi");
    client.fetch("shimaa64.efi", ARM64);
    client.pause(0.1, 4.0);
    client.misses(&["revocations_sku.efi", "revocations_sbat.efi", "shim_certificate_0.efi"]);
    client.fetch("grubaa64.efi", ARM64);
    client.negotiates(&[("blksize", 1024)]);
    grub(client, false);
}

pub(super) fn uefi_pxe_ipv6(client: &mut Client<'_>) {
    client.over_ipv6 = true;
    uefi_pxe(client);
}

pub(super) fn uefi_http_ipv6(client: &mut Client<'_>) {
    client.over_ipv6 = true;
    uefi_http(client);
}

pub(super) fn ipxe_ipv6(client: &mut Client<'_>) {
    client.over_ipv6 = true;
    ipxe(client);
}

pub(super) fn shim_and_grub_ipv6(client: &mut Client<'_>) {
    client.over_ipv6 = true;
    shim_and_grub(client);
}

pub(super) fn shim_and_grub(client: &mut Client<'_>) {
    client.firmware("shimx64.efi");
    client.fetch("shimx64.efi", SIGNED);
    client.negotiates(&[("blksize", 512), ("windowsize", 4)]);
    client.pause(0.1, 4.0);
    client.misses(&["revocations_sku.efi", "revocations_sbat.efi", "shim_certificate_0.efi"]);
    client.fetch("grubx64.efi", SIGNED);
    client.negotiates(&[("blksize", 1024)]);
    grub(client, false);
}

fn grub(client: &mut Client<'_>, http: bool) {
    client.pause(0.2, 8.0);
    client.misses(&[
        "/grub/x86_64-efi/command.lst",
        "/grub/x86_64-efi/fs.lst",
        "/grub/x86_64-efi/crypto.lst",
        "/grub/x86_64-efi/terminal.lst",
        "/grub/grub.cfg-01-52-54-00-4c-01-01",
        "/grub/grub.cfg-0A4D0172",
    ]);
    if client.happens(0.3) {
        client.peeks("/grub/grub.cfg");
    }
    client.fetch("/grub/grub.cfg", None);
    client.misses(&[
        "/grub/locale/de.gmo",
        "/grub/locale/de_DE.mo",
        "/grub/unicode.pf2",
        "/grub/grubenv",
        "/grub/custom.cfg",
        "/grub/theme.txt",
    ]);
    client.pause(0.5, 120.0); // its menu
    if client.happens(0.3) {
        client.peeks("/vmlinuz");
    }
    match http {
        true => {
            client.fetch_http("/vmlinuz", SIGNED, 14_000_000);
            client.fetch_http("/initrd.img", None, 60_000_000);
            installer(client);
        }
        false => kernel_and_initrd(client, "/vmlinuz", "/initrd.img"),
    }
}

fn kernel_and_initrd(client: &mut Client<'_>, kernel: &str, initrd: &str) {
    client.fetch_large(kernel, 14_000_000);
    client.fetch_large(initrd, 40_000_000);
    installer(client);
}

/// The files that the installers of distributions look for, there or not.
fn installer(client: &mut Client<'_>) {
    client.pause(3.0, 60.0);
    client.system();
    let looks: [&[&str]; 4] = [
        &["/preseed.cfg", "/d-i/bookworm/./preseed.cfg", "/dists/bookworm/Release.gpg", "/Packages.gz"],
        &["/user-data", "/vendor-data", "/meta-data", "/casper/filesystem.manifest"],
        &["/images/updates.img", "/images/product.img", "/ks.cfg", "/.treeinfo", "/repodata/repomd.xml"],
        &["/media.1/media", "/control.xml", "/boot/x86_64/root", "/driverupdate", "/autoinst.xml"],
    ];
    let looks = looks[client.between(0.0, 4.0) as usize];
    client.misses(looks);
    if client.happens(0.7) {
        client.fetch_http("/filesystem.squashfs", None, 800_000_000);
    }
    client.misses(looks);
}

pub(super) fn windows_pe(client: &mut Client<'_>) {
    if client.happens(0.5) {
        client.firmware("smsboot\\x64\\wdsmgfw.efi");
        client.fetch("smsboot\\x64\\wdsmgfw.efi", SIGNED);
        client.misses(&["\\SMSBoot\\x64\\en-US\\wdsmgfw.efi.mui"]);
        if client.happens(0.5) {
            client.fetch("\\SMSBoot\\Fonts\\wgl4_boot.ttf", None);
        }
        client.pause(0.1, 6.0);
        client.boot_server("smsboot\\x64\\bootmgfw.efi");
    } else {
        client.firmware("smsboot\\x64\\bootmgfw.efi");
    }
    client.fetch("smsboot\\x64\\bootmgfw.efi", SIGNED);
    client.pause(0.1, 8.0);
    client.misses(&["\\SMSBoot\\x64\\boot.stl", "\\boot\\bootres.dll", "\\SMSBoot\\x64\\hiberfil.sys"]);
    client.fetch("\\SMSTemp\\1.boot.bcd", None);
    client.misses(&[
        "\\SMSBoot\\Fonts\\segmono_boot.ttf",
        "\\SMSBoot\\Fonts\\segoe_slboot.ttf",
        "\\SMSBoot\\x64\\en-US\\bootmgfw.efi.mui",
        "\\EFI\\Microsoft\\Boot\\SkuSiPolicy.p7b",
        "\\EFI\\Microsoft\\Boot\\WinSiPolicy.p7b",
    ]);
    client.pause(0.5, 30.0); // a choice, or F12
    if client.happens(0.5) {
        client.fetch("\\SMSTemp\\1.boot.var", None);
    }
    client.fetch_large("\\boot.sdi", 3_000_000);
    client.fetch_large("\\boot.wim", 300_000_000);
    client.pause(20.0, 80.0);
    client.system();
}

pub(super) fn uboot(client: &mut Client<'_>) {
    client.proxied = false; // it takes no proxy's offer
    client.site.arch = ArchType(22);
    client.discover(Class::Uboot, None);
    client.request(Class::Uboot, None);
    client.misses(&["boot.scr.uimg", "pxelinux.cfg/01-52-54-00-4c-01-01", "pxelinux.cfg/0A4D0172"]);
    client.misses(&["pxelinux.cfg/default-arm-qemu-arm64", "pxelinux.cfg/default-arm"]);
    if client.happens(0.5) {
        client.fetch("pxelinux.cfg/default", None);
        client.fetch_large("Image", 30_000_000);
        client.misses(&["dtb/qemu.dtb"]);
        client.fetch_large("uInitrd", 20_000_000);
    } else {
        client.site.arch = ArchType::ARM64_UEFI;
        client.pause(0.1, 5.0);
        client.discover(Class::Pxe, Some("grubaa64.efi"));
        client.request(Class::Pxe, Some("grubaa64.efi"));
        client.misses(&["dtb/qemu.dtb"]);
        client.fetch(
            "grubaa64.efi",
            Some(Program { arch: Some(ArchType::ARM64_UEFI), signed: true, is_pe: true, signers: None }),
        );
        grub(client, false);
    }
}

pub(super) fn raspberry_pi(client: &mut Client<'_>) {
    client.site.arch = ArchType::X86_BIOS;
    let MacAddr([.., last]) = client.site.mac;
    client.site.mac = MacAddr([0xb8, 0x27, 0xeb, 0, 0, last]);
    client.negotiates(&[("blksize", 1468)]);
    client.discover(Class::Pxe, Some("bootcode.bin"));
    client.request(Class::Pxe, Some("bootcode.bin"));
    client.misses(&["bootsig.bin"]);
    client.fetch("bootcode.bin", None);
    client.misses(&["bootsig.bin", "0123abcd/start.elf", "autoboot.txt"]);
    client.fetch("start.elf", None);
    client.fetch("config.txt", None);
    client.misses(&["recovery.elf", "dt-blob.bin", "cmdline.txt", "recovery8.img", "kernel_2712.img"]);
    client.fetch_large("kernel8.img", 9_000_000);
    client.misses(&["armstub8.bin", "overlays/overlay_map.dtb", "recovery7.img"]);
    client.pause(3.0, 30.0);
    client.system();
}

pub(super) fn mac(client: &mut Client<'_>) {
    client.negotiates(&[("blksize", 1024)]);
    client.address_of_a_mac();
    client.bsdp(Some(BsdpMessageType::List), None);
    client.pause(0.1, 60.0); // its picker
    client.bsdp(Some(BsdpMessageType::Select), Some("NetBootSP0/a.nbi/i386/booter"));
    client.pause(0.1, 4.0);
    client.fetch("NetBootSP0/a.nbi/i386/booter", None);
    client.misses(&[
        "NetBootSP0/a.nbi/i386/com.apple.Boot.plist",
        "NetBootSP0/a.nbi/i386/PlatformSupport.plist",
    ]);
    client.fetch_large("NetBootSP0/a.nbi/i386/x86_64/kernelcache", 20_000_000);
    client.pause(3.0, 30.0);
    client.bsdp(Some(BsdpMessageType::Select), None);
    client.system();
}
