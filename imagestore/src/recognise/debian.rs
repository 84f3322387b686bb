//! Debian, Ubuntu and their relatives: the installer, casper and live-boot.

use super::disk_info::DiskInfo;
use super::{Contents, Recognised, answers, entry};
use crate::{About, AnswerForm};

/// Ubuntu's live media, and their relatives: casper.
pub(super) fn casper(contents: &dyn Contents, iso: Option<&str>) -> Option<Recognised> {
    let kernel = contents.first(&["casper/vmlinuz", "casper/vmlinuz.efi"])?;
    let initrd =
        contents.first(&["casper/initrd", "casper/initrd.gz", "casper/initrd.lz", "casper/initrd.img"])?;
    let info = info(contents)?;
    let iso = iso?;
    // cloud-init takes `url=` for its own, and would read the whole ISO as its configuration.
    let cmdline = match series(&info.version) >= (24, 4) {
        true => format!("ip=dhcp iso-url={{image-url}}/{iso}"),
        false => format!("boot=casper ip=dhcp url={{image-url}}/{iso} cloud-config-url=/dev/null"),
    };
    let subiquity = info.product.contains("Server") || series(&info.version) >= (23, 4);
    let arguments = "autoinstall ds=nocloud-net;s={unattended-url}";
    Some(Recognised {
        about: About {
            unattended: answers(AnswerForm::Autoinstall, arguments).filter(|_| subiquity),
            ..about(info)
        },
        boot: entry(kernel, vec![initrd], cmdline),
        note: Some("its system loads the whole ISO into memory: give the machine as much, and 2 GB".into()),
        ..Recognised::default()
    })
}

/// Ubuntu Server until 20.04, which has the network's installer beside its own.
pub(super) fn ubuntu_netboot(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let kernel = contents.find("install/netboot/ubuntu-installer/amd64/linux")?;
    let initrd = contents.find("install/netboot/ubuntu-installer/amd64/initrd.gz")?;
    let cmdline = "live-installer/net-image={image-url}/install/filesystem.squashfs";
    Some(Recognised {
        about: About { unattended: preseed(), ..about(info(contents)?) },
        boot: entry(kernel, vec![initrd], cmdline),
        ..Recognised::default()
    })
}

/// Debian's installer for the network, as `netboot.tar.gz` and the packages
/// `debian-installer-*-netboot-*` have it.
pub(super) fn netboot(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let find = |arch: &'static str| {
        let folder = ["", "text/", "gtk/"].map(|form| format!("{form}debian-installer/{arch}/"));
        folder.into_iter().find_map(|folder| {
            let kernel = contents.first(&[&format!("{folder}linux"), &format!("{folder}vmlinuz")])?;
            Some((arch, kernel, contents.find(&format!("{folder}initrd.gz"))?, folder))
        })
    };
    let (arch, kernel, initrd, folder) = ["amd64", "arm64", "i386"].into_iter().find_map(find)?;
    let above = folder.split_once("debian-installer/").map_or("", |(above, _)| above);
    // `Debian version:  12 (bookworm)` and `Installer build: 20230607+deb12u8`.
    let text = contents.text(&format!("{above}version.info"));
    let text = text.or_else(|| contents.text("MANIFEST")).unwrap_or_default();
    let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let version = line("Debian version:").and_then(|line| line.split_whitespace().next()).unwrap_or_default();
    Some(Recognised {
        about: About {
            product: "Debian installer".into(),
            version: version.to_owned(),
            arch: arch.to_owned(),
            unattended: preseed(),
            ..About::default()
        },
        boot: entry(kernel, vec![initrd], "vga=788 {unattended} --- quiet"),
        ..Recognised::default()
    })
}

/// Debian's and Ubuntu's `mini.iso`: the network's installer alone.
pub(super) fn mini(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let (kernel, initrd) = (contents.find("linux")?, contents.find("initrd.gz")?);
    let arch = if contents.paths().any(|path| path.contains("x86_64") || path.contains("bootx64")) {
        "amd64"
    } else {
        ""
    };
    Some(Recognised {
        about: About {
            product: "Debian installer".into(),
            arch: arch.into(),
            unattended: preseed(),
            ..About::default()
        },
        boot: entry(kernel, vec![initrd], "vga=788 {unattended} --- quiet"),
        ..Recognised::default()
    })
}

/// Systems of live-boot: Debian Live, Clonezilla, GParted, Kali.
pub(super) fn live(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let root = contents.beginning("live/", "filesystem.").filter(|path| path.ends_with(".squashfs"))?;
    let kernel = contents.beginning("live/", "vmlinuz")?;
    let initrd = contents.beginning("live/", "initrd")?;
    let fetch = format!("fetch={{image-url}}/{root}");
    let first_words = |path: &str| contents.text(path).unwrap_or_default();
    let (info, options) = if let Some(version) = contents.find("Clonezilla-Live-Version") {
        let options = "union=overlay username=user hostname=clonezilla config components quiet noswap edd=on \
                       nomodeset net.ifnames=0 ocs_live_run=\"ocs-live-general\" ocs_live_extra_param=\"\" \
                       ocs_live_batch=\"no\" noprompt";
        (tool("Clonezilla", &first_words(&version)), options)
    } else if let Some(version) = contents.find("GParted-Live-Version") {
        (
            tool("GParted Live", &first_words(&version)),
            "union=overlay username=user config components quiet noswap net.ifnames=0 noprompt",
        )
    } else {
        let info = info(contents)
            .unwrap_or_else(|| DiskInfo { product: "Live system".into(), ..DiskInfo::default() });
        (info, "components quiet")
    };
    Some(Recognised {
        about: about(info),
        boot: entry(kernel, vec![initrd], format!("boot=live {options} {fetch}")),
        ..Recognised::default()
    })
}

/// Debian's CDs and DVDs: their installer looks for its disc in a drive.
pub(super) fn disc(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let folders = ["install.amd", "install.a64", "install.386", "install"];
    folders.iter().find(|folder| contents.has(&format!("{folder}/vmlinuz")))?;
    let info = info(contents)?;
    let major = info.version.split('.').next().unwrap_or_default().to_owned();
    let note = format!(
        "the installer on Debian's discs looks for them in a drive; to install by network, import the \
         installer of the package debian-installer-{major}-netboot-{} (or of netboot.tar.gz)",
        if info.arch.is_empty() { "amd64" } else { &info.arch },
    );
    Some(Recognised { about: about(info), note: Some(note), needs_disc: true, ..Recognised::default() })
}

fn preseed() -> Option<crate::Unattended> {
    answers(AnswerForm::Preseed, "auto=true priority=critical preseed/url={unattended-url}preseed.cfg")
}

fn info(contents: &dyn Contents) -> Option<DiskInfo> {
    contents.text(".disk/info").map(|text| DiskInfo::parse(&text))
}

fn about(DiskInfo { product, version, arch }: DiskInfo) -> About {
    About { product, version, arch, ..About::default() }
}

/// `clonezilla-live-3.1.3-16-amd64` or `gparted-live-1.6.0-10-amd64`, the first such word.
fn tool(product: &str, text: &str) -> DiskInfo {
    let name = text.split_whitespace().find(|word| word.contains("-live-")).unwrap_or_default();
    let rest = name.split_once("-live-").map_or("", |(_, rest)| rest);
    let (version, arch) = match rest.rsplit_once('-') {
        Some((version, arch)) if arch.starts_with(|c: char| c.is_ascii_alphabetic()) => (version, arch),
        _ => (rest, ""),
    };
    DiskInfo { product: product.into(), version: version.into(), arch: arch.into() }
}

/// The year and month of an Ubuntu.
fn series(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
