//! Fedora, RHEL and its relatives: Anaconda and dracut's live systems.

use super::{Contents, Recognised, answers, entry, value};
use crate::{About, AnswerForm};

/// Media with Anaconda, by their `.treeinfo`.
pub(super) fn anaconda(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let tree = contents.text(".treeinfo")?;
    let general = section(&tree, "general")?;
    let arch = value(general, "arch").unwrap_or("x86_64").to_owned();
    let images = section(&tree, &format!("images-{arch}")).unwrap_or_default();
    let named = |key: &str, usual: &str| {
        contents.find(value(images, key).unwrap_or(usual)).or_else(|| contents.find(usual))
    };
    let kernel = named("kernel", "images/pxeboot/vmlinuz")?;
    let initrd = named("initrd", "images/pxeboot/initrd.img")?;
    let has_packages = contents.paths().any(|path| path.ends_with("repodata/repomd.xml"));
    let cmdline = match has_packages {
        true => "inst.stage2={image-url} inst.repo={image-url} ip=dhcp",
        // The small medium: packages come from the distribution's own servers.
        false => "inst.stage2={image-url} ip=dhcp",
    };
    let family = value(general, "family").or_else(|| value(general, "name")).unwrap_or("Anaconda");
    let variant =
        value(general, "variant").filter(|variant| !matches!(*variant, "" | "BaseOS" | "Everything"));
    let product = match variant {
        Some(variant) if !family.contains(variant) => format!("{family} {variant}"),
        _ => family.to_owned(),
    };
    let version = value(general, "version").unwrap_or_default().to_owned();
    let unattended = answers(AnswerForm::Kickstart, "inst.ks={unattended-url}kickstart.cfg");
    Some(Recognised {
        about: About { product, version, arch, unattended, ..About::default() },
        boot: entry(kernel, vec![initrd], cmdline),
        ..Recognised::default()
    })
}

/// Live media of dracut: Fedora Workstation, openSUSE Live.
pub(super) fn live(contents: &dyn Contents, _: Option<&str>) -> Option<Recognised> {
    let root = contents.find("LiveOS/squashfs.img")?;
    let kernel =
        contents.first(&["images/pxeboot/vmlinuz", "boot/x86_64/loader/linux", "isolinux/vmlinuz"])?;
    let initrd =
        contents.first(&["images/pxeboot/initrd.img", "boot/x86_64/loader/initrd", "isolinux/initrd.img"])?;
    // Four lines: a time, the release, the architecture, the discs.
    let info = contents.text(".discinfo").unwrap_or_default();
    let lines: Vec<&str> = info.lines().map(str::trim).collect();
    let line = |at: usize| lines.get(at).copied().unwrap_or_default();
    // `Fedora-WS-Live-40-1-14`.
    let label = contents.label();
    let mut words = label.split(['-', '_']);
    let product = words.next().filter(|word| !word.is_empty()).unwrap_or("Live system");
    let version = match line(1) {
        "" => words.find(|word| super::is_version(word)).unwrap_or_default(),
        release => release,
    };
    let cmdline = format!("root=live:{{image-url}}/{root} rd.live.image rd.neednet=1 ip=dhcp");
    Some(Recognised {
        about: About {
            product: format!("{product} Live"),
            version: version.to_owned(),
            arch: line(2).to_owned(),
            ..About::default()
        },
        boot: entry(kernel, vec![initrd], cmdline),
        ..Recognised::default()
    })
}

/// The lines of a section of an INI file.
fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = format!("[{name}]");
    let begin = text.lines().find(|line| line.trim().eq_ignore_ascii_case(&head))?;
    // A line is a part of the text.
    let at = begin.as_ptr() as usize - text.as_ptr() as usize + begin.len();
    let rest = text.get(at..)?;
    Some(rest.split("\n[").next().unwrap_or(rest))
}
