//! Boot programs from Debian's packages, put into a boot folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::arm64;
use crate::payload::{Payload, cache, lock, payload, payload_arm64};
use crate::process::run;

/// PXELINUX for BIOS machines.
pub const PXELINUX: &[(&str, &str)] = &[
    ("/usr/lib/PXELINUX/pxelinux.0", "pxelinux.0"),
    ("/usr/lib/syslinux/modules/bios/ldlinux.c32", "ldlinux.c32"),
];
/// SYSLINUX for x64 UEFI.
pub const SYSLINUX_EFI: &[(&str, &str)] = &[
    ("/usr/lib/SYSLINUX.EFI/efi64/syslinux.efi", "syslinux.efi"),
    ("/usr/lib/syslinux/modules/efi64/ldlinux.e64", "ldlinux.e64"),
];
/// iPXE for x64 UEFI.
pub const IPXE_EFI: &[(&str, &str)] = &[("/usr/lib/ipxe/ipxe.efi", "ipxe.efi")];
/// The chain that Secure Boot takes: Microsoft's signature on shim, Debian's on GRUB.
pub const SIGNED: &[(&str, &str)] = &[
    ("/usr/lib/shim/shimx64.efi.signed", "shimx64.efi"),
    ("/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", "grubx64.efi"),
];

/// Copies files from packages into a boot folder.
///
/// # Panics
/// When a package is not installed.
pub fn put(root: &Path, files: &[(&str, &str)]) {
    for (from, name) in files {
        fs::copy(from, root.join(name)).unwrap_or_else(|error| panic!("cannot copy {from}: {error}"));
    }
}

/// Puts the payload into a boot folder, with the kernel's arguments for the built-in default.
///
/// # Panics
/// When the folder cannot be written.
pub fn put_payload(root: &Path, arguments: &str) {
    put_kernel(root, arguments, payload());
}

/// The same for ARM64.
///
/// # Panics
/// When the folder cannot be written.
pub fn put_payload_arm64(root: &Path, arguments: &str) {
    put_kernel(root, arguments, payload_arm64());
}

fn put_kernel(root: &Path, arguments: &str, payload: Payload) {
    fs::copy(payload.kernel, root.join("vmlinuz")).expect("the boot folder can be written");
    fs::copy(payload.initrd, root.join("initrd.img")).expect("the boot folder can be written");
    fs::write(root.join("cmdline.txt"), arguments).expect("the boot folder can be written");
}

/// Puts a GRUB with its http module: Debian's signed one has none.
///
/// # Panics
/// When GRUB cannot be built.
pub fn put_grub(root: &Path, name: &str) {
    put_grub_for("x86_64-efi", root, name);
}

/// The same for ia32 UEFI.
///
/// # Panics
/// When GRUB cannot be built.
pub fn put_grub_ia32(root: &Path, name: &str) {
    put_grub_for("i386-efi", root, name);
}

fn put_grub_for(platform: &str, root: &Path, name: &str) {
    let folder = cache();
    let _lock = lock(&folder);
    let image = folder.join(format!("grub-{platform}.efi"));
    if !image.exists() {
        let modules = "efinet http tftp net normal linux echo configfile test sleep reboot halt";
        run(Command::new("grub-mkimage")
            .args(["-O", platform, "-p", "/grub", "-o"])
            .arg(&image)
            .args(modules.split(' ')));
    }
    fs::copy(image, root.join(name)).expect("the boot folder can be written");
}

/// Puts a GRUB that only says the marker and a word, and switches the machine off: it asks for no
/// file.
///
/// # Panics
/// When GRUB cannot be built.
pub fn put_grub_that_speaks(root: &Path, name: &str, word: &str) {
    let configuration = root.join(format!("{name}.cfg"));
    fs::write(&configuration, format!("echo {} {word}\nhalt\n", crate::payload::MARKER))
        .expect("the boot folder can be written");
    let modules = ["normal", "echo", "halt"];
    run(Command::new("grub-mkimage")
        .args(["-O", "x86_64-efi", "-p", "/", "-c"])
        .arg(&configuration)
        .arg("-o")
        .arg(root.join(name))
        .args(modules));
}

/// Puts a program for BIOS, a network boot program or a disk's first sector alike: it says the
/// marker and a word on the serial port.
///
/// # Panics
/// When the file cannot be written.
pub fn put_bios_program(file: &Path, word: &str) {
    let mut sector = vec![
        0x31, 0xc0, // xor ax, ax
        0x8e, 0xd8, // mov ds, ax
        0xbe, 0x15, 0x7c, // mov si, text
        0xac, // next: lodsb
        0x84, 0xc0, // test al, al
        0x74, 0x06, // jz end
        0xba, 0xf8, 0x03, // mov dx, 3f8h
        0xee, // out dx, al
        0xeb, 0xf5, // jmp next
        0xf4, // end: hlt
        0xeb, 0xfd, // jmp end
    ];
    sector.extend(format!("\r\n{} {word}\r\n\0", crate::payload::MARKER).bytes());
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    fs::write(file, sector).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// Puts Debian's signed shim and GRUB for ARM64: `shimaa64.efi`, which starts `grubaa64.efi`.
///
/// # Panics
/// When the packages cannot be had.
pub fn put_arm64(root: &Path) {
    let tree = arm64::unpacked();
    let files = [
        ("usr/lib/shim/shimaa64.efi.signed", "shimaa64.efi"),
        ("usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed", "grubaa64.efi"),
    ];
    for (from, name) in files {
        fs::copy(tree.join(from), root.join(name))
            .unwrap_or_else(|error| panic!("cannot copy {from}: {error}"));
    }
}
