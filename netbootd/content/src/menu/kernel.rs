//! The lines by which each boot loader starts a kernel with its RAM disks.

use netbootd_dhcp::v4::boot_info::host;
use pxe_policy::KernelBoot;

use super::words::one_line;
use super::{Loader, words};
use crate::template::Asker;
use crate::unattended::UNATTENDED;

/// The whole configuration of a boot loader that starts a kernel at once.
pub(crate) fn config(kernel: &KernelBoot, title: &str, loader: Loader, asker: &Asker) -> String {
    let title = words::shown(title, 60);
    match loader {
        Loader::Ipxe => format!("#!ipxe\necho netbootd: {title}\n{}", ipxe(kernel, asker)),
        Loader::Grub => {
            let failed = asker.reporting.grub_failed();
            format!("set timeout=0\n{failed}\nmenuentry \"{title}\" {{\n{}}}\n", grub(kernel, asker))
        }
        Loader::Pxelinux => {
            format!("DEFAULT netbootd\nLABEL netbootd\n{}", pxelinux(kernel, asker))
        }
    }
}

/// Commands of iPXE that report and start the kernel, with the label `failed` behind them.
pub(super) fn ipxe(kernel: &KernelBoot, asker: &Asker) -> String {
    let at = |path: &str| absolute(path, asker);
    let names: Vec<String> = (0..kernel.initrds.len()).map(|n| format!("initrd{n}")).collect();
    let mut text = format!("{}\n", asker.reporting.ipxe_started());
    let arguments: Vec<String> = names
        .iter()
        .map(|name| format!("initrd={name}"))
        .chain([arguments(kernel, asker)])
        .filter(|word| !word.is_empty())
        .collect();
    // iPXE expands variables once more in what it reads from one.
    let arguments = arguments.join(" ").replace("${", "$ {");
    text.push_str(&format!(
        "set step kernel\nset file {}\nkernel ${{file}} {arguments} || goto failed\n",
        at(&kernel.kernel)
    ));
    for (name, path) in names.iter().zip(&kernel.initrds) {
        // Words behind the address would make it a file inside the RAM disk.
        text.push_str(&format!(
            "set step initrd\nset file {}\ninitrd --name {name} ${{file}} || goto failed\n",
            at(path)
        ));
    }
    text.push_str(&format!("set step boot\nset file {}\nboot || goto failed\n", at(&kernel.kernel)));
    text.push_str(&asker.reporting.ipxe_failed());
    text.push('\n');
    text
}

/// Commands inside a `menuentry` of GRUB.
pub(super) fn grub(kernel: &KernelBoot, asker: &Asker) -> String {
    let at = |path: &str| grub_path(path);
    let arguments = quoted(&arguments(kernel, asker));
    let mut text = format!("  if ! linux {0} {arguments}; then failed kernel {0}; fi\n", at(&kernel.kernel));
    if !kernel.initrds.is_empty() {
        let initrds: Vec<String> = kernel.initrds.iter().map(|path| at(path)).collect();
        let (all, first) = (initrds.join(" "), &initrds[0]);
        text.push_str(&format!("  if ! initrd {all}; then failed initrd {first}; fi\n"));
    }
    text
}

/// The lines below a `LABEL` of PXELINUX.
pub(super) fn pxelinux(kernel: &KernelBoot, asker: &Asker) -> String {
    let at = |path: &str| {
        // A name without a slash would be looked for beside the boot loader.
        let path = path.trim_start_matches('/');
        if path.contains("://") { path.to_owned() } else { format!("/{path}") }
    };
    let mut text = format!("  KERNEL {}\n", one_line(&at(&kernel.kernel)));
    if !kernel.initrds.is_empty() {
        let initrds: Vec<String> = kernel.initrds.iter().map(|path| one_line(&at(path))).collect();
        text.push_str(&format!("  INITRD {}\n", initrds.join(",")));
    }
    text.push_str(&format!("  APPEND {}\n", arguments(kernel, asker)));
    text
}

/// The kernel's arguments for the machine, with what tells an installer where to report.
pub(super) fn arguments(kernel: &KernelBoot, asker: &Asker) -> String {
    let base = asker.origin.to_string();
    let image = asker.origin.url(&kernel.folder);
    let mac = asker.mac.map(|mac| mac.to_string()).unwrap_or_default();
    let answers = asker.answers.as_ref().map(|answers| answers.of_kernel(&kernel.folder, asker));
    let answers = answers.unwrap_or_default();
    let words = match kernel.cmdline.contains(UNATTENDED) {
        true => kernel.cmdline.replace(UNATTENDED, &answers),
        false => format!("{} {answers}", kernel.cmdline),
    };
    let words = words
        .replace("{image-url}", image.trim_end_matches('/'))
        .replace("{http-url}", &base)
        .replace("{server}", &host(asker.server))
        .replace("{mac}", &mac);
    one_line(&format!("{}{words}", asker.reporting.kernel_argument()))
}

fn absolute(path: &str, asker: &Asker) -> String {
    if path.contains("://") { one_line(path) } else { asker.origin.url(path) }
}

/// A path of the boot tree, or `(http,host)/path`, in quotes.
pub(super) fn grub_path(path: &str) -> String {
    let path = match path.strip_prefix("http://").and_then(|rest| rest.split_once('/')) {
        Some((host, path)) => format!("(http,{host})/{path}"),
        None => format!("/{}", path.trim_start_matches('/')),
    };
    quoted_word(&path)
}

/// Arguments as words of GRUB, each in quotes, so that none is a variable or a command.
fn quoted(arguments: &str) -> String {
    arguments.split(' ').filter(|word| !word.is_empty()).map(quoted_word).collect::<Vec<_>>().join(" ")
}

/// GRUB takes everything between single quotes as it stands.
fn quoted_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,+@".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", one_line(word).replace('\'', "'\\''")),
    }
}
