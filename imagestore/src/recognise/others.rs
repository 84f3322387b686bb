//! openSUSE, Arch, SystemRescue, Alpine, Proxmox, ESXi and memtest86+.

use super::{Contents, Recognised, answers, entry, is_version, value};
use crate::{About, AnswerForm, Rendered};

/// openSUSE and SLE with YaST, by `media.1`.
pub(super) fn suse(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let media = contents.text("media.1/media").or_else(|| contents.text("media.1/products"))?;
    let arch = ["x86_64", "aarch64"].into_iter().find(|arch| {
        contents.has(&format!("boot/{arch}/linux")) || contents.has(&format!("boot/{arch}/loader/linux"))
    })?;
    let loader =
        |name: &str| contents.first(&[&format!("boot/{arch}/loader/{name}"), &format!("boot/{arch}/{name}")]);
    // `/ openSUSE-Leap 15.6-1`, or `openSUSE - openSUSE-Leap-15.6-x86_64-Build710.3-Media` in the
    // second line.
    let products = contents.text("media.1/products").unwrap_or_default();
    let mut words = products.split_whitespace().skip_while(|word| *word == "/");
    let (product, version) = match (words.next(), words.next()) {
        (Some(product), Some(version)) => {
            (product.replace('-', " "), version.split('-').next().unwrap_or(version).to_owned())
        }
        _ => of_build(media.lines().nth(1).unwrap_or_default()),
    };
    Some(Recognised {
        about: About {
            product,
            version,
            arch: arch.to_owned(),
            unattended: answers(AnswerForm::Autoyast, "autoyast={unattended-url}autoyast.xml"),
            ..About::default()
        },
        boot: entry(loader("linux")?, vec![loader("initrd")?], "install={image-url}"),
        ..Recognised::default()
    })
}

/// The product and version in `openSUSE - openSUSE-Leap-15.6-x86_64-Build710.3-Media`.
fn of_build(line: &str) -> (String, String) {
    let name = line.rsplit(' ').next().unwrap_or_default();
    let parts: Vec<&str> = name.split('-').collect();
    let at = parts.iter().position(|part| is_version(part)).unwrap_or(parts.len());
    let product = parts[..at].join(" ");
    let product = if product.is_empty() { "openSUSE".to_owned() } else { product };
    (product, parts.get(at).map(|version| (*version).to_owned()).unwrap_or_default())
}

/// Arch Linux, made by archiso.
pub(super) fn arch(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let kernel = contents.beginning("arch/boot/x86_64/", "vmlinuz")?;
    let initrd = contents.beginning("arch/boot/x86_64/", "initramfs")?;
    let version = contents.text("arch/version").or_else(|| contents.text("version")).unwrap_or_default();
    let script = "script={unattended-url}script.sh";
    Some(Recognised {
        about: About {
            product: "Arch Linux".into(),
            version: version.trim().to_owned(),
            arch: "x86_64".into(),
            unattended: answers(AnswerForm::Script, script),
            ..About::default()
        },
        boot: entry(kernel, vec![initrd], "archisobasedir=arch archiso_http_srv={image-url}/ ip=dhcp"),
        ..Recognised::default()
    })
}

/// SystemRescue, made by archiso.
pub(super) fn system_rescue(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let kernel = contents.beginning("sysresccd/boot/x86_64/", "vmlinuz")?;
    let initrd = contents.find("sysresccd/boot/x86_64/sysresccd.img")?;
    let version = contents.text("sysresccd/VERSION").unwrap_or_default();
    Some(Recognised {
        about: About {
            product: "SystemRescue".into(),
            version: version.trim().to_owned(),
            arch: "x86_64".into(),
            ..About::default()
        },
        boot: entry(
            kernel,
            vec![initrd],
            "archisobasedir=sysresccd archiso_http_srv={image-url}/ ip=dhcp checksum",
        ),
        ..Recognised::default()
    })
}

/// Alpine Linux, which fetches its root by itself.
pub(super) fn alpine(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let release = contents.text(".alpine-release")?;
    let kernel = contents.beginning("boot/", "vmlinuz-")?;
    let flavour = kernel.rsplit_once("vmlinuz-").map_or("lts", |(_, flavour)| flavour).to_owned();
    let initrd = contents.find(&format!("boot/initramfs-{flavour}"))?;
    let modules = contents.find(&format!("boot/modloop-{flavour}"))?;
    let cmdline = format!(
        "modules=loop,squashfs ip=dhcp alpine_repo={{image-url}}/apks modloop={{image-url}}/{modules}"
    );
    let version = release
        .split_whitespace()
        .map(|word| word.trim_start_matches("alpine-"))
        .find_map(|word| word.split('-').find(|part| is_version(part)));
    Some(Recognised {
        about: About {
            product: "Alpine Linux".into(),
            version: version.unwrap_or_default().to_owned(),
            ..About::default()
        },
        boot: entry(kernel, vec![initrd], cmdline),
        ..Recognised::default()
    })
}

/// Proxmox VE and its siblings: the installer finds the ISO in its own RAM disk.
pub(super) fn proxmox(contents: &dyn Contents, iso: Option<&str>) -> Option<Recognised> {
    let info = contents.text(".cd-info")?;
    let kernel = contents.find("boot/linux26")?;
    let initrd = contents.find("boot/initrd.img")?;
    iso?;
    let product = value(&info, "PRODUCTLONG").unwrap_or("Proxmox VE").to_owned();
    let version = match (value(&info, "RELEASE"), value(&info, "ISORELEASE")) {
        (Some(release), Some(iso)) => format!("{release}-{iso}"),
        (release, _) => release.unwrap_or_default().to_owned(),
    };
    Some(Recognised {
        about: About { product, version, arch: "x86_64".into(), ..About::default() },
        boot: entry(
            kernel,
            vec![initrd, PROXMOX_PACKED.into()],
            "ro ramdisk_size=16777216 rw quiet splash=silent",
        ),
        packed_as: Some("proxmox.iso"),
        note: Some(
            "its installer wants the ISO in its RAM disk: the store holds the ISO once more, packed so"
                .into(),
        ),
        ..Recognised::default()
    })
}

/// ESXi: its boot loader reads `boot.cfg`, whose names are given this server's URL.
pub(super) fn esxi(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let config = contents.text("boot.cfg").filter(|config| config.contains("modules="))?;
    let efi = contents.first(&["efi/boot/bootx64.efi", "mboot.efi"])?;
    let relative = |names: &str| {
        names.split(" --- ").map(|name| name.trim().trim_start_matches('/')).collect::<Vec<_>>().join(" --- ")
    };
    let lines = config.lines().map(|line| match line.trim_end().split_once('=') {
        Some((key @ ("kernel" | "modules"), names)) => format!("{key}={}", relative(names)),
        Some(("prefix", _)) => "prefix={image-url}".to_owned(),
        // The disc, which there is not.
        Some(("kernelopt", options)) => {
            let options = options.split_whitespace().filter(|option| !option.starts_with("cdromBoot"));
            format!("kernelopt={} {{unattended}}", options.collect::<Vec<_>>().join(" "))
        }
        _ => line.trim_end().to_owned(),
    });
    let mut template: String = lines.map(|line| line + "\n").collect();
    if !template.contains("\nprefix=") {
        template.push_str("prefix={image-url}\n");
    }
    let beside =
        efi.rsplit_once('/').map_or("boot.cfg".to_owned(), |(folder, _)| format!("{folder}/boot.cfg"));
    let rendered = ["boot.cfg".to_owned(), beside].map(|path| Rendered { path, template: template.clone() });
    let build = value(&config, "build").unwrap_or_default();
    Some(Recognised {
        about: About {
            product: "VMware ESXi".into(),
            version: build.split('-').next().unwrap_or(build).to_owned(),
            arch: "x86_64".into(),
            unattended: answers(AnswerForm::Kickstart, "ks={unattended-url}kickstart.cfg"),
            efi: Some(efi.clone()),
            rendered: rendered.into(),
            ..About::default()
        },
        boot: entry(efi, Vec::new(), "-c {image-url}/boot.cfg"),
        needs_disc: true,
        ..Recognised::default()
    })
}

/// memtest86+: a program that is a Linux kernel to boot loaders, and an EFI program to firmware.
pub(super) fn memtest(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let is_it = |path: &str| {
        ["memtest86+", "mt86p", "memtest.", "memtest64", "memtest86p"]
            .iter()
            .any(|stem| name(path).starts_with(stem))
    };
    let of_64_bits = |path: &str| !name(path).contains("32");
    let found: Vec<&str> = contents.paths().filter(|path| is_it(path)).collect();
    let pick = |suffixes: &[&str]| {
        let fits = |path: &&&str| suffixes.iter().any(|suffix| name(path).ends_with(suffix));
        let of_64 = found.iter().find(|path| fits(path) && of_64_bits(path));
        of_64.or_else(|| found.iter().find(fits)).map(|path| (*path).to_owned())
    };
    let is_medium = contents.label().starts_with("MT86PLUS");
    let of_medium =
        || contents.first(&["EFI/BOOT/bootx64.efi", "EFI/BOOT/bootia32.efi"]).filter(|_| is_medium);
    let efi = pick(&[".efi"]).or_else(of_medium);
    // The program for firmware is a kernel to boot loaders, of BIOS too.
    let kernel = efi.clone().or_else(|| pick(&[".bin"]))?;
    // The kernel's header names it: `Memtest86+ v6.10`.
    let text = contents.text(&kernel).unwrap_or_default();
    let version = text.split_once("Memtest86+ v").map_or("", |(_, rest)| rest);
    let version = version.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    Some(Recognised {
        about: About { product: "memtest86+".into(), version: version.to_owned(), efi, ..About::default() },
        boot: entry(kernel, Vec::new(), ""),
        ..Recognised::default()
    })
}

/// Where the packed ISO is in the image.
pub(crate) const PROXMOX_PACKED: &str = "netbootd/iso.cpio";
