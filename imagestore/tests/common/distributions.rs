//! The distributions that an import recognises, each by the few files that are needed for it.

use imagestore::BootMethod;

/// The few files by which a distribution is known, each with its text.
pub(crate) type Files = &'static [(&'static str, &'static str)];

/// A distribution: label, files, boot images; what it is called; kernel, RAM disks and arguments;
/// ways.
pub(crate) type Row = (
    &'static str,
    Files,
    &'static [&'static str],
    &'static str,
    Option<[&'static str; 3]>,
    &'static [BootMethod],
);

pub(crate) const ROWS: &[Row] = &[
    (
        "Debian 12.7.0 amd64 n",
        &[
            (
                ".disk/info",
                "Debian GNU/Linux 12.7.0 \"Bookworm\" - Official amd64 NETINST with firmware 20240831-10:38",
            ),
            ("install.amd/vmlinuz", "k"),
            ("install.amd/initrd.gz", "i"),
        ],
        &["bios", "uefi"],
        "Debian 12.7.0 (amd64)",
        None,
        &[BootMethod::UefiHttpRamdisk],
    ),
    (
        "d-live 12.7.0 gn amd64",
        &[
            (".disk/info", "Official Debian GNU/Linux Live 12.7.0 gnome 2024-08-31T10:29"),
            ("live/vmlinuz-6.1.0-25-amd64", "k"),
            ("live/initrd.img-6.1.0-25-amd64", "i"),
            ("live/filesystem.squashfs", "s"),
        ],
        &["bios", "uefi"],
        "Debian Live 12.7.0",
        Some([
            "live/vmlinuz-6.1.0-25-amd64",
            "live/initrd.img-6.1.0-25-amd64",
            "boot=live components quiet fetch={image-url}/live/filesystem.squashfs",
        ]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "Ubuntu-Server 24.04.1 LTS amd64",
        &[
            (".disk/info", "Ubuntu-Server 24.04.1 LTS \"Noble Numbat\" - Release amd64 (20240827)"),
            ("casper/vmlinuz", "k"),
            ("casper/initrd", "i"),
        ],
        &["bios", "uefi"],
        "Ubuntu Server 24.04.1 (amd64)",
        Some(["casper/vmlinuz", "casper/initrd", "ip=dhcp iso-url={image-url}/a%20disc.iso"]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "Ubuntu 22.04.4 LTS amd64",
        &[
            (".disk/info", "Ubuntu 22.04.4 LTS \"Jammy Jellyfish\" - Release amd64 (20240220)"),
            ("casper/vmlinuz", "k"),
            ("casper/initrd", "i"),
        ],
        &["uefi"],
        "Ubuntu 22.04.4 (amd64)",
        Some([
            "casper/vmlinuz",
            "casper/initrd",
            "boot=casper ip=dhcp url={image-url}/a%20disc.iso cloud-config-url=/dev/null",
        ]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "Fedora-S-dvd-x86_64-40",
        &[
            (
                ".treeinfo",
                "[general]\nfamily = Fedora\nversion = 40\narch = x86_64\nvariant = Server\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n",
            ),
            ("images/pxeboot/vmlinuz", "k"),
            ("images/pxeboot/initrd.img", "i"),
            ("images/install.img", "s"),
            ("repodata/repomd.xml", "<repomd/>"),
        ],
        &["bios", "uefi"],
        "Fedora Server 40 (x86_64)",
        Some([
            "images/pxeboot/vmlinuz",
            "images/pxeboot/initrd.img",
            "inst.stage2={image-url} inst.repo={image-url} ip=dhcp",
        ]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "Rocky-9-4-x86_64-boot",
        &[
            (
                ".treeinfo",
                "[general]\nfamily = Rocky Linux\nname = Rocky Linux 9.4\nversion = 9.4\narch = x86_64\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n",
            ),
            ("images/pxeboot/vmlinuz", "k"),
            ("images/pxeboot/initrd.img", "i"),
        ],
        &["bios"],
        "Rocky Linux 9.4 (x86_64)",
        Some(["images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", "inst.stage2={image-url} ip=dhcp"]),
        &[BootMethod::Kernel],
    ),
    (
        "Fedora-WS-Live-40-1-14",
        &[
            (".discinfo", "1713126372.3\n40\nx86_64\n"),
            ("images/pxeboot/vmlinuz", "k"),
            ("images/pxeboot/initrd.img", "i"),
            ("LiveOS/squashfs.img", "s"),
        ],
        &["bios", "uefi"],
        "Fedora Live 40 (x86_64)",
        Some([
            "images/pxeboot/vmlinuz",
            "images/pxeboot/initrd.img",
            "root=live:{image-url}/LiveOS/squashfs.img rd.live.image rd.neednet=1 ip=dhcp",
        ]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "openSUSE-Leap-15.6-DVD-x86_64",
        &[
            (
                "media.1/media",
                "openSUSE - openSUSE-Leap-15.6-x86_64-Build710.3-Media\nopenSUSE-Leap-15.6-x86_64-Build710.3\n1\n",
            ),
            ("media.1/products", "/ openSUSE-Leap 15.6-1\n"),
            ("boot/x86_64/loader/linux", "k"),
            ("boot/x86_64/loader/initrd", "i"),
        ],
        &["bios", "uefi"],
        "openSUSE Leap 15.6 (x86_64)",
        Some(["boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", "install={image-url}"]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "ARCH_202409",
        &[
            ("arch/version", "2024.09.01\n"),
            ("arch/boot/x86_64/vmlinuz-linux", "k"),
            ("arch/boot/x86_64/initramfs-linux.img", "i"),
            ("arch/x86_64/airootfs.sfs", "s"),
        ],
        &["bios", "uefi"],
        "Arch Linux 2024.09.01 (x86_64)",
        Some([
            "arch/boot/x86_64/vmlinuz-linux",
            "arch/boot/x86_64/initramfs-linux.img",
            "archisobasedir=arch archiso_http_srv={image-url}/ ip=dhcp",
        ]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "RESCUE1102",
        &[
            ("sysresccd/VERSION", "11.02\n"),
            ("sysresccd/boot/x86_64/vmlinuz", "k"),
            ("sysresccd/boot/x86_64/sysresccd.img", "i"),
            ("sysresccd/x86_64/airootfs.sfs", "s"),
        ],
        &["bios", "uefi"],
        "SystemRescue 11.02 (x86_64)",
        Some([
            "sysresccd/boot/x86_64/vmlinuz",
            "sysresccd/boot/x86_64/sysresccd.img",
            "archisobasedir=sysresccd archiso_http_srv={image-url}/ ip=dhcp checksum",
        ]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "PVE",
        &[
            (".cd-info", "PRODUCT='pve'\nPRODUCTLONG='Proxmox VE'\nRELEASE='8.2'\nISORELEASE='1'\n"),
            ("boot/linux26", "k"),
            ("boot/initrd.img", "i"),
        ],
        &["bios", "uefi"],
        "Proxmox VE 8.2-1 (x86_64)",
        Some([
            "boot/linux26",
            "boot/initrd.img netbootd/iso.cpio",
            "ro ramdisk_size=16777216 rw quiet splash=silent",
        ]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "ESXI-8.0-20513097-STANDARD",
        &[
            (
                "boot.cfg",
                "title=Loading ESXi installer\nprefix=\nkernel=/b.b00\nmodules=/jumpstrt.gz --- /useropts.gz\nbuild=8.0.0-1.0.20513097\n",
            ),
            ("efi/boot/bootx64.efi", "MZ"),
            ("b.b00", "k"),
        ],
        &["bios", "uefi"],
        "VMware ESXi 8.0.0 (x86_64)",
        Some(["efi/boot/bootx64.efi", "", "-c {image-url}/boot.cfg"]),
        &[BootMethod::Kernel, BootMethod::Uefi, BootMethod::UefiHttpRamdisk],
    ),
    (
        "3.1.3-16-amd64",
        &[
            ("Clonezilla-Live-Version", "clonezilla-live-3.1.3-16-amd64\n"),
            ("live/vmlinuz", "k"),
            ("live/initrd.img", "i"),
            ("live/filesystem.squashfs", "s"),
        ],
        &["bios", "uefi"],
        "Clonezilla 3.1.3-16 (amd64)",
        Some([
            "live/vmlinuz",
            "live/initrd.img",
            "boot=live union=overlay username=user hostname=clonezilla config components quiet noswap edd=on nomodeset \
             net.ifnames=0 ocs_live_run=\"ocs-live-general\" ocs_live_extra_param=\"\" ocs_live_batch=\"no\" noprompt \
             fetch={image-url}/live/filesystem.squashfs",
        ]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "GParted-live",
        &[
            ("GParted-Live-Version", "gparted-live-1.6.0-10-amd64\n"),
            ("live/vmlinuz", "k"),
            ("live/initrd.img", "i"),
            ("live/filesystem.squashfs", "s"),
        ],
        &["bios", "uefi"],
        "GParted Live 1.6.0-10 (amd64)",
        Some([
            "live/vmlinuz",
            "live/initrd.img",
            "boot=live union=overlay username=user config components quiet noswap net.ifnames=0 noprompt \
             fetch={image-url}/live/filesystem.squashfs",
        ]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "alpine-std 3.20.3 x86_64",
        &[
            (".alpine-release", "alpine-standard-3.20.3 240906\n"),
            ("boot/vmlinuz-lts", "k"),
            ("boot/initramfs-lts", "i"),
            ("boot/modloop-lts", "m"),
        ],
        &["bios", "uefi"],
        "Alpine Linux 3.20.3",
        Some([
            "boot/vmlinuz-lts",
            "boot/initramfs-lts",
            "modules=loop,squashfs ip=dhcp alpine_repo={image-url}/apks modloop={image-url}/boot/modloop-lts",
        ]),
        &[BootMethod::Kernel, BootMethod::UefiHttpRamdisk],
    ),
    (
        "UNKNOWN",
        &[("something", "else")],
        &["bios", "uefi"],
        "",
        None,
        &[BootMethod::UefiHttpRamdisk, BootMethod::IpxeSanboot],
    ),
];
